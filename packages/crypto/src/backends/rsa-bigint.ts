/**
 * RSASSA-PSS (RFC 8017 sections 8.1 and 9.1) in BigInt, with MGF1 over the message's hash.
 *
 * Verification serves runtimes without node:crypto. Signing serves simulated device vendors; it is not constant-time,
 * so it is for development keys only.
 */

import { concatBytes, equalBytes, fromHex, toHex } from '@cloister/encoding';
import type { RsaPssVerification } from './backend.ts';

export type HashFunction = (data: Uint8Array) => Uint8Array;

/** OS2IP (RFC 8017 section 4.2). */
export function integerFromBytes(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}

/** I2OSP (RFC 8017 section 4.1); the value fits by the caller's word. */
export function integerToBytes(value: bigint, length: number): Uint8Array {
  return fromHex(value.toString(16).padStart(2 * length, '0'));
}

/** base^exponent mod modulus, left to right. */
export function modularPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let power = 1n;
  for (const bit of exponent.toString(2)) {
    power = (power * power) % modulus;
    if (bit === '1') power = (power * base) % modulus;
  }
  return power;
}

/** value⁻¹ mod modulus by the extended Euclidean algorithm; undefined when they are not coprime. */
function inverse(value: bigint, modulus: bigint): bigint | undefined {
  let [previous, remainder] = [value % modulus, modulus];
  let [coefficient, next] = [1n, 0n];
  while (remainder !== 0n) {
    const quotient = previous / remainder;
    [previous, remainder] = [remainder, previous - quotient * remainder];
    [coefficient, next] = [next, coefficient - quotient * next];
  }
  return previous === 1n ? ((coefficient % modulus) + modulus) % modulus : undefined;
}

/**
 * RSASP1 with the second form of the key (RFC 8017 section 5.2.1): a power modulo each prime, about a quarter of the work of one
 * modulo their product. `exponent` is the public one; undefined when it has no inverse.
 */
export function privatePower(base: bigint, exponent: bigint, p: bigint, q: bigint): bigint | undefined {
  const [byP, byQ, coefficient] = [inverse(exponent, p - 1n), inverse(exponent, q - 1n), inverse(q, p)];
  if (byP === undefined || byQ === undefined || coefficient === undefined) return undefined;
  const modQ = modularPower(base % q, byQ, q);
  const difference = (modularPower(base % p, byP, p) - modQ) % p;
  return modQ + q * ((coefficient * (difference + p)) % p);
}

export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

function mgf1(seed: Uint8Array, length: number, hash: HashFunction): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let counter = 0, made = 0; made < length; counter++) {
    const block = hash(concatBytes(seed, integerToBytes(BigInt(counter), 4)));
    blocks.push(block);
    made += block.length;
  }
  return concatBytes(...blocks).subarray(0, length);
}

/** M' of EMSA-PSS hashed: Hash(eight zero bytes ‖ mHash ‖ salt). */
function saltedHash(message: Uint8Array, salt: Uint8Array, hash: HashFunction): Uint8Array {
  return hash(concatBytes(new Uint8Array(8), hash(message), salt));
}

function xorInto(target: Uint8Array, mask: Uint8Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) ^ (mask[i] ?? 0);
}

/** EMSA-PSS-ENCODE (section 9.1.1); undefined when `encodedBits` leaves no room. */
export function emsaPssEncode(
  message: Uint8Array,
  encodedBits: number,
  salt: Uint8Array,
  hash: HashFunction,
): Uint8Array | undefined {
  const encodedLength = Math.ceil(encodedBits / 8);
  const digest = saltedHash(message, salt, hash);
  const paddingLength = encodedLength - digest.length - salt.length - 2;
  if (paddingLength < 0) return undefined;
  const block = concatBytes(new Uint8Array(paddingLength), Uint8Array.of(1), salt);
  xorInto(block, mgf1(digest, block.length, hash));
  block[0] = (block[0] ?? 0) & (0xff >> (8 * encodedLength - encodedBits));
  return concatBytes(block, digest, Uint8Array.of(0xbc));
}

/** EMSA-PSS-VERIFY (section 9.1.2). */
function emsaPssVerify(
  message: Uint8Array,
  encoded: Uint8Array,
  encodedBits: number,
  saltLength: number,
  hash: HashFunction,
): boolean {
  const hashLength = hash(new Uint8Array(0)).length;
  const blockLength = encoded.length - hashLength - 1;
  const paddingLength = blockLength - saltLength - 1;
  if (paddingLength < 0 || encoded[encoded.length - 1] !== 0xbc) return false;
  const unusedBits = 0xff & ~(0xff >> (8 * encoded.length - encodedBits));
  const block = encoded.slice(0, blockLength);
  const digest = encoded.subarray(blockLength, blockLength + hashLength);
  if (((block[0] ?? 0) & unusedBits) !== 0) return false;
  xorInto(block, mgf1(digest, blockLength, hash));
  block[0] = (block[0] ?? 0) & ~unusedBits;
  for (let i = 0; i < paddingLength; i++) if (block[i] !== 0) return false;
  if (block[paddingLength] !== 1) return false;
  return equalBytes(digest, saltedHash(message, block.subarray(paddingLength + 1), hash));
}

/** RSASSA-PSS-VERIFY (section 8.1.2) for bounds already checked by rsa.ts. Never throws. */
export function rsaPssVerify(request: RsaPssVerification, hash: HashFunction): boolean {
  const modulus = integerFromBytes(request.modulus);
  const signature = integerFromBytes(request.signature);
  if (signature >= modulus) return false;
  const encodedBits = bitLength(modulus) - 1;
  const encodedLength = Math.ceil(encodedBits / 8);
  const representative = modularPower(signature, integerFromBytes(request.exponent), modulus);
  if (bitLength(representative) > 8 * encodedLength) return false;
  const encoded = integerToBytes(representative, encodedLength);
  return emsaPssVerify(request.message, encoded, encodedBits, request.saltLength, hash);
}
