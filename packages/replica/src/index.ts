/**
 * @cloister/replica: One replica without I/O of its own: batches, consensus, execution, synchronisation and recovery.
 */

export {
  type OpenedReplica,
  type OpenReplicaOptions,
  openReplica,
  type StartRefusal,
} from './recovery/recovery.ts';
export { Replica } from './step/replica.ts';
export type { ReplicaConfig } from './step/replica-core.ts';
export type {
  AdmissionCode,
  ReplicaClocks,
  ReplicaEffect,
  ReplicaInput,
  ReplicaStatus,
  SendPriority,
  SigningStatus,
  TaskAssignment,
  UntimedInput,
} from './step/replica-ports.ts';
export { carryOutStore } from './store/carry-out.ts';
export { guardKeyOf } from './store/chain-keys.ts';
export { type ChainReader, ChainStore, type ExecutedRecord } from './store/chain-store.ts';
export { guardMarkOp } from './store/guard-memory.ts';
export {
  decodeSyncRequest,
  decodeSyncResponse,
  type EventProofParts,
  encodeSyncRequest,
  encodeSyncResponse,
  type SyncBlock,
  type SyncRefusal,
  type SyncRequest,
  type SyncResponse,
} from './sync/sync-messages.ts';
export { buildEventProofParts, buildRecordProof, type SyncExtras, serveSync } from './sync/sync-serve.ts';
