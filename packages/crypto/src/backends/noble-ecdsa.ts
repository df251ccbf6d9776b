/**
 * noble's ECDSA bound to the hash of the message: RFC 6979 derives k with that hash, whichever the curve's usual one is.
 */
import { type ECDSA, ecdsa } from '@noble/curves/abstract/weierstrass.js';
import { p256, p384 } from '@noble/curves/nist.js';
import { sha256, sha384 } from '@noble/hashes/sha2.js';
import type { EcdsaCurve, SignatureHash } from './backend.ts';

const BOUND: Readonly<Record<`${EcdsaCurve}/${SignatureHash}`, ECDSA>> = {
  'P-256/sha256': p256,
  'P-256/sha384': ecdsa(p256.Point, sha384),
  'P-384/sha256': ecdsa(p384.Point, sha256),
  'P-384/sha384': p384,
};

export function nobleEcdsa(curve: EcdsaCurve, hash: SignatureHash): ECDSA {
  return BOUND[`${curve}/${hash}`];
}
