/**
 * @cloister/attestation: evidence formats, endorsements, appraisal, challenge messages, simulated platforms.
 */

export {
  type Appraisal,
  type AppraisalCode,
  appraise,
  type BindingCode,
  type BundleVerificationCode,
  checkBundleBinding,
  type ExpectedBinding,
  verifyBundle,
} from './appraisal/appraise.ts';
export type { AttestationResult } from './appraisal/attestation-result.ts';
export {
  NITRO_IMAGE_PCR,
  nitroImageRegister,
  nitroMeasurement,
  parseReportedSoftware,
  type ReportedSoftware,
  sgxMeasurement,
  softwareOf,
  tdxMeasurement,
} from './appraisal/reported-software.ts';
export {
  checkRequirements,
  type EvidenceRequirements,
  type RequirementCode,
  type TcbStatus,
  type VendorStatus,
} from './appraisal/requirements.ts';
export { type ComponentTcb, componentTcbs, type ShortSvn, shortOfMinimum } from './appraisal/svn-shortfall.ts';
export {
  CONFORMANCE_REQUIREMENTS,
  type ConformanceOutcome,
  type ConformanceVerdict,
  runConformanceCase,
} from './conformance/conformance.ts';
export {
  type ConformanceCase,
  type ConformanceExpectation,
  parseConformanceManifest,
  type UnreadableCase,
} from './conformance/conformance-manifest.ts';
export { createEndorsementCache, type EndorsementCache } from './endorsements/endorsement-cache.ts';
export { type EndorsementEnd, type EndorsementKind, endorsementEnds } from './endorsements/endorsement-ends.ts';
export {
  type EndorsementFileCode,
  type EvidenceEndorsements,
  readEndorsementFiles,
} from './endorsements/endorsement-files.ts';
export type { CrlFloors, CrlSeen, StatementFloors, StatementSeen } from './endorsements/endorsement-floors.ts';
export {
  type EndorsementNeeds,
  type EndorsementNeedsCode,
  endorsementNeeds,
  type IntelEndorsementNeeds,
  type SnpEndorsementNeeds,
} from './endorsements/endorsement-needs.ts';
export {
  type EndorsementMerge,
  type EndorsementsCode,
  type EndorsementsVerification,
  type VerifiedEndorsements,
  verifyEndorsements,
  withNewerEndorsements,
} from './endorsements/endorsement-update.ts';
export {
  certificatePeriod,
  crlPeriod,
  statementPeriod,
  type ValidityPeriod,
} from './endorsements/endorsement-validity.ts';
export {
  type CollateralCode,
  endorsementsOfCollateral,
  evidenceEndorsementsOf,
  intelCollateralOf,
} from './endorsements/intel-endorsements.ts';
export type { Attester, AttesterDescription, CollectedEvidence } from './evidence/attester.ts';
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
} from './evidence/challenge.ts';
export {
  CHALLENGE_REQUEST_BYTES_MAX,
  type ChallengeRequest,
  decodeChallengeRequest,
  isSignedByChallenger,
  signChallengeRequest,
} from './evidence/challenge-request.ts';
export {
  type BundleCode,
  type CmwCode,
  decodeCmw,
  decodeEndorsements,
  decodeEvidenceBundle,
  type Endorsements,
  EVIDENCE_MEDIA_TYPES,
  type Evidence,
  type EvidenceBundle,
  encodeCmw,
  encodeEndorsements,
  encodeEvidenceBundle,
  evidenceDigest,
  MAX_BUNDLE_BYTES,
  PLATFORMS,
  type Platform,
  type SignedText,
} from './evidence/evidence.ts';
export { detectEvidenceFormat } from './evidence/evidence-format.ts';
export { answerPresence, verifyPresence } from './evidence/presence.ts';
export {
  decodeRefresh,
  encodeRefresh,
  type Refresh,
  type RefreshCode,
  type RefreshStatement,
  refreshSigningBytes,
  signRefresh,
  verifyRefresh,
} from './evidence/refresh.ts';
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
} from './evidence/runtime-data.ts';
export type { VerifiedEvidence } from './evidence/verified-evidence.ts';
export {
  type EvidenceCode,
  type EvidenceVerdict,
  type EvidenceVerification,
  type VerificationStep,
  verifyEvidence,
} from './evidence/verify-evidence.ts';
export {
  type AttestationHeights,
  type Forecast,
  type ForecastCause,
  type ForecastInput,
  type ForecastKind,
  forecast,
  type SetForecast,
} from './forecast/forecast.ts';
export { endorsementsAbout } from './forecast/forecast-sets.ts';
export { checkIntelRequirements, type IntelRequirementCode } from './formats/intel/check-requirements.ts';
export { type IntelCollateral, type IntelSignedStatement, parseIntelCollateral } from './formats/intel/collateral.ts';
export type { EnclaveReport } from './formats/intel/enclave-report.ts';
export type { TcbEvaluation } from './formats/intel/evaluate-tcb.ts';
export type { PckExtension } from './formats/intel/pck-extension.ts';
export { type IntelQuote, type IntelQuoteCode, parseIntelQuote, type QuoteBody } from './formats/intel/quote.ts';
export {
  ANY_SVNS,
  type IntelRequirements,
  type SgxRequirements,
  type TdRequirements,
  type TdxRequirements,
} from './formats/intel/requirements.ts';
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
  checkNitroRequirements,
  type NitroRequirementCode,
  type NitroRequirements,
} from './formats/nitro/requirements.ts';
export {
  type NitroVerification,
  type NitroVerificationCode,
  type VerifiedNitro,
  verifyNitro,
} from './formats/nitro/verify.ts';
export { checkSnpRequirements, type SnpRequirementCode } from './formats/sev-snp/check-requirements.ts';
export { SNP_PRODUCTS, type SnpProduct } from './formats/sev-snp/product.ts';
export { parseSnpReport, type SnpReport, type SnpReportCode } from './formats/sev-snp/report.ts';
export type { SnpProductRequirements, SnpRequirements } from './formats/sev-snp/requirements.ts';
export type { SnpTcb, SnpTcbVersions } from './formats/sev-snp/tcb.ts';
export {
  type SnpVerification,
  type SnpVerificationCode,
  type VerifiedSnp,
  verifySnp,
} from './formats/sev-snp/verify.ts';
export {
  APPRAISAL_POLICY_SCHEMA,
  type AppraisalPolicy,
  type AppraisalPolicyCode,
  appraisalPolicyFromJson,
  appraisalPolicyToJson,
  policyDigest,
} from './policy/appraisal-policy.ts';
export { loosenings } from './policy/policy-loosenings.ts';
export { matchReferenceValue, type ReferenceCode, type ReferenceValue } from './policy/reference-values.ts';
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
} from './policy/trust-anchors.ts';
export { SIMULATED_ANCHORS } from './simulated/simulated-anchors.ts';
export type { CacheEntries } from './x509/cache-entries.ts';
export type { CertificatePath, PathCode } from './x509/certificate-path.ts';
export { parsePem } from './x509/pem.ts';
