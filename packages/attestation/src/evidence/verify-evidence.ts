/**
 * One front for every format: finds it by the bytes, verifies, checks the requirements, and accounts for each step.
 *
 * For people, tools and conformance runs. The ledger appraises bundles (`appraise.ts`).
 */
import type { Result } from '@cloister/encoding';
import {
  checkRequirements,
  type EvidenceRequirements,
  type RequirementCode,
  type TcbStatus,
} from '../appraisal/requirements.ts';
import type { EndorsementCache } from '../endorsements/endorsement-cache.ts';
import type { EvidenceEndorsements } from '../endorsements/endorsement-files.ts';
import type { TrustAnchors } from '../policy/trust-anchors.ts';
import type { Platform } from './evidence.ts';
import { detectEvidenceFormat } from './evidence-format.ts';
import { claimsOf, stepOf } from './verification-steps.ts';
import { type FormatVerificationCode, type VerifiedEvidence, verifyFormat } from './verified-evidence.ts';

export interface EvidenceVerification {
  /** Report, quote or document, as the platform gave it. */
  readonly evidence: Uint8Array;
  readonly endorsements: EvidenceEndorsements;
  readonly requirements: EvidenceRequirements;
  readonly trustAnchors: TrustAnchors;
  /** Milliseconds of the Unix epoch. */
  readonly atMs: number;
  readonly cache?: EndorsementCache | undefined;
}

/** Every reason for which evidence of any format is refused. */
export type EvidenceCode = 'EVIDENCE_FORMAT_UNKNOWN' | FormatVerificationCode | RequirementCode;

/** One step of a verification. */
export interface VerificationStep {
  /** Stable name. */
  readonly name: string;
  /** What holds when it passed. */
  readonly claim: string;
  readonly outcome: 'passed' | 'failed' | 'not-reached';
}

export interface EvidenceVerdict {
  /** Undefined when the bytes look like no known format. */
  readonly format: Platform | undefined;
  /** Undefined when everything passed. */
  readonly refusal: { readonly code: EvidenceCode; readonly detail: string | undefined } | undefined;
  /** There once the evidence is genuine. */
  readonly verified: VerifiedEvidence | undefined;
  /** Status by the vendor's rules; undefined for formats without one and for evidence that is not genuine. */
  readonly status: TcbStatus | undefined;
  /** Every step in order. */
  readonly steps: readonly VerificationStep[];
}

/** Verifies evidence of any known format. Pure; throws on no bytes, and asserts that `atMs` is an integer. */
export function verifyEvidence(input: EvidenceVerification): EvidenceVerdict {
  const { evidence, endorsements, requirements, trustAnchors, atMs, cache } = input;
  const format = detectEvidenceFormat(evidence);
  if (format === undefined) {
    return {
      format,
      refusal: { code: 'EVIDENCE_FORMAT_UNKNOWN', detail: undefined },
      verified: undefined,
      status: undefined,
      steps: [{ name: 'format', claim: 'the evidence is of a known format', outcome: 'failed' }],
    };
  }
  const { requireCrl = true, allowMaskedChipId = false } = requirements.sevSnp ?? {};
  const verified = verifyFormat({
    format,
    evidence,
    endorsements,
    trustAnchors,
    atMs,
    requireCrl,
    allowMaskedChipId,
    cache,
  });
  const outcome = verified.ok ? checkRequirements(verified.value, requirements) : verified;
  const refusal = outcome.ok ? undefined : { code: outcome.code, detail: outcome.detail };
  return {
    format,
    refusal,
    verified: verified.ok ? verified.value : undefined,
    status: statusOf(verified, outcome),
    steps: accountFor(format, refusal?.code),
  };
}

/** Intel's status is known whether or not the requirements are met; AMD's is measured against them. */
function statusOf(
  verified: Result<VerifiedEvidence>,
  outcome: Result<{ readonly status: TcbStatus }>,
): TcbStatus | undefined {
  if (verified.ok && (verified.value.format === 'sgx' || verified.value.format === 'tdx')) {
    return verified.value.value.tcb.status;
  }
  if (!outcome.ok) return undefined;
  return outcome.value.status === 'NotApplicable' ? undefined : outcome.value.status;
}

function accountFor(format: Platform, refused: Exclude<EvidenceCode, 'EVIDENCE_FORMAT_UNKNOWN'> | undefined) {
  const claims = claimsOf(format);
  const names = Object.keys(claims);
  const failed = refused === undefined ? names.length : names.indexOf(stepOf(format, refused));
  return names.map((name, index): VerificationStep => {
    const outcome = index < failed ? 'passed' : index === failed ? 'failed' : 'not-reached';
    return { name, claim: claims[name] ?? '', outcome };
  });
}
