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
} from './appraisal-policy.ts';
export {
  type Appraisal,
  type AppraisalCode,
  appraise,
  type BindingCode,
  type BundleVerificationCode,
  checkBundleBinding,
  type ExpectedBinding,
  verifyBundle,
} from './appraise.ts';
export type {
  AttestationResult,
  CrlFloors,
  CrlSeen,
  SnpTcbVersions,
  StatementFloors,
  StatementSeen,
} from './attestation-result.ts';
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
  CHALLENGE_REQUEST_BYTES_MAX,
  type ChallengeRequest,
  decodeChallengeRequest,
  isSignedByChallenger,
  signChallengeRequest,
} from './challenge-request.ts';
export {
  CONFORMANCE_REQUIREMENTS,
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
export { type EndorsementEnd, type EndorsementKind, endorsementEnds } from './endorsement-ends.ts';
export { type EndorsementFileCode, type EvidenceEndorsements, readEndorsementFiles } from './endorsement-files.ts';
export {
  type EndorsementNeeds,
  type EndorsementNeedsCode,
  endorsementNeeds,
  type IntelEndorsementNeeds,
  type SnpEndorsementNeeds,
} from './endorsement-needs.ts';
export {
  type EndorsementMerge,
  type EndorsementsCode,
  type EndorsementsVerification,
  type VerifiedEndorsements,
  verifyEndorsements,
  withNewerEndorsements,
} from './endorsement-update.ts';
export { certificatePeriod, crlPeriod, statementPeriod, type ValidityPeriod } from './endorsement-validity.ts';
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
} from './evidence.ts';
export { detectEvidenceFormat } from './evidence-format.ts';
export {
  type AttestationHeights,
  type Forecast,
  type ForecastCause,
  type ForecastInput,
  type ForecastKind,
  forecast,
  type SetForecast,
} from './forecast.ts';
export { endorsementsAbout } from './forecast-sets.ts';
export { checkIntelRequirements, type IntelRequirementCode } from './formats/intel/check-requirements.ts';
export { type IntelCollateral, parseIntelCollateral, type SignedStatement } from './formats/intel/collateral.ts';
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
export {
  type CollateralCode,
  endorsementsOfCollateral,
  evidenceEndorsementsOf,
  intelCollateralOf,
} from './intel-endorsements.ts';
export { parsePem } from './pem.ts';
export { loosenings } from './policy-loosenings.ts';
export { answerPresence, verifyPresence } from './presence.ts';
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
  NITRO_IMAGE_PCR,
  nitroImageRegister,
  nitroMeasurement,
  parseReportedSoftware,
  type ReportedSoftware,
  sgxMeasurement,
  softwareOf,
  tdxMeasurement,
} from './reported-software.ts';
export {
  checkRequirements,
  type EvidenceRequirements,
  type RequirementCode,
  type TcbStanding,
  type TcbStatus,
} from './requirements.ts';
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
export { type PartStanding, partStandings, type ShortSvn, shortOfMinimum } from './svn-shortfall.ts';
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
export type { VerifiedEvidence } from './verified-evidence.ts';
export {
  type EvidenceCode,
  type EvidenceVerdict,
  type EvidenceVerification,
  type VerificationStep,
  verifyEvidence,
} from './verify-evidence.ts';
