/**
 * A bounded cache from 32-byte public keys to whatever is costly to derive from them.
 *
 * Four-way set-associative, least recently used out first within a set: a look-up compares bytes and allocates
 * nothing, and a flood of foreign keys costs at most a rebuild per key.
 */
import { equalBytes } from '@cloister/encoding';

const WAYS = 4;

interface Entry<V> {
  readonly key: Uint8Array;
  readonly value: V | undefined;
}

export class KeyCache<V> {
  readonly #sets: (Entry<V>[] | undefined)[];
  readonly #derive: (key: Uint8Array) => V | undefined;

  /** `capacity` is rounded down to a multiple of four; `derive` is called on a miss, its refusals are kept too. */
  constructor(derive: (key: Uint8Array) => V | undefined, capacity = 4096) {
    this.#derive = derive;
    this.#sets = new Array<Entry<V>[] | undefined>(Math.max(1, Math.floor(capacity / WAYS)));
  }

  get(key: Uint8Array): V | undefined {
    const index = (((key[0] ?? 0) << 16) | ((key[1] ?? 0) << 8) | (key[2] ?? 0)) % this.#sets.length;
    let set = this.#sets[index];
    if (set === undefined) {
      set = [];
      this.#sets[index] = set;
    }
    for (let way = 0; way < set.length; way++) {
      const entry = set[way];
      if (entry !== undefined && equalBytes(entry.key, key)) {
        if (way > 0) {
          set.copyWithin(1, 0, way);
          set[0] = entry;
        }
        return entry.value;
      }
    }
    const value = this.#derive(key);
    set.unshift({ key: Uint8Array.from(key), value });
    if (set.length > WAYS) set.pop();
    return value;
  }
}
