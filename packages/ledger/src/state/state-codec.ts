/**
 * The one encoding of a state, for snapshots: versioned canonical JSON with every collection in order of its keys.
 *
 * Two states that hold the same have the same bytes, however they came about, so that a digest of them can be an event
 * that everyone agrees on. Decoding is as strict as any other parser here; a snapshot may come from a peer.
 */
import {
  appraisalPolicyFromJson,
  appraisalPolicyToJson,
  trustAnchorsFromJson,
  trustAnchorsToJson,
} from '@cloister/attestation';
import { faultKey } from '@cloister/consensus';
import { hash } from '@cloister/crypto';
import {
  canonicalJson,
  type Digest,
  fail,
  type Height,
  type JsonErrorCode,
  ok,
  parseCanonicalJson,
  type Result,
  utf8,
} from '@cloister/encoding';
import { parseShape } from '@cloister/encoding/shape';
import { measurementKey } from '../attestation/measurement-set.ts';
import { TaskIndex } from '../inference/task-index.ts';
import { recordUseOf } from './record-use.ts';
import type {
  GovernanceProposal,
  HeightQueue,
  LedgerState,
  Model,
  Namespace,
  NetworkSettings,
  ScheduledPolicy,
} from './state.ts';
import { type StateDocument, stateDocument } from './state-document.ts';

/** Rises with every change of the encoding. */
export const STATE_VERSION = 7;
const MAX_STATE_BYTES = 0x1fff_ffff;

export type StateCode = JsonErrorCode | 'JSON_NOT_CANONICAL' | 'STATE_SHAPE';

type Sortable = string | number;

function entries<K extends Sortable, V>(map: ReadonlyMap<K, V>): readonly (readonly [K, V])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

function networkToJson({ trustAnchors, appraisalPolicy, ...rest }: NetworkSettings): StateDocument['network'] {
  return {
    ...rest,
    trustAnchors: trustAnchorsToJson(trustAnchors),
    appraisalPolicy: appraisalPolicyToJson(appraisalPolicy),
  };
}

function scheduledToJson(scheduled: ScheduledPolicy | null): StateDocument['scheduledPolicy'] {
  if (scheduled === null) return null;
  return { ...scheduled, appraisalPolicy: appraisalPolicyToJson(scheduled.appraisalPolicy) };
}

function toDocument(state: LedgerState): StateDocument {
  return {
    version: STATE_VERSION,
    network: state.network === undefined ? null : networkToJson(state.network),
    eventCount: state.eventCount,
    height: state.height,
    blockHash: state.blockHash,
    timeMs: state.timeMs,
    recentBlocks: entries(state.recentBlocks),
    executed: entries(state.executed),
    executedByExpiry: entries<Height, readonly Digest[]>(state.executedByExpiry),
    namespaces: entries(state.namespaces).map(([name, { owner, records }]) => ({
      name,
      owner,
      records: entries(records).map(([key, { value, height }]) => ({ key, value, height })),
    })),
    accounts: entries(state.accounts).map(([, account]) => account),
    members: entries(state.members).map(([, member]) => member),
    proposals: entries(state.proposals).map(([id, { kind, approvals }]) => ({
      id,
      kind,
      approvals: entries(approvals),
    })),
    measurements: entries(state.measurements).map(([, entry]) => entry),
    policyDigest: state.policyDigest,
    scheduledPolicy: scheduledToJson(state.scheduledPolicy),
    policyDecidedHeight: state.policyDecidedHeight,
    attestations: entries(state.attestations).map(([, attestation]) => attestation),
    keysets: entries(state.keysets).map(([id, keyset]) => ({ id, ...keyset })),
    hardware: entries(state.hardware),
    crlFloors: entries(state.crlFloors).map(([issuer, floor]) => ({ issuer, ...floor })),
    statementFloors: entries(state.statementFloors).map(([name, floor]) => ({ name, ...floor })),
    models: entries(state.models).map(([, { grants, ...model }]) => ({ ...model, grants: entries(grants) })),
    tasks: entries(state.tasks).map(([, task]) => task),
    spentByExpiry: entries<Height, readonly Digest[]>(state.spentByExpiry),
    unknownSenders: entries(state.unknownSenders),
    equivocations: entries(state.equivocations).map(([, equivocation]) => equivocation),
    snapshot: state.snapshot,
  };
}

export function encodeState(state: LedgerState): Uint8Array {
  return utf8(canonicalJson(toDocument(state)));
}

/** Names a state: what a SnapshotTaken carries. */
export function stateDigest(state: LedgerState): Digest {
  return hash('cloister/state/v1', encodeState(state));
}

