/**
 * @cloister/crypto: canonical encoding, digests, signatures, Merkle trees, sealing and branded ids.
 */
export { aesGcmOpen, aesGcmSeal } from './aead.ts';
export type { EcdsaCurve, EcdsaVerification, HashStream, RsaPssVerification, SignatureHash } from './backend.ts';
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
export { hash, hashBytes, hkdfSha256, hmacSha256, sha256, sha256Stream, sha384, sha512 } from './digests.ts';
export { ecdsaPublicKey, signEcdsa, verifyEcdsa } from './ecdsa.ts';
export {
  type Ed25519KeyPair,
  ed25519KeyPair,
  isAcceptableEd25519Key,
  verifyEd25519,
  verifyEd25519Exact,
} from './ed25519.ts';
export {
  HPKE_SEALED_KEY_BYTES,
  hpkeOpen,
  hpkeSeal,
  isAcceptableX25519Key,
  type X25519KeyPair,
  x25519KeyPair,
} from './hpke.ts';
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
export {
  KEYED_PROOF_HASHES_MAX,
  type KeyedEntry,
  type KeyedTree,
  keyedEntry,
  keyedRoot,
  verifyKeyedEntry,
  withKeyedEntry,
} from './keyed-tree.ts';
export {
  appendLeaf,
  appendWithNodes,
  consistencyProof,
  EMPTY_ROOT,
  emptyFrontier,
  frontierRoot,
  type GetMerkleNode,
  inclusionProof,
  leafHash,
  type MerkleFrontier,
  type MerkleNode,
  merkleRoot,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';
export { SeededRandom } from './random.ts';
export { AssertionFailure, assert, CryptoAssertion, fail, ok, type Result } from './result.ts';
export { signRsaPss, verifyRsaPss } from './rsa.ts';
