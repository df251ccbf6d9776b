/**
 * @cloister/validator: what a node does with its enclave: proving it, running tasks in it in fair turns, keeping it
 * attested.
 */
export { AttestationKeeper, type KeeperPorts, type KeeperReport } from './attestation-keeper.ts';
export { type AttestationAction, type PlanInput, planAttestation } from './attestation-plan.ts';

export { type ExecutionReport, Executor, type ExecutorOptions } from './executor.ts';
export type { ExecutorPorts } from './executor-ports.ts';
export type { HoldingPort, LargeResponse } from './holding-port.ts';
export type {
  BlobPort,
  ClockPort,
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
  LOCAL_ENCLAVE_TAMPERED_TEXT,
  type LocalEnclaveRefusal,
  processTransaction,
  verifyLocalEnclave,
} from './validator.ts';
