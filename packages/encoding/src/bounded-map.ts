/** A map of a fixed size for what may be forgotten: caches, and memories of what strangers did. */
import { assertContract } from './result.ts';

/**
 * A Map that never holds more than `capacity` entries. The entry that was set longest ago makes room; setting a key again
 * makes it the newest. Reading changes nothing: who wants the least recently used one to go sets again what was read.
 */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #capacity: number;

  constructor(capacity: number) {
    assertContract(Number.isSafeInteger(capacity) && capacity >= 1, 'a capacity of one entry or more');
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    // Before the entry is added, so that the bound holds at every moment.
    if (this.#entries.size >= this.#capacity) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, value);
  }

  delete(key: K): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
