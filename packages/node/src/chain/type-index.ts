/**
 * The sequences of each type of event, in the index's database: written by `EventIndex`, read by whoever has the database.
 *
 *     'e' ‖ type ‖ 0x00 ‖ sequence u64 → nothing
 */
import { ByteWriter, decodeWith, utf8 } from '@cloister/encoding';
import type { ReadableStore, StoreOp } from '@cloister/event-log';

const NOTHING = new Uint8Array(0);

function typeKey(type: string, sequence: number): Uint8Array {
  return new ByteWriter(80).fixed(utf8('e')).fixed(utf8(type)).u8(0).u64(sequence).finish();
}

export function typeOp(type: string, sequence: number): StoreOp {
  return { type: 'put', key: typeKey(type, sequence), value: NOTHING };
}

export class TypeIndex {
  readonly #store: ReadableStore;

  constructor(store: ReadableStore) {
    this.#store = store;
  }

  /** Sequences of one type, ascending from `from`, below `to`, at most `limit`. */
  async sequences(type: string, from: number, to: number, limit: number): Promise<readonly number[]> {
    const found: number[] = [];
    for await (const [key] of this.#store.range({ gte: typeKey(type, from), lt: typeKey(type, to), limit })) {
      const tail = decodeWith(key.subarray(key.length - 8), (reader) => reader.u64());
      if (tail.ok) found.push(tail.value);
    }
    return found;
  }
}
