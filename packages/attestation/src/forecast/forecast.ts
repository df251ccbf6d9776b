/**
 * What will cost evidence its acceptance, and when: each endorsement's end, the ages that a ledger counts in blocks, and
 * which SVNs are short by the TCB levels that are held and by others, such as Intel's standard and early sets.
 *
 * Pure: says what would follow if nothing were renewed. Source of the two sets: Intel PCS API v4, "Get TCB Info",
 * parameter `update`.
 */

import {
  checkRequirements,
  type EvidenceRequirements,
  type RequirementCode,
  type TcbStatus,
} from '../appraisal/requirements.ts';
import { type ComponentTcb, componentTcbs, type ShortSvn, shortOfMinimum } from '../appraisal/svn-shortfall.ts';
import type { EndorsementCache } from '../endorsements/endorsement-cache.ts';
import { type EndorsementEnd, type EndorsementKind, endorsementEnds } from '../endorsements/endorsement-ends.ts';
import type { EvidenceEndorsements } from '../endorsements/endorsement-files.ts';
import type { Platform } from '../evidence/evidence.ts';
import type { VerifiedEvidence } from '../evidence/verified-evidence.ts';
import { type EvidenceCode, verifyEvidence } from '../evidence/verify-evidence.ts';
import type { TrustAnchors } from '../policy/trust-anchors.ts';
import { inPlaceOf } from './forecast-sets.ts';

/** Where an accepted attestation stands on its ledger. */
export interface AttestationHeights {
  /** Now. */
  readonly height: number;
  /** Last height at which it holds by its age. */
  readonly validUntilHeight: number;
  /** Last height at which it holds without another refresh. */
  readonly aliveUntilHeight: number;
  /** Last height at which its measurement counts; undefined for good. */
  readonly measurementUntilHeight?: number | undefined;
  /** Milliseconds of block time from one block to the next, measured or assumed. */
  readonly blockMs: number;
}

export interface ForecastInput {
  /** Report, quote or document, as the platform gave it. */
  readonly evidence: Uint8Array;
  /** Those with which it was, or would be, submitted. */
  readonly endorsements: EvidenceEndorsements;
  readonly policy: EvidenceRequirements;
  readonly trustAnchors: TrustAnchors;
  /** Block time, in milliseconds of the Unix epoch. */
  readonly atMs: number;
  /** Heights of evidence that a ledger accepted. Without them no age is known. */
  readonly heights?: AttestationHeights | undefined;
  /** A policy that was decided and waits for its height. */
  readonly scheduled?: { readonly policy: EvidenceRequirements; readonly effectiveHeight: number } | undefined;
  /** Other endorsements for the same evidence by name; what they do not bring stays as held. */
  readonly alternatives?: readonly { readonly set: string; readonly endorsements: EvidenceEndorsements }[] | undefined;
  readonly cache?: EndorsementCache | undefined;
}

export type ForecastKind =
  | EndorsementKind
  /** Age of the acceptance, and of its last refresh. */
  | 'age'
  | 'refresh'
  /** The software's grace ends. */
  | 'measurement'
  | 'tcb-status'
  | 'policy'
  /** The evidence does not verify at all. */
  | 'evidence';

/** Something that costs acceptance. */
export interface ForecastCause {
  readonly kind: ForecastKind;
  /** 'held', or the name of an alternative. */
  readonly set: string;
  /** Which certificate, CRL or statement; the status or advisory; the code's detail; or what the age is of. */
  readonly name: string;
  /** 'with-set': once endorsements of this set are used in place of the held ones. */
  readonly when: 'now' | 'later' | 'with-set';
  /**
   * Last instant at which the endorsement is valid, in milliseconds of the Unix epoch: evidence is refused after it, and a
   * ledger counts an attestation as lapsed from it on.
   */
  readonly losesAtMs?: number | undefined;
  /** First height at which it costs acceptance. */
  readonly losesAtHeight?: number | undefined;
  /** When that is or is likely to be: `losesAtMs`, or the height by the pace of blocks. Undefined with another set. */
  readonly expectedAtMs?: number | undefined;
  /** With which the evidence is, or would be, refused. */
  readonly code?: EvidenceCode | undefined;
  readonly short: readonly ShortSvn[];
}

