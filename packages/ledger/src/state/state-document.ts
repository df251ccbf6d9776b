import { RECEIPT_STATUSES } from '@cloister/confidential';
import { EVIDENCE_TYPES } from '@cloister/consensus';
import type { AccountId, Digest, Height, JsonValue, ValidatorId } from '@cloister/encoding';
import {
  account,
  anyJson,
  array,
  bool,
  count,
  digest,
  displayName,
  epoch,
  height,
  hex,
  literal,
  measurement,
  nullable,
  object,
  oneOf,
  refuse,
  type Shape,
  text,
  view,
} from '@cloister/encoding/shape';
import { attestedMembers } from '../attestation/attested-fields.ts';
import { governance } from '../genesis/genesis.ts';
import { ledgerParams } from '../genesis/params.ts';
import { DECLINE_CODES, FAILURE_CODES, REJECTION_CODES, type RejectionCode } from '../transactions/codes.ts';
import { measurementStatus, modelManifest, namespaceName, platform } from '../transactions/common-shapes.ts';
import { PROPOSAL_KINDS } from '../transactions/proposal-kinds.ts';
import type {
  Account,
  Attestation,
  CrlFloor,
  Equivocation,
  Eviction,
  GovernanceProposal,
  Keyset,
  LedgerState,
  MeasurementEntry,
  Member,
  Model,
  ModelGrant,
  NetworkSettings,
  RecordEntry,
  ScheduledPolicy,
  StatementFloor,
} from './state.ts';
import { keptOfRequest, type Task, type TaskExecutor, type TaskReceipt } from './task.ts';

type Entry<K, V> = readonly [K, V];
type Entries<K, V> = readonly Entry<K, V>[];

interface NamespaceDocument {
  readonly name: string;
  readonly owner: AccountId;
  readonly records: readonly ({ readonly key: string } & RecordEntry)[];
}
interface ProposalDocument {
  readonly id: Digest;
  readonly kind: GovernanceProposal['kind'];
  readonly approvals: Entries<AccountId, Height>;
}
type NetworkDocument = Omit<NetworkSettings, 'trustAnchors' | 'appraisalPolicy'> & {
  readonly trustAnchors: JsonValue;
  readonly appraisalPolicy: JsonValue;
};
type KeysetDocument = Keyset & { readonly id: Digest };
type ScheduledPolicyDocument = Omit<ScheduledPolicy, 'appraisalPolicy'> & { readonly appraisalPolicy: JsonValue };
type CrlFloorDocument = CrlFloor & { readonly issuer: Digest };
type StatementFloorDocument = StatementFloor & { readonly name: string };
type ModelDocument = Omit<Model, 'grants'> & { readonly grants: Entries<Digest, ModelGrant> };

/** Collections are in ascending order of their keys. */
export interface StateDocument {
  readonly version: 7;
  readonly network: NetworkDocument | null;
  readonly eventCount: number;
  readonly height: Height;
  readonly blockHash: Digest;
  readonly timeMs: number;
  readonly recentBlocks: Entries<Height, Digest>;
  readonly executed: Entries<Digest, RejectionCode | null>;
  readonly executedByExpiry: Entries<Height, readonly Digest[]>;
  readonly namespaces: readonly NamespaceDocument[];
  readonly accounts: readonly Account[];
  readonly members: readonly Member[];
  readonly proposals: readonly ProposalDocument[];
  readonly measurements: readonly MeasurementEntry[];
  readonly policyDigest: Digest;
  readonly scheduledPolicy: ScheduledPolicyDocument | null;
  readonly policyDecidedHeight: Height | null;
  readonly attestations: readonly Attestation[];
  readonly keysets: readonly KeysetDocument[];
  readonly hardware: Entries<string, AccountId>;
  readonly crlFloors: readonly CrlFloorDocument[];
  readonly statementFloors: readonly StatementFloorDocument[];
  readonly models: readonly ModelDocument[];
  readonly tasks: readonly Task[];
  readonly spentByExpiry: Entries<Height, readonly Digest[]>;
  readonly unknownSenders: Entries<ValidatorId, number>;
  readonly equivocations: readonly Equivocation[];
  readonly snapshot: LedgerState['snapshot'];
}

const UNBOUNDED = { max: Number.MAX_SAFE_INTEGER };

function list<T>(element: Shape<T>): Shape<readonly T[]> {
  return array(element, UNBOUNDED);
}

function entry<K, V>(key: Shape<K>, value: Shape<V>): Shape<Entry<K, V>> {
  const both = array(anyJson, { min: 2, max: 2 });
  return (json, path) => {
    const [first, second] = both(json, path);
    if (first === undefined || second === undefined) refuse(path, 'an entry');
    return [key(first, `${path}[0]`), value(second, `${path}[1]`)];
  };
}

