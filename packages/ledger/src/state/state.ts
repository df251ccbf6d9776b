/**
 * The agreed state: a fold over the events and nothing else.
 *
 * Its collections are owned by the state and changed in place by `evolve` alone, which is what lets a block of thousands
 * of transactions execute in milliseconds; everyone else reads. `encodeState` gives its one canonical encoding, and
 * `decodeState(encodeState(state))` is how to copy it.
 */

import type { AppraisalPolicy, CrlSeen, Platform, StatementSeen, TrustAnchors } from '@cloister/attestation';
import type { ModelManifest } from '@cloister/confidential';
import type { ProvenFault } from '@cloister/consensus';
import {
  type AccountId,
  asHeight,
  type Digest,
  type Height,
  type Measurement,
  type ValidatorId,
  ZERO_DIGEST,
} from '@cloister/encoding';
import type { AttestedFields } from '../attestation/attested-fields.ts';
import type { EvictionCause } from '../events/attestation-events.ts';
import type { LedgerParams } from '../genesis/params.ts';
import { TaskIndex } from '../inference/task-index.ts';
import type { RejectionCode } from '../transactions/codes.ts';
import type { MeasurementStatus } from '../transactions/common-shapes.ts';
import type { ProposalKind } from '../transactions/proposal-kinds.ts';
import type { Task } from './task.ts';

/** The settings of a network: what the genesis fixed for good, and the appraisal policy, which governance changes. */
export interface NetworkSettings {
  readonly chainId: Digest;
  readonly name: string;
  readonly params: LedgerParams;
  readonly governance: { readonly members: readonly AccountId[]; readonly threshold: number };
  readonly trustAnchors: TrustAnchors;
  /** In force now. */
  readonly appraisalPolicy: AppraisalPolicy;
}

export interface RecordEntry {
  readonly value: string;
  readonly height: Height;
}
export interface Namespace {
  readonly owner: AccountId;
  readonly records: Map<string, RecordEntry>;
}

/** Records that an account holds, and the bytes of their keys, values and namespaces. */
export interface RecordUse {
  readonly count: number;
  readonly bytes: number;
}

export interface Account {
  readonly id: AccountId;
  readonly name: string;
  readonly height: Height;
}

export interface Member {
  readonly id: ValidatorId;
  readonly name: string;
  /** 0 for a node that joined by attesting. */
  readonly weight: number;
  readonly height: Height;
}

/** A pair of base measurement and image on a platform, and whether it may hold keys. */
export interface MeasurementEntry {
  readonly platform: Platform;
  readonly measurement: Measurement;
  readonly image: Digest;
  readonly name: string;
  readonly status: MeasurementStatus;
  /** First height at which an allowed pair counts. */
  readonly effectiveHeight: Height;
  /** Last height at which a pair in grace counts, also while it waits to be allowed again; null without a grace. */
  readonly graceUntilHeight: Height | null;
  /** Height of the event that gave it this status. */
  readonly height: Height;
}

export interface Eviction {
  readonly cause: EvictionCause;
  /** Why re-appraisal refused it; the code of its `AttestationEvicted`. */
  readonly code: string;
  readonly height: Height;
}

/** A node's current attestation, as accepted and since refreshed and re-appraised. */
export interface Attestation extends AttestedFields {
  /** Sequence of its AttestationAccepted. */
  readonly sequence: number;
  readonly refreshedHeight: Height;
  /** Null unless re-appraisal refused it. Only new evidence brings the node back. */
  readonly evicted: Eviction | null;
  /** Sequence of the newest event about it. */
  readonly newestSequence: number;
}

/** A keyset that was ever accepted, of a node that is a member still. */
export interface Keyset {
  readonly node: AccountId;
  readonly signKey: string;
  readonly hpkeKey: string;
  readonly status: 'current' | 'retired' | 'distrusted';
}

/** Endorsements never go back: a CRL older than this one is refused. */
export type CrlFloor = Pick<CrlSeen, 'number' | 'thisUpdateMs'>;

/** Likewise of a statement of Intel: neither number of a newer one may be lower. */
export type StatementFloor = Pick<StatementSeen, 'issueDateMs' | 'tcbEvaluationDataNumber'>;

/** An appraisal policy that was decided and waits for its height. */
export interface ScheduledPolicy {
  readonly appraisalPolicy: AppraisalPolicy;
  /** Members by which it lets in what the policy in force keeps out. */
  readonly loosenings: readonly string[];
  readonly effectiveHeight: Height;
  /** Height of the decision. */
  readonly height: Height;
}

export interface Model {
  readonly id: Digest;
  readonly owner: AccountId;
  readonly manifest: ModelManifest;
  readonly height: Height;
  /** Null while its owner has not revoked it. */
  readonly revokedHeight: Height | null;
  /** By keyset. */
  readonly grants: Map<Digest, ModelGrant>;
}

