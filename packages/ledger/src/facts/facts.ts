/**
 * The facts that a header commits beside the events: what holds *now*, each under a key of one tree.
 *
 * An event proves that something happened, and says nothing of what was taken back since: a client that is shown events
 * by one node must believe that node that there were no others. So each header names the root of a tree
 * (`lastFinal.factsRoot`) that maps every key below to one document, as of the state after its lastFinal. A client that
 * is shown a document with its proof under a fresh header knows that nothing newer was left out. The documents are
 * those of fact-documents.ts.
 *
 * The tree is derived from the state, never stored with it: `factTreeOf` makes it from nothing, `factsAfter` changes
 * what the events of a block touched. Both give the same root.
 */

import { type KeyedTree, keyedRoot, withKeyedEntry } from '@cloister/crypto';
import { type AccountId, type Digest, parseAccountId, parseDigest } from '@cloister/encoding';
import type { LedgerEvent } from '../events/events.ts';
import type { LedgerState } from '../state/state.ts';
import { factDocument } from './fact-documents.ts';
import type { FactSubject } from './fact-subject.ts';

export const RULES_SUBJECT: FactSubject = { about: 'rules' };

/** The facts by which the attestations of these nodes are judged: whether they stand now. */
export function standingSubjects(nodes: readonly AccountId[]): readonly FactSubject[] {
  return [RULES_SUBJECT, ...nodes.map((node): FactSubject => ({ about: 'attestation', node }))];
}

/** Characters of the longest key. */
export const FACT_KEY_LENGTH_MAX = 135;

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

/** Inverse of `factKey`; undefined for a text that it never gives. */
export function parseFactKey(key: string): FactSubject | undefined {
  const [about, first, second, ...more] = key.split('/');
  if (more.length > 0) return undefined;
  if (about === 'rules') return first === undefined ? RULES_SUBJECT : undefined;
  if (about === 'grant') {
    const model = parseDigest(first);
    const keyset = parseDigest(second);
    return model === undefined || keyset === undefined ? undefined : { about, model, keyset };
  }
  if (second !== undefined) return undefined;
  if (about === 'model') {
    const model = parseDigest(first);
    return model === undefined ? undefined : { about, model };
  }
  const node = parseAccountId(first);
  return about === 'attestation' && node !== undefined ? { about, node } : undefined;
}

function withFact(tree: KeyedTree, state: LedgerState, subject: FactSubject): KeyedTree {
  return withKeyedEntry(tree, factKey(subject), factDocument(state, subject));
}

/** The tree of all facts of a state. */
export function factTreeOf(state: LedgerState): KeyedTree {
  let tree = withFact(undefined, state, RULES_SUBJECT);
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
  for (const event of events) for (const subject of touchedBy(state, event)) touched.set(factKey(subject), subject);
  let next = tree;
  for (const subject of touched.values()) next = withFact(next, state, subject);
  return next;
}

/** The root that headers commit. */
export function factsRoot(tree: KeyedTree): Digest {
  return keyedRoot(tree);
}

/** What an event may change. A fact that is missing here would stop a node that restarts: its tree is made from nothing. */
function touchedBy(state: LedgerState, event: LedgerEvent): readonly FactSubject[] {
  switch (event.type) {
    case 'NetworkFounded':
    case 'MeasurementAllowed':
    case 'MeasurementGraced':
    case 'MeasurementRevoked':
    case 'AppraisalPolicyTookEffect':
    case 'EndorsementsAccepted':
      return [RULES_SUBJECT];
    case 'AttestationAccepted':
      return [RULES_SUBJECT, { about: 'attestation', node: event.node }];
    case 'MemberRegistered':
      return event.replaces === null ? [] : touchedByForgetting(state, event.replaces);
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
      return [
        { about: 'model', model: event.model },
        { about: 'grant', model: event.model, keyset: event.keyset },
      ];
    case 'BlockBegun':
    case 'RecordPut':
    case 'AccountRegistered':
    case 'GovernanceApproved':
    case 'AppraisalPolicyScheduled':
    case 'InferenceRequested':
    case 'ReceiptAccepted':
    case 'ResponseWithheld':
    case 'InferenceCompleted':
    case 'InferenceDisputed':
    case 'InferenceFailed':
    case 'ExecutorLapsed':
    case 'AnswerMissed':
    case 'ExecutorDeclined':
    case 'TransactionRejected':
    case 'UnknownSendersCounted':
    case 'ValidatorEquivocated':
    case 'SnapshotTaken':
      return [];
  }
}

/** The attestation of a member that was forgotten, and the grants to its keys, which ended with it. */
function touchedByForgetting({ models }: LedgerState, node: AccountId): readonly FactSubject[] {
  const touched: FactSubject[] = [{ about: 'attestation', node }];
  for (const [model, { grants }] of models) {
    for (const [keyset, grant] of grants) if (grant.node === node) touched.push({ about: 'grant', model, keyset });
  }
  return touched;
}
