/**
 * The primitives that a runtime must bring. They are fast in native code and exist in pure TypeScript as well.
 *
 * package.json's `#backend` import picks the implementation: node:crypto on the server, noble elsewhere. Arguments
 * arrive with their lengths already checked by the module that faces the public; both implementations must give the
 * same answer on every such argument, which backends.test.ts checks.
 */

/** Hash functions that certificates and quotes are signed with. */
export type SignatureHash = 'sha256' | 'sha384';
/** Curves that certificates and quotes are signed on. */
export type EcdsaCurve = 'P-256' | 'P-384';

/** An Ed25519 private key ready for use. */
export interface Ed25519Signer {
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** A hash of data that comes in pieces. */
export interface HashStream {
  update(data: Uint8Array): void;
  /** Once, at the end. */
  digest(): Uint8Array;
}

export interface EcdsaVerification {
  readonly curve: EcdsaCurve;
  readonly hash: SignatureHash;
  /** Uncompressed SEC1 point: 0x04 ‖ x ‖ y; 65 or 97 bytes. */
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  /** r ‖ s, big-endian; 64 or 96 bytes. */
  readonly signature: Uint8Array;
}

export interface RsaPssVerification {
  /** Big-endian; leading zeros allowed. */
  readonly modulus: Uint8Array;
  /** Big-endian; leading zeros allowed. */
  readonly exponent: Uint8Array;
  /** Hash of the message and of MGF1. */
  readonly hash: SignatureHash;
  /** Exact, in bytes. */
  readonly saltLength: number;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Backend {
  readonly name: 'node' | 'noble';
  sha256(data: Uint8Array): Uint8Array;
  sha384(data: Uint8Array): Uint8Array;
  sha512(data: Uint8Array): Uint8Array;
  /** Lowercase hex of SHA-256, without the detour through bytes. */
  sha256Hex(data: Uint8Array): string;
  sha256Stream(): HashStream;
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** `seed` of 32 bytes (RFC 8032 section 5.1.5). */
  ed25519Signer(seed: Uint8Array): Ed25519Signer;
  /** ZIP-215; key of 32 bytes, signature of 64. Never throws. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** [s]B - [k]A encodes to R; key acceptable, s < L. Never throws. */
  ed25519VerifyExact(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** Canonically encoded point of the prime-order subgroup, not the identity; 32 bytes. Never throws. */
  ed25519IsPrimeOrder(publicKey: Uint8Array): boolean;
  /** Ciphertext ‖ 16-byte tag; key of 32 bytes, nonce of 12. */
  aesGcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Undefined when the tag does not match; `sealed` has at least 16 bytes. */
  aesGcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  /** Point and signature have the right lengths, 0 < r, s < n. Never throws. */
  verifyEcdsa(request: EcdsaVerification): boolean;
  /** Modulus and exponent within bounds and without leading zeros, signature as long as the modulus. Never throws. */
  verifyRsaPss(request: RsaPssVerification): boolean;
}