/** The newest grant of a model's key to a keyset. */
export interface ModelGrant {
  /** The keyset's node: the keyset itself is forgotten with a member that is replaced. */
  readonly node: AccountId;
  /** Sequence of its ModelKeyGrantAuthorised. */
  readonly sequence: number;
  /** Null while its owner has not revoked it and its keyset is known. */
  readonly revokedHeight: Height | null;
}

export interface GovernanceProposal {
  readonly kind: ProposalKind;
  /** Member → last height at which its approval counts. */
  readonly approvals: Map<AccountId, Height>;
}

/** A validator's proven fault, and the block that proved it. */
export interface Equivocation extends ProvenFault {
  readonly height: Height;
}

/** Height → what becomes due there, in the order in which it was put. */
export type HeightQueue = Map<Height, Digest[]>;

export interface LedgerState {
  /** Undefined before NetworkFounded. */
  network: NetworkSettings | undefined;
  /** Events folded in; the next event's sequence. */
  eventCount: number;
  height: Height;
  blockHash: Digest;
  timeMs: number;
  /** Hashes of the last blocks, as many as the policy's nonce window, in ascending order. */
  readonly recentBlocks: Map<Height, Digest>;
  /** Transactions that cannot be executed again, with the code of their rejection or null. */
  readonly executed: Map<Digest, RejectionCode | null>;
  /** Expiry height → transactions to forget after it. */
  readonly executedByExpiry: HeightQueue;
  readonly namespaces: Map<string, Namespace>;
  readonly accounts: Map<AccountId, Account>;
  readonly members: Map<ValidatorId, Member>;
  readonly proposals: Map<Digest, GovernanceProposal>;
  /** By `measurementKey`. */
  readonly measurements: Map<string, MeasurementEntry>;
  /** Changes with measurements and with the appraisal policy; see `ledgerPolicyDigest`. */
  policyDigest: Digest;
  scheduledPolicy: ScheduledPolicy | null;
  /** Height of the newest decision on the appraisal policy; null while the genesis' holds. */
  policyDecidedHeight: Height | null;
  readonly attestations: Map<AccountId, Attestation>;
  readonly keysets: Map<Digest, Keyset>;
  /** Sign and HPKE keys → the only node that may use them. */
  readonly keyOwners: Map<string, AccountId>;
  /** Hardware id → the node that last attested on it. */
  readonly hardware: Map<string, AccountId>;
  /** Issuer of a CRL → the newest one that was used. */
  readonly crlFloors: Map<Digest, CrlFloor>;
  /** Name of a statement → the highest of each number that was used. */
  readonly statementFloors: Map<string, StatementFloor>;
  readonly models: Map<Digest, Model>;
  readonly tasks: Map<Digest, Task>;
  /** Follows from `tasks`, and is no part of the encoding. */
  readonly taskIndex: TaskIndex;
  /** Ids of dropped tasks whose transaction could still come again. */
  readonly spentTasks: Set<Digest>;
  /** Expiry height → spent tasks to forget after it. */
  readonly spentByExpiry: HeightQueue;
  /** Owner → models published. Follows from `models`. */
  readonly modelsOf: Map<AccountId, number>;
  /** What each account has under its records. Follows from `namespaces`. */
  readonly recordUse: Map<AccountId, RecordUse>;
  /** Author → transactions of unknown senders in its batches. */
  readonly unknownSenders: Map<ValidatorId, number>;
  /** By `faultKey` of @cloister/consensus: at most one for each validator, kind and epoch. */
  readonly equivocations: Map<string, Equivocation>;
  snapshot: { readonly height: Height; readonly stateDigest: Digest; readonly eventCount: number } | null;
}

/** The state before the first event. */
export function initialState(): LedgerState {
  return {
    network: undefined,
    eventCount: 0,
    height: asHeight(0),
    blockHash: ZERO_DIGEST,
    timeMs: 0,
    recentBlocks: new Map(),
    executed: new Map(),
    executedByExpiry: new Map(),
    namespaces: new Map(),
    accounts: new Map(),
    members: new Map(),
    proposals: new Map(),
    measurements: new Map(),
    policyDigest: ZERO_DIGEST,
    scheduledPolicy: null,
    policyDecidedHeight: null,
    attestations: new Map(),
    keysets: new Map(),
    keyOwners: new Map(),
    hardware: new Map(),
    crlFloors: new Map(),
    statementFloors: new Map(),
    models: new Map(),
    tasks: new Map(),
    taskIndex: new TaskIndex(),
    spentTasks: new Set(),
    spentByExpiry: new Map(),
    modelsOf: new Map(),
    recordUse: new Map(),
    unknownSenders: new Map(),
    equivocations: new Map(),
    snapshot: null,
  };
}