/** The evidence by one set of endorsements. */
export interface SetForecast {
  readonly set: string;
  /** Undefined: accepted by the policy at the instant. */
  readonly refusal: { readonly code: EvidenceCode; readonly detail: string | undefined } | undefined;
  /** Undefined for evidence that is not genuine, and where a policy gives AMD's platforms no level. */
  readonly status: TcbStatus | undefined;
  readonly advisories: readonly string[];
  /** The smaller of Intel's two numbers. */
  readonly tcbEvaluationDataNumber: number | undefined;
  readonly parts: readonly ComponentTcb[];
}

export interface Forecast {
  readonly platform: Platform | undefined;
  /** True: under simulated anchors; say SIMULATED wherever it is shown. */
  readonly simulated: boolean;
  /** What comes first, first: what costs now, then what will by its time, then what another set would cost. */
  readonly causes: readonly ForecastCause[];
  /** The held set, then the alternatives. */
  readonly sets: readonly SetForecast[];
}

/** Forecasts. Throws on no bytes, and asserts that `atMs` is an integer. */
export function forecast(input: ForecastInput): Forecast {
  const { endorsements: held, alternatives = [], trustAnchors, heights, scheduled } = input;
  const own = assess(input, 'held', held);
  const others = alternatives.map(({ set, endorsements }) => assess(input, set, inPlaceOf(held, endorsements)));
  const causes = [
    ...endCauses(input, own.forecast),
    ...refusalCauses(own, input.policy, { when: 'now', expectedAtMs: input.atMs }),
    ...(heights === undefined ? [] : ageCauses(heights, input.atMs)),
    ...(scheduled === undefined ? [] : scheduledCauses(own, scheduled, input)),
    ...others.flatMap((other) => refusalCauses(other, input.policy, { when: 'with-set' })),
  ];
  const rank = { now: 0, later: 1, 'with-set': 2 } as const;
  return {
    platform: own.platform,
    simulated: trustAnchors.simulated,
    causes: causes.sort(
      (a, b) => rank[a.when] - rank[b.when] || (a.expectedAtMs ?? Infinity) - (b.expectedAtMs ?? Infinity) || 0,
    ),
    sets: [own, ...others].map((assessed) => assessed.forecast),
  };
}

interface Assessed {
  readonly platform: Platform | undefined;
  readonly verified: VerifiedEvidence | undefined;
  readonly forecast: SetForecast;
}

function assess(input: ForecastInput, set: string, endorsements: EvidenceEndorsements): Assessed {
  const { evidence, policy: requirements, trustAnchors, atMs, cache } = input;
  const verdict = verifyEvidence({ evidence, endorsements, requirements, trustAnchors, atMs, cache });
  const { format: platform, verified, refusal } = verdict;
  const parts = verified === undefined ? [] : componentTcbs(verified, endorsements, requirements);
  return {
    platform,
    verified,
    forecast: { set, refusal, ...vendorStatusOf(verified, parts), parts },
  };
}

function vendorStatusOf(
  verified: VerifiedEvidence | undefined,
  parts: readonly ComponentTcb[],
): Pick<SetForecast, 'status' | 'advisories' | 'tcbEvaluationDataNumber'> {
  switch (verified?.format) {
    case undefined:
      return { status: undefined, advisories: [], tcbEvaluationDataNumber: undefined };
    case 'nitro':
      return { status: 'NotApplicable', advisories: [], tcbEvaluationDataNumber: undefined };
    case 'sev-snp':
      return { status: parts[0]?.status, advisories: [], tcbEvaluationDataNumber: undefined };
    case 'sgx':
    case 'tdx': {
      const { tcb, tcbEvaluationDataNumbers: numbers } = verified.value;
      const tcbEvaluationDataNumber = Math.min(numbers.tcbInfo, numbers.qeIdentity);
      return { status: tcb.status, advisories: tcb.advisories, tcbEvaluationDataNumber };
    }
  }
}