/** A new state equal to the encoded one. Never throws; whether it is the agreed one is for the digest to say. */
export function decodeState(bytes: Uint8Array): Result<LedgerState, StateCode> {
  const json = parseCanonicalJson(bytes, { maxBytes: MAX_STATE_BYTES, maxDepth: 16 });
  if (!json.ok) return json;
  const shaped = parseShape(stateDocument, json.value);
  if (!shaped.ok) return fail('STATE_SHAPE', shaped.detail);
  const network = networkFromJson(shaped.value.network);
  if (!network.ok) return network;
  const scheduled = scheduledFromJson(shaped.value.scheduledPolicy);
  return scheduled.ok ? ok(fromDocument(shaped.value, network.value, scheduled.value)) : scheduled;
}

function networkFromJson(json: StateDocument['network']): Result<NetworkSettings | undefined, 'STATE_SHAPE'> {
  if (json === null) return ok(undefined);
  const trustAnchors = trustAnchorsFromJson(json.trustAnchors);
  if (!trustAnchors.ok) return fail('STATE_SHAPE', trustAnchors.code);
  const appraisalPolicy = appraisalPolicyFromJson(json.appraisalPolicy);
  if (!appraisalPolicy.ok) return fail('STATE_SHAPE', appraisalPolicy.code);
  return ok({ ...json, trustAnchors: trustAnchors.value, appraisalPolicy: appraisalPolicy.value });
}

function scheduledFromJson(json: StateDocument['scheduledPolicy']): Result<ScheduledPolicy | null, 'STATE_SHAPE'> {
  if (json === null) return ok(null);
  const appraisalPolicy = appraisalPolicyFromJson(json.appraisalPolicy);
  return appraisalPolicy.ok
    ? ok({ ...json, appraisalPolicy: appraisalPolicy.value })
    : fail('STATE_SHAPE', appraisalPolicy.code);
}

function byId<T extends { readonly id: string }>(items: readonly T[]): Map<T['id'], T> {
  return new Map(items.map((item) => [item.id, item]));
}

function countBy<K>(keys: readonly K[]): Map<K, number> {
  const counts = new Map<K, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function queueFrom(items: StateDocument['executedByExpiry']): HeightQueue {
  return new Map(items.map(([height, ids]) => [height, [...ids]]));
}

function fromDocument(
  document: StateDocument,
  network: NetworkSettings | undefined,
  scheduledPolicy: ScheduledPolicy | null,
): LedgerState {
  const keysets = document.keysets.map(({ id, ...keyset }) => [id, keyset] as const);
  const namespaces = new Map(
    document.namespaces.map(({ name, owner, records }) => [name, namespaceFrom(owner, records)]),
  );
  return {
    network,
    eventCount: document.eventCount,
    height: document.height,
    blockHash: document.blockHash,
    timeMs: document.timeMs,
    recentBlocks: new Map(document.recentBlocks),
    executed: new Map(document.executed),
    executedByExpiry: queueFrom(document.executedByExpiry),
    namespaces,
    accounts: byId(document.accounts),
    members: byId(document.members),
    proposals: new Map(
      document.proposals.map(({ id, kind, approvals }): [Digest, GovernanceProposal] => [
        id,
        { kind, approvals: new Map(approvals) },
      ]),
    ),
    measurements: new Map(document.measurements.map((entry) => [measurementKey(entry), entry])),
    policyDigest: document.policyDigest,
    scheduledPolicy,
    policyDecidedHeight: document.policyDecidedHeight,
    attestations: new Map(document.attestations.map((attestation) => [attestation.node, attestation])),
    keysets: new Map(keysets),
    keyOwners: new Map(
      keysets.flatMap(([, { node, signKey, hpkeKey }]) => [
        [signKey, node],
        [hpkeKey, node],
      ]),
    ),
    hardware: new Map(document.hardware),
    crlFloors: new Map(document.crlFloors.map(({ issuer, ...floor }) => [issuer, floor])),
    statementFloors: new Map(document.statementFloors.map(({ name, ...floor }) => [name, floor])),
    models: new Map(
      document.models.map((model): [Digest, Model] => [model.id, { ...model, grants: new Map(model.grants) }]),
    ),
    tasks: byId(document.tasks),
    taskIndex: TaskIndex.of(document.tasks),
    spentTasks: new Set(document.spentByExpiry.flatMap(([, ids]) => ids)),
    spentByExpiry: queueFrom(document.spentByExpiry),
    modelsOf: countBy(document.models.map(({ owner }) => owner)),
    recordUse: recordUseOf(namespaces),
    unknownSenders: new Map(document.unknownSenders),
    equivocations: new Map(document.equivocations.map((each) => [faultKey(each), each])),
    snapshot: document.snapshot,
  };
}

function namespaceFrom(owner: Namespace['owner'], records: StateDocument['namespaces'][number]['records']): Namespace {
  return { owner, records: new Map(records.map(({ key, value, height }) => [key, { value, height }])) };
}
