/**
 * Reading the log: what everyone who follows it may ask, in the thread that appends or in another that shares the database.
 */
import { assert, type Digest } from '@cloister/encoding';
import type { ReadableStore } from '../store/store.ts';
import { EventLogDamaged } from './damage.ts';
import type { LogHead } from './head.ts';
import { eventKey } from './keys.ts';
import { storedConsistency, storedInclusion, storedRoot } from './merkle-nodes.ts';
import { type EventRange, readEvents } from './read.ts';
import { openStoredEvent, type StoredEvent } from './record.ts';
import { asDamage } from './verify.ts';

export interface LogReader {
  /** The position after the last committed event. */
  readonly head: LogHead;
  /** Events in order, each checked (checksum, place, hash chain). Throws `EventLogDamaged`. */
  read(range: EventRange): AsyncGenerator<StoredEvent, void, undefined>;
  /** The event of this sequence; undefined when there is none yet. */
  get(sequence: number): Promise<StoredEvent | undefined>;
  /** RFC 9162 root over the first `size` events, at most the head's count. */
  rootAt(size: number): Promise<Digest>;
  /** Inclusion proof of event `index` in the first `size` events, nearest sibling first. */
  inclusion(index: number, size: number): Promise<Uint8Array[]>;
  /** Proof that the root over `newSize` events extends the one over `oldSize`. */
  consistency(oldSize: number, newSize: number): Promise<Uint8Array[]>;
}

/** The log in a store, up to a head that somebody else moves: `head` never names what is not durable. */
export class StoredLog implements LogReader {
  readonly #store: ReadableStore;
  readonly #head: () => LogHead;

  constructor(store: ReadableStore, head: () => LogHead) {
    this.#store = store;
    this.#head = head;
  }

  get head(): LogHead {
    return this.#head();
  }

  read(range: EventRange): AsyncGenerator<StoredEvent, void, undefined> {
    return readEvents(this.#store, this.head, range);
  }

  async get(sequence: number): Promise<StoredEvent | undefined> {
    if (!Number.isSafeInteger(sequence) || sequence < 0 || sequence >= this.head.count) return undefined;
    const stored = await this.#store.get(eventKey(sequence)).catch((error: unknown) => {
      throw asDamage(error, sequence);
    });
    if (stored !== undefined) return openStoredEvent(sequence, stored);
    throw new EventLogDamaged('EVENT_MISSING', sequence, `event ${sequence} is missing`);
  }

  async rootAt(size: number): Promise<Digest> {
    this.#checkSize(size);
    return size === this.head.count ? this.head.root : storedRoot(this.#store, size);
  }

  async inclusion(index: number, size: number): Promise<Uint8Array[]> {
    this.#checkSize(size);
    assert(Number.isSafeInteger(index) && index >= 0 && index < size, 'an event of the tree');
    return storedInclusion(this.#store, index, size);
  }

  async consistency(oldSize: number, newSize: number): Promise<Uint8Array[]> {
    this.#checkSize(newSize);
    assert(Number.isSafeInteger(oldSize) && oldSize >= 0 && oldSize <= newSize, 'sizes in order');
    return storedConsistency(this.#store, oldSize, newSize);
  }

  #checkSize(size: number): void {
    assert(Number.isSafeInteger(size) && size >= 0 && size <= this.head.count, 'a size that the log has reached');
  }
}
