/**
 * The append-only event log: appending with proof material, checked reads, and the check on opening.
 *
 * Each event carries the hash of the one before it and lies with a checksum; one batch writes a block's events, their
 * Merkle nodes and the head, with whatever the caller adds. Memory holds the head only.
 */
import { assert, type Digest, type Height } from '@cloister/encoding';
import type { OrderedStore, StoreOp } from '../store/store.ts';
import { type NewEvent, type PreparedAppend, prepareAppend } from './append.ts';
import { EventLogDamaged } from './damage.ts';
import { type LogPosition, witnessOp } from './guard-head.ts';
import { encodeHead, type LogHead } from './head.ts';
import { CHECKPOINT_KEY, isEventLogKey, RESYNC_KEY } from './keys.ts';
import { type LogReader, StoredLog } from './log-reader.ts';
import { ALWAYS_VERIFIED_EVENTS, type OpenedLog, type OpenOptions, openLog } from './open.ts';
import type { EventRange } from './read.ts';
import type { StoredEvent } from './record.ts';
import { type ScrubOptions, type ScrubProgress, scrubLog } from './scrub.ts';
import { loadSnapshot, type Snapshot, saveSnapshot } from './snapshot.ts';

/** A fold over the log; see `EventLog.replay`. */
export interface Fold<State> {
  readonly state: State;
  /** First event to fold; 0 by default. With a snapshot: its count. */
  readonly from?: number;
  /** With a snapshot: its hash, which the first event must continue. */
  readonly previousHash?: Digest;
  /** May change and return `state`. */
  evolve(state: State, event: StoredEvent): State;
}

export class EventLog implements LogReader {
  readonly #store: OrderedStore;
  readonly #stored: StoredLog;
  readonly #witness: OrderedStore | undefined;
  readonly #alwaysVerifiedEvents: number;
  #head: LogHead;
  #checkpoint: LogHead;
  /** Positions that the sign guard has seen and a log being rebuilt has not reached yet. */
  #targets: readonly LogPosition[];
  #writing: Promise<void> = Promise.resolve();

  private constructor(store: OrderedStore, options: OpenOptions, opened: OpenedLog) {
    this.#store = store;
    this.#stored = new StoredLog(store, () => this.#head);
    this.#witness = options.witness;
    this.#alwaysVerifiedEvents = options.alwaysVerifiedEvents ?? ALWAYS_VERIFIED_EVENTS;
    this.#head = opened.head;
    this.#checkpoint = opened.checkpoint;
    this.#targets = opened.targets;
  }

  /**
   * Opens and checks the log in `store`. Throws `EventLogDamaged`, or `StoreError` when the store itself fails.
   * An empty store is a log without events.
   */
  static async open(store: OrderedStore, options: OpenOptions): Promise<EventLog> {
    return new EventLog(store, options, await openLog(store, options));
  }

  /** The position after the last committed event. */
  get head(): LogHead {
    return this.#head;
  }

  /** Where the check on the next opening will begin. */
  get checkpoint(): LogHead {
    return this.#checkpoint;
  }

  /**
   * Set while a log that was reset is behind what the sign guard has seen: the validator must not sign. Undefined in a
   * complete log.
   */
  get resyncTarget(): LogPosition | undefined {
    return this.#targets.at(-1);
  }

