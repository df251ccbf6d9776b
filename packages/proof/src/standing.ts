/**
 * Standing: the check that an enclave makes, inside itself, of its own acceptance by the ledger.
 *
 * The host hands over proofs and is believed in nothing else. A standing knows the enclave's own identity, a light client
 * that starts at the genesis and never goes back, and the acceptances of its own evidence that it was shown. Inclusion of
 * an old acceptance proves nothing about now; hence an event that authorises (a key grant, a request) must name the
 * enclave's own keyset and an acceptance that the enclave knows, and the newest acceptance must hold at the light client's
 * height and block time, and must not have been evicted. A host can withhold what it knows, and so delay, but never extend.
 */
import { acceptHeader, type FinalityProof, type Header, type LightClientState } from '@cloister/consensus';
import { type AccountId, asHeight, type Digest, fail, type Height, ok, type Result } from '@cloister/crypto';
import {
  type AttestationAccepted,
  type AttestationEvicted,
  type AttestationReappraised,
  type AttestationRefreshed,
  type InferenceRequested,
  type LedgerEvent,
  lapseReasons,
  type ModelKeyGrantAuthorised,
} from '@cloister/ledger';
import { type EventProof, type EventProofCode, type VerifiedEvent, verifyEventProof } from './event-proof.ts';

/** Who the enclave is: fixed at its launch. */
export interface OwnIdentity {
  readonly chainId: Digest;
  /** The node that hosts it. */
  readonly nodeId: AccountId;
  readonly keyset: Digest;
  /** Digest of the image's manifest. */
  readonly image: Digest;
}

/** An acceptance of own evidence, as shown; `sequence` is that of its event. */
export interface OwnAcceptance {
  readonly sequence: number;
  readonly event: AttestationAccepted;
  /** Of the acceptance, or shorter by a re-appraisal shown since: none extends it. */
  readonly validUntilHeight: Height;
  readonly validUntilMs: number;
  /** Of the acceptance, or of the newest refresh or re-appraisal shown since. */
  readonly aliveUntilHeight: Height;
  /** Why the ledger refused it when it was appraised anew; null while it did not. */
  readonly evicted: string | null;
  /** Sequence of the newest event about it that was shown. */
  readonly newestSequence: number;
}

export interface Standing {
  readonly own: OwnIdentity;
  readonly lightClient: LightClientState;
  /** Newest first, at most `ACCEPTANCES_KEPT`; all of the own keyset. */
  readonly acceptances: readonly OwnAcceptance[];
}

/** Requests under way may rest on an acceptance that was replaced since; older ones are forgotten. */
export const ACCEPTANCES_KEPT = 8;

/** Why an acceptance does not hold at the light client's height. */
export type StandingCode =
  /** Launched, not accepted yet: no acceptance was shown. */
  | 'ATTESTATION_NOT_ACCEPTED'
  | 'ATTESTATION_LAPSED_HEIGHT'
  | 'ATTESTATION_LAPSED_TIME'
  | 'ATTESTATION_NOT_REFRESHED'
  /** Evicted by a policy or by newer endorsements: only an acceptance of new evidence ends that. */
  | 'ATTESTATION_EVICTED';

export type AcceptanceCode =
  | EventProofCode
  /** The event is not about an attestation: no acceptance, refresh, re-appraisal or eviction. */
  | 'NOT_AN_ACCEPTANCE'
  | 'KEYSET_NOT_OWN'
  | 'NODE_NOT_OWN'
  | 'IMAGE_NOT_OWN'
  /** The acceptance is older than one already shown, or the event is about an unknown acceptance or other evidence. */
  | 'ACCEPTANCE_STALE';

export type AuthorisationCode =
  | EventProofCode
  | StandingCode
  /** The event authorises nothing of this kind. */
  | 'NOT_AN_AUTHORISATION'
  | 'KEYSET_NOT_OWN'
  | 'NODE_NOT_OWN'
  | 'IMAGE_NOT_OWN'
  /** It rests on an acceptance that this enclave was not shown. */
  | 'ACCEPTANCE_UNKNOWN'
  | 'TASK_PAST_DEADLINE';

/** A launched enclave: it trusts the genesis and stands on nothing yet. */
export function launchedStanding(own: OwnIdentity, genesis: LightClientState): Standing {
  return { own, lightClient: genesis, acceptances: [] };
}

