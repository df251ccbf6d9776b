/**
 * Ed25519 signatures (RFC 8032), verified under the ZIP-215 rule.
 *
 * Validators must agree on every signature, and OpenSSL's acceptance of odd points changes between versions. What
 * node:crypto accepts (the cofactorless equation) ZIP-215 accepts too, so its yes is taken as it is; after its no, the
 * ZIP-215 check in pure TypeScript has the last word. A forged signature therefore costs about a
 * millisecond, ten times a good one: callers drop peers that send them.
 */
import { backend } from '#backend';
import { type AccountId, accountFromBytes } from './ids.ts';
import { assertContract } from './result.ts';

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
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  return backend.ed25519Verify(publicKey, message, signature);
}

/**
 * Whether a key may be registered: canonically encoded, on the curve, in the prime-order subgroup and not the
 * identity. Every honestly generated key passes. A key with a small-order part has signatures that verify under several
 * messages or keys, and a second encoding of a key would be a second account. Never throws; costs about a verification.
 */
export function isAcceptableEd25519Key(publicKey: Uint8Array): boolean {
  return publicKey.length === 32 && backend.ed25519IsPrimeOrder(publicKey);
}
