/**
 * The facts that a header commits beside the events: what holds *now*, each under a key of one tree.
 *
 * An event proves that something happened, and says nothing of what was taken back since: whoever is shown events by one
 * node believes that node that there were no others. So each header names the root of a tree (`lastFinal.factsRoot`) that maps
 * every key below to one document, as of the state after its lastFinal. A client that is shown a document with its proof
 * under a fresh header knows that nothing newer was left out. The documents are canonical JSON, bounded by what they describe.
 *
 * The tree is derived from the state, never stored with it: `factsOf` makes it from nothing, `factsAfter` changes what the
 * events of a block touched. Both give the same root.
 */
import { appraisalPolicyToJson } from '@cloister/attestation';
import {
  type AccountId,
  canonicalJson,
  type Digest,
  type JsonValue,
  type KeyedTree,
  keyedRoot,
  utf8,
  withKeyedEntry,
} from '@cloister/crypto';
import type { LedgerEvent } from './events.ts';
import { sortedMeasurements } from './measurement-set.ts';
import { networkOf } from './network-of.ts';
import type { LedgerState } from './state.ts';

/** What a fact is about. */
export type FactSubject =
  /** Appraisal policy, measurements and the floors of endorsements: all that evidence is judged by beside the genesis. */
  | { readonly about: 'rules' }
  /** The current attestation of a node. */
  | { readonly about: 'attestation'; readonly node: AccountId }
  | { readonly about: 'model'; readonly model: Digest }
  /** The newest grant of a model's key to a keyset. */
  | { readonly about: 'grant'; readonly model: Digest; readonly keyset: Digest };

const RULES: FactSubject = { about: 'rules' };

/** Injective: ids and digests have no '/'. */
export function factKey(subject: FactSubject): string {
  switch (subject.about) {
    case 'rules':
      return 'rules';
    case 'attestation':
      return `attestation/${subject.node}`;
    case 'model':
      return `model/${subject.model}`;
    case 'grant':
      return `grant/${subject.model}/${subject.keyset}`;
  }
}

/** The document of a fact in a state; undefined when there is no such fact. */
export function factDocument(state: LedgerState, subject: FactSubject): Uint8Array | undefined {
  const json = factJson(state, subject);
  return json === undefined ? undefined : utf8(canonicalJson(json));
}

function factJson(state: LedgerState, subject: FactSubject): JsonValue | undefined {
  switch (subject.about) {
    case 'rules':
      return state.network === undefined ? undefined : rulesJson(state);
    case 'attestation':
      return attestationJson(state, subject.node);
    case 'model': {
      const model = state.models.get(subject.model);
      if (model === undefined) return undefined;
      const { id, owner, height, revokedHeight } = model;
      return { model: id, owner, height, revokedHeight };
    }
    case 'grant': {
      const { model, keyset } = subject;
      const grant = state.models.get(model)?.grants.get(keyset);
      if (grant === undefined) return undefined;
      return { model, keyset, sequence: grant.sequence, revokedHeight: grant.revokedHeight };
    }
  }
}

function rulesJson(state: LedgerState): JsonValue {
  return {
    appraisalPolicy: appraisalPolicyToJson(networkOf(state).appraisalPolicy),
    policyDigest: state.policyDigest,
    measurements: sortedMeasurements(state.measurements).map((entry) => ({
      platform: entry.platform,
      measurement: entry.measurement,
      image: entry.image,
      status: entry.status,
      effectiveHeight: entry.effectiveHeight,
      graceUntilHeight: entry.graceUntilHeight,
    })),
    crlFloors: sorted(state.crlFloors).map(([issuer, { number, thisUpdateMs }]) => ({ issuer, number, thisUpdateMs })),
    statementFloors: sorted(state.statementFloors).map(([name, { issueDateMs, tcbEvaluationDataNumber }]) => ({
      name,
      issueDateMs,
      tcbEvaluationDataNumber,
    })),
  };
}

function attestationJson(state: LedgerState, node: AccountId): JsonValue | undefined {
  const held = state.attestations.get(node);
  if (held === undefined) return undefined;
  return {
    node,
    keyset: held.keyset,
    keysetStatus: state.keysets.get(held.keyset)?.status ?? null,
    sequence: held.sequence,
    platform: held.platform,
    hardwareId: held.hardwareId,
    measurement: held.measurement,
    image: held.image,
    signKey: held.signKey,
    hpkeKey: held.hpkeKey,
    validUntilHeight: held.validUntilHeight,
    validUntilMs: held.validUntilMs,
    aliveUntilHeight: held.aliveUntilHeight,
    evicted: held.evicted?.code ?? null,
  };
}

function sorted<V>(map: ReadonlyMap<string, V>): readonly (readonly [string, V])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function withFact(tree: KeyedTree, state: LedgerState, subject: FactSubject): KeyedTree {
  return withKeyedEntry(tree, factKey(subject), factDocument(state, subject));
}

/** The tree of all facts of a state. */
export function factsOf(state: LedgerState): KeyedTree {
  let tree = withFact(undefined, state, RULES);
  for (const node of state.attestations.keys()) tree = withFact(tree, state, { about: 'attestation', node });
  for (const [model, { grants }] of state.models) {
    tree = withFact(tree, state, { about: 'model', model });
    for (const keyset of grants.keys()) tree = withFact(tree, state, { about: 'grant', model, keyset });
  }
  return tree;
}

/** The tree of a state to which `events` led, from the tree before them. */
export function factsAfter(tree: KeyedTree, state: LedgerState, events: readonly LedgerEvent[]): KeyedTree {
  const touched = new Map<string, FactSubject>();
  for (const event of events) for (const subject of touchedBy(event)) touched.set(factKey(subject), subject);
  let next = tree;
  for (const subject of touched.values()) next = withFact(next, state, subject);
  return next;
}

/** The root that headers commit. */
export function factsRoot(tree: KeyedTree): Digest {
  return keyedRoot(tree);
}

/** What an event may change. A fact that is missing here would stop a node that restarts: its tree is made from nothing. */
function touchedBy(event: LedgerEvent): readonly FactSubject[] {
  switch (event.type) {
    case 'NetworkFounded':
    case 'MeasurementAllowed':
    case 'MeasurementGraced':
    case 'MeasurementRevoked':
    case 'AppraisalPolicyTookEffect':
    case 'EndorsementsAccepted':
      return [RULES];
    case 'AttestationAccepted':
      return [RULES, { about: 'attestation', node: event.node }];
    case 'AttestationRefreshed':
    case 'AttestationReappraised':
    case 'AttestationEvicted':
    case 'EquivocationRecorded':
      return [{ about: 'attestation', node: event.node }];
    case 'ModelPublished':
    case 'ModelRevoked':
      return [{ about: 'model', model: event.model }];
    case 'ModelKeyGrantAuthorised':
    case 'ModelGrantRevoked':
      return [{ about: 'grant', model: event.model, keyset: event.keyset }];
    case 'BlockBegun':
    case 'RecordPut':
    case 'AccountRegistered':
    case 'MemberRegistered':
    case 'GovernanceApproved':
    case 'AppraisalPolicyScheduled':
    case 'InferenceRequested':
    case 'ReceiptAccepted':
    case 'InferenceCompleted':
    case 'InferenceDisputed':
    case 'InferenceFailed':
    case 'ExecutorLapsed':
    case 'TransactionRejected':
    case 'UnknownSendersCounted':
    case 'SnapshotTaken':
      return [];
  }
}
