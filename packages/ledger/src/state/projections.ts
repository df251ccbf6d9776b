/** Projections of the state for people and programs outside: plain data, in a stable order, computed on demand. */
import type { ModelManifest } from '@cloister/confidential';
import type { AccountId, Digest, Height, ValidatorId } from '@cloister/encoding';
import { eligible } from '../attestation/eligibility.ts';
import { type MeasurementPhase, measurementPhase } from '../attestation/measurement-set.ts';
import type { EligibilityReason, RejectionCode } from '../transactions/codes.ts';
import { settingsOf } from './settings-of.ts';
import type {
  Account,
  Attestation,
  LedgerState,
  MeasurementEntry,
  Member,
  NetworkSettings,
  ScheduledPolicy,
} from './state.ts';
import type { Task } from './task.ts';

export interface NetworkProjection {
  readonly chainId: Digest;
  readonly name: string;
  /** True: made under simulated anchors; no guarantee holds against anyone. */
  readonly simulated: boolean;
  readonly params: NetworkSettings['params'];
  readonly governance: NetworkSettings['governance'];
  /** In force at the state's height. */
  readonly appraisalPolicy: NetworkSettings['appraisalPolicy'];
  /** Decided, and waiting for its height. */
  readonly scheduledPolicy: ScheduledPolicy | null;
  readonly policyDigest: Digest;
  readonly height: Height;
  readonly blockHash: Digest;
  readonly timeMs: number;
  readonly eventCount: number;
}

export function projectNetwork(state: LedgerState): NetworkProjection {
  const { chainId, name, params, governance, appraisalPolicy, trustAnchors } = settingsOf(state);
  const { scheduledPolicy, policyDigest, height, blockHash, timeMs, eventCount } = state;
  const { simulated } = trustAnchors;
  return {
    chainId,
    name,
    simulated,
    params,
    governance,
    appraisalPolicy,
    scheduledPolicy,
    policyDigest,
    height,
    blockHash,
    timeMs,
    eventCount,
  };
}

export interface MemberProjection extends Member {
  readonly role: 'validator' | 'member';
  /** Keyset of its attestation, even if that does not hold any more; null when it has none. */
  readonly keyset: Digest | null;
  readonly eligible: boolean;
  readonly reasons: readonly EligibilityReason[];
  /** Transactions of unknown senders in batches of its own. */
  readonly unknownSenders: number;
}

function memberProjectionOf(state: LedgerState, member: Member): MemberProjection {
  return {
    ...member,
    role: member.weight > 0 ? 'validator' : 'member',
    keyset: state.attestations.get(member.id)?.keyset ?? null,
    ...acceptanceOf(state, member.id),
    unknownSenders: state.unknownSenders.get(member.id) ?? 0,
  };
}

/** One member; undefined for an id that is none. */
export function projectMember(state: LedgerState, id: ValidatorId): MemberProjection | undefined {
  const member = state.members.get(id);
  return member === undefined ? undefined : memberProjectionOf(state, member);
}

/** Validators first, by falling weight, then members; equals by id. */
export function listMembers(state: LedgerState): readonly MemberProjection[] {
  return [...state.members.values()]
    .sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1))
    .map((member) => memberProjectionOf(state, member));
}

/** Members of weight above zero. */
export function listValidators(state: LedgerState): readonly MemberProjection[] {
  return listMembers(state).filter(({ role }) => role === 'validator');
}

export function listAccounts(state: LedgerState): readonly Account[] {
  return [...state.accounts.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function acceptanceOf(
  state: LedgerState,
  node: AccountId,
): { readonly eligible: boolean; readonly reasons: readonly EligibilityReason[] } {
  const { height, timeMs } = state;
  const answer = eligible({ state, validator: node, height, timeMs });
  return answer.eligible ? { eligible: true, reasons: [] } : { eligible: false, reasons: answer.reasons };
}

/** All but the evidence bundle itself, which is in the events. */
export interface AttestationProjection extends Omit<Attestation, 'bundle'> {
  readonly eligible: boolean;
  readonly reasons: readonly EligibilityReason[];
  /** Blocks after this one for which it holds if refreshed in time; below zero when lapsed. */
  readonly blocksLeft: number;
  /** Blocks after this one for which it holds without another refresh. */
  readonly blocksToRefresh: number;
  /** Milliseconds of block time until an endorsement ends. */
  readonly msLeft: number;
}

export function projectAttestation(state: LedgerState, node: AccountId): AttestationProjection | undefined {
  const found = state.attestations.get(node);
  if (found === undefined) return undefined;
  const { bundle: _, ...attestation } = found;
  return {
    ...attestation,
    ...acceptanceOf(state, node),
    blocksLeft: attestation.validUntilHeight - state.height,
    blocksToRefresh: attestation.aliveUntilHeight - state.height,
    msLeft: attestation.validUntilMs - state.timeMs,
  };
}

/** By node. */
export function listAttestations(state: LedgerState): readonly AttestationProjection[] {
  return [...state.attestations.keys()].sort().flatMap((node) => projectAttestation(state, node) ?? []);
}

export interface MeasurementProjection extends MeasurementEntry {
  /** At the state's height. */
  readonly phase: MeasurementPhase;
  /** Nodes whose current attestation is of this pair. */
  readonly nodes: readonly AccountId[];
}

export function listMeasurements(state: LedgerState): readonly MeasurementProjection[] {
  return [...state.measurements]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, entry]) => ({
      ...entry,
      phase: measurementPhase(entry, state.height),
      nodes: [...state.attestations.values()]
        .filter(({ measurement, image }) => measurement === entry.measurement && image === entry.image)
        .map(({ node }) => node)
        .sort(),
    }));
}

