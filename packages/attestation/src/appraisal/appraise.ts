/**
 * Appraisal: evidence, endorsements, reference values, policy, trust anchors and an instant in; a result or a code out.
 *
 * Pure and synchronous: on the ledger the instant is the block's time and the endorsements travel with the evidence, so
 * that every replica, every replay and every later audit reaches the same result. Never throws on hostile input.
 */
import { type AccountId, type Digest, equalBytes, fail, ok, type Result } from '@cloister/encoding';
import type { EndorsementCache } from '../endorsements/endorsement-cache.ts';
import type { CrlFloors, StatementFloors } from '../endorsements/endorsement-floors.ts';
import { evidenceEndorsementsOf } from '../endorsements/intel-endorsements.ts';
import {
  type EvidenceBundle,
  evidenceDigest,
  hasSurplusEndorsements,
  MAX_RUNTIME_DATA_BYTES,
} from '../evidence/evidence.ts';
import {
  type AttestationPurpose,
  keysetOf,
  parseRuntimeData,
  type RuntimeData,
  type RuntimeDataCode,
  reportDataFor,
} from '../evidence/runtime-data.ts';
import {
  type FormatVerificationCode,
  hardwareIdOf,
  type VerifiedEvidence,
  verifyFormat,
} from '../evidence/verified-evidence.ts';
import type { AppraisalPolicy } from '../policy/appraisal-policy.ts';
import { matchReferenceValue, type ReferenceCode, type ReferenceValue } from '../policy/reference-values.ts';
import type { TrustAnchors } from '../policy/trust-anchors.ts';
import type { AttestationResult } from './attestation-result.ts';
import { eatClaims } from './eat-claims.ts';
import { platformFactsOf } from './platform-facts.ts';
import { parseReportedSoftware, type ReportedSoftware, softwareOf } from './reported-software.ts';
import { checkRequirements, type RequirementCode } from './requirements.ts';

/** What the runtime data must say; members that are not given are not compared. */
export interface ExpectedBinding {
  readonly chainId?: Digest;
  readonly purpose?: AttestationPurpose;
  readonly nodeId?: AccountId;
  /** 32 bytes in hex. */
  readonly nonce?: string;
  readonly nonceHeight?: number;
  readonly keyset?: Digest;
}

export interface Appraisal {
  readonly bundle: EvidenceBundle;
  readonly referenceValues: readonly ReferenceValue[];
  readonly policy: AppraisalPolicy;
  readonly trustAnchors: TrustAnchors;
  /** Milliseconds of the Unix epoch. */
  readonly atMs: number;
  readonly expected?: ExpectedBinding | undefined;
  readonly crlFloors?: CrlFloors | undefined;
  readonly statementFloors?: StatementFloors | undefined;
  readonly cache?: EndorsementCache | undefined;
}

/** Why the runtime data is not what the appraiser asked for. */
export type BindingCode =
  | 'CHAIN_ID_MISMATCH'
  | 'PURPOSE_MISMATCH'
  | 'NODE_ID_MISMATCH'
  | 'NONCE_MISMATCH'
  | 'NONCE_HEIGHT_MISMATCH'
  | 'KEYSET_MISMATCH';

/** Why a report does not speak for its runtime data. */
export type SoftwareCode = 'REPORT_DATA_MISMATCH' | 'IMAGE_MISMATCH';

/** Every reason for which evidence is refused. */
export type AppraisalCode =
  | BundleVerificationCode
  | BindingCode
  | RequirementCode
  /** The platform shows no id of its own, so that nothing could keep it from serving two validators. */
  | 'HARDWARE_ID_ABSENT'
  | ReferenceCode;

/** Appraises a bundle. What costs nothing is checked first, then the platform's format in its own order. */
export function appraise(input: Appraisal): Result<AttestationResult, AppraisalCode> {
  const { bundle, policy, trustAnchors } = input;
  const bound = readRuntimeData(bundle);
  if (!bound.ok) return bound;
  const runtime = bound.value;
  const misbound = checkBinding(runtime, input.expected ?? {});
  if (misbound !== undefined) return fail(misbound);
  const { platform } = bundle.evidence;
  const isAccepted = { nitro: policy.nitro, 'sev-snp': policy.sevSnp, sgx: policy.sgx, tdx: policy.tdx }[platform];
  if (isAccepted === null) return fail('PLATFORM_NOT_ACCEPTED', platform);
  const verification = verifyEvidenceOf(input);
  if (!verification.ok) return verification;
  const verified = verification.value;
  const hardwareId = hardwareIdOf(verified);
  if (hardwareId === undefined) return fail('HARDWARE_ID_ABSENT');
  const judged = checkRequirements(verified, policy);
  if (!judged.ok) return judged;

  const software = softwareOf(verified);
  const image = software.imageFor(runtime.image);
  if (image === undefined) return fail('IMAGE_MISMATCH');
  const { measurement } = software;
  const unmatched = matchReferenceValue(input.referenceValues, { platform, measurement, image });
  if (unmatched !== undefined) return fail(unmatched);
  const unspoken = checkSoftware(software, bundle, runtime);
  if (unspoken !== undefined) return fail(unspoken);
  const { product, model, tcb, crls, statements } = platformFactsOf(verified);
  const result: Omit<AttestationResult, 'claims'> = {
    platform,
    simulated: trustAnchors.simulated,
    product,
    hardwareId,
    measurement,
    image,
    runtime,
    keyset: keysetOf(runtime),
    evidenceDigest: evidenceDigest(bundle),
    tcb,
    ...judged.value,
    validUntilMs: verified.value.validUntilMs,
    crls,
    statements,
  };
  return ok({ ...result, claims: eatClaims(result, model) });
}