const validator: Shape<ValidatorId> = account as Shape<ValidatorId>;
const queue: Shape<Entries<Height, readonly Digest[]>> = list(entry(height, list(digest)));
const timeMs: Shape<number> = count();

const attestation: Shape<Attestation> = object<Attestation>({
  ...attestedMembers,
  sequence: count(),
  refreshedHeight: height,
  evicted: nullable(object<Eviction>({ cause: oneOf(['policy', 'endorsements']), code: text(64, 1), height })),
  newestSequence: count(),
});

const task: Shape<Task> = object<Task>({
  ...keptOfRequest,
  id: digest,
  executors: list(
    object<TaskExecutor>({
      node: account,
      keyset: digest,
      attestationSequence: count(),
      lapsed: bool,
      declined: nullable(
        object<NonNullable<TaskExecutor['declined']>>({ code: oneOf(DECLINE_CODES), sequence: count() }),
      ),
      withheld: nullable(count()),
      missed: nullable(count()),
    }),
  ),
  requestSequence: count(),
  receipts: list(
    object<TaskReceipt>({
      keyset: digest,
      sequence: count(),
      status: oneOf(RECEIPT_STATUSES),
      outputCommitment: digest,
      numericClass: text(64),
      responseDigest: digest,
      receiptDigest: digest,
    }),
  ),
  disputed: bool,
  status: oneOf(['open', 'completed', 'failed']),
  failure: nullable(oneOf(FAILURE_CODES)),
  agreed: list(digest),
  closedHeight: nullable(height),
  keptUntilMs: timeMs,
});

const measurementEntry: Shape<MeasurementEntry> = object<MeasurementEntry>({
  platform,
  measurement,
  image: digest,
  name: displayName,
  status: measurementStatus,
  effectiveHeight: height,
  graceUntilHeight: nullable(height),
  height,
});

export const stateDocument: Shape<StateDocument> = object<StateDocument>({
  version: literal(7),
  network: nullable(
    object<NetworkDocument>({
      chainId: digest,
      name: displayName,
      params: ledgerParams,
      governance,
      trustAnchors: anyJson,
      appraisalPolicy: anyJson,
    }),
  ),
  eventCount: count(),
  height,
  blockHash: digest,
  timeMs,
  recentBlocks: list(entry(height, digest)),
  executed: list(entry(digest, nullable(oneOf(REJECTION_CODES)))),
  executedByExpiry: queue,
  namespaces: list(
    object<NamespaceDocument>({
      name: namespaceName,
      owner: account,
      records: list(object<NamespaceDocument['records'][number]>({ key: text(256), value: text(8192), height })),
    }),
  ),
  accounts: list(object<Account>({ id: account, name: displayName, height })),
  members: list(object<Member>({ id: validator, name: displayName, weight: count(), height })),
  proposals: list(
    object<ProposalDocument>({
      id: digest,
      kind: oneOf(PROPOSAL_KINDS),
      approvals: list(entry(account, height)),
    }),
  ),
  measurements: list(measurementEntry),
  policyDigest: digest,
  scheduledPolicy: nullable(
    object<ScheduledPolicyDocument>({
      appraisalPolicy: anyJson,
      loosenings: list(text(64)),
      effectiveHeight: height,
      height,
    }),
  ),
  policyDecidedHeight: nullable(height),
  attestations: list(attestation),
  keysets: list(
    object<KeysetDocument>({
      id: digest,
      node: account,
      signKey: hex(32),
      hpkeKey: hex(32),
      status: oneOf(['current', 'retired', 'distrusted']),
    }),
  ),
  hardware: list(entry(text(128), account)),
  crlFloors: list(object<CrlFloorDocument>({ issuer: digest, number: hex(20), thisUpdateMs: timeMs })),
  statementFloors: list(
    object<StatementFloorDocument>({ name: text(64), issueDateMs: timeMs, tcbEvaluationDataNumber: count() }),
  ),
  models: list(
    object<ModelDocument>({
      id: digest,
      owner: account,
      manifest: modelManifest,
      height,
      revokedHeight: nullable(height),
      grants: list(
        entry(digest, object<ModelGrant>({ node: account, sequence: count(), revokedHeight: nullable(height) })),
      ),
    }),
  ),
  tasks: list(task),
  spentByExpiry: queue,
  unknownSenders: list(entry(validator, count())),
  equivocations: list(object<Equivocation>({ validator, kind: oneOf(EVIDENCE_TYPES), epoch, view, height })),
  snapshot: nullable(
    object<NonNullable<LedgerState['snapshot']>>({ height, stateDigest: digest, eventCount: count() }),
  ),
});
