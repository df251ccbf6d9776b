/**
 * @cloister/event-log: the append-only log. LevelDB is behind the subpath `./store-level`, so that the rest runs
 * anywhere; the given-when-then form for tests of deciders is behind `./testing`.
 */
export { type NewEvent, type PreparedAppend, prepareAppend } from './append.ts';
export { crc32, withChecksum, withoutChecksum } from './checksum.ts';
export { type EventLogDamageCode, EventLogDamaged, RESYNC_ADVICE } from './damage.ts';
export { type Decider, foldEvents } from './decider.ts';
export { EventLog, type Fold } from './event-log.ts';
export { checkAgainstGuard, type GuardHead, readWitness, witnessOp } from './guard-head.ts';
export { decodeHead, emptyHead, encodeHead, type LogHead } from './head.ts';
export { isEventLogKey } from './keys.ts';
export { type LogReader, StoredLog } from './log-reader.ts';
export { ALWAYS_VERIFIED_EVENTS, markForResync, type OpenOptions } from './open.ts';
export type { EventRange } from './read.ts';
export { rebuildMerkle } from './rebuild-merkle.ts';
export {
  decodeEventRecord,
  EVENT_PAYLOAD_BYTES_MAX,
  EVENT_TYPE_BYTES_MAX,
  type EventRecord,
  encodeEventRecord,
  eventHash,
  type StoredEvent,
} from './record.ts';
export type { ScrubOptions, ScrubProgress } from './scrub.ts';
export { type Snapshot, snapshotDigest } from './snapshot.ts';
export {
  type OrderedStore,
  type ReadableStore,
  StoreError,
  type StoreErrorCode,
  type StoreOp,
  type StoreRange,
} from './store.ts';
export { MemoryStore } from './store-memory.ts';
