/**
 * An index for what neither the state nor the log answers quickly: the fate of every transaction for ever, and the
 * sequences of each type of event. Derived from the log, kept in a database of its own, caught up on opening and
 * rebuilt when it does not belong to the log; losing it loses nothing.
 *     't' ‖ transaction 32 → sequence u64 ‖ height u64 ‖ str code (empty: committed)
 *     'e' …  see type-index.ts
 *     'c' → count u64 ‖ hash 32 of the last event that is indexed
 */
import {
  ByteWriter,
  type Digest,
  decodeWith,
  digestFromBytes,
  digestToBytes,
  type Height,
  utf8,
} from '@cloister/encoding';
import type { EventLog, OrderedStore, StoreOp } from '@cloister/event-log';
import { decodeEvent, type LedgerEvent, settledBy } from '@cloister/ledger';
import { typeOp } from './type-index.ts';

export interface SettledTransaction {
  readonly sequence: number;
  readonly height: number;
  /** Undefined: committed. */
  readonly code: string | undefined;
}

const CURSOR_KEY: Uint8Array = utf8('c');
const CATCH_UP_EVENTS = 2_000;

function transactionKey(id: Digest): Uint8Array {
  return new ByteWriter(33).fixed(utf8('t')).fixed(digestToBytes(id)).finish();
}

function opsOf(event: LedgerEvent, sequence: number, height: number): StoreOp[] {
  const ops: StoreOp[] = [typeOp(event.type, sequence)];
  const settled = settledBy(event);
  if (settled !== undefined) {
    const value = new ByteWriter(48)
      .u64(sequence)
      .u64(height)
      .str(settled.code ?? '')
      .finish();
    ops.push({ type: 'put', key: transactionKey(settled.id), value });
  }
  return ops;
}

function cursorOp(count: number, hash: Digest): StoreOp {
  return { type: 'put', key: CURSOR_KEY, value: new ByteWriter(40).u64(count).digest(hash).finish() };
}

export class EventIndex {
  readonly #store: OrderedStore;
  readonly #log: EventLog;
  readonly #onFailure: (error: unknown) => void;
  #count: number;
  #working: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  private constructor(store: OrderedStore, log: EventLog, count: number, onFailure: (error: unknown) => void) {
    this.#store = store;
    this.#log = log;
    this.#count = count;
    this.#onFailure = onFailure;
  }

  /**
   * Opens and catches up with the log. Throws what the store or the log throws. `onFailure` is told of each block after
   * that that could not be indexed: the next block tries again from where the index stands.
   */
  static async open(
    store: OrderedStore,
    log: EventLog,
    onFailure: (error: unknown) => void = () => undefined,
  ): Promise<EventIndex> {
    const index = new EventIndex(store, log, await readCursor(store, log), onFailure);
    await index.#catchUp();
    return index;
  }

  /** Events that are indexed. */
  get count(): number {
    return this.#count;
  }

  /** Takes in a committed block's events; what is missing before them is read from the log. */
  committed(firstSequence: number, height: Height, events: readonly LedgerEvent[]): void {
    this.#working = this.#working.then(async () => {
      try {
        if (firstSequence === this.#count) {
          const ops = events.flatMap((event, i) => opsOf(event, firstSequence + i, height));
          await this.#store.batch(ops, { sync: false });
          this.#count += events.length;
        } else await this.#catchUp();
        this.#failure = undefined;
      } catch (error) {
        this.#failure = { error };
        this.#onFailure(error);
      }
    });
  }

  /** Resolves when the blocks that came so far were taken in, or failed to be. */
  settled(): Promise<void> {
    return this.#working;
  }

  async #catchUp(): Promise<void> {
    while (this.#count < this.#log.head.count) {
      const to = Math.min(this.#log.head.count, this.#count + CATCH_UP_EVENTS);
      const ops: StoreOp[] = [];
      let hash: Digest | undefined;
      for await (const stored of this.#log.read({ from: this.#count, to })) {
        const event = decodeEvent(stored.type, stored.payload);
        if (event.ok) ops.push(...opsOf(event.value, stored.sequence, stored.height));
        hash = stored.hash;
      }
      if (hash !== undefined) ops.push(cursorOp(to, hash));
      await this.#store.batch(ops, { sync: false });
      this.#count = to;
    }
  }

  async #ready(): Promise<void> {
    await this.#working;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** What became of a transaction, however long ago. Throws when the index failed. */
  async transaction(id: Digest): Promise<SettledTransaction | undefined> {
    await this.#ready();
    const value = await this.#store.get(transactionKey(id));
    if (value === undefined) return undefined;
    const decoded = decodeWith(value, (reader) => ({
      sequence: reader.u64(),
      height: reader.u64(),
      code: reader.str(128),
    }));
    if (!decoded.ok) return undefined;
    const { sequence, height, code } = decoded.value;
    return { sequence, height, code: code === '' ? undefined : code };
  }

  /** Waits for what is under way and remembers how far it came. */
  async close(): Promise<void> {
    await this.#working;
    if (this.#failure === undefined && this.#count > 0) {
      const last = await this.#log.get(this.#count - 1);
      if (last !== undefined) await this.#store.batch([cursorOp(this.#count, last.hash)], { sync: false });
    }
    await this.#store.close();
  }
}

/** The count from which to go on: 0, with an emptied database, when what is indexed is not this log. */
async function readCursor(store: OrderedStore, log: EventLog): Promise<number> {
  const stored = await store.get(CURSOR_KEY);
  const cursor =
    stored === undefined
      ? undefined
      : decodeWith(stored, (reader) => ({ count: reader.u64(), hash: digestFromBytes(reader.fixed(32)) }));
  if (cursor?.ok && cursor.value.count > 0 && cursor.value.count <= log.head.count) {
    const { count, hash } = cursor.value;
    const last = count === log.head.count ? log.head : await log.get(count - 1);
    if (last?.hash === hash) return count;
  }
  for (;;) {
    const ops: StoreOp[] = [];
    for await (const [key] of store.range({ limit: 5_000 })) ops.push({ type: 'del', key });
    if (ops.length === 0) return 0;
    await store.batch(ops, { sync: false });
  }
}
