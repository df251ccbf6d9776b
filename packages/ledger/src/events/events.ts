/**
 * The events that the log stores. The state is a fold of them.
 *
 * Events are named in the past tense and state only what was agreed. An event that executes a transaction carries its
 * id (`transaction`, or `id` of a rejection) and expiryHeight, so that replay alone restores which transactions are
 * spent; a transaction has exactly one such event. `height` is that of the block. Binary content is base64, keys and
 * digests are hex. Events that authorise an enclave (ModelKeyGrantAuthorised, InferenceRequested, ReceiptAccepted) name
 * keysets, policy and attestation themselves.
 */
import type { FaultEvidenceType } from '@cloister/consensus';
import type { AccountId, Digest, Epoch, Height, JsonValue, ValidatorId, View } from '@cloister/encoding';
import type { LedgerParams } from '../genesis/params.ts';
import type { RejectionCode } from '../transactions/codes.ts';
import type { ProposalKind } from '../transactions/proposal-kinds.ts';
import type {
  AttestationAccepted,
  AttestationEvicted,
  AttestationReappraised,
  AttestationRefreshed,
  EndorsementsAccepted,
} from './attestation-events.ts';
import type { Cause, OptionalCause } from './event-cause.ts';
import type {
  AnswerMissed,
  EquivocationRecorded,
  ExecutorDeclined,
  ExecutorLapsed,
  InferenceCompleted,
  InferenceDisputed,
  InferenceFailed,
  InferenceRequested,
  ModelGrantRevoked,
  ModelKeyGrantAuthorised,
  ModelPublished,
  ModelRevoked,
  ReceiptAccepted,
  ResponseWithheld,
} from './inference-events.ts';
import type {
  AppraisalPolicyScheduled,
  AppraisalPolicyTookEffect,
  MeasurementAllowed,
  MeasurementGraced,
  MeasurementRevoked,
} from './policy-events.ts';

/** First event of every log. */
export interface NetworkFounded {
  readonly type: 'NetworkFounded';
  readonly chainId: Digest;
  readonly name: string;
  readonly timeMs: number;
  readonly params: LedgerParams;
  readonly governance: { readonly members: readonly AccountId[]; readonly threshold: number };
  /** `trustAnchorsToJson` of @cloister/attestation. */
  readonly trustAnchors: JsonValue;
  /** `appraisalPolicyToJson` of @cloister/attestation. */
  readonly appraisalPolicy: JsonValue;
}

/** Starts every block, empty ones included. `timeMs` is the header's timestamp. */
export interface BlockBegun {
  readonly type: 'BlockBegun';
  readonly height: Height;
  readonly hash: Digest;
  readonly timeMs: number;
}

export interface RecordPut extends Cause {
  readonly type: 'RecordPut';
  readonly sender: AccountId;
  readonly namespace: string;
  readonly key: string;
  readonly value: string;
}

export interface AccountRegistered extends OptionalCause {
  readonly type: 'AccountRegistered';
  readonly account: AccountId;
  readonly name: string;
  readonly height: Height;
}

/** A validator of the genesis (weight > 0), or a node that joined by attesting (weight 0). */
export interface MemberRegistered {
  readonly type: 'MemberRegistered';
  readonly member: ValidatorId;
  readonly name: string;
  readonly weight: number;
  /** The lapsed member without weight that it takes the place of: forgotten, with its key sets. */
  readonly replaces: ValidatorId | null;
  readonly height: Height;
}

/** An approval that did not reach the threshold yet. */
export interface GovernanceApproved extends Cause {
  readonly type: 'GovernanceApproved';
  readonly proposal: Digest;
  readonly kind: ProposalKind;
  readonly member: AccountId;
  /** Distinct members so far, this one included. */
  readonly approvals: number;
  readonly threshold: number;
  /** Last height at which the approval counts. */
  readonly lapsesHeight: Height;
  readonly height: Height;
}

export interface TransactionRejected {
  readonly type: 'TransactionRejected';
  /** The transaction's id. */
  readonly id: Digest;
  readonly expiryHeight: Height;
  readonly sender: AccountId;
  readonly code: RejectionCode;
  /** For people and for reasons within a code; at most 512 characters. */
  readonly detail: string;
  readonly height: Height;
}

/** Transactions of senders nobody knows, one event per batch that has any; charged to the batch's author. */
export interface UnknownSendersCounted {
  readonly type: 'UnknownSendersCounted';
  readonly batch: Digest;
  readonly author: ValidatorId;
  readonly count: number;
  readonly height: Height;
}

/**
 * A validator signed what an honest one never does: once for each validator, kind and epoch. The proof stands in the body of
 * the block at `height`.
 */
export interface ValidatorEquivocated {
  readonly type: 'ValidatorEquivocated';
  readonly validator: ValidatorId;
  readonly kind: FaultEvidenceType;
  /** Round of the first fault that was proven. */
  readonly epoch: Epoch;
  readonly view: View;
  readonly height: Height;
}

/** Last event of a block in which a snapshot is due; covers the state before it. */
export interface SnapshotTaken {
  readonly type: 'SnapshotTaken';
  readonly stateVersion: number;
  readonly stateDigest: Digest;
  /** Events that the snapshot covers. */
  readonly eventCount: number;
  readonly height: Height;
}

export type LedgerEvent =
  | NetworkFounded
  | BlockBegun
  | RecordPut
  | AccountRegistered
  | MemberRegistered
  | GovernanceApproved
  | MeasurementAllowed
  | MeasurementGraced
  | MeasurementRevoked
  | AppraisalPolicyScheduled
  | AppraisalPolicyTookEffect
  | AttestationAccepted
  | AttestationRefreshed
  | AttestationReappraised
  | AttestationEvicted
  | EndorsementsAccepted
  | ModelPublished
  | ModelKeyGrantAuthorised
  | ModelRevoked
  | ModelGrantRevoked
  | InferenceRequested
  | ReceiptAccepted
  | ResponseWithheld
  | InferenceCompleted
  | InferenceDisputed
  | InferenceFailed
  | ExecutorLapsed
  | AnswerMissed
  | ExecutorDeclined
  | EquivocationRecorded
  | TransactionRejected
  | UnknownSendersCounted
  | ValidatorEquivocated
  | SnapshotTaken;

export type LedgerEventType = LedgerEvent['type'];

/** The transaction that an event settles and its fate, or undefined for an event that settles none. */
export function settledBy(
  event: LedgerEvent,
): { readonly id: Digest; readonly expiryHeight: Height; readonly code: RejectionCode | null } | undefined {
  if (event.type === 'TransactionRejected') return { id: event.id, expiryHeight: event.expiryHeight, code: event.code };
  if (!('transaction' in event) || event.transaction === null || event.expiryHeight === null) return undefined;
  return { id: event.transaction, expiryHeight: event.expiryHeight, code: null };
}
