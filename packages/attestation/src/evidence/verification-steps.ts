/**
 * The steps of each verifier in the order in which it takes them, and which of them each code belongs to: what turns a
 * code into an account of all that passed before it.
 */
import { assert } from '@cloister/encoding';
import type { RequirementCode } from '../appraisal/requirements.ts';
import type { IntelRequirementCode } from '../formats/intel/check-requirements.ts';
import { CRL_CODES, type CrlCode } from '../formats/intel/crl-checks.ts';
import type { Prefixed } from '../formats/intel/prefixed.ts';
import { STATEMENT_CODES } from '../formats/intel/statements.ts';
import type { IntelVerificationCode } from '../formats/intel/verify.ts';
import type { NitroRequirementCode } from '../formats/nitro/requirements.ts';
import type { NitroVerificationCode } from '../formats/nitro/verify.ts';
import type { SnpRequirementCode } from '../formats/sev-snp/check-requirements.ts';
import type { SnpVerificationCode } from '../formats/sev-snp/verify.ts';
import { PATH_CODES, type PathCode } from '../x509/certificate-path.ts';
import type { Platform } from './evidence.ts';
import type { FormatVerificationCode } from './verified-evidence.ts';

/** Codes that any format may end with. */
type CommonCode =
  | 'PLATFORM_NOT_ACCEPTED'
  | 'TCB_STATUS_NOT_ACCEPTED'
  | 'ADVISORY_NOT_ACCEPTED'
  | 'HARDWARE_BARRED'
  | 'HARDWARE_NOT_LISTED';

export const SNP_STEPS = {
  report: 'the report is strictly formed, of a known version and signature algorithm',
  chain: 'the certificates lead to a pinned AMD root',
  validity: 'every certificate is valid at the instant',
  revocation: "AMD's revocation list is current and names none of them",
  binding: 'product, signing key and hardware id of report and certificate agree',
  signature: 'the chip signed the report',
  tcb: 'the reported TCB is the certified one',
  chip: 'the chip id is the certified one',
  levels: 'reported, committed and current TCB are in order',
  policy: 'platform and guest policy meet the requirements',
  'tcb-status': 'the TCB status is accepted, and the platform is not barred',
} as const;

type SnpStep = keyof typeof SNP_STEPS;

export const INTEL_STEPS = {
  quote: 'the quote is strictly formed, of a known version, key type and vendor',
  'pck-chain': "the PCK certificate leads to Intel's pinned root and is valid at the instant",
  revocation: 'root CRL and PCK CRL are there and current, and name no certificate of the chain',
  'tcb-info': 'TCB info is signed by Intel, current, and about this platform',
  'qe-identity': 'the QE identity is signed by Intel, current, and of the right enclave',
  'qe-signature': 'the platform signed the report of the quoting enclave',
  'qe-binding': 'the quoting enclave vouches for the attestation key and its authentication data',
  'qe-match': 'the quoting enclave is the one of the identity',
  'quote-signature': 'the attestation key signed the quote',
  'tdx-module': 'the TDX module is one that Intel signed',
  'tcb-evaluation': 'product line, TCB evaluation data and SVNs meet the minimum',
  policy: 'neither debug nor reserved bits nor unwanted attributes are set',
  'tcb-status': 'TCB status and advisories are accepted, and the platform is not barred',
} as const;

type IntelStep = keyof typeof INTEL_STEPS;

export const NITRO_STEPS = {
  document: 'the document is strict CBOR and COSE with the required members',
  path: 'the certificates lead to the pinned AWS root',
  validity: 'every certificate is valid at the instant',
  signature: 'the hypervisor signed the document',
  debug: 'PCR0 is not zero: the enclave is not in debug mode',
  policy: 'image signer and instance are accepted',
} as const;

type NitroStep = keyof typeof NITRO_STEPS;

