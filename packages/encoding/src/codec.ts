/**
 * The binary encoding of everything that is signed, hashed or sent: big-endian, length-prefixed, no optional padding.
 *
 * A value has exactly one encoding. The reader checks a length against what is there before it allocates, copies what
 * it returns (a kept field must not keep a whole network buffer alive or change with it), and throws `DecodeError`
 * only; `decodeWith` turns that into a result and refuses trailing bytes.
 */
import { parseUtf8, toHex, utf8 } from './bytes.ts';
import { type AccountId, accountBytes, type Digest, digestToBytes } from './ids.ts';
import { assertContract, fail, ok, type Result } from './result.ts';

const U32_MAX = 0xffff_ffff;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

/**
 * The bytes are not an encoding. Decoders of other packages throw it too, for violations of their own rules. It ends a
 * decoder early and has no code: the caller of `decodeWith` names the code of what it decodes.
 */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/** Appends values to a growing buffer. Values out of range are bugs and throw `CryptoAssertion`. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** `capacity` in bytes is a hint. */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    assertContract(Number.isInteger(value) && value >= 0 && value <= 0xff, 'u8 out of range');
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    assertContract(Number.isInteger(value) && value >= 0 && value <= 0xffff, 'u16 out of range');
    const at = this.#reserve(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    assertContract(Number.isInteger(value) && value >= 0 && value <= U32_MAX, 'u32 out of range');
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
    return this;
  }

  /** A number must be a safe integer; a bigint may use all 64 bits. */
  u64(value: number | bigint): this {
    if (typeof value === 'bigint') {
      assertContract(value >= 0n && value <= U64_MAX, 'u64 out of range');
      const at = this.#reserve(8);
      this.#view.setBigUint64(at, value);
      return this;
    }
    assertContract(Number.isSafeInteger(value) && value >= 0, 'u64 out of range');
    const at = this.#reserve(8);
    this.#view.setUint32(at, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(at + 4, value % 0x1_0000_0000);
    return this;
  }

  /** The bytes alone: for fields whose length the format fixes. */
  fixed(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** u32 length, then the bytes. */
  var(bytes: Uint8Array): this {
    return this.u32(bytes.length).fixed(bytes);
  }

  /** `var` of the UTF-8; a lone surrogate is a bug (see `utf8`). */
  str(text: string): this {
    return this.var(utf8(text));
  }

  /** The 32 bytes of a digest. */
  digest(digest: Digest): this {
    return this.fixed(digestToBytes(digest));
  }

  /** The 32 bytes of an account. */
  account(account: AccountId): this {
    return this.fixed(accountBytes(account));
  }

  /** What was written; the writer is of no use afterwards. */
  finish(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
  }
}

/** Reads what `ByteWriter` writes. Every method throws `DecodeError` on underrun or violation, and nothing else. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // A plain Uint8Array even over a Node Buffer, whose `slice` would alias.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(count: number): number {
    if (count > this.remaining) throw new DecodeError(`needs ${count} bytes, ${this.remaining} left`);
    const at = this.#at;
    this.#at += count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  /** A u64 that is a safe integer. */
  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * 0x1_0000_0000 + this.#view.getUint32(at + 4);
    if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError('u64 beyond the safe integers');
    return value;
  }

  u64big(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  /** A copy of the next `count` bytes. */
  fixed(count: number): Uint8Array {
    assertContract(Number.isSafeInteger(count) && count >= 0, 'fixed: not a length');
    const at = this.#take(count);
    return this.#bytes.slice(at, at + count);
  }

  /** A copy of a `var` field of at most `maxBytes`. */
  var(maxBytes: number): Uint8Array {
    const length = this.u32();
    if (length > maxBytes) throw new DecodeError(`field of ${length} bytes, at most ${maxBytes} allowed`);
    return this.fixed(length);
  }

  /** A `str` field of at most `maxBytes` of valid UTF-8. */
  str(maxBytes: number): string {
    const text = parseUtf8(this.var(maxBytes));
    if (text === undefined) throw new DecodeError('not UTF-8');
    return text;
  }

  digest(): Digest {
    return toHex(this.fixed(32)) as Digest;
  }

  account(): AccountId {
    return toHex(this.fixed(32)) as AccountId;
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} trailing bytes`);
  }
}

/** Runs a decoder over all of `bytes`: `DecodeError` and trailing bytes become 'MALFORMED', other throws pass through. */
export function decodeWith<T>(bytes: Uint8Array, decode: (reader: ByteReader) => T): Result<T, 'MALFORMED'> {
  try {
    const reader = new ByteReader(bytes);
    const value = decode(reader);
    reader.end();
    return ok(value);
  } catch (error) {
    if (error instanceof DecodeError) return fail('MALFORMED', error.message);
    throw error;
  }
}