/** Ends of held endorsements. Of those that are past, the first in the order of verification gave the code. */
function endCauses({ evidence, endorsements, atMs }: ForecastInput, { refusal }: SetForecast): ForecastCause[] {
  const code = isExpiry(refusal?.code) ? refusal?.code : undefined;
  return endorsementEnds(evidence, endorsements).map(({ kind, name, untilMs }: EndorsementEnd) => ({
    kind,
    set: 'held',
    name,
    when: atMs > untilMs ? 'now' : 'later',
    losesAtMs: untilMs,
    expectedAtMs: untilMs,
    ...(atMs > untilMs ? { code } : {}),
    short: [],
  }));
}

function isExpiry(code: EvidenceCode | undefined): boolean {
  return code?.endsWith('EXPIRED') === true;
}

type When = Pick<ForecastCause, 'when' | 'losesAtHeight' | 'expectedAtMs'>;

function refusalCauses(
  { verified, forecast: own }: Assessed,
  policy: EvidenceRequirements,
  when: When,
): ForecastCause[] {
  if (verified !== undefined) return requirementCauses(verified, own, policy, when);
  if (own.refusal === undefined || (own.set === 'held' && isExpiry(own.refusal.code))) return [];
  const { code, detail = '' } = own.refusal;
  return [{ kind: 'evidence', set: own.set, name: detail, ...when, code, short: [] }];
}

/** A policy may refuse twice over: for what it asks of the platform, and for its status. */
function requirementCauses(
  verified: VerifiedEvidence,
  { set, status, advisories, parts }: Pick<SetForecast, 'set' | 'status' | 'advisories' | 'parts'>,
  policy: EvidenceRequirements,
  when: When,
): ForecastCause[] {
  const causes: ForecastCause[] = [];
  const met = checkRequirements(verified, policy);
  if (!met.ok && !isAboutStatus(met.code)) {
    const short = shortOfMinimum(verified, policy);
    causes.push({ kind: 'policy', set, name: met.detail ?? '', ...when, code: met.code, short });
  }
  const short = parts.flatMap((part) => part.short);
  if (status !== undefined && status !== 'NotApplicable' && !policy.acceptedStatuses.includes(status)) {
    causes.push({ kind: 'tcb-status', set, name: status, ...when, code: 'TCB_STATUS_NOT_ACCEPTED', short });
  }
  for (const name of advisories.filter((advisory) => policy.acceptedAdvisories?.includes(advisory) === false)) {
    causes.push({ kind: 'tcb-status', set, name, ...when, code: 'ADVISORY_NOT_ACCEPTED', short });
  }
  return causes;
}

function isAboutStatus(code: RequirementCode): boolean {
  return code === 'TCB_STATUS_NOT_ACCEPTED' || code === 'ADVISORY_NOT_ACCEPTED';
}

function atHeight(losesAtHeight: number, { height, blockMs }: AttestationHeights, atMs: number): When {
  const blocks = losesAtHeight - height;
  return { when: blocks <= 0 ? 'now' : 'later', losesAtHeight, expectedAtMs: Math.round(atMs + blocks * blockMs) };
}

function ageCauses(heights: AttestationHeights, atMs: number): ForecastCause[] {
  const { validUntilHeight, aliveUntilHeight, measurementUntilHeight } = heights;
  const cause = (kind: ForecastKind, name: string, lastHeight: number): ForecastCause => ({
    kind,
    set: 'held',
    name,
    ...atHeight(lastHeight + 1, heights, atMs),
    short: [],
  });
  return [
    cause('age', 'the acceptance', validUntilHeight),
    cause('refresh', 'the last refresh', aliveUntilHeight),
    ...(measurementUntilHeight === undefined
      ? []
      : [cause('measurement', 'the grace of its software', measurementUntilHeight)]),
  ];
}

/** What the policy in force accepts and the next one will not. */
function scheduledCauses(
  { verified, forecast: own }: Assessed,
  { policy, effectiveHeight }: NonNullable<ForecastInput['scheduled']>,
  { endorsements, heights, atMs }: ForecastInput,
): ForecastCause[] {
  if (verified === undefined) return [];
  const when: When =
    heights === undefined
      ? { when: 'later', losesAtHeight: effectiveHeight }
      : atHeight(effectiveHeight, heights, atMs);
  const parts = componentTcbs(verified, endorsements, policy);
  return requirementCauses(verified, { set: own.set, ...vendorStatusOf(verified, parts), parts }, policy, when);
}