/** The step of every code of a document whose codes are prefixed. */
function each<P extends string, C extends string, S>(
  prefix: P,
  codes: readonly C[],
  step: S,
): Record<Prefixed<P, C>, S> {
  const entries = codes.map((code) => [`${prefix}_${code}`, step]);
  return Object.fromEntries(entries) as Record<Prefixed<P, C>, S>;
}

const path = <P extends string, S>(prefix: P, step: S): Record<Prefixed<P, PathCode>, S> =>
  each(prefix, PATH_CODES, step);
const crl = <P extends string, S>(prefix: P, step: S): Record<Prefixed<P, CrlCode>, S> => each(prefix, CRL_CODES, step);

export const INTEL_STEP_OF: Readonly<Record<IntelVerificationCode | IntelRequirementCode | CommonCode, IntelStep>> = {
  QUOTE_SIZE: 'quote',
  QUOTE_VERSION: 'quote',
  QUOTE_KEY_TYPE: 'quote',
  QUOTE_TEE_TYPE: 'quote',
  QUOTE_QE_VENDOR: 'quote',
  QUOTE_BODY_TYPE: 'quote',
  QUOTE_BODY_SIZE: 'quote',
  QUOTE_RESERVED_FIELD: 'quote',
  QUOTE_TRUNCATED: 'quote',
  QUOTE_LENGTHS: 'quote',
  QUOTE_CERTIFICATION_TYPE: 'quote',
  QUOTE_TRAILING_BYTES: 'quote',
  QUOTE_OTHER_TEE: 'quote',
  PCK_CHAIN_ABSENT: 'pck-chain',
  PCK_CHAIN_PEM_MALFORMED: 'pck-chain',
  ...path('PCK_CHAIN', 'pck-chain' as const),
  PCK_EXTENSION_MISSING: 'pck-chain',
  PCK_EXTENSION_MALFORMED: 'pck-chain',
  COLLATERAL_MISSING: 'revocation',
  ...crl('ROOT_CRL', 'revocation' as const),
  ...path('PCK_CRL_CHAIN', 'revocation' as const),
  PCK_CRL_CHAIN_MISMATCH: 'revocation',
  ...crl('PCK_CRL', 'revocation' as const),
  PCK_CA_REVOKED: 'revocation',
  PCK_REVOKED: 'revocation',
  ...each('TCB_INFO', STATEMENT_CODES, 'tcb-info' as const),
  ...path('TCB_INFO_CHAIN', 'tcb-info' as const),
  TCB_INFO_FMSPC: 'tcb-info',
  TCB_INFO_PCEID: 'tcb-info',
  ...each('QE_IDENTITY', STATEMENT_CODES, 'qe-identity' as const),
  ...path('QE_IDENTITY_CHAIN', 'qe-identity' as const),
  QE_REPORT_SIGNATURE: 'qe-signature',
  QE_REPORT_DATA_MISMATCH: 'qe-binding',
  QE_MISCSELECT_MISMATCH: 'qe-match',
  QE_ATTRIBUTES_MISMATCH: 'qe-match',
  QE_MRSIGNER_MISMATCH: 'qe-match',
  QE_ISVPRODID_MISMATCH: 'qe-match',
  QE_DEBUG: 'qe-match',
  QUOTE_SIGNATURE: 'quote-signature',
  TDX_MODULE_MISSING: 'tdx-module',
  TDX_MODULE_IDENTITY_MISSING: 'tdx-module',
  TDX_MODULE_SIGNER_MISMATCH: 'tdx-module',
  TDX_MODULE_ATTRIBUTES_MISMATCH: 'tdx-module',
  PLATFORM_NOT_ACCEPTED: 'tcb-evaluation',
  PRODUCT_NOT_ACCEPTED: 'tcb-evaluation',
  TCB_EVALUATION_NUMBER_BELOW_MINIMUM: 'tcb-evaluation',
  TCB_BELOW_MINIMUM: 'tcb-evaluation',
  DEBUG_ENABLED: 'policy',
  TD_ATTRIBUTES_RESERVED_BITS: 'policy',
  XFAM_RESERVED_BITS: 'policy',
  MIGRATION_ALLOWED: 'policy',
  SERVICE_TD_BOUND: 'policy',
  SEPT_VE_ENABLED: 'policy',
  PERFORMANCE_MONITORING_ENABLED: 'policy',
  TCB_STATUS_NOT_ACCEPTED: 'tcb-status',
  ADVISORY_NOT_ACCEPTED: 'tcb-status',
  HARDWARE_BARRED: 'tcb-status',
  HARDWARE_NOT_LISTED: 'tcb-status',
};

