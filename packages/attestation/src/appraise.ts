/**
 * Appraisal: evidence, endorsements, reference values, policy, trust anchors and an instant in; a result or a code out.
 *
 * Pure and synchronous: on the ledger the instant is the block's time and the endorsements travel with the evidence, so
 * that every replica, every replay and every later audit reaches the same result. Never throws on hostile input.
 */
import {
  type AccountId,
  asDigest,
  asMeasurement,
  type Digest,
  equalBytes,
  fail,
  fromHex,
  ok,
  type Result,
  toHex,
} from '@cloister/crypto';
import type { AppraisalPolicy } from './appraisal-policy.ts';
import type { AttestationResult, CrlFloors } from './attestation-result.ts';
import { eatClaims } from './eat-claims.ts';
import type { EndorsementCache } from './endorsement-cache.ts';
import { type EvidenceBundle, evidenceDigest, MAX_ENDORSEMENT_COUNT, MAX_RUNTIME_DATA_BYTES } from './evidence.ts';
import { checkSnpRequirements, type SnpRequirementCode } from './formats/sev-snp/check-requirements.ts';
import { type SnpVerificationCode, verifySnp } from './formats/sev-snp/verify.ts';
import { matchReferenceValue, type ReferenceCode, type ReferenceValue } from './reference-values.ts';
import {
  type AttestationPurpose,
  keysetOf,
  parseRuntimeData,
  type RuntimeData,
  type RuntimeDataCode,
  reportDataFor,
} from './runtime-data.ts';
import type { TrustAnchors } from './trust-anchors.ts';

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

/** Every reason for which evidence is refused. */
export type AppraisalCode =
  | 'ENDORSEMENTS_TOO_MANY'
  | 'RUNTIME_DATA_TOO_LARGE'
  | RuntimeDataCode
  | BindingCode
  | SnpVerificationCode
  | SnpRequirementCode
  | 'HARDWARE_BARRED'
  | 'TCB_STATUS_NOT_ACCEPTED'
  | 'REPORT_DATA_MISMATCH'
  | 'IMAGE_MISMATCH'
  | ReferenceCode;

/** Appraises a bundle. What costs nothing is checked first, then the platform's format in its own order. */
export function appraise(input: Appraisal): Result<AttestationResult, AppraisalCode> {
  const { bundle, policy } = input;
  const { certificates, crls } = bundle.endorsements;
  if (certificates.length > MAX_ENDORSEMENT_COUNT || crls.length > MAX_ENDORSEMENT_COUNT) {
    return fail('ENDORSEMENTS_TOO_MANY');
  }
  if (bundle.runtimeData.length > MAX_RUNTIME_DATA_BYTES) return fail('RUNTIME_DATA_TOO_LARGE');
  const runtime = parseRuntimeData(bundle.runtimeData);
  if (!runtime.ok) return runtime;
  const misbound = checkBinding(runtime.value, input.expected ?? {});
  if (misbound !== undefined) return fail(misbound);

  switch (bundle.evidence.platform) {
    case 'sev-snp':
      return appraiseSnp(input, runtime.value, policy);
  }
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

function appraiseSnp(
  input: Appraisal,
  runtime: RuntimeData,
  policy: AppraisalPolicy,
): Result<AttestationResult, AppraisalCode> {
  const { bundle, trustAnchors, atMs, crlFloors, cache } = input;
  const { requireCrl, allowMaskedChipId } = policy.sevSnp;
  const verification = verifySnp({
    report: bundle.evidence.report,
    endorsements: bundle.endorsements,
    trustAnchors,
    atMs,
    requireCrl,
    allowMaskedChipId,
    crlFloors,
    cache,
  });
  if (!verification.ok) return verification;
  const verified = verification.value;
  const { report, hardwareId } = verified;
  // A result without a hardware id could not keep one platform from serving two validators.
  if (hardwareId === undefined) return fail('CHIP_ID_MASKED');
  const status = checkSnpRequirements(verified, policy.sevSnp);
  if (!status.ok) return status;
  if (!policy.acceptedStatuses.includes(status.value)) return fail('TCB_STATUS_NOT_ACCEPTED', status.value);
  if (policy.barredHardwareIds.includes(hardwareId)) return fail('HARDWARE_BARRED');

  const measurement = asMeasurement(toHex(report.measurement));
  const image = asDigest(toHex(report.hostData));
  const unmatched = matchReferenceValue(input.referenceValues, { platform: 'sev-snp', measurement, image });
  if (unmatched !== undefined) return fail(unmatched);
  if (!equalBytes(fromHex(runtime.image), report.hostData)) return fail('IMAGE_MISMATCH');
  if (!equalBytes(report.reportData, reportDataFor(bundle.runtimeData))) return fail('REPORT_DATA_MISMATCH');
  const result: Omit<AttestationResult, 'claims'> = {
    platform: 'sev-snp',
    simulated: trustAnchors.simulated,
    product: verified.product,
    hardwareId,
    measurement,
    image,
    runtime,
    keyset: keysetOf(runtime),
    evidenceDigest: evidenceDigest(bundle),
    tcb: verified.tcb,
    status: status.value,
    advisories: [],
    validUntilMs: verified.validUntilMs,
    crls: verified.crls,
  };
  return ok({ ...result, claims: eatClaims(result, verified.productName) });
}
