/**
 * Says whether a node may execute for a model at a height and block time. This is the one pure answer, with every
 * reason against it.
 *
 * Asked when a request is admitted, before an execution, on every receipt and by whoever shows a status. Nothing scans
 * for attestations that run out by height or time: this function computes it whenever it is asked. If an event ends an
 * attestation, the tasks that wait for it end in the same block (lost-executors.ts).
 */
import type { AppraisalPolicy } from '@cloister/attestation';
import type { AccountId, Digest, Height } from '@cloister/encoding';
import { settingsOf } from '../state/settings-of.ts';
import type { Attestation, Keyset, LedgerState, Model, ModelGrant } from '../state/state.ts';
import { ELIGIBILITY_REASONS, type EligibilityReason } from '../transactions/codes.ts';
import { type MeasurementRule, measurementKey, measurementPhase } from './measurement-set.ts';

export interface EligibilityQuestion {
  readonly state: LedgerState;
  readonly validator: AccountId;
  /** Undefined asks about whatever keyset is current. */
  readonly keyset?: Digest | undefined;
  /** Undefined asks about the node alone, whatever the model. */
  readonly model?: Digest | undefined;
  /** True for a grant that is about to give the model's key: MODEL_KEY_NOT_GRANTED is no reason then. */
  readonly beforeGrant?: boolean;
  readonly height: Height;
  /** Block time in milliseconds. */
  readonly timeMs: number;
}

export type Eligibility =
  | { readonly eligible: true; readonly attestation: Attestation }
  | { readonly eligible: false; readonly reasons: readonly EligibilityReason[] };

export function eligible(question: EligibilityQuestion): Eligibility {
  const { state, validator, model } = question;
  const current = state.attestations.get(validator);
  const keyset = question.keyset ?? current?.keyset;
  const known = keyset === undefined ? undefined : state.keysets.get(keyset);
  if (current === undefined || keyset === undefined || known?.node !== validator) {
    return { eligible: false, reasons: ['NO_ATTESTATION', ...modelReasons(question, undefined)] };
  }
  if (current.keyset !== keyset) {
    return { eligible: false, reasons: [known.status === 'distrusted' ? 'KEYSET_DISTRUSTED' : 'KEYSET_RETIRED'] };
  }
  const { height, timeMs } = question;
  const reasons = [
    ...attestationReasons({
      attestation: { ...current, keysetStatus: known.status },
      policy: settingsOf(state).appraisalPolicy,
      measurement: state.measurements.get(measurementKey(current)),
      height,
      timeMs,
    }),
    ...(model === undefined ? [] : modelReasons(question, current)),
  ];
  return reasons.length === 0 ? { eligible: true, attestation: current } : { eligible: false, reasons };
}

/** What the rule reads of a node's current attestation: from the state, or from the fact that a header commits. */
export interface JudgedAttestation
  extends Pick<
    Attestation,
    | 'platform'
    | 'product'
    | 'hardwareId'
    | 'measurement'
    | 'image'
    | 'tcbStatus'
    | 'advisories'
    | 'validUntilHeight'
    | 'validUntilMs'
    | 'aliveUntilHeight'
  > {
  readonly keysetStatus: Keyset['status'];
  /** Null while no re-appraisal refused it. */
  readonly evicted: Attestation['evicted'] | string;
}

/** An attestation, and everything that decides whether it stands. */
export interface AttestationQuestion {
  readonly attestation: JudgedAttestation;
  readonly policy: AppraisalPolicy;
  /** That of the attestation's own pair; undefined for a pair that was never allowed. */
  readonly measurement: MeasurementRule | undefined;
  readonly height: Height;
  readonly timeMs: number;
}

/** Every reason against an attestation at a height and block time: validators, enclaves and clients all ask here. */
export function attestationReasons(question: AttestationQuestion): readonly EligibilityReason[] {
  const { attestation, height, timeMs } = question;
  const reasons: EligibilityReason[] = [];
  if (attestation.keysetStatus === 'distrusted') reasons.push('KEYSET_DISTRUSTED');
  if (attestation.keysetStatus === 'retired') reasons.push('KEYSET_RETIRED');
  if (attestation.evicted !== null) reasons.push('EVICTED');
  return [...reasons, ...lapseReasons(attestation, height, timeMs), ...policyReasons(question)];
}

/** Whether an attestation holds at a height and block time, its software and platform aside: neither lapsed nor evicted. */
export function isStanding(attestation: Attestation, height: Height, timeMs: number): boolean {
  return attestation.evicted === null && lapseReasons(attestation, height, timeMs).length === 0;
}

