/**
 * @cloister/encoding: Bytes, canonical encodings, strict JSON, branded ids and results.
 */

export { BoundedMap } from './bounded-map.ts';
export {
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  parseBase64,
  parseHex,
  parseUtf8,
  toBase64,
  toHex,
  utf8,
} from './bytes.ts';
export { ByteReader, ByteWriter, DecodeError, decodeWith } from './codec.ts';
export { CodedError } from './coded-error.ts';
export {
  type AccountId,
  accountBytes,
  accountFromBytes,
  asAccountId,
  asDigest,
  asEpoch,
  asHeight,
  asMeasurement,
  asValidatorId,
  asView,
  type Digest,
  digestFromBytes,
  digestToBytes,
  type Epoch,
  type Height,
  type Measurement,
  parseAccountId,
  parseDigest,
  parseEpoch,
  parseHeight,
  parseMeasurement,
  parseValidatorId,
  parseView,
  type ValidatorId,
  type View,
  ZERO_DIGEST,
} from './ids.ts';
export { canonicalJson, parseCanonicalJson } from './jcs.ts';
export { type JsonErrorCode, type JsonLimits, type JsonValue, parseJson } from './json-parser.ts';
export type { Offence } from './offence.ts';
export {
  AssertionFailure,
  assert,
  assertContract,
  CryptoAssertion,
  fail,
  mapResult,
  ok,
  type Result,
} from './result.ts';
export { type BucketTerms, TokenBuckets } from './token-buckets.ts';
