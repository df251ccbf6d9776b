/**
 * Re-appraisal of held attestations: when a policy takes effect, and when newer endorsements came.
 *
 * Each attestation that stands is appraised in full, from its stored bundle, at the block's time. A refusal evicts it.
 * An attestation that passes may lose validity. It gains none, except that newer endorsements may end later. Nodes go
 * in ascending order of their ids.
 */
import {
  type AppraisalPolicy,
  appraisalPolicyToJson,
  appraise,
  type CrlSeen,
  createEndorsementCache,
  decodeEvidenceBundle,
  type EndorsementCache,
  type EndorsementMerge,
  type Endorsements,
  type EvidenceBundle,
  encodeEvidenceBundle,
  MAX_BUNDLE_BYTES,
  type Platform,
  type StatementSeen,
  withNewerEndorsements,
} from '@cloister/attestation';
import { type AccountId, asHeight, assert, canonicalJson, parseBase64, toBase64 } from '@cloister/encoding';
import type { DecideContext } from '../decide/decision.ts';
import type { AttestationEvicted, AttestationReappraised, EvictionCause } from '../events/attestation-events.ts';
import type { LedgerEvent } from '../events/events.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { Attestation, CrlFloor, LedgerState, StatementFloor } from '../state/state.ts';
import { isStanding } from './eligibility.ts';
import { floorsWith } from './floors.ts';
import { ledgerPolicyDigest, referenceValuesAt } from './measurement-set.ts';

/** Endorsements that were authenticated for a platform, and what was seen in them. */
export interface NewerEndorsements {
  readonly platform: Platform;
  readonly endorsements: Endorsements;
  readonly crls: readonly CrlSeen[];
  readonly statements: readonly StatementSeen[];
}

/** What happens at the height at which a policy takes effect: no attestation outlives it. */
export function policyTakingEffect(
  state: LedgerState,
  policy: AppraisalPolicy,
  context: DecideContext,
): readonly LedgerEvent[] {
  const network = { ...settingsOf(state), appraisalPolicy: policy };
  const rules: Rules = {
    cause: 'policy',
    policy,
    crlFloors: state.crlFloors,
    statementFloors: state.statementFloors,
    cache: createEndorsementCache(),
  };
  return [
    {
      type: 'AppraisalPolicyTookEffect',
      appraisalPolicy: appraisalPolicyToJson(policy),
      policyDigest: ledgerPolicyDigest(network, state.measurements),
      height: context.height,
    },
    ...standingAttestations(state, context).flatMap(
      (attestation) => reappraisal(state, context, rules, attestation, bundleOf(attestation)) ?? [],
    ),
  ];
}

/** An attestation that stands, and what newer endorsements make of its bundle. */
export interface HeldMerge {
  readonly attestation: Attestation;
  readonly held: EvidenceBundle;
  readonly merge: EndorsementMerge;
}

/** What newer endorsements would make of the attestations that stand; `except` is the node that brought them. */
export function mergesWith(
  state: LedgerState,
  newer: NewerEndorsements,
  context: DecideContext,
  except?: AccountId,
): readonly HeldMerge[] {
  const backed = backedBySameVendor(newer.platform);
  return standingAttestations(state, context)
    .filter(({ node, platform }) => node !== except && backed.includes(platform))
    .map((attestation) => {
      const held = bundleOf(attestation);
      return { attestation, held, merge: withNewerEndorsements(held, newer.endorsements) };
    });
}

/** What newer endorsements do to the attestations that rest on older ones. */
export function endorsementsTakingEffect(
  state: LedgerState,
  newer: NewerEndorsements,
  merges: readonly HeldMerge[],
  context: DecideContext,
): readonly LedgerEvent[] {
  const rules: Rules = {
    cause: 'endorsements',
    policy: settingsOf(state).appraisalPolicy,
    ...floorsWith(state, newer),
    cache: createEndorsementCache(),
  };
  return merges.flatMap(({ attestation, held, merge }) => {
    if (merge.outcome === 'untouched') return [];
    // An attestation that rests on a statement that is no longer the newest is judged by it all the same.
    const bundle = merge.outcome === 'merged' ? merge.bundle : held;
    return reappraisal(state, context, rules, attestation, bundle) ?? [];
  });
}

