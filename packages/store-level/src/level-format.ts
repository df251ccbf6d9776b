/**
 * What LevelDB's file formats share: masked checksums and base-128 numbers (doc/table_format.md, doc/log_format.md).
 */
import { crc32c } from '@cloister/event-log';

/** A file is not what LevelDB wrote; the message says where. Never leaves this folder: the scrub lists it as damage. */
export class LevelDamage extends Error {}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The CRC-32C of `bytes` in the masked form in which LevelDB stores it. */
export function maskedChecksum(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Reads base-128 numbers, little end first and below 2^53, and byte strings with their length in front. */
export class LevelReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Where reading goes on. */
  get at(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 53; scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new LevelDamage('a number in it does not decode');
  }

  skipString(): void {
    const length = this.number();
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new LevelDamage('a string in it does not decode');
  }
}
