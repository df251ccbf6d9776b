/**
 * AES-256-GCM (NIST SP 800-38D), synchronous. The caller guarantees that a key never sees a nonce twice.
 */

import { assertContract } from '@cloister/encoding';
import { backend } from '#backend';

const TAG_BYTES = 16;

/** Ciphertext ‖ 16-byte tag. Key of 32 bytes, nonce of 12: other lengths throw `CryptoAssertion`. */
export function aesGcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  assertContract(key.length === 32 && nonce.length === 12, 'AES-256-GCM: key of 32 bytes, nonce of 12');
  return backend.aesGcmSeal(key, nonce, aad, plaintext);
}

/** The plaintext, or undefined when `sealed` was not made with this key, nonce and associated data. */
export function aesGcmOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  assertContract(key.length === 32 && nonce.length === 12, 'AES-256-GCM: key of 32 bytes, nonce of 12');
  return sealed.length < TAG_BYTES ? undefined : backend.aesGcmOpen(key, nonce, aad, sealed);
}
