/**
 * RSASSA-PSS (RFC 8017 section 8.1), the signature of AMD's roots; MGF1 with the message's hash.
 *
 * The bounds are checked here, so that both back-ends see only keys on which they agree.
 */

import { assertContract } from '@cloister/encoding';
import { backend } from '#backend';
import type { RsaPssVerification, SignatureHash } from '../backends/backend.ts';
import {
  bitLength,
  emsaPssEncode,
  integerFromBytes,
  integerToBytes,
  modularPower,
  privatePower,
} from '../backends/rsa-bigint.ts';
import { sha256, sha384 } from '../digests.ts';

const MODULUS_BITS_MIN = 2048;
const MODULUS_BITS_MAX = 8192;
const EXPONENT_BYTES_MAX = 8;

function withoutLeadingZeros(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  return bytes.subarray(start);
}

function isOdd(bytes: Uint8Array): boolean {
  return ((bytes[bytes.length - 1] ?? 0) & 1) === 1;
}

/** The integer has `bytes` without leading zeros. */
function countBits(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : 8 * bytes.length - (Math.clz32(bytes[0] ?? 0) - 24);
}

/**
 * Whether `signature` is one of `message` under the key. Refused: a modulus that is even or not of 2048 to 8192 bits,
 * an exponent that is even, below 3 or of more than 64 bits, a signature not as long as the modulus, a salt length that is
 * not a whole number or does not fit. The salt length is exact. Never throws.
 */
export function verifyRsaPss(request: RsaPssVerification): boolean {
  const modulus = withoutLeadingZeros(request.modulus);
  const exponent = withoutLeadingZeros(request.exponent);
  const bits = countBits(modulus);
  if (bits < MODULUS_BITS_MIN || bits > MODULUS_BITS_MAX || !isOdd(modulus)) return false;
  if (exponent.length > EXPONENT_BYTES_MAX || !isOdd(exponent) || (exponent.length === 1 && exponent[0] === 1)) {
    return false;
  }
  if (request.signature.length !== modulus.length) return false;
  const { hash, saltLength, message, signature } = request;
  const hashLength = hash === 'sha256' ? 32 : 48;
  const saltLengthMax = Math.ceil((bits - 1) / 8) - hashLength - 2;
  if (!Number.isInteger(saltLength) || saltLength < 0 || saltLength > saltLengthMax) return false;
  return backend.verifyRsaPss({ modulus, exponent, hash, saltLength, message, signature });
}

/**
 * An RSASSA-PSS signature with the given salt: deterministic, as long as the modulus, which is the product of the two primes.
 * Not constant-time, without blinding: for the development keys of simulated device vendors only. Throws `CryptoAssertion` for
 * a salt that is not `saltLength` bytes, a key too small for it, or numbers that are no RSA key.
 */
export function signRsaPss(request: {
  readonly primes: readonly [Uint8Array, Uint8Array];
  readonly exponent: Uint8Array;
  readonly hash: SignatureHash;
  readonly saltLength: number;
  readonly salt: Uint8Array;
  readonly message: Uint8Array;
}): Uint8Array {
  assertContract(request.salt.length === request.saltLength, 'RSA-PSS: salt of another length');
  const [p, q] = request.primes.map(integerFromBytes);
  assertContract(p !== undefined && q !== undefined, 'RSA-PSS: a key has two primes');
  const modulus = p * q;
  const encodedBits = bitLength(modulus) - 1;
  const hash = request.hash === 'sha256' ? sha256 : sha384;
  const encoded = emsaPssEncode(request.message, encodedBits, request.salt, hash);
  assertContract(encoded !== undefined, 'RSA-PSS: modulus too small');
  const representative = integerFromBytes(encoded);
  const exponent = integerFromBytes(request.exponent);
  const signature = privatePower(representative, exponent, p, q);
  assertContract(signature !== undefined, 'RSA-PSS: the exponent has no inverse');
  assertContract(modularPower(signature, exponent, modulus) === representative, 'RSA-PSS: no RSA key');
  return integerToBytes(signature, Math.ceil(bitLength(modulus) / 8));
}
