/**
 * @cloister/client: the SDK of tenants and model owners.
 */
export type {
  BlobUpload,
  ListedAttestation,
  ListedEvent,
  ListedInference,
  ListedModel,
  NodeApi,
  NodeStatus,
  TransactionFate,
} from './api.ts';
export { createHttpApi, type HttpApiOptions, JSON_ANSWER_BYTES_MAX } from './api-http.ts';
export { readListedModel } from './api-shapes.ts';
export type { InferenceResult, VerifiedReceipt } from './await-inference.ts';
export { type ClientOptions, CloisterClient } from './client.ts';
export { DEFAULT_WAIT_MS, type Edge, type ProvenTransaction, RUNTIME_EDGE, type WaitOptions } from './context.ts';
export { ClientError, type ClientErrorCode } from './errors.ts';
export type { FailureReason } from './failure-reasons.ts';
export { CLOCK_TOLERANCE_MS, LIVE_HEAD_MS, MAX_HEAD_AGE_MS } from './freshness.ts';
export type { GovernedKind, GovernedTransaction } from './governance.ts';
export type { ModelDescription, PreparedModel, PrepareOptions, TryModel } from './models.ts';
export type { NodeReport, OnNodeReport } from './node-pool.ts';
export {
  decodePendingInference,
  encodePendingInference,
  type PendingExecutor,
  type PendingInference,
} from './pending-inference.ts';
export { DEFAULT_TIME_LIMIT_MS, type InferenceRequest, PRIVACY_NOTE } from './request-inference.ts';
export type { ProvenEvent } from './trusted-chain.ts';
export type { VerifiedEnclave } from './verify-enclave.ts';