/** SGX and TDX share their CRLs. */
function backedBySameVendor(platform: Platform): readonly Platform[] {
  return platform === 'sgx' || platform === 'tdx' ? ['sgx', 'tdx'] : [platform];
}

interface Rules {
  readonly cause: EvictionCause;
  readonly policy: AppraisalPolicy;
  readonly crlFloors: ReadonlyMap<CrlSeen['issuer'], CrlFloor>;
  readonly statementFloors: ReadonlyMap<string, StatementFloor>;
  /** Attestations share their vendors' certificates, CRLs and statements. */
  readonly cache: EndorsementCache;
}

function standingAttestations(state: LedgerState, { height, timeMs }: DecideContext): readonly Attestation[] {
  return [...state.attestations.values()]
    .filter((attestation) => isStanding(attestation, height, timeMs))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

function bundleOf({ bundle }: Attestation): EvidenceBundle {
  const bytes = parseBase64(bundle);
  assert(bytes !== undefined, 'a bundle in the state is base64');
  const decoded = decodeEvidenceBundle(bytes);
  assert(decoded.ok, 'a bundle in the state decodes');
  return decoded.value;
}

/** Undefined when nothing changes. */
function reappraisal(
  state: LedgerState,
  { height, timeMs }: DecideContext,
  { cause, policy, crlFloors, statementFloors, cache }: Rules,
  held: Attestation,
  bundle: EvidenceBundle,
): AttestationReappraised | AttestationEvicted | undefined {
  const { node, keyset, sequence: attestationSequence } = held;
  const of = { node, keyset, attestationSequence, cause } as const;
  const bytes = encodeEvidenceBundle(bundle);
  if (bytes.length > MAX_BUNDLE_BYTES) return { type: 'AttestationEvicted', ...of, code: 'BUNDLE_TOO_LARGE', height };
  const appraised = appraise({
    bundle,
    referenceValues: referenceValuesAt(state, height),
    policy,
    trustAnchors: settingsOf(state).trustAnchors,
    atMs: timeMs,
    crlFloors,
    statementFloors,
    cache,
  });
  if (!appraised.ok) return { type: 'AttestationEvicted', ...of, code: appraised.code, height };
  const { status, advisories, tcb, validUntilMs } = appraised.value;
  const next: Renewed = {
    tcbStatus: status,
    advisories,
    tcb,
    validUntilHeight: asHeight(Math.min(held.validUntilHeight, held.acceptedHeight + policy.maxAgeBlocks)),
    validUntilMs: cause === 'endorsements' ? validUntilMs : Math.min(held.validUntilMs, validUntilMs),
    aliveUntilHeight: asHeight(Math.min(held.aliveUntilHeight, held.refreshedHeight + policy.refreshWindowBlocks)),
    bundle: toBase64(bytes),
  };
  if (sameAppraisal(held, next)) return undefined;
  const replaced = next.bundle === held.bundle ? null : next.bundle;
  return { type: 'AttestationReappraised', ...of, ...next, bundle: replaced, height };
}

/** What a re-appraisal may change. */
type Renewed = Pick<
  Attestation,
  'tcbStatus' | 'advisories' | 'tcb' | 'validUntilHeight' | 'validUntilMs' | 'aliveUntilHeight' | 'bundle'
>;

function sameAppraisal(held: Renewed, next: Renewed): boolean {
  const text = ({ tcbStatus, advisories, tcb, validUntilHeight, validUntilMs, aliveUntilHeight, bundle }: Renewed) =>
    canonicalJson({ tcbStatus, advisories, tcb, validUntilHeight, validUntilMs, aliveUntilHeight, bundle });
  return text(held) === text(next);
}
