/**
 * Opening a log: what is stored is checked from the last verified checkpoint on, then against the sign guard.
 *
 * The checkpoint stays at least `ALWAYS_VERIFIED_EVENTS` behind the head, so that a log shorter than that is checked in
 * whole each time, and a longer one for a second or two; `EventLog.scrub` covers the rest.
 */
import type { Digest } from '@cloister/encoding';
import type { OrderedStore } from '../store/store.ts';
import { EventLogDamaged } from './damage.ts';
import { checkAgainstGuard, type LogPosition, readWitness } from './guard-head.ts';
import { decodeHead, emptyHead, encodeHead, type LogHead, sameHead } from './head.ts';
import { CHECKPOINT_KEY, eventKey, HEAD_KEY, LOG_KEYS, RESYNC_KEY } from './keys.ts';
import { openStoredEvent } from './record.ts';
import { asDamage, verifyEvents, verifyNothingBeyond } from './verify.ts';

/** The newest events, which every opening checks. */
export const ALWAYS_VERIFIED_EVENTS = 100_000;
/** Events between two reports of progress. */
const STEP_EVENTS = 10_000;

export interface OpenOptions {
  /** Hash of the genesis; what event 0 names as its previous hash. */
  readonly chainId: Digest;
  /** 'checkpoint': from the last verified checkpoint on; 'full': everything. */
  readonly verify: 'checkpoint' | 'full';
  /** The last durable event head in the sign guard's records. */
  readonly guardHead?: LogPosition | undefined;
  /**
   * The sign guard's store: remembers the head of each commit (under a key whose first byte is 0) and is compared on
   * opening.
   */
  readonly witness?: OrderedStore | undefined;
  /** `ALWAYS_VERIFIED_EVENTS` unless given. */
  readonly alwaysVerifiedEvents?: number | undefined;
  /** Events checked so far, out of those to be checked. */
  readonly onProgress?: ((verified: number, total: number) => void) | undefined;
}

export interface OpenedLog {
  readonly head: LogHead;
  readonly checkpoint: LogHead;
  /** Ascending positions that the guard has seen and this log, being rebuilt after a reset, has yet to reach. */
  readonly targets: readonly LogPosition[];
}

/**
 * Permits an emptied chain database to be filled again although the sign guard has seen a longer log: the last step of
 * `cloister unsafe-reset --keep-keys`. The permission ends when the log has caught up.
 */
export async function markForResync(store: OrderedStore): Promise<void> {
  await store.batch([{ type: 'put', key: RESYNC_KEY, value: Uint8Array.of(1) }], { sync: true });
}

async function readHead(store: OrderedStore, stored: Uint8Array | undefined, chainId: Digest): Promise<LogHead> {
  if (stored === undefined) {
    for await (const [key] of store.range(LOG_KEYS)) {
      if (key[1] === RESYNC_KEY[1]) continue;
      throw new EventLogDamaged('HEAD_MISSING', 0, 'the head record is gone, while other records of the log exist');
    }
    return emptyHead(chainId);
  }
  const head = decodeHead(stored);
  if (head === undefined) {
    throw new EventLogDamaged('HEAD_CHECKSUM', undefined, 'the head record does not match its checksum');
  }
  if (head.chainId !== chainId) {
    throw new EventLogDamaged('WRONG_CHAIN', 0, `this log belongs to chain ${head.chainId}, not to ${chainId}`);
  }
  return head;
}

