/**
 * The ZIP-215 rule in pure TypeScript: what every validator must agree on, whatever its OpenSSL thinks.
 *
 * s < L is required, A and R may be encoded non-canonically, and the equation is the cofactored [8][s]B = [8]R + [8][k]A
 * (https://zips.z.cash/zip-0215).
 */
import { ed25519 } from '@noble/curves/ed25519.js';

/** Key of 32 bytes, signature of 64; never throws. */
export function verifyEd25519Zip215(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: true });
  } catch {
    return false;
  }
}