/** Moves the light client on to a finalized header. */
export function followHeader(
  standing: Standing,
  finality: FinalityProof,
): Result<{ readonly standing: Standing; readonly header: Header }, 'FINALITY_REFUSED'> {
  const accepted = acceptHeader(standing.lightClient, finality);
  if (!accepted.ok) return fail('FINALITY_REFUSED', accepted.code);
  return ok({ standing: { ...standing, lightClient: accepted.value }, header: finality.header });
}

/** Takes the ledger's acceptance of own evidence, or what became of it: a refresh, a re-appraisal, an eviction. */
export function showAcceptance(standing: Standing, proof: EventProof): Result<Standing, AcceptanceCode> {
  const verified = verifyEventProof(standing.lightClient, proof);
  if (!verified.ok) return verified;
  const { event, record, lightClient } = verified.value;
  if (!isAboutAttestation(event)) return fail('NOT_AN_ACCEPTANCE');
  if (event.keyset !== standing.own.keyset) return fail('KEYSET_NOT_OWN');
  if (event.node !== standing.own.nodeId) return fail('NODE_NOT_OWN');
  const acceptances =
    event.type === 'AttestationAccepted'
      ? withAcceptance(standing, record.sequence, event)
      : withChange(standing.acceptances, record.sequence, event);
  return acceptances.ok ? ok({ ...standing, lightClient, acceptances: acceptances.value }) : acceptances;
}

function withAcceptance(
  standing: Standing,
  sequence: number,
  event: AttestationAccepted,
): Result<readonly OwnAcceptance[], AcceptanceCode> {
  if (event.image !== standing.own.image) return fail('IMAGE_NOT_OWN');
  const { acceptances } = standing;
  const newest = acceptances[0];
  // Shown again: nothing changes, and a refresh that came since is kept.
  if (newest?.sequence === sequence) return ok(acceptances);
  if (newest !== undefined && newest.sequence > sequence) return fail('ACCEPTANCE_STALE', `after ${newest.sequence}`);
  const { validUntilHeight, validUntilMs, aliveUntilHeight } = event;
  const holds = { validUntilHeight, validUntilMs, aliveUntilHeight };
  const acceptance: OwnAcceptance = { sequence, event, ...holds, evicted: null, newestSequence: sequence };
  return ok([acceptance, ...acceptances].slice(0, ACCEPTANCES_KEPT));
}

type AttestationChange = AttestationRefreshed | AttestationReappraised | AttestationEvicted;

function isAboutAttestation(event: LedgerEvent): event is AttestationAccepted | AttestationChange {
  return (
    event.type === 'AttestationAccepted' ||
    event.type === 'AttestationRefreshed' ||
    event.type === 'AttestationReappraised' ||
    event.type === 'AttestationEvicted'
  );
}

function withChange(
  acceptances: readonly OwnAcceptance[],
  sequence: number,
  event: AttestationChange,
): Result<readonly OwnAcceptance[], AcceptanceCode> {
  const [newest, ...older] = acceptances;
  if (newest === undefined || event.attestationSequence !== newest.sequence) return fail('ACCEPTANCE_STALE');
  if (event.type === 'AttestationRefreshed' && event.evidenceDigest !== newest.event.evidenceDigest) {
    return fail('ACCEPTANCE_STALE', 'other evidence');
  }
  const changed = { ...newest, ...changeOf(newest, sequence, event) };
  return ok([{ ...changed, newestSequence: Math.max(newest.newestSequence, sequence) }, ...older]);
}

/** What an event changes, whatever the order in which events are shown: what takes away always counts. */
function changeOf(newest: OwnAcceptance, sequence: number, event: AttestationChange): Partial<OwnAcceptance> {
  switch (event.type) {
    case 'AttestationRefreshed':
      // The newest word on how long it lives, even if that is less than before: a re-appraisal that was not shown may have
      // shortened it. For the same reason one from before what is known already says nothing.
      return sequence < newest.newestSequence ? {} : { aliveUntilHeight: event.aliveUntilHeight };
    case 'AttestationReappraised':
      return {
        validUntilHeight: asHeight(Math.min(newest.validUntilHeight, event.validUntilHeight)),
        validUntilMs: Math.min(newest.validUntilMs, event.validUntilMs),
        ...aliveAfter(newest, sequence, event),
      };
    case 'AttestationEvicted':
      return { evicted: event.code };
  }
}

