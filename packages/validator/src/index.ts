/** One replica without I/O of its own: mempool and batches, consensus, ledger, executor. */
export { AttestationKeeper, type KeeperPorts, type KeeperReport } from './attestation-keeper.ts';
export { type AttestationAction, type AttestationQuestion, planAttestation } from './attestation-plan.ts';
export { carryOutStore } from './carry-out.ts';
export { guardKeyOf } from './chain-keys.ts';
export { type ChainReader, ChainStore, type ExecutedRecord } from './chain-store.ts';
export { type ExecutionReport, Executor, type ExecutorOptions } from './executor.ts';
export { guardMarkOp } from './guard-memory.ts';
export type { HoldingPort, LargeResponse } from './holding-port.ts';
export type {
  BlobPort,
  ClockPort,
  EnclaveDescription,
  EnclavePort,
  InferenceOutput,
  LedgerPort,
  RandomPort,
  SubmitPort,
} from './ports.ts';
export { BlobUnavailable, EnclaveUnavailable } from './ports.ts';
export type { ProcessOutcome, ProcessTransactionCode, VerifyLocalEnclaveCode } from './process-outcome.ts';
export type { ProofPort } from './proof-port.ts';
export { ProvenEnclave } from './proven-enclave.ts';
export {
  type OpenedReplica,
  type OpenReplicaOptions,
  openReplica,
  type StartRefusal,
  StartRefused,
} from './recovery.ts';
export { Replica } from './replica.ts';
export { DEFAULT_TIMING, type ReplicaConfig } from './replica-core.ts';
export type {
  AdmissionCode,
  Channel,
  Offence,
  ReplicaClocks,
  ReplicaEffect,
  ReplicaInput,
  ReplicaStatus,
  SendPriority,
  SigningStatus,
  TaskAssignment,
  UntimedInput,
} from './replica-ports.ts';
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
} from './sync-messages.ts';
export { buildEventProofParts, buildRecordProof, type SyncExtras, serveSync } from './sync-serve.ts';
export {
  type ExecutorPorts,
  LOCAL_ENCLAVE_TAMPERED_TEXT,
  type LocalEnclaveRefusal,
  processTransaction,
  verifyLocalEnclave,
} from './validator.ts';
