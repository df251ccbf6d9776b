/**
 * Ed25519 signatures (RFC 8032), verified under the ZIP-215 rule.
 *
 * Validators must agree on every signature, and OpenSSL's acceptance of odd points changes between versions. What
 * node:crypto accepts (the cofactorless equation) ZIP-215 accepts too, so its yes is taken as it is; after its no, the
 * ZIP-215 check in pure TypeScript has the last word. A forged signature therefore costs about a
 * millisecond, ten times a good one: callers drop peers that send them.
 *
 * No signer that follows RFC 8032 makes a signature that needs the last word. Where the key is known to be acceptable, the stricter
 * `verifyEd25519Exact` is as well agreed on, and a forgery costs no more than a good signature.
 */

import { type AccountId, accountFromBytes, assertContract, fromHex } from '@cloister/encoding';
import { backend } from '#backend';

/** A key pair in use. Signing is deterministic (RFC 8032); signatures have 64 bytes. */
export interface Ed25519KeyPair {
  readonly publicKey: Uint8Array;
  readonly id: AccountId;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** The key pair of a 32-byte secret seed. Throws `CryptoAssertion` for any other length. */
export function ed25519KeyPair(seed: Uint8Array): Ed25519KeyPair {
  assertContract(seed.length === 32, 'an Ed25519 seed has 32 bytes');
  const { publicKey, sign } = backend.ed25519Signer(seed);
  return { publicKey, id: accountFromBytes(publicKey), sign };
}

/** Whether `signature` (64 bytes) is one of `message` by `publicKey` (32 bytes) under ZIP-215. Never throws. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64 || !isReducedScalar(signature)) return false;
  return backend.ed25519Verify(publicKey, message, signature);
}

/**
 * Whether `signature` is exactly what RFC 8032 signing gives, for a key that `isAcceptableEd25519Key` accepts: s < L, and the encoding of
 * [s]B - [k]A is R byte for byte. The answer follows from these bytes alone, so every back-end and every version of
 * OpenSSL gives the same one, and a no needs no second opinion. Never throws.
 */
export function verifyEd25519Exact(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64 || !isReducedScalar(signature)) return false;
  return backend.ed25519VerifyExact(publicKey, message, signature);
}

/** L, the order of the subgroup, little-endian. */
const ORDER: Uint8Array = fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010');

/** Whether the second half of a signature is a scalar below L: both rules require it, and the comparison costs nothing. */
function isReducedScalar(signature: Uint8Array): boolean {
  for (let index = 31; index >= 0; index--) {
    const difference = (signature[32 + index] ?? 0) - (ORDER[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/**
 * Whether a key may be registered: canonically encoded, on the curve, in the prime-order subgroup and not the
 * identity. Every honestly generated key passes. A key with a small-order part has signatures that verify under several
 * messages or keys, and a second encoding of a key would be a second account. Never throws; costs about a verification.
 */
export function isAcceptableEd25519Key(publicKey: Uint8Array): boolean {
  return publicKey.length === 32 && backend.ed25519IsPrimeOrder(publicKey);
}
