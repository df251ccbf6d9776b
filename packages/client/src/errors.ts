/**
 * The one error that the SDK throws. It fails closed: whatever it could not verify, it refuses under a code.
 */
import { CodedError, type Digest } from '@cloister/encoding';
import type { FailureReason } from './inference/failure-reason.ts';

export type ClientErrorCode =
  /** The genesis that the node serves is not the one of the expected chain id, or does not parse. */
  | 'GENESIS_MISMATCH'
  | 'GENESIS_INVALID'
  /** The chain stands on simulated trust anchors and the caller did not accept that. */
  | 'SIMULATED_CHAIN_REFUSED'
  /** An answer of the node is not in the form of the API. */
  | 'API_ANSWER_MALFORMED'
  | 'API_UNREACHABLE'
  | 'API_TIMEOUT'
  | 'API_ANSWER_TOO_LARGE'
  /** The node answered with an error; `detail` begins with its code. */
  | 'API_REFUSED'
  /** No node is named, or too many. */
  | 'NODES_INVALID'
  /** The newest head that any node shows is too old for what it says to be the present; `detail` has the ages. */
  | 'CHAIN_STALE'
  /** A finalized head is ahead of the clock of this machine, which can therefore not tell old heads from new ones. */
  | 'CLOCK_BEHIND'
  | 'FACTS_PROOF_INVALID'
  /** The node leaves out what the ledger must have, or what it says itself that there is. */
  | 'FACT_WITHHELD'
  /** The ledger does not let this enclave execute now; `detail` lists the reasons. */
  | 'ENCLAVE_NOT_STANDING'
  | 'MODEL_UNKNOWN'
  | 'MODEL_REVOKED'
  | 'MODEL_INVALID'
  | 'MODEL_TOO_LARGE'
  /** No enclave would take this file; `detail` begins with the code of the screen or the trial. */
  | 'MODEL_REFUSED'
  /** The file has other inputs or outputs than the manifest; `detail` tells each difference. */
  | 'MODEL_MANIFEST_DIFFERS'
  | 'INPUT_INVALID'
  | 'INPUT_MISMATCH'
  | 'NOT_ENOUGH_EXECUTORS'
  | 'EXECUTION_POLICY_UNMET'
  | 'PLATFORMS_NOT_DISTINCT'
  /** An enclave's answer to the challenge does not stand; `detail` is the code of the appraisal. */
  | 'EVIDENCE_REFUSED'
  /** The enclave's image or platform is outside the model's release policy. */
  | 'RELEASE_POLICY_REFUSED'
  | 'KEY_NOT_OF_MODEL'
  | 'NOT_MODEL_OWNER'
  | 'TRANSACTION_INVALID'
  | 'TRANSACTION_REJECTED'
  | 'TRANSACTION_EXPIRED'
  | 'BLOB_MISMATCH'
  | 'BLOB_MISSING'
  /** No outcome within the time given; `transaction` can be waited for again. */
  | 'TIMED_OUT'
  | 'EVENT_PROOF_INVALID'
  /** A proven event is not the one asked for. */
  | 'EVENT_MISMATCH'
  | 'INFERENCE_FAILED'
  | 'RECEIPT_INVALID'
  | 'RECEIPTS_TOO_FEW'
  | 'RESPONSE_INVALID'
  | 'PENDING_MALFORMED';

export class ClientError extends CodedError<ClientErrorCode> {
  /** For people, or the code of a lower layer. */
  readonly detail: string | undefined;
  /** The transaction under way, when there is one. */
  readonly transaction: Digest | undefined;
  /** For INFERENCE_FAILED: the reason of each executor. */
  readonly reasons: readonly FailureReason[];

  constructor(
    code: ClientErrorCode,
    detail?: string,
    options?: {
      readonly transaction?: Digest | undefined;
      readonly cause?: unknown;
      readonly reasons?: readonly FailureReason[];
    },
  ) {
    super(
      code,
      detail === undefined ? code : `${code}: ${detail}`,
      options?.cause === undefined ? {} : { cause: options.cause },
    );
    this.detail = detail;
    this.transaction = options?.transaction;
    this.reasons = options?.reasons ?? [];
  }
}

/** Whether asking again later may help. */
export function isTransientError(error: unknown): boolean {
  return error instanceof ClientError && ['API_UNREACHABLE', 'API_TIMEOUT'].includes(error.code);
}
