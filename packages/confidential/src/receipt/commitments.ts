/**
 * Commitments that tie a request's ciphertext and its result to their contents without revealing them.
 *
 * The input and the output are committed to under two salts derived from the request's own, so that either can be
 * disclosed alone. AES-GCM does not commit to its key, hence the key commitment. Every digest is domain-separated.
 */

import { hash, hkdfSha256, sha256 } from '@cloister/crypto';
import {
  type AccountId,
  accountBytes,
  assert,
  ByteWriter,
  type Digest,
  digestFromBytes,
  digestToBytes,
  fromHex,
  type Height,
  parseHex,
  utf8,
} from '@cloister/encoding';

export const REQUEST_KEY_BYTES = 32;
export const SALT_BYTES = 32;
export const REQUEST_NONCE_BYTES = 32;

const EMPTY: Uint8Array = new Uint8Array(0);

/** HKDF-SHA-256 of a 32-byte secret under a label: 32 bytes. */
export function deriveKey(secret: Uint8Array, info: Uint8Array): Uint8Array {
  assert(secret.length === 32, 'deriveKey: a secret has 32 bytes');
  return hkdfSha256(secret, EMPTY, info, 32);
}

/** SHA-256 of bytes as they are: the name of a blob (sealed payload, sealed response, model ciphertext). */
export function contentDigest(bytes: Uint8Array): Digest {
  return digestFromBytes(sha256(bytes));
}

/** HKDF(K, "cloister/key-commit/v1"): binds the request to one key K of 32 bytes. */
export function keyCommitment(requestKey: Uint8Array): Digest {
  return digestFromBytes(deriveKey(requestKey, utf8('cloister/key-commit/v1')));
}

/** Salt of the input's commitment, from the request's salt; disclosed with the input. 32 bytes. */
export function inputSalt(salt: Uint8Array): Uint8Array {
  return deriveKey(salt, utf8('cloister/salt-in/v1'));
}

/** Salt of the output's commitment, from the request's salt; disclosed with the output. 32 bytes. */
export function outputSalt(salt: Uint8Array): Uint8Array {
  return deriveKey(salt, utf8('cloister/salt-out/v1'));
}

/** Commitment to encoded input tensors under `inputSalt`. */
export function inputCommitment(saltIn: Uint8Array, tensorBytes: Uint8Array): Digest {
  assert(saltIn.length === SALT_BYTES, 'inputCommitment: a salt has 32 bytes');
  return hash('cloister/input/v1', saltIn, tensorBytes);
}

/** Commitment to an encoded outcome (see sealed-response) under `outputSalt`. */
export function outputCommitment(saltOut: Uint8Array, outcomeBytes: Uint8Array): Digest {
  assert(saltOut.length === SALT_BYTES, 'outputCommitment: a salt has 32 bytes');
  return hash('cloister/output/v1', saltOut, outcomeBytes);
}

/** Whether text is a request nonce: 32 bytes in lowercase hex. */
export function isRequestNonce(text: unknown): text is string {
  return parseHex(text, REQUEST_NONCE_BYTES) !== undefined;
}

/**
 * Name of a task: single use on the ledger, as the sender may use a request nonce once. The expiry of its transaction is
 * part of it, so that nobody can make the id again after that height and no node need remember it for ever.
 * `requestNonce` as above.
 */
export function taskId(chainId: Digest, sender: AccountId, requestNonce: string, expiryHeight: Height): Digest {
  assert(isRequestNonce(requestNonce), 'taskId: not a request nonce');
  const expiry = new ByteWriter().u64(expiryHeight).finish();
  return hash('cloister/task/v2', digestToBytes(chainId), accountBytes(sender), fromHex(requestNonce), expiry);
}
