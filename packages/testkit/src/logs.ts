/**
 * Logs for the tests: blocks of distinct events, and a reading of everything that a log answers.
 */
import { asHeight, type Digest, utf8 } from '@cloister/encoding';
import { EventLog, type NewEvent, type OpenOptions, type OrderedStore, type StoredEvent } from '@cloister/event-log';

export const CHAIN_ID: Digest = 'c0'.repeat(32) as Digest;

export function eventsOf(height: number, count: number): NewEvent[] {
  return Array.from({ length: count }, (_, i) => ({
    type: i === 0 ? 'BlockBegun' : 'RecordPut',
    payload: utf8(JSON.stringify({ height, i, text: `event ${i} of block ${height}`.repeat(1 + (height % 3)) })),
  }));
}

/** Commits the blocks `first` to `last`; block h has 1 + h % 5 events. */
export async function appendBlocks(log: EventLog, first: number, last: number): Promise<void> {
  for (let height = first; height <= last; height++) {
    await log.commit(log.prepare(asHeight(height), eventsOf(height, 1 + (height % 5))), [
      { type: 'put', key: utf8(`finality/${height}`), value: utf8(`certificate of ${height}`) },
    ]);
  }
}

export function openTestLog(store: OrderedStore, options: Partial<OpenOptions> = {}): Promise<EventLog> {
  return EventLog.open(store, { chainId: CHAIN_ID, verify: 'checkpoint', ...options });
}

export async function readAll(log: EventLog): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of log.read({ from: 0 })) events.push(event);
  return events;
}
