/**
 * @cloister/event-log: the append-only log over any ordered store. The one on LevelDB is in `@cloister/store-level`; the
 * given-when-then form for tests of deciders is behind `./testing`.
 */
export { type NewEvent, type PreparedAppend, prepareAppend } from './log/append.ts';
export { crc32, crc32c, withChecksum, withoutChecksum } from './log/checksum.ts';
export { type EventLogDamageCode, EventLogDamaged, RESYNC_ADVICE } from './log/damage.ts';
export { type Decider, foldEvents } from './log/decider.ts';
export { EventLog, type Fold } from './log/event-log.ts';
export { checkAgainstGuard, type LogPosition, readWitness, witnessOp } from './log/guard-head.ts';
export { decodeHead, emptyHead, encodeHead, type LogHead } from './log/head.ts';
export { isEventLogKey } from './log/keys.ts';
export { type LogReader, StoredLog } from './log/log-reader.ts';
export { ALWAYS_VERIFIED_EVENTS, markForResync, type OpenOptions } from './log/open.ts';
export type { EventRange } from './log/read.ts';
export { rebuildMerkle } from './log/rebuild-merkle.ts';
export {
  decodeEventRecord,
  EVENT_PAYLOAD_BYTES_MAX,
  EVENT_TYPE_BYTES_MAX,
  type EventRecord,
  encodeEventRecord,
  eventHash,
  type StoredEvent,
} from './log/record.ts';
export type { ScrubOptions, ScrubProgress } from './log/scrub.ts';
export { type Snapshot, snapshotDigest } from './log/snapshot.ts';
export {
  type OrderedStore,
  type ReadableStore,
  StoreError,
  type StoreErrorCode,
  type StoreOp,
  type StoreRange,
} from './store/store.ts';
export { MemoryStore } from './store/store-memory.ts';
