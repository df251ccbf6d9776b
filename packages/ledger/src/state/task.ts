import type { ReceiptStatus } from '@cloister/confidential';
import type { AccountId, Digest, Height } from '@cloister/encoding';
import { account, count, digest, height, type Members } from '@cloister/encoding/shape';
import type { InferenceRequested } from '../events/inference-events.ts';
import type { DeclineCode, FailureCode } from '../transactions/codes.ts';

export interface TaskExecutor {
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly attestationSequence: number;
  readonly lapsed: boolean;
  /** Why its node said that it will not execute, and the sequence of its ExecutorDeclined. */
  readonly declined: { readonly code: DeclineCode; readonly sequence: number } | null;
  /** Sequence of its ResponseWithheld. */
  readonly withheld: number | null;
  /** Sequence of its AnswerMissed. */
  readonly missed: number | null;
}

export interface TaskReceipt {
  readonly keyset: Digest;
  /** Sequence of its ReceiptAccepted, which holds the receipt and the inline response. */
  readonly sequence: number;
  /** 'failed': the enclave signed that there is no output; the sealed response tells the tenant why. */
  readonly status: ReceiptStatus;
  readonly outputCommitment: Digest;
  readonly numericClass: string;
  readonly responseDigest: Digest;
  readonly receiptDigest: Digest;
}

export type TaskStatus = 'open' | 'completed' | 'failed';

/** What a task keeps of its request, under the names of InferenceRequested. */
type KeptOfRequest = Pick<
  InferenceRequested,
  | 'transaction'
  | 'sender'
  | 'model'
  | 'owner'
  | 'threshold'
  | 'deadlineMs'
  | 'expiryHeight'
  | 'inputCommitment'
  | 'payloadDigest'
  | 'policyDigest'
  | 'height'
>;

/** The same, to copy it from the event and to read it from a stored state. */
export const keptOfRequest: Members<KeptOfRequest> = {
  transaction: digest,
  sender: account,
  model: digest,
  owner: account,
  threshold: count(),
  deadlineMs: count(),
  expiryHeight: height,
  inputCommitment: digest,
  payloadDigest: digest,
  policyDigest: digest,
  height,
};

export interface Task extends KeptOfRequest {
  readonly id: Digest;
  readonly executors: readonly TaskExecutor[];
  /** Sequence of its InferenceRequested, which holds the sealed request. */
  readonly requestSequence: number;
  readonly receipts: readonly TaskReceipt[];
  readonly disputed: boolean;
  readonly status: TaskStatus;
  readonly failure: FailureCode | null;
  /** Keysets that agreed, once completed. */
  readonly agreed: readonly Digest[];
  readonly closedHeight: Height | null;
  /** Block time until which a closed task is kept; 0 while it is open. */
  readonly keptUntilMs: number;
}
