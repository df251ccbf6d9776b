/**
 * Strict reader and small writer for CBOR (RFC 8949), as far as COSE and attestation documents use it.
 *
 * Integers and lengths in their shortest form, no duplicate keys, no floating point, no chunked strings, bounded depth,
 * nothing after the item. Arrays and maps of indefinite length are read only where the caller allows them.
 */
import { concatBytes, DecodeError, parseUtf8, utf8 } from '@cloister/encoding';

/** Map keys are integers and text only. */
export interface CborMap {
  readonly type: 'map';
  readonly entries: ReadonlyMap<number | string, CborValue>;
}

export interface CborTag {
  readonly type: 'tag';
  readonly tag: number;
  readonly value: CborValue;
}

/** Integers are safe ones; byte strings are views over the input. */
export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap | CborTag;

export interface CborOptions {
  /** Read arrays and maps that end in a break; strings are of definite length in any case. */
  readonly indefiniteLengths: boolean;
}

const MAX_DEPTH = 8;
const BREAK = 0xff;
const INDEFINITE = 31;

class CborReader {
  readonly #bytes: Uint8Array;
  readonly #options: CborOptions;
  #at = 0;

  constructor(bytes: Uint8Array, options: CborOptions) {
    this.#bytes = bytes;
    this.#options = options;
  }

  document(): CborValue {
    const value = this.#item(0);
    if (this.#at !== this.#bytes.length) throw new DecodeError('CBOR: trailing bytes');
    return value;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new DecodeError('CBOR: truncated');
    return byte;
  }

  #take(count: number): Uint8Array {
    if (count > this.#bytes.length - this.#at) throw new DecodeError('CBOR: truncated');
    const taken = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    return taken;
  }

  /** The argument of an initial byte, in its shortest form (section 4.2.1). */
  #argument(additional: number): number {
    if (additional < 24) return additional;
    if (additional > 27) throw new DecodeError('CBOR: reserved additional information');
    const width = 1 << (additional - 24);
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + this.#byte();
    if (!Number.isSafeInteger(value)) throw new DecodeError('CBOR: integer too large');
    if (value < (width === 1 ? 24 : 256 ** (width / 2))) throw new DecodeError('CBOR: argument not minimal');
    return value;
  }

  #item(depth: number): CborValue {
    if (depth > MAX_DEPTH) throw new DecodeError('CBOR: too deep');
    const initial = this.#byte();
    const additional = initial & 0x1f;
    switch (initial >>> 5) {
      case 0:
        return this.#argument(additional);
      case 1:
        return -1 - this.#argument(additional);
      case 2:
        return this.#take(this.#argument(additional));
      case 3: {
        const text = parseUtf8(this.#take(this.#argument(additional)));
        if (text === undefined) throw new DecodeError('CBOR: text is not UTF-8');
        return text;
      }
      case 4:
        return this.#array(additional, depth);
      case 5:
        return this.#map(additional, depth);
      case 6:
        return { type: 'tag', tag: this.#argument(additional), value: this.#item(depth + 1) };
      default:
        return simpleValue(additional);
    }
  }

  /** Runs `read` as often as the collection has elements. */
  #collect(additional: number, read: () => void): void {
    if (additional === INDEFINITE) {
      if (!this.#options.indefiniteLengths) throw new DecodeError('CBOR: indefinite length');
      while (this.#bytes[this.#at] !== BREAK) read();
      this.#at++;
      return;
    }
    const count = this.#argument(additional);
    // Every element takes a byte at least.
    if (count > this.#bytes.length - this.#at) throw new DecodeError('CBOR: truncated');
    for (let i = 0; i < count; i++) read();
  }

  #array(additional: number, depth: number): readonly CborValue[] {
    const elements: CborValue[] = [];
    this.#collect(additional, () => elements.push(this.#item(depth + 1)));
    return elements;
  }

  #map(additional: number, depth: number): CborMap {
    const entries = new Map<number | string, CborValue>();
    this.#collect(additional, () => {
      const key = this.#item(depth + 1);
      if (typeof key !== 'number' && typeof key !== 'string') throw new DecodeError('CBOR: key of another type');
      if (entries.has(key)) throw new DecodeError('CBOR: duplicate key');
      entries.set(key, this.#item(depth + 1));
    });
    return { type: 'map', entries };
  }
}

function simpleValue(additional: number): boolean | null {
  switch (additional) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
      return null;
    default:
      throw new DecodeError('CBOR: floating point or unknown simple value');
  }
}

/** The one item in `bytes`; undefined when they are anything else. Never throws. */
export function parseCbor(bytes: Uint8Array, options: CborOptions): CborValue | undefined {
  try {
    return new CborReader(bytes, options).document();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** The value as a map, otherwise undefined. */
export function cborMap(value: CborValue | undefined): ReadonlyMap<number | string, CborValue> | undefined {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'map'
    ? value.entries
    : undefined;
}

/** The value as a tagged one, otherwise undefined. */
export function cborTag(value: CborValue | undefined): CborTag | undefined {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'tag' ? value : undefined;
}

/** Initial bytes: major type and argument in its shortest form. */
export function cborHead(major: number, argument: number): Uint8Array {
  if (argument < 24) return Uint8Array.of((major << 5) | argument);
  const exponent = [0x100, 0x1_0000, 0x1_0000_0000].findIndex((limit) => argument < limit);
  const width = 1 << (exponent === -1 ? 3 : exponent);
  const head = new Uint8Array(1 + width);
  head[0] = (major << 5) | (23 + Math.log2(width) + 1);
  for (let i = width, rest = argument; i > 0; i--, rest = Math.floor(rest / 256)) head[i] = rest % 256;
  return head;
}

export function cborBytes(bytes: Uint8Array): Uint8Array {
  return concatBytes(cborHead(2, bytes.length), bytes);
}

export function cborText(text: string): Uint8Array {
  const bytes = utf8(text);
  return concatBytes(cborHead(3, bytes.length), bytes);
}

export function cborArray(elements: readonly Uint8Array[]): Uint8Array {
  return concatBytes(cborHead(4, elements.length), ...elements);
}
