/**
 * A store in memory, for simulation and tests: same order, batches and iteration as LevelDB, and a crash on request.
 *
 * Entries are immutable and sit in a list of sorted chunks, so that an iteration needs references to the entries of its
 * range only and a write never moves more than one chunk.
 */
import { compareBytes } from '@cloister/encoding';
import { type OrderedStore, StoreError, type StoreOp, type StoreRange } from './store.ts';

const CHUNK_ENTRIES_MAX = 256;

interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** First index in `items` whose key is not below `key`. */
function lowerBound<T>(items: readonly T[], key: Uint8Array, keyOf: (item: T) => Uint8Array): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && compareBytes(keyOf(item), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const NO_KEY: Uint8Array = new Uint8Array(0);
const keyOfEntry = (entry: Entry): Uint8Array => entry.key;
const lastKeyOf = (chunk: readonly Entry[]): Uint8Array => chunk[chunk.length - 1]?.key ?? NO_KEY;

class SortedEntries {
  /** None of them empty. */
  #chunks: Entry[][] = [];

  /** The chunk in which `key` is or would be, and where. */
  #place(key: Uint8Array): { readonly chunkAt: number; readonly chunk: Entry[]; readonly at: number } {
    const chunkAt = Math.min(lowerBound(this.#chunks, key, lastKeyOf), Math.max(0, this.#chunks.length - 1));
    const chunk = this.#chunks[chunkAt] ?? [];
    return { chunkAt, chunk, at: lowerBound(chunk, key, keyOfEntry) };
  }

  get(key: Uint8Array): Entry | undefined {
    const { chunk, at } = this.#place(key);
    const entry = chunk[at];
    return entry !== undefined && compareBytes(entry.key, key) === 0 ? entry : undefined;
  }

  set(key: Uint8Array, entry: Entry | undefined): void {
    const { chunkAt, chunk, at } = this.#place(key);
    const found = chunk[at];
    const replaced = found !== undefined && compareBytes(found.key, key) === 0 ? 1 : 0;
    if (entry === undefined) {
      if (replaced === 0) return;
      chunk.splice(at, 1);
      if (chunk.length === 0) this.#chunks.splice(chunkAt, 1);
      return;
    }
    chunk.splice(at, replaced, entry);
    if (this.#chunks.length === 0) this.#chunks.push(chunk);
    if (chunk.length > CHUNK_ENTRIES_MAX) {
      // The last chunk keeps nearly all: keys mostly grow.
      const keep = chunkAt === this.#chunks.length - 1 ? CHUNK_ENTRIES_MAX : CHUNK_ENTRIES_MAX / 2;
      this.#chunks.splice(chunkAt + 1, 0, chunk.splice(keep));
    }
  }

  /** References to the entries of a range, in ascending order. */
  slice({ gte, lt }: StoreRange): Entry[] {
    const entries: Entry[] = [];
    const first = gte === undefined ? 0 : lowerBound(this.#chunks, gte, lastKeyOf);
    for (const chunk of this.#chunks.slice(first)) {
      const from = gte === undefined ? 0 : lowerBound(chunk, gte, keyOfEntry);
      const to = lt === undefined ? chunk.length : lowerBound(chunk, lt, keyOfEntry);
      for (let at = from; at < to; at++) {
        const entry = chunk[at];
        if (entry !== undefined) entries.push(entry);
      }
      if (to < chunk.length) break;
    }
    return entries;
  }

  copy(): SortedEntries {
    const copy = new SortedEntries();
    copy.#chunks = this.#chunks.map((chunk) => chunk.slice());
    return copy;
  }
}

/** `OrderedStore` in memory. */
export class MemoryStore implements OrderedStore {
  #entries: SortedEntries;
  /** What to put back, newest last, to undo the writes that no sync has made durable. */
  #undo: { readonly key: Uint8Array; readonly entry: Entry | undefined }[] = [];
  #closed = false;

  constructor() {
    this.#entries = new SortedEntries();
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreError('STORE_CLOSED', 'the store is closed');
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#entries.get(key)?.value.slice();
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#checkOpen();
    return keys.map((key) => this.#entries.get(key)?.value.slice());
  }

  async *range(range: StoreRange): AsyncGenerator<[Uint8Array, Uint8Array], void, undefined> {
    this.#checkOpen();
    const entries = this.#entries.slice(range);
    if (range.reverse === true) entries.reverse();
    if (range.limit !== undefined && range.limit < entries.length) entries.length = range.limit;
    for (const { key, value } of entries) {
      yield [key.slice(), value.slice()];
      this.#checkOpen();
    }
  }

  async batch(ops: readonly StoreOp[], options: { readonly sync: boolean }): Promise<void> {
    this.#checkOpen();
    for (const op of ops) {
      const key = op.key.slice();
      if (!options.sync) this.#undo.push({ key, entry: this.#entries.get(key) });
      this.#entries.set(key, op.type === 'put' ? { key, value: op.value.slice() } : undefined);
    }
    if (options.sync) this.#undo = [];
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** A new store with all that this one holds. */
  copy(): MemoryStore {
    const copy = new MemoryStore();
    copy.#entries = this.#entries.copy();
    return copy;
  }

  /** A new store with what a power failure would leave at the least: everything up to the last synced batch. */
  durableCopy(): MemoryStore {
    const copy = this.copy();
    for (const { key, entry } of this.#undo.toReversed()) copy.#entries.set(key, entry);
    return copy;
  }
}
