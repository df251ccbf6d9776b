/**
 * Checked reading of a range of events.
 */
import { assert, type Digest } from '@cloister/encoding';
import type { ReadableStore } from '../store/store.ts';
import { EventLogDamaged } from './damage.ts';
import type { LogHead } from './head.ts';
import { eventKey, numberOfKey } from './keys.ts';
import { openStoredEvent, type StoredEvent } from './record.ts';
import { asDamage } from './verify.ts';

/** Sequences `from` (inclusive) to `to` (exclusive; the head's count by default, and at most). */
export interface EventRange {
  readonly from: number;
  readonly to?: number | undefined;
  /** What the first event must name as its previous hash, when that is known. */
  readonly previousHash?: Digest | undefined;
}

/** See `EventLog.read`. */
export async function* readEvents(
  store: ReadableStore,
  head: LogHead,
  range: EventRange,
): AsyncGenerator<StoredEvent, void, undefined> {
  const { from } = range;
  const to = Math.min(range.to ?? head.count, head.count);
  assert(Number.isSafeInteger(from) && from >= 0, 'a range begins at a sequence');
  let previousHash = from === 0 ? head.chainId : range.previousHash;
  let next = from;
  try {
    for await (const [key, stored] of store.range({ gte: eventKey(from), lt: eventKey(to) })) {
      if (numberOfKey(key) !== next) break;
      const event = openStoredEvent(next, stored);
      if (previousHash !== undefined && event.previousHash !== previousHash) {
        throw new EventLogDamaged('EVENT_CHAIN_BROKEN', next, `event ${next} does not continue the hash chain`);
      }
      yield event;
      previousHash = event.hash;
      next++;
    }
  } catch (error) {
    throw asDamage(error, next);
  }
  if (next < to) throw new EventLogDamaged('EVENT_MISSING', next, `event ${next} is missing`);
  if (to === head.count && from < to && previousHash !== head.hash) {
    throw new EventLogDamaged('HEAD_MISMATCH', to - 1, 'the last event is not the one that the head names');
  }
}
