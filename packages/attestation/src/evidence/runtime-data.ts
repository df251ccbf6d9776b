/**
 * Runtime data: what an enclave says about itself, bound into its evidence by `report_data`.
 *
 * The exact bytes travel with the evidence and must equal their own re-canonicalisation (RFC 8785), so that one
 * statement has one digest.
 */

import { hash, isAcceptableEd25519Key, isAcceptableX25519Key, sha256 } from '@cloister/crypto';
import {
  type AccountId,
  accountBytes,
  canonicalJson,
  type Digest,
  digestToBytes,
  fail,
  fromHex,
  parseCanonicalJson,
  type Result,
  utf8,
} from '@cloister/encoding';
import { account, digest, height, hex, literal, object, oneOf, parseShape } from '@cloister/encoding/shape';
import { MAX_RUNTIME_DATA_BYTES } from './evidence.ts';

/** Domain of every runtime data. */
export const RUNTIME_DATA_DOMAIN = 'cloister/report-data/v1';

/** What evidence was made for: admission on the ledger, or one challenger's question. */
export type AttestationPurpose = 'ledger' | 'challenge';

/** The statement that evidence binds. Field names are those of the wire. */
export interface RuntimeData {
  readonly chain_id: Digest;
  readonly domain: typeof RUNTIME_DATA_DOMAIN;
  readonly purpose: AttestationPurpose;
  /** X25519 public key of 32 bytes, hex. */
  readonly hpke_key: string;
  /** Ed25519 public key of 32 bytes, hex. */
  readonly sign_key: string;
  /** SHA-256 of the image manifest. */
  readonly image: Digest;
  /** The validator that hosts the enclave. */
  readonly node_id: AccountId;
  /** 32 bytes, hex: a recent block's hash (ledger), or the challenger's random bytes (challenge). */
  readonly nonce: string;
  /** Height of the block named by `nonce` (ledger), or the enclave's own head (challenge). */
  readonly nonce_height: number;
}

/** Why bytes are no runtime data. */
export type RuntimeDataCode = 'RUNTIME_DATA_MALFORMED' | 'RUNTIME_DATA_NOT_CANONICAL' | 'RUNTIME_DATA_KEY';

const runtimeDataShape = object<RuntimeData>({
  chain_id: digest,
  domain: literal(RUNTIME_DATA_DOMAIN),
  purpose: oneOf(['ledger', 'challenge']),
  hpke_key: hex(32),
  sign_key: hex(32),
  image: digest,
  node_id: account,
  nonce: hex(32),
  nonce_height: height,
});

/** Canonical bytes of runtime data. */
export function encodeRuntimeData(data: RuntimeData): Uint8Array {
  return utf8(canonicalJson({ ...data }));
}

/** Inverse of `encodeRuntimeData`: exactly these members, each in its one form, keys that a signer can have. Never throws. */
export function parseRuntimeData(bytes: Uint8Array): Result<RuntimeData, RuntimeDataCode> {
  const parsed = parseCanonicalJson(bytes, { maxBytes: MAX_RUNTIME_DATA_BYTES, maxDepth: 1 });
  if (!parsed.ok) {
    return parsed.code === 'JSON_NOT_CANONICAL'
      ? fail('RUNTIME_DATA_NOT_CANONICAL')
      : fail('RUNTIME_DATA_MALFORMED', parsed.code);
  }
  const read = parseShape(runtimeDataShape, parsed.value, 'runtime data');
  if (!read.ok) return fail('RUNTIME_DATA_MALFORMED', read.detail);
  const { hpke_key, sign_key } = read.value;
  if (!isAcceptableX25519Key(fromHex(hpke_key))) return fail('RUNTIME_DATA_KEY', 'hpke_key');
  if (!isAcceptableEd25519Key(fromHex(sign_key))) return fail('RUNTIME_DATA_KEY', 'sign_key');
  return read;
}

/** The 64 bytes a report must carry for `runtimeBytes`: SHA-256 of them, then 32 zero bytes. */
export function reportDataFor(runtimeBytes: Uint8Array): Uint8Array {
  const reportData = new Uint8Array(64);
  reportData.set(sha256(runtimeBytes));
  return reportData;
}

/** What a keyset digest covers. Keys as 32-byte hex. */
export interface KeysetFields {
  readonly chainId: Digest;
  readonly nodeId: AccountId;
  readonly hpkeKey: string;
  readonly signKey: string;
  readonly image: Digest;
}

/** Names the keys of one enclave run: the same for every attestation of it, on one chain, node and image. */
export function keysetDigest(fields: KeysetFields): Digest {
  return hash(
    'cloister/keyset/v1',
    digestToBytes(fields.chainId),
    accountBytes(fields.nodeId),
    fromHex(fields.hpkeKey),
    fromHex(fields.signKey),
    digestToBytes(fields.image),
  );
}

/** `keysetDigest` of what runtime data states. */
export function keysetOf(data: RuntimeData): Digest {
  return keysetDigest({
    chainId: data.chain_id,
    nodeId: data.node_id,
    hpkeKey: data.hpke_key,
    signKey: data.sign_key,
    image: data.image,
  });
}
