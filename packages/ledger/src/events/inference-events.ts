/**
 * The events of models and inference tasks, a part of the union in events.ts.
 */
import type { ModelManifest, ReceiptStatus } from '@cloister/confidential';
import type { AccountId, Digest, Height, Measurement } from '@cloister/encoding';
import type { DeclineCode, EligibilityReason, FailureCode } from '../transactions/codes.ts';
import type { RequestedExecutor, RequestFields } from '../transactions/request-fields.ts';
import type { Cause } from './event-cause.ts';

export interface ModelPublished extends Cause {
  readonly type: 'ModelPublished';
  readonly model: Digest;
  readonly owner: AccountId;
  readonly manifest: ModelManifest;
  readonly height: Height;
}

export interface ModelKeyGrantAuthorised extends Cause {
  readonly type: 'ModelKeyGrantAuthorised';
  readonly model: Digest;
  readonly owner: AccountId;
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly attestationSequence: number;
  readonly policyDigest: Digest;
  readonly enc: string;
  readonly sealedKey: string;
  readonly height: Height;
}

/** By its owner, for good: no grants, requests or executions from here on. A key that was released cannot be recalled. */
export interface ModelRevoked extends Cause {
  readonly type: 'ModelRevoked';
  readonly model: Digest;
  readonly owner: AccountId;
  readonly height: Height;
}

/** By the model's owner: the keyset may not execute it from here on. */
export interface ModelGrantRevoked extends Cause {
  readonly type: 'ModelGrantRevoked';
  readonly model: Digest;
  readonly owner: AccountId;
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly height: Height;
}

export interface AuthorisedExecutor extends RequestedExecutor {
  readonly node: AccountId;
  /** Sequence of the AttestationAccepted that made it eligible. */
  readonly attestationSequence: number;
}

/** Every named executor was eligible for the model at this height. Carries the whole authenticated request context. */
export interface InferenceRequested extends Cause, RequestFields {
  readonly type: 'InferenceRequested';
  readonly task: Digest;
  readonly sender: AccountId;
  /** Owner of the model. */
  readonly owner: AccountId;
  readonly executors: readonly AuthorisedExecutor[];
  /** Block time after which no receipt is taken. */
  readonly deadlineMs: number;
  readonly policyDigest: Digest;
  readonly height: Height;
}

export interface ReceiptAccepted extends Cause {
  readonly type: 'ReceiptAccepted';
  readonly task: Digest;
  /** Sequence of the InferenceRequested that it answers. */
  readonly requestSequence: number;
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly attestationSequence: number;
  readonly model: Digest;
  readonly inputCommitment: Digest;
  /** 'failed': the sealed response tells the tenant why there is no output. */
  readonly status: ReceiptStatus;
  readonly outputCommitment: Digest;
  readonly numericClass: string;
  readonly payloadDigest: Digest;
  readonly responseDigest: Digest;
  readonly policyDigest: Digest;
  /** SHA-256 of the receipt envelope. */
  readonly receiptDigest: Digest;
  /** base64 of the receipt's DSSE envelope. */
  readonly receipt: string;
  /** base64 of the sealed response, or null when it is a blob. */
  readonly response: string | null;
  /** For a blob: the validators beside the executor that signed that they hold it. */
  readonly holders: readonly AccountId[];
  readonly height: Height;
}

/**
 * An executor's node showed a good receipt of a large response, and not enough validators that hold the response. The receipt does
 * not count, and this executor is done with the task.
 */
export interface ResponseWithheld extends Cause {
  readonly type: 'ResponseWithheld';
  readonly task: Digest;
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly responseDigest: Digest;
  /** base64 of the receipt's DSSE envelope: the enclave's word that there is a response. */
  readonly receipt: string;
  /** Those whose statements were good. */
  readonly holders: readonly AccountId[];
  readonly height: Height;
}

/** Enough executors agree. */
export interface InferenceCompleted {
  readonly type: 'InferenceCompleted';
  readonly task: Digest;
  readonly model: Digest;
  readonly sender: AccountId;
  readonly inputCommitment: Digest;
  readonly outputCommitment: Digest;
  readonly numericClass: string;
  readonly responseDigest: Digest;
  /** Keysets whose receipts agree, in the request's order. */
  readonly keysets: readonly Digest[];
  readonly nodes: readonly AccountId[];
  readonly threshold: number;
  /** Whether an executor had said something else by then. */
  readonly disputed: boolean;
  readonly height: Height;
}

/** Two executors of one task say different things; once a task. Who said what stands in the ReceiptAccepted events. */
export interface InferenceDisputed {
  readonly type: 'InferenceDisputed';
  readonly task: Digest;
  readonly keysets: readonly Digest[];
  readonly height: Height;
}

export interface InferenceFailed {
  readonly type: 'InferenceFailed';
  readonly task: Digest;
  readonly code: FailureCode;
  readonly receipts: number;
  readonly threshold: number;
  readonly height: Height;
}

/** The node of a named executor says that it will not answer. This ends the task for this executor alone. */
export interface ExecutorDeclined extends Cause {
  readonly type: 'ExecutorDeclined';
  readonly task: Digest;
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly code: DeclineCode;
  /** A code of the enclave's, or empty. */
  readonly detail: string;
  readonly height: Height;
}

/**
 * An executor named in an open task is no longer eligible, once a task: found when an event ends its attestation, at
 * its receipt, or at the deadline.
 */
export interface ExecutorLapsed {
  readonly type: 'ExecutorLapsed';
  readonly task: Digest;
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly reasons: readonly EligibilityReason[];
  readonly height: Height;
}

/**
 * An executor named in a task had neither result nor refusal on the ledger by the deadline, though it was eligible then and the task
 * open all the time. That is all that is proven: its node may have been down or cut off as well as unwilling.
 */
export interface AnswerMissed {
  readonly type: 'AnswerMissed';
  readonly task: Digest;
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly height: Height;
}

/** One keyset signed two different receipts for one task: it is distrusted from here on. */
export interface EquivocationRecorded extends Cause {
  readonly type: 'EquivocationRecorded';
  readonly task: Digest;
  readonly node: AccountId;
  readonly keyset: Digest;
  /** SHA-256 of the receipt that was accepted. */
  readonly acceptedReceiptDigest: Digest;
  /** base64 of the other receipt's envelope. */
  readonly conflictingReceipt: string;
  readonly reporter: AccountId;
  readonly height: Height;
}
