/**
 * @cloister/client: the SDK of tenants and model owners.
 */

export { CLOCK_TOLERANCE_MS, LIVE_HEAD_MS, MAX_HEAD_AGE_MS } from './chain/freshness.ts';
export type { GovernedKind, GovernedTransaction } from './chain/governance.ts';
export type { ProvenEvent } from './chain/trusted-chain.ts';
export { type ClientOptions, CloisterClient } from './client.ts';
export { DEFAULT_WAIT_MS, type ProvenTransaction, type WaitOptions } from './context.ts';
export { type Edge, RUNTIME_EDGE } from './edge.ts';
export { ClientError, type ClientErrorCode } from './errors.ts';
export type { VerifiedEnclave } from './executors/verify-enclave.ts';
export type { InferenceResult, VerifiedReceipt } from './inference/await-inference.ts';
export type { FailureReason } from './inference/failure-reason.ts';
export type { InferenceRequest } from './inference/inference-request.ts';
export type { ModelDescription, PreparedModel, PrepareOptions, TryModel } from './inference/models.ts';
export {
  decodePendingInference,
  encodePendingInference,
  type PendingExecutor,
  type PendingInference,
} from './inference/pending-inference.ts';
export { DEFAULT_TIME_LIMIT_MS, PRIVACY_NOTE } from './inference/request-inference.ts';
export type {
  BlobUpload,
  ListedAttestation,
  ListedEvent,
  ListedInference,
  ListedModel,
  NodeApi,
  NodeStatus,
  TransactionFate,
} from './node/api.ts';
export { createHttpApi } from './node/api-http.ts';
export { type HttpApiOptions, JSON_ANSWER_BYTES_MAX } from './node/http-calls.ts';
export type { NodeReport, OnNodeReport } from './node/node-pool.ts';
export {
  type HeldAttestation,
  type ListedMeasurement,
  OperatorApi,
  type OperatorStatus,
  type Told,
} from './node/operator-api.ts';