export interface ModelProjection {
  readonly model: Digest;
  readonly owner: AccountId;
  readonly manifest: ModelManifest;
  readonly height: Height;
  /** Null while its owner has not revoked it. */
  readonly revokedHeight: Height | null;
  /** Sequence: of the ModelKeyGrantAuthorised. `eligible`: whether it may execute for the model right now. */
  readonly grants: readonly {
    readonly keyset: Digest;
    readonly node: AccountId;
    readonly sequence: number;
    readonly eligible: boolean;
    readonly reasons: readonly EligibilityReason[];
  }[];
}

export function projectModel(state: LedgerState, id: Digest): ModelProjection | undefined {
  const model = state.models.get(id);
  if (model === undefined) return undefined;
  const { height, timeMs } = state;
  const grants = [...model.grants]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([keyset, { node, sequence }]) => {
      const answer = eligible({ state, validator: node, keyset, model: id, height, timeMs });
      return { keyset, node, sequence, eligible: answer.eligible, reasons: answer.eligible ? [] : answer.reasons };
    });
  const { owner, manifest, height: publishedHeight, revokedHeight } = model;
  return { model: id, owner, manifest, height: publishedHeight, revokedHeight, grants };
}

/** By height, then id. */
export function listModels(state: LedgerState): readonly ModelProjection[] {
  return [...state.models.values()]
    .sort((a, b) => a.height - b.height || (a.id < b.id ? -1 : 1))
    .flatMap(({ id }) => projectModel(state, id) ?? []);
}

/** A task; the sealed request and the responses are in the events that the sequences name. Undefined once dropped. */
export function projectInference(state: LedgerState, task: Digest): Task | undefined {
  return state.tasks.get(task);
}

/** Newest first. */
export function listInferences(state: LedgerState, limit: number): readonly Task[] {
  return [...state.tasks.values()].sort((a, b) => b.requestSequence - a.requestSequence).slice(0, limit);
}

/** Open tasks that name this node and have no receipt of it, oldest first: what an executor owes after a restart. */
export function openTasksOf(state: LedgerState, node: AccountId): readonly Task[] {
  return [...state.tasks.values()]
    .filter((task) => task.status === 'open' && owes(task, node))
    .sort((a, b) => a.requestSequence - b.requestSequence);
}

function owes(task: Task, node: AccountId): boolean {
  const mine = task.executors.find((executor) => executor.node === node);
  return mine !== undefined && !task.receipts.some(({ keyset }) => keyset === mine.keyset);
}

export interface RecordProjection {
  readonly namespace: string;
  readonly key: string;
  readonly value: string;
  readonly owner: AccountId;
  /** Height of the block that wrote it. */
  readonly height: Height;
}

export function projectRecord(state: LedgerState, namespace: string, key: string): RecordProjection | undefined {
  const space = state.namespaces.get(namespace);
  const entry = space?.records.get(key);
  if (space === undefined || entry === undefined) return undefined;
  return { namespace, key, value: entry.value, owner: space.owner, height: entry.height };
}

export type Fate =
  | { readonly fate: 'COMMITTED' }
  | { readonly fate: 'REJECTED'; readonly code: RejectionCode }
  | { readonly fate: 'EXPIRED' };

/**
 * What became of a transaction, as long as the state remembers it, which is until it expires; the log knows for ever
 * (`settledBy`). EXPIRED needs its expiryHeight: it was not executed and no longer can be. Undefined: not known here.
 */
export function fate(state: LedgerState, id: Digest, expiryHeight?: Height): Fate | undefined {
  const code = state.executed.get(id);
  if (code === null) return { fate: 'COMMITTED' };
  if (code !== undefined) return { fate: 'REJECTED', code };
  return expiryHeight !== undefined && expiryHeight < state.height ? { fate: 'EXPIRED' } : undefined;
}
