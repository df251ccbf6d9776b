/**
 * Bytes and their textual forms.
 *
 * Each `parse*` function takes anything and answers undefined for what is not in the one canonical form; two different
 * texts never parse to the same bytes, because texts end up inside digests. `from*` is for input we made ourselves.
 */
import { assertContract, CryptoAssertion } from './result.ts';
import { fromBase64ByTable, fromHexByTable, toBase64ByTable, toHexByTable } from './text-codecs.ts';

interface NativeEncoders {
  toHex?: (this: Uint8Array) => string;
  toBase64?: (this: Uint8Array) => string;
}
interface NativeDecoders {
  fromHex?: (hex: string) => Uint8Array;
}

const { toHex: nativeToHex, toBase64: nativeToBase64 } = Uint8Array.prototype as NativeEncoders;
const { fromHex: nativeFromHex } = Uint8Array as NativeDecoders;
const encoder: TextEncoder = new TextEncoder();
// `ignoreBOM: true` keeps a leading U+FEFF; dropping it would give two byte strings one text.
const decoder: TextDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One new array holding `parts` in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Whether both hold the same bytes. Takes the same time wherever they differ; the lengths are not secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Lexicographic order of unsigned bytes, a prefix first: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Lowercase hex. */
export function toHex(bytes: Uint8Array): string {
  return nativeToHex === undefined ? toHexByTable(bytes) : nativeToHex.call(bytes);
}

/** Bytes of trusted hex of either case. Throws `CryptoAssertion` when it is not hex; use `parseHex` on input. */
export function fromHex(hex: string): Uint8Array {
  if (nativeFromHex !== undefined) {
    try {
      return nativeFromHex.call(Uint8Array, hex);
    } catch {
      throw new CryptoAssertion('fromHex: not hex');
    }
  }
  const bytes = fromHexByTable(hex);
  assertContract(bytes !== undefined, 'fromHex: not hex');
  return bytes;
}

/** Bytes of untrusted lowercase hex, of exactly `byteLength` bytes if given; otherwise undefined. */
export function parseHex(text: unknown, byteLength?: number): Uint8Array | undefined {
  if (!isLowercaseHex(text)) return undefined;
  if (byteLength !== undefined && text.length !== 2 * byteLength) return undefined;
  return fromHex(text);
}

/** Whether `text` is an even number of characters of 0-9a-f. A negated search, since it cannot backtrack. */
export function isLowercaseHex(text: unknown): text is string {
  return typeof text === 'string' && text.length % 2 === 0 && !/[^0-9a-f]/.test(text);
}

/**
 * UTF-8 of a string. Throws `CryptoAssertion` for a lone surrogate: the encoder would replace it by U+FFFD, and two
 * strings would have one encoding.
 */
export function utf8(text: string): Uint8Array {
  assertContract(text.isWellFormed(), 'utf8: lone surrogate');
  return encoder.encode(text);
}

/** Text of valid UTF-8 (no overlong forms, no surrogates; a byte order mark is kept), or undefined. */
export function parseUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Padded base64 of the standard alphabet (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  return nativeToBase64 === undefined ? toBase64ByTable(bytes) : nativeToBase64.call(bytes);
}

/** Bytes of untrusted canonical base64: padded, no white space, unused bits zero; otherwise undefined. */
export function parseBase64(text: unknown): Uint8Array | undefined {
  return typeof text === 'string' ? fromBase64ByTable(text) : undefined;
}
