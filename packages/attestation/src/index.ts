/**
 * @cloister/attestation: evidence formats, endorsements, appraisal, challenge messages, simulated platforms.
 */
export {
  APPRAISAL_POLICY_SCHEMA,
  type AppraisalPolicy,
  type AppraisalPolicyCode,
  appraisalPolicyFromJson,
  appraisalPolicyToJson,
  policyDigest,
  type TcbStatus,
} from './appraisal-policy.ts';
export { type Appraisal, type AppraisalCode, appraise, type BindingCode, type ExpectedBinding } from './appraise.ts';
export type { AttestationResult, CrlFloors, CrlSeen, SnpTcbVersions } from './attestation-result.ts';
export type { Attester, AttesterDescription, CollectedEvidence } from './attester.ts';
export type { CertificatePath, PathCode } from './certificate-path.ts';
export {
  answerChallenge,
  CHALLENGE_BYTES,
  type Challenge,
  type ChallengeAnswer,
  type ChallengeCode,
  type ChallengeVerification,
  challengeDigest,
  challengeSigningBytes,
  decodeChallenge,
  decodeChallengeAnswer,
  encodeChallenge,
  encodeChallengeAnswer,
  MAX_ANSWER_BYTES,
  makeChallenge,
  verifyChallengeAnswer,
} from './challenge.ts';
export {
  CONFORMANCE_INTEL_REQUIREMENTS,
  CONFORMANCE_SNP_REQUIREMENTS,
  type ConformanceOutcome,
  type ConformanceVerdict,
  runConformanceCase,
} from './conformance.ts';
export {
  type ConformanceCase,
  type ConformanceExpectation,
  parseConformanceManifest,
  type UnreadableCase,
} from './conformance-manifest.ts';
export { type CacheEntries, createEndorsementCache, type EndorsementCache } from './endorsement-cache.ts';
export { type EndorsementFileCode, type EvidenceEndorsements, readEndorsementFiles } from './endorsement-files.ts';
export {
  type BundleCode,
  type CmwCode,
  decodeCmw,
  decodeEvidenceBundle,
  type Endorsements,
  EVIDENCE_MEDIA_TYPES,
  type Evidence,
  type EvidenceBundle,
  encodeCmw,
  encodeEvidenceBundle,
  evidenceDigest,
  MAX_BUNDLE_BYTES,
  type Platform,
} from './evidence.ts';
export { detectEvidenceFormat, type EvidenceFormat } from './evidence-format.ts';
export {
  checkIntelRequirements,
  type IntelRequirementCode,
  type IntelRequirements,
} from './formats/intel/check-requirements.ts';
export { type IntelCollateral, parseIntelCollateral, type SignedStatement } from './formats/intel/collateral.ts';
export type { EnclaveReport } from './formats/intel/enclave-report.ts';
export type { TcbEvaluation } from './formats/intel/evaluate-tcb.ts';
export type { PckExtension } from './formats/intel/pck-extension.ts';
export { type IntelQuote, type IntelQuoteCode, parseIntelQuote, type QuoteBody } from './formats/intel/quote.ts';
export {
  type ComponentStatus,
  INTEL_TCB_STATUSES,
  type IntelTcbStatus,
  isIntelTcbStatus,
  type PlatformStatus,
} from './formats/intel/tcb-status.ts';
export type { TdAttributes, TdReport } from './formats/intel/td-report.ts';
export {
  type IntelVerification,
  type IntelVerificationCode,
  type VerifiedIntel,
  verifyIntelQuote,
  verifyIntelSignatures,
} from './formats/intel/verify.ts';
export { type NitroDocument, type NitroDocumentCode, parseNitroDocument } from './formats/nitro/document.ts';
export {
  type NitroVerification,
  type NitroVerificationCode,
  type VerifiedNitro,
  verifyNitro,
} from './formats/nitro/verify.ts';
export { checkSnpRequirements, type SnpRequirementCode } from './formats/sev-snp/check-requirements.ts';
export type { SnpProduct } from './formats/sev-snp/product.ts';
export { parseSnpReport, type SnpReport, type SnpReportCode } from './formats/sev-snp/report.ts';
export type { SnpProductRequirements, SnpRequirements } from './formats/sev-snp/requirements.ts';
export type { SnpTcb } from './formats/sev-snp/tcb.ts';
export {
  type SnpVerification,
  type SnpVerificationCode,
  type VerifiedSnp,
  verifySnp,
} from './formats/sev-snp/verify.ts';
export { parsePem } from './pem.ts';
export { matchReferenceValue, type ReferenceCode, type ReferenceValue } from './reference-values.ts';
export {
  decodeRefresh,
  encodeRefresh,
  type Refresh,
  type RefreshCode,
  type RefreshStatement,
  refreshSigningBytes,
  signRefresh,
  verifyRefresh,
} from './refresh.ts';
export {
  type AttestationPurpose,
  encodeRuntimeData,
  type KeysetFields,
  keysetDigest,
  keysetOf,
  parseRuntimeData,
  RUNTIME_DATA_DOMAIN,
  type RuntimeData,
  type RuntimeDataCode,
  reportDataFor,
} from './runtime-data.ts';
export { SIMULATED_ANCHORS } from './simulated/simulated-anchors.ts';
export {
  type PinnedRoot,
  type SingleRoot,
  type SnpRoot,
  type TrustAnchors,
  type TrustAnchorsCode,
  trustAnchorsFromJson,
  trustAnchorsToJson,
  VENDOR_ANCHORS,
  type Vendor,
} from './trust-anchors.ts';
export {
  type EvidenceCode,
  type EvidenceVerdict,
  type EvidenceVerification,
  type VerificationStep,
  type VerifiedEvidence,
  verifyEvidence,
} from './verify-evidence.ts';
