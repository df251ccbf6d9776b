/**
 * ECDSA on the NIST curves (FIPS 186-5), as device vendors use it in certificates and quotes.
 *
 * Signatures are raw r ‖ s. A high s is accepted, since certificates have them; signing does not normalise s either.
 */

import { assertContract, compareBytes, fromHex } from '@cloister/encoding';
import { backend } from '#backend';
import type { EcdsaCurve, EcdsaVerification, SignatureHash } from '../backends/backend.ts';
import { nobleEcdsa } from '../backends/noble-ecdsa.ts';

interface CurveShape {
  readonly fieldBytes: number;
  /** Order of the group, big-endian. */
  readonly order: Uint8Array;
}

const CURVES: Readonly<Record<EcdsaCurve, CurveShape>> = {
  'P-256': {
    fieldBytes: 32,
    order: fromHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
  },
  'P-384': {
    fieldBytes: 48,
    order: fromHex('ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973'),
  },
};

function isScalar(bytes: Uint8Array, order: Uint8Array): boolean {
  return compareBytes(bytes, order) < 0 && bytes.some((byte) => byte !== 0);
}

/**
 * Whether `signature` is one of `message` by `publicKey`. Wrong lengths, compressed or off-curve points, and r or s
 * outside 1..n-1 are false. Never throws.
 */
export function verifyEcdsa(request: EcdsaVerification): boolean {
  const { fieldBytes, order } = CURVES[request.curve];
  const { publicKey, signature } = request;
  if (publicKey.length !== 1 + 2 * fieldBytes || publicKey[0] !== 4) return false;
  if (signature.length !== 2 * fieldBytes) return false;
  if (!isScalar(signature.subarray(0, fieldBytes), order)) return false;
  if (!isScalar(signature.subarray(fieldBytes), order)) return false;
  return backend.verifyEcdsa(request);
}

/** Raw r ‖ s with the deterministic k of RFC 6979. The secret key is big-endian, 32 or 48 bytes, in 1..n-1. */
export function signEcdsa(request: {
  readonly curve: EcdsaCurve;
  readonly hash: SignatureHash;
  readonly secretKey: Uint8Array;
  readonly message: Uint8Array;
}): Uint8Array {
  const { curve, hash, secretKey, message } = request;
  assertSecretKey(curve, secretKey);
  return nobleEcdsa(curve, hash).sign(message, secretKey, { lowS: false });
}

/** The uncompressed point (65 or 97 bytes) of a secret key. */
export function ecdsaPublicKey(curve: EcdsaCurve, secretKey: Uint8Array): Uint8Array {
  assertSecretKey(curve, secretKey);
  return nobleEcdsa(curve, 'sha256').getPublicKey(secretKey, false);
}

function assertSecretKey(curve: EcdsaCurve, secretKey: Uint8Array): void {
  const { fieldBytes, order } = CURVES[curve];
  assertContract(secretKey.length === fieldBytes && isScalar(secretKey, order), 'ECDSA: bad secret key');
}