/** Why an attestation no longer holds at a height and block time, its software and platform aside. */
export function lapseReasons(
  attestation: Pick<Attestation, 'validUntilHeight' | 'validUntilMs' | 'aliveUntilHeight'>,
  height: Height,
  timeMs: number,
): readonly EligibilityReason[] {
  const reasons: EligibilityReason[] = [];
  if (height > attestation.validUntilHeight) reasons.push('ATTESTATION_LAPSED_HEIGHT');
  if (timeMs >= attestation.validUntilMs) reasons.push('ATTESTATION_LAPSED_TIME');
  if (height > attestation.aliveUntilHeight) reasons.push('NOT_REFRESHED');
  return reasons;
}

/** The reasons that policy and measurements in force give against it. */
function policyReasons({
  attestation,
  policy,
  measurement,
  height,
}: AttestationQuestion): readonly EligibilityReason[] {
  const reasons = measurementReasons(measurement, height);
  const { tcbStatus, advisories } = attestation;
  const accepted: readonly string[] = policy.acceptedStatuses;
  if (tcbStatus !== 'NotApplicable' && !accepted.includes(tcbStatus)) reasons.push('STATUS_NOT_ACCEPTED');
  const { acceptedAdvisories } = policy;
  if (acceptedAdvisories !== null && !advisories.every((id) => acceptedAdvisories.includes(id))) {
    reasons.push('ADVISORY_NOT_ACCEPTED');
  }
  if (!isProductAccepted(policy, attestation) || policy.barredHardwareIds.includes(attestation.hardwareId)) {
    reasons.push('PLATFORM_BARRED');
  }
  const { allowedHardwareIds } = policy;
  if (allowedHardwareIds.length > 0 && !allowedHardwareIds.includes(attestation.hardwareId)) {
    reasons.push('PLATFORM_NOT_LISTED');
  }
  return reasons;
}

function measurementReasons(rule: MeasurementRule | undefined, height: Height): EligibilityReason[] {
  if (rule === undefined) return ['MEASUREMENT_NOT_ALLOWED'];
  switch (measurementPhase(rule, height)) {
    case 'allowed':
    case 'grace':
      return [];
    case 'pending':
      return ['MEASUREMENT_NOT_ALLOWED'];
    case 'grace-ended':
      return ['MEASUREMENT_GRACE_ENDED'];
    case 'revoked':
      return ['MEASUREMENT_REVOKED'];
  }
}

/** A platform without requirements in the policy is not accepted at all. */
function isProductAccepted(policy: AppraisalPolicy, { platform, product }: JudgedAttestation): boolean {
  switch (platform) {
    case 'sev-snp':
      return policy.sevSnp !== null && Object.hasOwn(policy.sevSnp.products, product);
    case 'sgx':
    case 'tdx':
      return policy[platform]?.barredFmspcs.includes(product) === false;
    case 'nitro':
      return policy.nitro !== null;
  }
}

function modelReasons(
  { state, model: id, beforeGrant }: EligibilityQuestion,
  attestation: Attestation | undefined,
): readonly EligibilityReason[] {
  if (id === undefined) return [];
  const model: Model | undefined = state.models.get(id);
  if (model === undefined) return ['MODEL_UNKNOWN'];
  if (attestation === undefined) return [];
  const { images, platforms } = model.manifest.releasePolicy;
  const reasons: EligibilityReason[] = [];
  if (!images.includes(attestation.image)) reasons.push('MODEL_NOT_RELEASED_TO_IMAGE');
  if (!platforms.includes(attestation.platform)) reasons.push('MODEL_NOT_RELEASED_TO_PLATFORM');
  if (beforeGrant === true) return [...reasons, ...revocationReasons(model, undefined)];
  const grant = model.grants.get(attestation.keyset);
  if (grant === undefined) return [...reasons, ...revocationReasons(model, undefined), 'MODEL_KEY_NOT_GRANTED'];
  return [...reasons, ...revocationReasons(model, grant)];
}

/** Reasons that come from an owner's revocation of a model or of a grant. */
export function revocationReasons(
  model: Pick<Model, 'revokedHeight'>,
  grant: Pick<ModelGrant, 'revokedHeight'> | undefined,
): readonly EligibilityReason[] {
  const reasons: EligibilityReason[] = [];
  if (model.revokedHeight !== null) reasons.push('MODEL_REVOKED');
  if (grant !== undefined && grant.revokedHeight !== null) reasons.push('MODEL_GRANT_REVOKED');
  return reasons;
}

const REASONS: ReadonlySet<string> = new Set(ELIGIBILITY_REASONS);
/** Reasons that pass: the node's next evidence or refresh ends them. */
const PASSING_REASONS: ReadonlySet<string> = new Set<EligibilityReason>([
  'NO_ATTESTATION',
  'ATTESTATION_LAPSED_HEIGHT',
  'ATTESTATION_LAPSED_TIME',
  'NOT_REFRESHED',
]);

export function isEligibilityReason(code: string): code is EligibilityReason {
  return REASONS.has(code);
}

/** Whether a reason will not pass, so that waiting would only make a tenant wait. */
export function isLastingReason(reason: EligibilityReason): boolean {
  return !PASSING_REASONS.has(reason);
}