/** A refresh that came after a re-appraisal counts for more than it. */
function aliveAfter(
  newest: OwnAcceptance,
  sequence: number,
  { aliveUntilHeight }: AttestationReappraised,
): Pick<OwnAcceptance, 'aliveUntilHeight'> {
  if (sequence < newest.newestSequence) return { aliveUntilHeight: newest.aliveUntilHeight };
  return { aliveUntilHeight: asHeight(Math.min(newest.aliveUntilHeight, aliveUntilHeight)) };
}

/** Whether the newest acceptance holds at the light client's height and block time; its acceptance when it does. */
export function currentStanding(standing: Standing): Result<OwnAcceptance, StandingCode> {
  const [newest] = standing.acceptances;
  if (newest === undefined) return fail('ATTESTATION_NOT_ACCEPTED');
  const { height, timestampMs } = standing.lightClient;
  if (newest.evicted !== null) return fail('ATTESTATION_EVICTED', newest.evicted);
  for (const reason of lapseReasons(newest, height, timestampMs)) {
    if (reason === 'NOT_REFRESHED') return fail('ATTESTATION_NOT_REFRESHED', `alive until ${newest.aliveUntilHeight}`);
    if (reason === 'ATTESTATION_LAPSED_HEIGHT' || reason === 'ATTESTATION_LAPSED_TIME') return fail(reason);
  }
  return ok(newest);
}

/** What an authorising event was found to rest on. */
export interface Authorised<E> {
  /** With the light client moved on: keep it whatever becomes of the task. */
  readonly standing: Standing;
  readonly event: E;
  /** Sequence of the event. */
  readonly sequence: number;
  /** The acceptance that the event names. */
  readonly acceptance: OwnAcceptance;
}

function authorisation<E>(
  standing: Standing,
  verified: VerifiedEvent,
  event: E,
  attestationSequence: number,
): Result<Authorised<E>, AuthorisationCode> {
  const moved: Standing = { ...standing, lightClient: verified.lightClient };
  const current = currentStanding(moved);
  if (!current.ok) return current;
  const acceptance = moved.acceptances.find(({ sequence }) => sequence === attestationSequence);
  if (acceptance === undefined) return fail('ACCEPTANCE_UNKNOWN', `event ${attestationSequence}`);
  return ok({ standing: moved, event, sequence: verified.record.sequence, acceptance });
}

/** Whether a proven ModelKeyGrantAuthorised gives a model's key to this very enclave, which stands now. */
export function authoriseModelKey(
  standing: Standing,
  proof: EventProof,
): Result<Authorised<ModelKeyGrantAuthorised>, AuthorisationCode> {
  const verified = verifyEventProof(standing.lightClient, proof);
  if (!verified.ok) return verified;
  const { event } = verified.value;
  if (event.type !== 'ModelKeyGrantAuthorised') return fail('NOT_AN_AUTHORISATION', event.type);
  if (event.keyset !== standing.own.keyset) return fail('KEYSET_NOT_OWN');
  if (event.node !== standing.own.nodeId) return fail('NODE_NOT_OWN');
  if (event.image !== standing.own.image) return fail('IMAGE_NOT_OWN');
  return authorisation(standing, verified.value, event, event.attestationSequence);
}

/** Whether a proven InferenceRequested names this very enclave as an executor, is still open, and the enclave stands now. */
export function authoriseInference(
  standing: Standing,
  proof: EventProof,
): Result<Authorised<InferenceRequested>, AuthorisationCode> {
  const verified = verifyEventProof(standing.lightClient, proof);
  if (!verified.ok) return verified;
  const { event, lightClient } = verified.value;
  if (event.type !== 'InferenceRequested') return fail('NOT_AN_AUTHORISATION', event.type);
  const executor = event.executors.find(({ keyset }) => keyset === standing.own.keyset);
  if (executor === undefined) return fail('KEYSET_NOT_OWN');
  if (executor.node !== standing.own.nodeId) return fail('NODE_NOT_OWN');
  if (!event.images.includes(standing.own.image)) return fail('IMAGE_NOT_OWN');
  if (lightClient.timestampMs > event.deadlineMs) return fail('TASK_PAST_DEADLINE', `deadline ${event.deadlineMs}`);
  return authorisation(standing, verified.value, event, executor.attestationSequence);
}