export const NITRO_STEP_OF: Readonly<Record<NitroVerificationCode | NitroRequirementCode | CommonCode, NitroStep>> = {
  DOCUMENT_SIZE: 'document',
  DOCUMENT_MALFORMED: 'document',
  COSE_TAG: 'document',
  COSE_STRUCTURE: 'document',
  COSE_PROTECTED_HEADERS: 'document',
  COSE_UNPROTECTED_HEADERS: 'document',
  COSE_SIGNATURE_LENGTH: 'document',
  PAYLOAD_MALFORMED: 'document',
  PAYLOAD_MEMBER: 'document',
  PAYLOAD_DIGEST: 'document',
  PAYLOAD_PCRS: 'document',
  CABUNDLE_EMPTY: 'document',
  CERTIFICATE_MALFORMED: 'path',
  CHAIN_LENGTH: 'path',
  ROOT_NOT_PINNED: 'path',
  CERTIFICATE_NAME: 'path',
  CERTIFICATE_ALGORITHM: 'path',
  CERTIFICATE_KEY: 'path',
  CERTIFICATE_CRITICAL_EXTENSION: 'path',
  CERTIFICATE_NOT_CA: 'path',
  CERTIFICATE_KEY_USAGE: 'path',
  CERTIFICATE_PATH_LENGTH: 'path',
  LEAF_IS_CA: 'path',
  ROOT_SIGNATURE: 'path',
  INTERMEDIATE_SIGNATURE: 'path',
  LEAF_SIGNATURE: 'path',
  CERTIFICATE_NOT_YET_VALID: 'validity',
  CERTIFICATE_EXPIRED: 'validity',
  DOCUMENT_SIGNATURE: 'signature',
  DEBUG_ENABLED: 'debug',
  PLATFORM_NOT_ACCEPTED: 'policy',
  IMAGE_SIGNER_NOT_ACCEPTED: 'policy',
  TCB_STATUS_NOT_ACCEPTED: 'policy',
  ADVISORY_NOT_ACCEPTED: 'policy',
  HARDWARE_BARRED: 'policy',
  HARDWARE_NOT_LISTED: 'policy',
};

