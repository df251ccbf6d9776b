import type { Tensor } from '@cloister/confidential';
import type { AccountId, Digest } from '@cloister/encoding';

export interface InferenceRequest {
  readonly model: Digest;
  readonly inputs: readonly Tensor[];
  /** Nodes whose enclaves are to execute, in order; by default drawn at random among those that may. */
  readonly executors?: readonly AccountId[];
  /** How many, when `executors` is not given; by default as many as the model and the appraisal policy ask. */
  readonly executorCount?: number;
  /** Equal receipts that are needed; by default the model's, and at least a majority of the executors. */
  readonly threshold?: number;
  /** Images that the tenant takes, beside being allowed on the ledger; by default any that is. */
  readonly images?: readonly Digest[];
  /** Milliseconds of block time after the block of the request within which receipts are taken. */
  readonly timeLimitMs?: number;
}
