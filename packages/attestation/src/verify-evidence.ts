/**
 * One front for every format: finds it by the bytes, verifies, checks the requirements, and accounts for each step.
 *
 * For people, tools and conformance runs. The ledger appraises bundles (`appraise.ts`).
 */
import type { Result } from '@cloister/crypto';
import type { TcbStatus } from './appraisal-policy.ts';
import type { EndorsementCache } from './endorsement-cache.ts';
import type { EvidenceEndorsements } from './endorsement-files.ts';
import { detectEvidenceFormat, type EvidenceFormat } from './evidence-format.ts';
import {
  checkIntelRequirements,
  type IntelRequirementCode,
  type IntelRequirements,
} from './formats/intel/check-requirements.ts';
import { type IntelVerificationCode, type VerifiedIntel, verifyIntelQuote } from './formats/intel/verify.ts';
import { type NitroVerificationCode, type VerifiedNitro, verifyNitro } from './formats/nitro/verify.ts';
import { checkSnpRequirements, type SnpRequirementCode } from './formats/sev-snp/check-requirements.ts';
import type { SnpRequirements } from './formats/sev-snp/requirements.ts';
import { type SnpVerificationCode, type VerifiedSnp, verifySnp } from './formats/sev-snp/verify.ts';
import type { TrustAnchors } from './trust-anchors.ts';
import {
  INTEL_STEP_OF,
  INTEL_STEPS,
  NITRO_STEP_OF,
  NITRO_STEPS,
  SNP_STEP_OF,
  SNP_STEPS,
} from './verification-steps.ts';

export interface EvidenceVerification {
  /** Report, quote or document, as the platform gave it. */
  readonly evidence: Uint8Array;
  readonly endorsements: EvidenceEndorsements;
  readonly requirements: { readonly sevSnp: SnpRequirements; readonly intel: IntelRequirements };
  readonly trustAnchors: TrustAnchors;
  /** Milliseconds of the Unix epoch. */
  readonly atMs: number;
  readonly cache?: EndorsementCache | undefined;
}

/** Every reason for which evidence of any format is refused. */
export type EvidenceCode =
  | 'EVIDENCE_FORMAT_UNKNOWN'
  | SnpVerificationCode
  | SnpRequirementCode
  | IntelVerificationCode
  | IntelRequirementCode
  | NitroVerificationCode;

/** One step of a verification. */
export interface VerificationStep {
  /** Stable name. */
  readonly name: string;
  /** What holds when it passed. */
  readonly claim: string;
  readonly outcome: 'passed' | 'failed' | 'not-reached';
}

/** Genuine evidence, whether or not it meets the requirements. */
export type VerifiedEvidence =
  | { readonly format: 'sev-snp'; readonly value: VerifiedSnp }
  | { readonly format: 'sgx' | 'tdx'; readonly value: VerifiedIntel }
  | { readonly format: 'nitro'; readonly value: VerifiedNitro };

export interface EvidenceVerdict {
  /** Undefined when the bytes look like no known format. */
  readonly format: EvidenceFormat | undefined;
  /** Undefined when everything passed. */
  readonly refusal: { readonly code: EvidenceCode; readonly detail: string | undefined } | undefined;
  /** There once the evidence is genuine. */
  readonly verified: VerifiedEvidence | undefined;
  /** Status by the vendor's rules; undefined for formats without one and for evidence that is not genuine. */
  readonly status: TcbStatus | VerifiedIntel['tcb']['status'] | undefined;
  /** Every step in order. */
  readonly steps: readonly VerificationStep[];
}

/** Verifies evidence of any known format. Pure; throws on no bytes, and asserts that `atMs` is an integer. */
export function verifyEvidence(input: EvidenceVerification): EvidenceVerdict {
  const format = detectEvidenceFormat(input.evidence);
  switch (format) {
    case undefined:
      return {
        format,
        refusal: { code: 'EVIDENCE_FORMAT_UNKNOWN', detail: undefined },
        verified: undefined,
        status: undefined,
        steps: [{ name: 'format', claim: 'the evidence is of a known format', outcome: 'failed' }],
      };
    case 'sev-snp':
      return snpVerdict(input);
    case 'sgx':
    case 'tdx':
      return intelVerdict(input, format);
    case 'nitro':
      return nitroVerdict(input);
  }
}

type Outcome<C extends EvidenceCode> = Result<unknown, C>;

function refusalOf<C extends EvidenceCode>(outcome: Outcome<C>): EvidenceVerdict['refusal'] {
  return outcome.ok ? undefined : { code: outcome.code, detail: outcome.detail };
}

function stepsOf<S extends string, C extends EvidenceCode>(
  claims: Readonly<Record<S, string>>,
  stepOf: Readonly<Record<C, S>>,
  outcome: Outcome<C>,
): readonly VerificationStep[] {
  const names = Object.keys(claims) as S[];
  const failed = outcome.ok ? names.length : names.indexOf(stepOf[outcome.code]);
  return names.map((name, index) => ({
    name,
    claim: claims[name],
    outcome: index < failed ? 'passed' : index === failed ? 'failed' : 'not-reached',
  }));
}

function snpVerdict(input: EvidenceVerification): EvidenceVerdict {
  const { evidence, endorsements, trustAnchors, atMs, cache } = input;
  const { sevSnp } = input.requirements;
  const { requireCrl, allowMaskedChipId } = sevSnp;
  const { certificates, crls } = endorsements;
  const verified = verifySnp({
    report: evidence,
    endorsements: { certificates, crls },
    trustAnchors,
    atMs,
    requireCrl,
    allowMaskedChipId,
    cache,
  });
  const outcome = verified.ok ? checkSnpRequirements(verified.value, sevSnp) : verified;
  return {
    format: 'sev-snp',
    refusal: refusalOf(outcome),
    verified: verified.ok ? { format: 'sev-snp', value: verified.value } : undefined,
    status: outcome.ok ? outcome.value : undefined,
    steps: stepsOf(SNP_STEPS, SNP_STEP_OF, outcome),
  };
}

function intelVerdict(input: EvidenceVerification, format: 'sgx' | 'tdx'): EvidenceVerdict {
  const { evidence: quote, endorsements, trustAnchors, atMs, cache } = input;
  const verified = verifyIntelQuote({ quote, collateral: endorsements.collateral, trustAnchors, atMs, cache });
  const outcome = verified.ok ? checkIntelRequirements(verified.value, input.requirements.intel) : verified;
  const steps = stepsOf(INTEL_STEPS, INTEL_STEP_OF, outcome);
  return {
    format,
    refusal: refusalOf(outcome),
    verified: verified.ok ? { format, value: verified.value } : undefined,
    status: verified.ok ? verified.value.tcb.status : undefined,
    steps: format === 'tdx' ? steps : steps.filter(({ name }) => name !== 'tdx-module'),
  };
}

function nitroVerdict({ evidence: document, trustAnchors, atMs }: EvidenceVerification): EvidenceVerdict {
  const verified = verifyNitro({ document, trustAnchors, atMs });
  return {
    format: 'nitro',
    refusal: refusalOf(verified),
    verified: verified.ok ? { format: 'nitro', value: verified.value } : undefined,
    status: undefined,
    steps: stepsOf(NITRO_STEPS, NITRO_STEP_OF, verified),
  };
}