export const SNP_STEP_OF: Readonly<Record<SnpVerificationCode | SnpRequirementCode | CommonCode, SnpStep>> = {
  REPORT_SIZE: 'report',
  REPORT_VERSION: 'report',
  REPORT_SIGNATURE_ALGORITHM: 'report',
  REPORT_SIGNATURE_PADDING: 'report',
  REPORT_RESERVED_FIELD: 'report',
  REPORT_SIGNING_KEY: 'report',
  REPORT_PRODUCT_UNKNOWN: 'report',
  ENDORSEMENTS_MISSING: 'chain',
  CERTIFICATE_MALFORMED: 'chain',
  ROOT_MISSING: 'chain',
  ROOT_NOT_PINNED: 'chain',
  LEAF_MISSING: 'chain',
  LEAF_AMBIGUOUS: 'chain',
  INTERMEDIATE_MISSING: 'chain',
  CERTIFICATE_NAME: 'chain',
  CERTIFICATE_ALGORITHM: 'chain',
  CERTIFICATE_KEY: 'chain',
  CERTIFICATE_CRITICAL_EXTENSION: 'chain',
  CERTIFICATE_NOT_CA: 'chain',
  CERTIFICATE_KEY_USAGE: 'chain',
  CERTIFICATE_PATH_LENGTH: 'chain',
  ROOT_SIGNATURE: 'chain',
  INTERMEDIATE_SIGNATURE: 'chain',
  LEAF_SIGNATURE: 'chain',
  LEAF_IS_CA: 'chain',
  LEAF_KEY_NOT_P384: 'chain',
  VEK_EXTENSION_MISSING: 'chain',
  VEK_EXTENSION_MALFORMED: 'chain',
  VEK_PRODUCT_MISMATCH: 'chain',
  CERTIFICATE_NOT_YET_VALID: 'validity',
  CERTIFICATE_EXPIRED: 'validity',
  CRL_MISSING: 'revocation',
  CRL_MALFORMED: 'revocation',
  CRL_ISSUER: 'revocation',
  CRL_ALGORITHM: 'revocation',
  CRL_SIGNATURE: 'revocation',
  CRL_NOT_YET_VALID: 'revocation',
  CRL_EXPIRED: 'revocation',
  CRL_OLDER_THAN_SEEN: 'revocation',
  ROOT_REVOKED: 'revocation',
  INTERMEDIATE_REVOKED: 'revocation',
  LEAF_REVOKED: 'revocation',
  PRODUCT_MISMATCH: 'binding',
  SIGNING_KEY_MISMATCH: 'binding',
  HARDWARE_ID_MISSING: 'binding',
  HARDWARE_ID_LENGTH: 'binding',
  HARDWARE_ID_UNEXPECTED: 'binding',
  CSP_ID_MISSING: 'binding',
  REPORT_SIGNATURE: 'signature',
  REPORTED_TCB_MISMATCH: 'tcb',
  CHIP_ID_MASKED: 'chip',
  CHIP_ID_MISMATCH: 'chip',
  TCB_REPORTED_ABOVE_COMMITTED: 'levels',
  TCB_COMMITTED_ABOVE_CURRENT: 'levels',
  PLATFORM_NOT_ACCEPTED: 'policy',
  PRODUCT_NOT_ACCEPTED: 'policy',
  VLEK_NOT_ACCEPTED: 'policy',
  TCB_BELOW_MINIMUM: 'policy',
  LAUNCH_TCB_BELOW_MINIMUM: 'policy',
  GUEST_POLICY_RESERVED_BITS: 'policy',
  DEBUG_ENABLED: 'policy',
  MIGRATION_AGENT_ALLOWED: 'policy',
  SMT_ENABLED: 'policy',
  ALIAS_CHECK_MISSING: 'policy',
  CIPHERTEXT_HIDING_MISSING: 'policy',
  VMPL_NOT_ACCEPTED: 'policy',
  ID_KEY_NOT_ACCEPTED: 'policy',
  TCB_STATUS_NOT_ACCEPTED: 'tcb-status',
  ADVISORY_NOT_ACCEPTED: 'tcb-status',
  HARDWARE_BARRED: 'tcb-status',
  HARDWARE_NOT_LISTED: 'tcb-status',
};

const { 'tdx-module': _, ...SGX_STEPS } = INTEL_STEPS;

/** What holds after each step of a format's verification, in order. */
export function claimsOf(format: Platform): Readonly<Record<string, string>> {
  return { 'sev-snp': SNP_STEPS, sgx: SGX_STEPS, tdx: INTEL_STEPS, nitro: NITRO_STEPS }[format];
}

/** The step at which a format's verification ends with a code. */
export function stepOf(format: Platform, code: FormatVerificationCode | RequirementCode): string {
  const steps: Readonly<Record<string, string>> = {
    'sev-snp': SNP_STEP_OF,
    sgx: INTEL_STEP_OF,
    tdx: INTEL_STEP_OF,
    nitro: NITRO_STEP_OF,
  }[format];
  const step = steps[code];
  assert(step !== undefined, `${code} is no code of ${format}`);
  return step;
}
