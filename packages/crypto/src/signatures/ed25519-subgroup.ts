/**
 * Membership of the prime-order subgroup of Ed25519, by way of X25519 (RFC 7748), which native code has.
 *
 * The group of edwards25519 is cyclic of order 8L. k = 5L - 1 is a multiple of 8 between 2^254 and 2^255, hence a scalar that
 * X25519's clamping leaves as it is. Write a point as P + T, the order of P dividing L and that of T dividing 8: k(P + T) is
 * -P, whose u-coordinate is that of P + T if and only if P + T = ±P, so that T is the identity. Where P is the identity the
 * ladder answers 0, which is the u-coordinate of the point of order 2 alone, and that is refused beforehand. A u-coordinate
 * off the curve belongs to the quadratic twist, of order 4L' with L' prime, on which kQ = ±Q for none but the identity, as
 * gcd(5L, 4L') = gcd(5L - 2, 4L') = 1.
 */

import { fromHex, toHex } from '@cloister/encoding';
import { ed25519 } from '@noble/curves/ed25519.js';

const P = 2n ** 255n - 19n;

/** 5L - 1, little-endian, where L is the order of the subgroup. */
export const SUBGROUP_SCALAR: Uint8Array = fromHex('a023cdd083ef5bb82f10d62e59e15a6800000000000000000000000000000050');

/**
 * The u-coordinate (RFC 7748 section 4.1: (1 + y) / (1 - y)) of 32 bytes that encode y, little-endian. Undefined for y not
 * below the field's prime, and for the points of order 1 and 2, y = 1 and y = -1.
 */
export function montgomeryU(publicKey: Uint8Array): Uint8Array | undefined {
  const bytes = Uint8Array.from(publicKey).reverse();
  // The top bit is the sign of x, which no multiple's u depends on.
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  const y = BigInt(`0x${toHex(bytes)}`);
  if (y >= P - 1n || y === 1n) return undefined;
  const u = ((1n + y) * ed25519.Point.Fp.inv(P + 1n - y)) % P;
  return fromHex(u.toString(16).padStart(64, '0')).reverse();
}