/** Why a bundle is refused before anybody's policy or reference values are asked. */
export type BundleVerificationCode =
  | 'ENDORSEMENTS_TOO_MANY'
  | 'RUNTIME_DATA_TOO_LARGE'
  | RuntimeDataCode
  | FormatVerificationCode
  | SoftwareCode;

/**
 * Verifies a bundle as far as an enclave can for itself: chain, signature, and that the report binds the runtime data and
 * the image that it names. Which software, status and platform are allowed is the ledger's to say.
 */
export function verifyBundle(
  input: Pick<Appraisal, 'bundle' | 'trustAnchors' | 'atMs' | 'cache'>,
): Result<RuntimeData, BundleVerificationCode> {
  const runtime = readRuntimeData(input.bundle);
  if (!runtime.ok) return runtime;
  const verified = verifyEvidenceOf(input);
  if (!verified.ok) return verified;
  const unspoken = checkSoftware(softwareOf(verified.value), input.bundle, runtime.value);
  return unspoken === undefined ? runtime : fail(unspoken);
}

/** By parsing alone, whoever signed it: the report binds the runtime data and the image that it names. */
export function checkBundleBinding(bundle: EvidenceBundle): Result<RuntimeData, BundleVerificationCode> {
  const runtime = readRuntimeData(bundle);
  if (!runtime.ok) return runtime;
  const software = parseReportedSoftware(bundle.evidence);
  if (!software.ok) return software;
  const unspoken = checkSoftware(software.value, bundle, runtime.value);
  return unspoken === undefined ? runtime : fail(unspoken);
}

function readRuntimeData({
  evidence,
  runtimeData,
  endorsements,
}: EvidenceBundle): Result<RuntimeData, 'ENDORSEMENTS_TOO_MANY' | 'RUNTIME_DATA_TOO_LARGE' | RuntimeDataCode> {
  if (hasSurplusEndorsements(evidence.platform, endorsements)) return fail('ENDORSEMENTS_TOO_MANY');
  return runtimeData.length > MAX_RUNTIME_DATA_BYTES ? fail('RUNTIME_DATA_TOO_LARGE') : parseRuntimeData(runtimeData);
}

function verifyEvidenceOf(
  input: Omit<Appraisal, 'referenceValues' | 'policy' | 'expected'>,
): Result<VerifiedEvidence, FormatVerificationCode> {
  const { bundle, trustAnchors, atMs, crlFloors, statementFloors, cache } = input;
  const { platform, report } = bundle.evidence;
  return verifyFormat({
    format: platform,
    evidence: report,
    endorsements: evidenceEndorsementsOf(bundle.endorsements),
    trustAnchors,
    atMs,
    requireCrl: true,
    allowMaskedChipId: false,
    crlFloors,
    statementFloors,
    cache,
  });
}

function checkSoftware(
  software: ReportedSoftware,
  bundle: EvidenceBundle,
  runtime: RuntimeData,
): SoftwareCode | undefined {
  if (software.imageFor(runtime.image) !== runtime.image) return 'IMAGE_MISMATCH';
  return equalBytes(software.reportData, reportDataFor(bundle.runtimeData)) ? undefined : 'REPORT_DATA_MISMATCH';
}

function checkBinding(runtime: RuntimeData, expected: ExpectedBinding): BindingCode | undefined {
  const { chainId, purpose, nodeId, nonce, nonceHeight, keyset } = expected;
  if (chainId !== undefined && runtime.chain_id !== chainId) return 'CHAIN_ID_MISMATCH';
  if (purpose !== undefined && runtime.purpose !== purpose) return 'PURPOSE_MISMATCH';
  if (nodeId !== undefined && runtime.node_id !== nodeId) return 'NODE_ID_MISMATCH';
  if (nonce !== undefined && runtime.nonce !== nonce) return 'NONCE_MISMATCH';
  if (nonceHeight !== undefined && runtime.nonce_height !== nonceHeight) return 'NONCE_HEIGHT_MISMATCH';
  return keyset !== undefined && keysetOf(runtime) !== keyset ? 'KEYSET_MISMATCH' : undefined;
}
