/**
 * Strict reader for the Distinguished Encoding Rules (X.690): definite, minimal lengths; single-byte tags; bounded depth.
 *
 * Elements are views over the input, not copies. Violations throw `DecodeError`, which the parsers above turn into
 * results; nothing else is thrown.
 */
import { DecodeError } from '@cloister/encoding';

/** Tags that certificates and CRLs use. */
export const DER_TAGS = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Tag of the constructed context-specific element [number]. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

const MAX_DEPTH = 16;

/** One element: its tag, its contents, and all its bytes with tag and length. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Reads the elements of one constructed value, or of a whole document. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #depth: number;
  #at = 0;

  constructor(bytes: Uint8Array, depth = 0) {
    if (depth > MAX_DEPTH) throw new DecodeError('DER: too deep');
    this.#bytes = bytes;
    this.#depth = depth;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Refuses trailing elements. */
  end(): void {
    if (!this.isAtEnd) throw new DecodeError('DER: trailing bytes');
  }

  /** Tag of the next element, undefined at the end. */
  peekTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new DecodeError('DER: truncated');
    return byte;
  }

  /** The next element, of any tag. */
  any(): DerElement {
    const start = this.#at;
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw new DecodeError('DER: tag of several bytes');
    const length = this.#length();
    const contentStart = this.#at;
    if (length > this.#bytes.length - contentStart) throw new DecodeError('DER: truncated');
    this.#at = contentStart + length;
    return {
      tag,
      content: this.#bytes.subarray(contentStart, this.#at),
      bytes: this.#bytes.subarray(start, this.#at),
    };
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 3) throw new DecodeError('DER: indefinite or oversized length');
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    const minimum = count === 1 ? 0x80 : 256 ** (count - 1);
    if (length < minimum) throw new DecodeError('DER: length not minimal');
    return length;
  }

  /** The next element, which must have this tag. */
  read(tag: number): DerElement {
    const found = this.peekTag();
    if (found !== tag) throw new DecodeError(`DER: tag ${found?.toString(16) ?? 'none'} for ${tag.toString(16)}`);
    return this.any();
  }

  /** The next element if it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.peekTag() === tag ? this.any() : undefined;
  }

  /** A reader over the contents of an element. */
  inside(element: DerElement): DerReader {
    return new DerReader(element.content, this.#depth + 1);
  }

  /** A reader over the contents of the next element, which must be a SEQUENCE (or have the tag given). */
  sequence(tag: number = DER_TAGS.sequence): DerReader {
    return this.inside(this.read(tag));
  }

  /** Runs `decode` over the contents of the next element and refuses what it leaves. */
  within<T>(tag: number, decode: (reader: DerReader) => T): T {
    const reader = this.sequence(tag);
    const value = decode(reader);
    reader.end();
    return value;
  }

  /** Two's complement contents of an INTEGER, minimal. */
  integer(tag: number = DER_TAGS.integer): Uint8Array {
    const { content } = this.read(tag);
    const [first, second] = content;
    if (first === undefined) throw new DecodeError('DER: empty integer');
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw new DecodeError('DER: integer not minimal');
    }
    return content;
  }

  /** An INTEGER that is zero or positive, without the sign byte. */
  unsigned(): Uint8Array {
    const content = this.integer();
    if ((content[0] ?? 0) >= 0x80) throw new DecodeError('DER: negative integer');
    return content.length > 1 && content[0] === 0 ? content.subarray(1) : content;
  }

  /** An INTEGER of 0 to `maximum` (at most 2^31 − 1). */
  smallInteger(maximum: number): number {
    const content = this.unsigned();
    if (content.length > 4) throw new DecodeError('DER: integer too large');
    let value = 0;
    for (const byte of content) value = value * 256 + byte;
    if (value > maximum) throw new DecodeError('DER: integer too large');
    return value;
  }

  boolean(): boolean {
    const { content } = this.read(DER_TAGS.boolean);
    const [value] = content;
    if (content.length !== 1 || (value !== 0 && value !== 0xff)) throw new DecodeError('DER: boolean');
    return value === 0xff;
  }

  null(): void {
    if (this.read(DER_TAGS.null).content.length !== 0) throw new DecodeError('DER: null');
  }

  octetString(): Uint8Array {
    return this.read(DER_TAGS.octetString).content;
  }

  /** A BIT STRING of whole bytes. */
  bitString(): Uint8Array {
    const { bytes, unusedBits } = this.bits();
    if (unusedBits !== 0) throw new DecodeError('DER: bit string not of whole bytes');
    return bytes;
  }

  /** A BIT STRING; unused bits are zero. */
  bits(): { readonly bytes: Uint8Array; readonly unusedBits: number } {
    const { content } = this.read(DER_TAGS.bitString);
    const unusedBits = content[0];
    const bytes = content.subarray(1);
    if (unusedBits === undefined || unusedBits > 7 || (bytes.length === 0 && unusedBits > 0)) {
      throw new DecodeError('DER: bit string');
    }
    const last = bytes[bytes.length - 1] ?? 0;
    if ((last & ((1 << unusedBits) - 1)) !== 0) throw new DecodeError('DER: unused bits set');
    return { bytes, unusedBits };
  }

  /** Dotted text of an OBJECT IDENTIFIER whose arcs are below 2^31. */
  oid(): string {
    return oidText(this.read(DER_TAGS.oid).content);
  }
}

function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let arcStarts = true;
  for (const byte of content) {
    if (arcStarts && byte === 0x80) throw new DecodeError('DER: arc not minimal');
    arc = arc * 128 + (byte & 0x7f);
    if (arc >= 2 ** 31) throw new DecodeError('DER: arc too large');
    arcStarts = (byte & 0x80) === 0;
    if (arcStarts) {
      if (arcs.length === 0) {
        const root = Math.min(2, Math.floor(arc / 40));
        arcs.push(root, arc - 40 * root);
      } else arcs.push(arc);
      arc = 0;
    }
  }
  if (arcs.length === 0 || !arcStarts) throw new DecodeError('DER: object identifier');
  return arcs.join('.');
}

/** Runs a decoder over all of `bytes`; undefined when they are not what it expects. Never throws `DecodeError`. */
export function decodeDer<T>(bytes: Uint8Array, decode: (reader: DerReader) => T): T | undefined {
  try {
    const reader = new DerReader(bytes);
    const value = decode(reader);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
