/**
 * Size classes: sealed payloads and responses have a length that is a power of two from 1 KiB up, so that
 * their length tells little of what they hold. A class of 16 KiB still travels inside a transaction.
 */
import { assert } from '@cloister/encoding';

export const AEAD_TAG_BYTES = 16;
export const SMALLEST_SEALED_BYTES = 1024;
export const LARGEST_SEALED_BYTES: number = 64 * 1024 * 1024;
/** Sealed payloads and responses up to this travel inside the transaction; larger ones are blobs named by digest. */
export const INLINE_SEALED_BYTES: number = 16 * 1024;

/** Bytes of the class that holds `plainBytes` and what sealing adds, or undefined beyond the largest. */
export function sealedSizeClass(plainBytes: number, overheadBytes: number): number | undefined {
  let size = SMALLEST_SEALED_BYTES;
  while (size < plainBytes + overheadBytes) size *= 2;
  return size <= LARGEST_SEALED_BYTES ? size : undefined;
}

/** Whether a sealed length is one of the classes. */
export function isSealedSize(bytes: number): boolean {
  return bytes >= SMALLEST_SEALED_BYTES && bytes <= LARGEST_SEALED_BYTES && (bytes & (bytes - 1)) === 0;
}

/** `plain` followed by zeros, so that sealing it fills its class. Beyond the largest class is a bug of the caller. */
export function padToClass(plain: Uint8Array, overheadBytes: number): Uint8Array {
  const size = sealedSizeClass(plain.length, overheadBytes);
  assert(size !== undefined, 'padToClass: beyond the largest class');
  const padded = new Uint8Array(size - overheadBytes);
  padded.set(plain);
  return padded;
}
