/** Mutants of packages/event-log that no test can catch. */
import { ABSENT_MEMBER, type Equivalent } from './equivalent.ts';

export const EVENT_LOG: readonly Equivalent[] = [
  { file: 'log/head.ts', check: 'decoded.ok', reason: ABSENT_MEMBER },
  { file: 'log/snapshot.ts', check: 'decoded.ok', reason: ABSENT_MEMBER },
  {
    file: 'log/event-log.ts',
    check: 'count > prepared.base.count',
    reason: 'a target at or below the head was reached before, and is dropped from the targets then',
  },
  {
    file: 'log/rebuild-merkle.ts',
    check: 'ops.length < BATCH_OPS',
    reason: 'bounds what waits in memory: written in one batch or many, the nodes are the same',
  },
  {
    file: 'log/snapshot.ts',
    check: 'count === head.count',
    reason: 'saves a read: the last event has the hash that the head has',
  },
  {
    file: 'log/snapshot.ts',
    check: 'snapshot.count > head.count',
    reason: 'there is no event beyond the head whose hash a snapshot could have',
  },
  {
    file: 'store/store-memory.ts',
    check: 'chunk.length === 0',
    reason: 'an empty chunk costs a little memory and holds nothing',
  },
  {
    file: 'store/store-memory.ts',
    check: 'chunk.length > CHUNK_ENTRIES_MAX',
    reason: 'saves work: chunks of any length hold the same entries',
  },
  {
    file: 'store/store-memory.ts',
    check: 'to < chunk.length',
    reason: 'saves work: of the chunks behind the end of a range nothing is taken either',
  },
];
