/**
 * A deterministic stream of pseudo-random bytes, for simulations and tests: same seed, same run.
 *
 * SHA-256 in counter mode over a hashed seed. Never a source of keys in production: its whole future follows from the
 * seed, which is usually a short text printed in a log.
 */
import { assertContract, utf8 } from '@cloister/encoding';
import { hashBytes, sha256 } from './digests.ts';

export class SeededRandom {
  readonly #key: Uint8Array;
  /** Key (32 bytes) ‖ u64 counter. */
  readonly #input: Uint8Array;
  #counter = 0;
  #block: Uint8Array = new Uint8Array(0);
  #used = 0;

  /** A text and the bytes of its UTF-8 are different seeds. */
  constructor(seed: Uint8Array | string) {
    this.#key =
      typeof seed === 'string' ? hashBytes('seeded-random/text', utf8(seed)) : hashBytes('seeded-random/bytes', seed);
    this.#input = new Uint8Array(40);
    this.#input.set(this.#key);
  }

  #refill(): void {
    const view = new DataView(this.#input.buffer);
    view.setUint32(32, Math.floor(this.#counter / 0x1_0000_0000));
    view.setUint32(36, this.#counter % 0x1_0000_0000);
    this.#counter++;
    this.#block = sha256(this.#input);
    this.#used = 0;
  }

  /** The next `count` bytes of the stream. */
  bytes(count: number): Uint8Array {
    assertContract(Number.isSafeInteger(count) && count >= 0, 'bytes: not a length');
    const output = new Uint8Array(count);
    let made = 0;
    while (made < count) {
      if (this.#used === this.#block.length) this.#refill();
      const piece = this.#block.subarray(this.#used, this.#used + count - made);
      output.set(piece, made);
      made += piece.length;
      this.#used += piece.length;
    }
    return output;
  }

  /** Uniform in 0 … 2^32-1; takes four bytes of the stream. */
  u32(): number {
    if (this.#block.length - this.#used >= 4) {
      const at = this.#block.byteOffset + this.#used;
      this.#used += 4;
      return new DataView(this.#block.buffer, at, 4).getUint32(0);
    }
    const bytes = this.bytes(4);
    return new DataView(bytes.buffer).getUint32(0);
  }

  /** Uniform in 0 … n-1 for 1 ≤ n ≤ 2^53, by rejection. */
  below(n: number): number {
    assertContract(Number.isInteger(n) && n >= 1 && n <= 2 ** 53, 'below: bound out of range');
    const small = n <= 2 ** 32;
    const span = small ? 2 ** 32 : 2 ** 53;
    const limit = span - (span % n);
    for (;;) {
      const value = small ? this.u32() : (this.u32() % 2 ** 21) * 2 ** 32 + this.u32();
      if (value < limit) return value % n;
    }
  }

  /** An independent stream that depends on the seed and the label, not on how much of this one was drawn. */
  fork(label: string): SeededRandom {
    return new SeededRandom(hashBytes('seeded-random/fork', this.#key, utf8(label)));
  }
}