  /**
   * The batch that appends a block's events to `after` (the head by default), without writing it. Several can be
   * prepared, each after the one before, and committed in that order.
   * Throws `EventLogDamaged` LOG_CONFLICTS_WITH_SIGN_GUARD when a log being rebuilt reaches another history.
   */
  prepare(height: Height, events: readonly NewEvent[], after?: PreparedAppend): PreparedAppend {
    const prepared = prepareAppend(after?.head ?? this.#head, height, events);
    const reached = this.#targets.filter(({ count }) => count > prepared.base.count && count <= prepared.head.count);
    for (const { count, hash } of reached) {
      if (prepared.records[count - 1 - prepared.base.count]?.hash === hash) continue;
      const what = `after ${count} events the log's hash is not the one that the sign guard has seen`;
      throw new EventLogDamaged('LOG_CONFLICTS_WITH_SIGN_GUARD', count - 1, what);
    }
    const last = this.resyncTarget;
    if (last === undefined || prepared.head.count < last.count) return prepared;
    return { ...prepared, ops: [...prepared.ops, { type: 'del', key: RESYNC_KEY }] };
  }

  /**
   * Writes a prepared append and `extra` as one synced batch. Commits run in the order of the calls; after one has
   * failed, all later ones fail with its error. Throws `StoreError`.
   */
  commit(prepared: PreparedAppend, extra: readonly StoreOp[] = []): Promise<void> {
    assert(!extra.some((op) => isEventLogKey(op.key)), "keys whose first byte is 0 are the log's own");
    this.#writing = this.#writing.then(async () => {
      this.#checkContinues(prepared);
      await this.#store.batch([...prepared.ops, ...extra], { sync: true });
      this.adopt(prepared);
      if (this.#witness !== undefined && this.resyncTarget === undefined) {
        await this.#witness.batch([witnessOp(this.#head)], { sync: false });
      }
    });
    return this.#writing;
  }

  #checkContinues({ base }: PreparedAppend): void {
    assert(base.count === this.#head.count && base.hash === this.#head.hash, 'a commit continues the head');
  }

  /** For a caller that has written `prepared.ops` by itself in a synced batch, in place of `commit`. */
  adopt(prepared: PreparedAppend): void {
    this.#checkContinues(prepared);
    this.#head = prepared.head;
    this.#targets = this.#targets.filter(({ count }) => count > prepared.head.count);
  }

  read(range: EventRange): AsyncGenerator<StoredEvent, void, undefined> {
    return this.#stored.read(range);
  }

  get(sequence: number): Promise<StoredEvent | undefined> {
    return this.#stored.get(sequence);
  }

  /** Folds the events up to the head into a state, checking each as `read` does. */
  async replay<State>(fold: Fold<State>): Promise<State> {
    let { state } = fold;
    const { from = 0, previousHash } = fold;
    for await (const event of this.read(previousHash === undefined ? { from } : { from, previousHash })) {
      state = fold.evolve(state, event);
    }
    return state;
  }

  rootAt(size: number): Promise<Digest> {
    return this.#stored.rootAt(size);
  }

  inclusion(index: number, size: number): Promise<Uint8Array[]> {
    return this.#stored.inclusion(index, size);
  }

  consistency(oldSize: number, newSize: number): Promise<Uint8Array[]> {
    return this.#stored.consistency(oldSize, newSize);
  }

  /**
   * Verifies the whole log in steps and advances the checkpoint; a yield per step lets the caller pause, report and
   * stop. Resumes where the last run was left. Throws `EventLogDamaged`.
   */
  async *scrub(options: ScrubOptions = {}): AsyncGenerator<ScrubProgress, void, undefined> {
    for await (const { position, ...progress } of scrubLog(this.#store, () => this.#head, options)) {
      const limit = this.#head.count - this.#alwaysVerifiedEvents;
      if (position.count > this.#checkpoint.count && position.count <= limit) {
        await this.#store.batch([{ type: 'put', key: CHECKPOINT_KEY, value: encodeHead(position) }], { sync: false });
        this.#checkpoint = position;
      }
      yield progress;
    }
  }

  /** Keeps the encoded state at a committed head; of all snapshots the newest two stay. */
  saveSnapshot(at: Pick<LogHead, 'count' | 'hash' | 'height'>, stateBytes: Uint8Array): Promise<Snapshot> {
    assert(at.count <= this.#head.count, 'a snapshot of what is committed');
    return saveSnapshot(this.#store, at, stateBytes);
  }

  /** The newest snapshot that is intact and belongs to this history, or undefined: replay from 0 then. */
  loadSnapshot(): Promise<Snapshot | undefined> {
    return loadSnapshot(this.#store, this.#head);
  }
}
