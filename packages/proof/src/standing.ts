/**
 * Standing: the check that an enclave makes of whether the ledger still accepts it.
 *
 * The host hands over proofs. Nothing else that it says is believed. A standing knows the enclave's own identity and a
 * light client that starts at the genesis and never goes back. An event alone proves nothing about now: a host that
 * kept a later revocation to itself would show true events. So each proof brings the facts that its header commits
 * (rules, own attestation, and for a model's key or a request the model and the grant too), under a header no older
 * than any that was seen. They are judged by the ledger's own rule. A host can withhold newer headers, and so delay
 * what the enclave learns, but it cannot show less than what held when the event became final, nor go back.
 */
import { acceptHeader, type FinalityProof, type Header, type LightClientState } from '@cloister/consensus';
import { type AccountId, type Digest, fail, ok, type Result } from '@cloister/encoding';
import {
  type AttestationFact,
  type EligibilityReason,
  type Fact,
  type InferenceRequested,
  type LedgerEvent,
  type ModelKeyGrantAuthorised,
  reasonsAgainst,
  revocationReasons,
} from '@cloister/ledger';
import type { AuthorityProof } from './authority-proof.ts';
import { type IncludedEvent, type InclusionCode, includedEvent } from './event-proof.ts';
import {
  acceptNewest,
  type FactCode,
  type FactsProof,
  type HeaderCode,
  includedFacts,
  type KnownRules,
} from './facts-proof.ts';

/** Who the enclave is: fixed at its launch. */
export interface OwnIdentity {
  readonly chainId: Digest;
  /** The node that hosts it. */
  readonly nodeId: AccountId;
  readonly keyset: Digest;
  /** Digest of the image's manifest. */
  readonly image: Digest;
}

export interface Standing {
  readonly own: OwnIdentity;
  readonly lightClient: LightClientState;
  /** The newest facts about the own attestation; undefined before any came, and once the ledger holds another's. */
  readonly shown: (KnownRules & { readonly attestation: AttestationFact }) | undefined;
}

/** The result of judging a proof. The standing has moved on with it in any case. */
export interface Judged<T, Code extends string> {
  readonly standing: Standing;
  readonly result: Result<T, Code>;
}

/** Why the enclave does not stand at the light client's height: the ledger's reason, or that the host showed none. */
export type StandingCode = 'ATTESTATION_NOT_SHOWN' | EligibilityReason;

export type OwnFactsCode =
  | HeaderCode
  | FactCode
  | 'RULES_NOT_SHOWN'
  /** None of this node: it has none, or the host left it out. */
  | 'ATTESTATION_NOT_SHOWN'
  /** The ledger holds an attestation of other keys of this node. */
  | 'KEYSET_NOT_OWN';

export type AuthorisationCode =
  | OwnFactsCode
  | InclusionCode
  | EligibilityReason
  /** The event authorises nothing of this kind. */
  | 'NOT_AN_AUTHORISATION'
  | 'NODE_NOT_OWN'
  | 'IMAGE_NOT_OWN'
  /** There is none, or the host left it out. */
  | 'MODEL_NOT_SHOWN'
  | 'GRANT_NOT_SHOWN'
  /** The owner has granted the key again since: only the newest grant gives it. */
  | 'GRANT_REPLACED'
  | 'TASK_PAST_DEADLINE';

/** The standing of an enclave at its launch: it trusts the genesis and knows no facts yet. */
export function launchedStanding(own: OwnIdentity, genesis: LightClientState): Standing {
  return { own, lightClient: genesis, shown: undefined };
}

/** Moves the light client on to a finalized header. */
export function followHeader(standing: Standing, finality: FinalityProof): Result<Standing, 'FINALITY_REFUSED'> {
  const accepted = acceptHeader(standing.lightClient, finality);
  return accepted.ok ? ok({ ...standing, lightClient: accepted.value }) : fail('FINALITY_REFUSED', accepted.code);
}

/** Takes what the ledger holds now of the own attestation; whether that stands is for `currentStanding` to say. */
export function showFacts(standing: Standing, proof: FactsProof): Judged<AttestationFact, OwnFactsCode> {
  const { standing: moved, result } = enter(standing, proof);
  return { standing: moved, result: result.ok ? ok(result.value.attestation) : result };
}

interface Entered {
  readonly header: Header;
  readonly facts: readonly Fact[];
  readonly attestation: AttestationFact;
}

/** Takes the header of a proof and the facts under it, those about the enclave itself first. */
function enter(standing: Standing, { finality, documents }: FactsProof): Judged<Entered, OwnFactsCode> {
  const { own } = standing;
  const { header } = finality;
  const lightClient = acceptNewest(standing.lightClient, finality);
  if (!lightClient.ok) return { standing, result: lightClient };
  const moved = { ...standing, lightClient: lightClient.value };
  const included = includedFacts(header, documents, standing.shown);
  if (!included.ok) return { standing: moved, result: included };
  const facts = included.value;
  const document = documents.find(({ subject }) => subject.about === 'rules')?.document;
  const rules = facts.find((fact) => fact.about === 'rules');
  if (rules === undefined || document === undefined) return { standing: moved, result: fail('RULES_NOT_SHOWN') };
  const attestation = facts.find((fact) => fact.about === 'attestation' && fact.node === own.nodeId);
  if (attestation?.about !== 'attestation') return { standing: moved, result: fail('ATTESTATION_NOT_SHOWN') };
  if (attestation.keyset !== own.keyset) {
    return { standing: { ...moved, shown: undefined }, result: fail('KEYSET_NOT_OWN') };
  }
  return {
    standing: { ...moved, shown: { attestation, rules, document } },
    result: ok({ header, facts, attestation }),
  };
}

