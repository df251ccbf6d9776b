/**
 * Hashing.
 *
 * `hash` is the one way in which the protocol hashes structures: the domain and the length of each part go in front,
 * so that no two (domain, parts) share an input and a digest made for one purpose is useless for another.
 */

import type { Digest } from '@cloister/encoding';
import { assertContract, utf8 } from '@cloister/encoding';
import { backend } from '#backend';
import type { HashStream } from './backends/backend.ts';

const SHA256_BYTES = 32;

/** SHA-256 (FIPS 180-4), 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return backend.sha256(data);
}

/** SHA-256 of data that comes in pieces. */
export function sha256Stream(): HashStream {
  return backend.sha256Stream();
}

/** SHA-384 (FIPS 180-4), 48 bytes. */
export function sha384(data: Uint8Array): Uint8Array {
  return backend.sha384(data);
}

/** SHA-512 (FIPS 180-4), 64 bytes. */
export function sha512(data: Uint8Array): Uint8Array {
  return backend.sha512(data);
}

function preimage(domain: string, parts: readonly Uint8Array[]): Uint8Array {
  const domainBytes = utf8(domain);
  assertContract(domainBytes.length <= 255, 'hash: domain longer than 255 bytes');
  let length = 1 + domainBytes.length;
  for (const part of parts) length += 8 + part.length;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes[0] = domainBytes.length;
  bytes.set(domainBytes, 1);
  let at = 1 + domainBytes.length;
  for (const part of parts) {
    view.setUint32(at, Math.floor(part.length / 0x1_0000_0000));
    view.setUint32(at + 4, part.length % 0x1_0000_0000);
    bytes.set(part, at + 8);
    at += 8 + part.length;
  }
  return bytes;
}

/** SHA-256(u8 length ‖ domain ‖ for each part: u64 length ‖ part). The domain has at most 255 bytes of UTF-8. */
export function hash(domain: string, ...parts: readonly Uint8Array[]): Digest {
  return backend.sha256Hex(preimage(domain, parts)) as Digest;
}

/** As `hash`, as 32 bytes. */
export function hashBytes(domain: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return backend.sha256(preimage(domain, parts));
}

/** HMAC-SHA-256 (RFC 2104), 32 bytes. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return backend.hmacSha256(key, data);
}

/** HKDF-SHA-256 (RFC 5869): `length` bytes, at most 8160. An empty salt stands for 32 zero bytes. */
export function hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return hkdfExpandSha256(hmacSha256(salt, ikm), info, length);
}

/** HKDF-Expand (RFC 5869 section 2.3). */
export function hkdfExpandSha256(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  assertContract(Number.isInteger(length) && length >= 0 && length <= 255 * SHA256_BYTES, 'hkdf: bad length');
  const blocks = Math.ceil(length / SHA256_BYTES);
  const output = new Uint8Array(blocks * SHA256_BYTES);
  const input = new Uint8Array(SHA256_BYTES + info.length + 1);
  input.set(info, SHA256_BYTES);
  for (let block = 1; block <= blocks; block++) {
    input[input.length - 1] = block;
    const previous = hmacSha256(prk, block === 1 ? input.subarray(SHA256_BYTES) : input);
    output.set(previous, (block - 1) * SHA256_BYTES);
    input.set(previous, 0);
  }
  return output.slice(0, length);
}