/** The position to verify from. */
async function readCheckpoint(
  store: OrderedStore,
  stored: Uint8Array | undefined,
  head: LogHead,
  verify: OpenOptions['verify'],
): Promise<LogHead> {
  const empty = emptyHead(head.chainId);
  if (stored === undefined) return empty;
  const checkpoint = decodeHead(stored);
  if (checkpoint === undefined || checkpoint.chainId !== head.chainId) {
    throw new EventLogDamaged('CHECKPOINT_CHECKSUM', undefined, 'the checkpoint record does not match its checksum');
  }
  if (checkpoint.count > head.count) {
    const what = `${checkpoint.count} events were verified earlier, and the head covers ${head.count}`;
    throw new EventLogDamaged('LOG_TRUNCATED', head.count, what);
  }
  if (verify === 'full' || checkpoint.count === 0) return empty;
  const last = checkpoint.count - 1;
  const event = await store.get(eventKey(last));
  if (event === undefined) throw new EventLogDamaged('EVENT_MISSING', last, `event ${last} is missing`);
  if (openStoredEvent(last, event).hash !== checkpoint.hash) {
    const what = `event ${last} is not the one that was verified earlier`;
    throw new EventLogDamaged('EVENT_CHAIN_BROKEN', last, what);
  }
  return checkpoint;
}

async function verifyInSteps(
  store: OrderedStore,
  from: LogHead,
  to: number,
  onStep: (count: number) => void,
): Promise<LogHead> {
  let position = from;
  while (position.count < to) {
    position = await verifyEvents(store, position, Math.min(to, position.count + STEP_EVENTS));
    onStep(position.count);
  }
  return position;
}

/** Compares with all that the guard's database remembers; what a log being rebuilt lacks is returned. */
async function checkGuard(
  store: OrderedStore,
  options: OpenOptions,
  head: LogHead,
  resyncing: boolean,
): Promise<LogPosition[]> {
  const witness = options.witness === undefined ? undefined : await readWitness(options.witness);
  const targets: LogPosition[] = [];
  for (const guardHead of [options.guardHead, witness]) {
    if (guardHead === undefined) continue;
    const { count } = guardHead;
    let hashAtGuard: Digest | undefined;
    if (count === 0) hashAtGuard = head.chainId;
    else if (count < head.count) {
      const stored = await store.get(eventKey(count - 1));
      if (stored !== undefined) hashAtGuard = openStoredEvent(count - 1, stored).hash;
    }
    const checked = checkAgainstGuard(head, guardHead, hashAtGuard);
    if (checked.ok) continue;
    if (checked.code === 'LOG_BEHIND_SIGN_GUARD' && resyncing) targets.push(guardHead);
    else throw new EventLogDamaged(checked.code, Math.min(head.count, Math.max(0, count - 1)), checked.detail ?? '');
  }
  return targets.sort((a, b) => a.count - b.count);
}

/** See `EventLog.open`. */
export async function openLog(store: OrderedStore, options: OpenOptions): Promise<OpenedLog> {
  try {
    const [storedHead, storedCheckpoint, mark] = await store.getMany([HEAD_KEY, CHECKPOINT_KEY, RESYNC_KEY]);
    const head = await readHead(store, storedHead, options.chainId);
    const start = await readCheckpoint(store, storedCheckpoint, head, options.verify);
    const total = head.count - start.count;
    const onStep = (count: number): void => options.onProgress?.(count - start.count, total);
    // A checkpoint half-way between the bound and twice the bound moves seldom.
    const bound = options.alwaysVerifiedEvents ?? ALWAYS_VERIFIED_EVENTS;
    const kept = total >= 2 * bound ? head.count - bound : start.count;
    const checkpoint = await verifyInSteps(store, start, kept, onStep);
    const end = await verifyInSteps(store, checkpoint, head.count, onStep);
    if (!sameHead(head, end)) {
      const what = 'the head does not agree with the events that it covers';
      throw new EventLogDamaged('HEAD_MISMATCH', Math.max(0, head.count - 1), what);
    }
    await verifyNothingBeyond(store, head.count);
    const targets = await checkGuard(store, options, head, mark !== undefined);
    if (checkpoint.count > start.count) {
      await store.batch([{ type: 'put', key: CHECKPOINT_KEY, value: encodeHead(checkpoint) }], { sync: false });
    }
    return { head, checkpoint, targets };
  } catch (error) {
    throw asDamage(error, 0);
  }
}