/** Whether the newest facts about the own attestation let it stand at the light client's height and block time. */
export function currentStanding({ shown, lightClient }: Standing): Result<AttestationFact, StandingCode> {
  if (shown === undefined) return fail('ATTESTATION_NOT_SHOWN');
  const { attestation, rules } = shown;
  const reasons = reasonsAgainst(attestation, rules, lightClient.height, lightClient.timestampMs);
  return reasons[0] === undefined ? ok(attestation) : fail(reasons[0], reasons.join(' '));
}

/** What an authorising event was found to rest on. */
export interface Authorised<E> {
  readonly event: E;
  /** Sequence of the event. */
  readonly sequence: number;
  /** The own attestation, which stands. */
  readonly attestation: AttestationFact;
}

/** Whether a proven ModelKeyGrantAuthorised gives a model's key to this very enclave, now. */
export function authoriseModelKey(
  standing: Standing,
  proof: AuthorityProof,
): Judged<Authorised<ModelKeyGrantAuthorised>, AuthorisationCode> {
  return authorise(standing, proof, ({ event, record }, grantSequence) => {
    if (event.type !== 'ModelKeyGrantAuthorised') return fail('NOT_AN_AUTHORISATION', event.type);
    if (event.keyset !== standing.own.keyset) return fail('KEYSET_NOT_OWN');
    if (event.node !== standing.own.nodeId) return fail('NODE_NOT_OWN');
    if (event.image !== standing.own.image) return fail('IMAGE_NOT_OWN');
    const newest = grantSequence(event.model);
    if (!newest.ok) return newest;
    return newest.value === record.sequence ? ok(event) : fail('GRANT_REPLACED', `by event ${newest.value}`);
  });
}

/** Whether a proven InferenceRequested names this very enclave as an executor, is still open, and all that it needs stands. */
export function authoriseInference(
  standing: Standing,
  proof: AuthorityProof,
): Judged<Authorised<InferenceRequested>, AuthorisationCode> {
  return authorise(standing, proof, ({ event }, grantSequence) => {
    if (event.type !== 'InferenceRequested') return fail('NOT_AN_AUTHORISATION', event.type);
    const executor = event.executors.find(({ keyset }) => keyset === standing.own.keyset);
    if (executor === undefined) return fail('KEYSET_NOT_OWN');
    if (executor.node !== standing.own.nodeId) return fail('NODE_NOT_OWN');
    if (!event.images.includes(standing.own.image)) return fail('IMAGE_NOT_OWN');
    const { timestampMs } = proof.finality.header;
    if (timestampMs > event.deadlineMs) return fail('TASK_PAST_DEADLINE', `deadline ${event.deadlineMs}`);
    const granted = grantSequence(event.model);
    return granted.ok ? ok(event) : granted;
  });
}

/** Sequence of the grant of a model's key to the own keyset, when neither it nor the model was taken back. */
type StandingGrant = (model: Digest) => Result<number, AuthorisationCode>;

function authorise<E extends LedgerEvent>(
  standing: Standing,
  proof: AuthorityProof,
  check: (included: IncludedEvent, grant: StandingGrant) => Result<E, AuthorisationCode>,
): Judged<Authorised<E>, AuthorisationCode> {
  const { standing: moved, result: entered } = enter(standing, proof);
  if (!entered.ok) return { standing: moved, result: entered };
  const { header, facts, attestation } = entered.value;
  const stands = currentStanding(moved);
  if (!stands.ok) return { standing: moved, result: stands };
  const included = includedEvent(header, proof);
  if (!included.ok) return { standing: moved, result: included };
  const event = check(included.value, (model) => standingGrant(facts, model, standing.own.keyset));
  if (!event.ok) return { standing: moved, result: event };
  const { sequence } = included.value.record;
  return { standing: moved, result: ok({ event: event.value, sequence, attestation }) };
}

function standingGrant(facts: readonly Fact[], id: Digest, keyset: Digest): Result<number, AuthorisationCode> {
  const model = facts.find((fact) => fact.about === 'model' && fact.model === id);
  if (model?.about !== 'model') return fail('MODEL_NOT_SHOWN');
  const grant = facts.find((fact) => fact.about === 'grant' && fact.model === id && fact.keyset === keyset);
  if (grant?.about !== 'grant') return fail('GRANT_NOT_SHOWN');
  const [reason] = revocationReasons(model, grant);
  return reason === undefined ? ok(grant.sequence) : fail(reason);
}
