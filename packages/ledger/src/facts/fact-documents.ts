/**
 * The documents of facts (facts.ts): canonical JSON, written from the state and read back from strangers.
 *
 * A document holds only what somebody outside needs to judge by. Everything else is in the events.
 */
import {
  type AppraisalPolicy,
  appraisalPolicyFromJson,
  appraisalPolicyToJson,
  type CrlFloors,
  type StatementFloors,
} from '@cloister/attestation';
import {
  type AccountId,
  canonicalJson,
  type Digest,
  fail,
  type Height,
  type JsonValue,
  ok,
  parseCanonicalJson,
  type Result,
  utf8,
} from '@cloister/encoding';
import {
  account,
  anyJson,
  array,
  count,
  digest,
  height,
  hex,
  measurement,
  nullable,
  object,
  oneOf,
  parseShape,
  pick,
  type Shape,
  text,
} from '@cloister/encoding/shape';
import { type AttestedFields, attestedMembers } from '../attestation/attested-fields.ts';
import { attestationReasons } from '../attestation/eligibility.ts';
import { type MeasurementRule, measurementKey, sortedMeasurements } from '../attestation/measurement-set.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { Keyset, LedgerState } from '../state/state.ts';
import type { EligibilityReason } from '../transactions/codes.ts';
import { measurementStatus, platform } from '../transactions/common-shapes.ts';
import type { FactSubject } from './fact-subject.ts';

/** Bytes of one document. That of the rules is the longest: policy, measurements and floors. */
export const FACT_BYTES_MAX: number = 2 * 1024 * 1024;

/** By what evidence is judged, beside the genesis' trust anchors. */
export interface RulesFact {
  readonly about: 'rules';
  readonly appraisalPolicy: AppraisalPolicy;
  readonly policyDigest: Digest;
  readonly measurements: readonly MeasurementRule[];
  readonly crlFloors: CrlFloors;
  readonly statementFloors: StatementFloors;
}

/** Members that nobody outside needs, or that are too long for every proof. The bundle is in the event. */
type NotShown = 'simulated' | 'tcb' | 'nonceHeight' | 'acceptedHeight' | 'acceptedTimeMs' | 'bundle';

/** A node's current attestation. */
export interface AttestationFact extends Omit<AttestedFields, NotShown> {
  readonly about: 'attestation';
  readonly keysetStatus: Keyset['status'];
  /** Sequence of its AttestationAccepted. */
  readonly sequence: number;
  /** Code of the re-appraisal that refused it; null while none did. */
  readonly evicted: string | null;
}

export interface ModelFact {
  readonly about: 'model';
  readonly model: Digest;
  readonly owner: AccountId;
  /** Height of its publication. */
  readonly height: Height;
  /** Null while its owner has not revoked it. */
  readonly revokedHeight: Height | null;
  /** How many keysets were ever granted its key. A node that lists fewer leaves some out. */
  readonly grants: number;
}

export interface GrantFact {
  readonly about: 'grant';
  readonly model: Digest;
  readonly keyset: Digest;
  /** The keyset's node. */
  readonly node: AccountId;
  /** Sequence of its ModelKeyGrantAuthorised. */
  readonly sequence: number;
  readonly revokedHeight: Height | null;
}

export type Fact = RulesFact | AttestationFact | ModelFact | GrantFact;
export type FactAbout<A extends Fact['about']> = Extract<Fact, { readonly about: A }>;

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
      const { id, owner, height, revokedHeight, grants } = model;
      return { model: id, owner, height, revokedHeight, grants: grants.size };
    }
    case 'grant': {
      const { model, keyset } = subject;
      const grant = state.models.get(model)?.grants.get(keyset);
      if (grant === undefined) return undefined;
      return { model, keyset, node: grant.node, sequence: grant.sequence, revokedHeight: grant.revokedHeight };
    }
  }
}

