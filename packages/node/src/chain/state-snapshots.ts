/**
 * Snapshots of the agreed state beside the log, so that a start replays little. Derived, and checked by the log on loading.
 */
import type { EventLog } from '@cloister/event-log';
import { encodeState, type LedgerState } from '@cloister/ledger';

/** Events since the newest snapshot that make another one worth its bytes. */
const SNAPSHOT_EVENTS = 20_000;

/** Saves the state if it stands at the log's head and has moved enough; true when it did. */
export async function saveSnapshotIfDue(log: EventLog, state: LedgerState): Promise<boolean> {
  const { head } = log;
  if (state.eventCount !== head.count) return false;
  const newest = await log.loadSnapshot();
  if (head.count - (newest?.count ?? 0) < SNAPSHOT_EVENTS) return false;
  await log.saveSnapshot(head, encodeState(state));
  return true;
}