function rulesJson(state: LedgerState): JsonValue {
  return {
    appraisalPolicy: appraisalPolicyToJson(settingsOf(state).appraisalPolicy),
    policyDigest: state.policyDigest,
    measurements: sortedMeasurements(state.measurements).map(
      ({ platform: on, measurement: base, image, status, effectiveHeight, graceUntilHeight }) => ({
        platform: on,
        measurement: base,
        image,
        status,
        effectiveHeight,
        graceUntilHeight,
      }),
    ),
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
  const known = held === undefined ? undefined : state.keysets.get(held.keyset);
  if (held === undefined || known === undefined) return undefined;
  const document: DocumentOf<'attestation'> = {
    ...pick(shownMembers, held),
    keysetStatus: known.status,
    sequence: held.sequence,
    evicted: held.evicted?.code ?? null,
  };
  return { ...document };
}

function sorted<V>(map: ReadonlyMap<string, V>): readonly (readonly [string, V])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

interface CrlFloorEntry {
  readonly issuer: Digest;
  readonly number: string;
  readonly thisUpdateMs: number;
}
interface StatementFloorEntry {
  readonly name: string;
  readonly issueDateMs: number;
  readonly tcbEvaluationDataNumber: number;
}
interface RulesDocument {
  readonly appraisalPolicy: JsonValue;
  readonly policyDigest: Digest;
  readonly measurements: readonly MeasurementRule[];
  readonly crlFloors: readonly CrlFloorEntry[];
  readonly statementFloors: readonly StatementFloorEntry[];
}
type DocumentOf<A extends Exclude<Fact['about'], 'rules'>> = Omit<FactAbout<A>, 'about'>;

const ENTRIES = { max: 100_000 };

const rules: Shape<RulesDocument> = object<RulesDocument>({
  appraisalPolicy: anyJson,
  policyDigest: digest,
  measurements: array(
    object<MeasurementRule>({
      platform,
      measurement,
      image: digest,
      status: measurementStatus,
      effectiveHeight: height,
      graceUntilHeight: nullable(height),
    }),
    ENTRIES,
  ),
  crlFloors: array(object<CrlFloorEntry>({ issuer: digest, number: hex(20), thisUpdateMs: count() }), ENTRIES),
  statementFloors: array(
    object<StatementFloorEntry>({ name: text(64), issueDateMs: count(), tcbEvaluationDataNumber: count() }),
    ENTRIES,
  ),
});

const { simulated, tcb, nonceHeight, acceptedHeight, acceptedTimeMs, bundle, ...shownMembers } = attestedMembers;

const attestation: Shape<DocumentOf<'attestation'>> = object<DocumentOf<'attestation'>>({
  ...shownMembers,
  keysetStatus: oneOf(['current', 'retired', 'distrusted']),
  sequence: count(),
  evicted: nullable(text(64, 1)),
});

const model: Shape<DocumentOf<'model'>> = object<DocumentOf<'model'>>({
  model: digest,
  owner: account,
  height,
  revokedHeight: nullable(height),
  grants: count(),
});

const grant: Shape<DocumentOf<'grant'>> = object<DocumentOf<'grant'>>({
  model: digest,
  keyset: digest,
  node: account,
  sequence: count(),
  revokedHeight: nullable(height),
});

/** The fact in a document of a subject. Never throws; whether it holds is for the proof to say. */
export function parseFact(subject: FactSubject, document: Uint8Array): Result<Fact, 'FACT_MALFORMED'> {
  const json = parseCanonicalJson(document, { maxBytes: FACT_BYTES_MAX, maxDepth: 16 });
  if (!json.ok) return fail('FACT_MALFORMED', json.code);
  switch (subject.about) {
    case 'rules':
      return parseRules(json.value);
    case 'attestation':
      return shaped('attestation', attestation, json.value);
    case 'model':
      return shaped('model', model, json.value);
    case 'grant':
      return shaped('grant', grant, json.value);
  }
}

function shaped<A extends Fact['about'], T extends object>(
  about: A,
  shape: Shape<T>,
  json: JsonValue,
): Result<T & { readonly about: A }, 'FACT_MALFORMED'> {
  const parsed = parseShape(shape, json);
  return parsed.ok ? ok({ ...parsed.value, about }) : fail('FACT_MALFORMED', parsed.detail);
}

function parseRules(json: JsonValue): Result<RulesFact, 'FACT_MALFORMED'> {
  const parsed = parseShape(rules, json);
  if (!parsed.ok) return fail('FACT_MALFORMED', parsed.detail);
  const policy = appraisalPolicyFromJson(parsed.value.appraisalPolicy);
  if (!policy.ok) return fail('FACT_MALFORMED', policy.code);
  const { policyDigest, measurements, crlFloors, statementFloors } = parsed.value;
  return ok({
    about: 'rules',
    appraisalPolicy: policy.value,
    policyDigest,
    measurements,
    crlFloors: new Map(crlFloors.map(({ issuer, ...floor }) => [issuer, floor])),
    statementFloors: new Map(statementFloors.map(({ name, ...floor }) => [name, floor])),
  });
}

/** Every reason against an attestation at a height and block time, by the rules that the same head showed. */
export function reasonsAgainst(
  attestation: AttestationFact,
  rules: RulesFact,
  height: Height,
  timeMs: number,
): readonly EligibilityReason[] {
  const key = measurementKey(attestation);
  return attestationReasons({
    attestation,
    policy: rules.appraisalPolicy,
    measurement: rules.measurements.find((rule) => measurementKey(rule) === key),
    height,
    timeMs,
  });
}
