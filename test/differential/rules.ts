/**
 * Where the verdicts of dcap-qvl 0.3.9 and of this package differ; differences in status are in `status-model.ts`. The page
 * docs/decisions/0007-differences-from-dcap-qvl.md has a line for each, with the document that decides.
 */
export interface Rule {
  /** First column of the page. */
  readonly id: string;
  /** Matches the difference: our code where only dcap-qvl accepts, its message where only we accept. */
  readonly only: 'dcap-qvl accepts' | 'we accept';
  readonly because: RegExp;
}

/** By the verdict. The first that matches is the one that decides. */
export const VERDICT_RULES: readonly Rule[] = [
  { id: 'crl-authenticity', only: 'dcap-qvl accepts', because: /^(?:ROOT_CRL|PCK_CRL)_(?!CHAIN_)/ },
  { id: 'pck-crl-chain', only: 'dcap-qvl accepts', because: /^PCK_CRL_CHAIN_/ },
  { id: 'collateral-json', only: 'dcap-qvl accepts', because: /^(?:COLLATERAL|TCB_INFO|QE_IDENTITY)_MALFORMED$/ },
  { id: 'tcb-info-version', only: 'dcap-qvl accepts', because: /^TCB_INFO_VERSION$/ },
  { id: 'pceid', only: 'dcap-qvl accepts', because: /^TCB_INFO_PCEID$/ },
  { id: 'chain-shape', only: 'dcap-qvl accepts', because: /_CHAIN_CHAIN_LENGTH$/ },
  { id: 'certificate-profile', only: 'dcap-qvl accepts', because: /_CHAIN_CERTIFICATE_/ },
  { id: 'pem-strictness', only: 'dcap-qvl accepts', because: /^PCK_CHAIN_PEM_MALFORMED$/ },
  { id: 'quote-lengths', only: 'dcap-qvl accepts', because: /^QUOTE_(?:TRAILING_BYTES|LENGTHS|CERTIFICATION_TYPE)$/ },
  { id: 'reserved-fields', only: 'dcap-qvl accepts', because: /^QUOTE_RESERVED_FIELD$/ },
  { id: 'qe-report-data', only: 'dcap-qvl accepts', because: /^QE_REPORT_DATA_MISMATCH$/ },
  { id: 'tdx-module-identity', only: 'dcap-qvl accepts', because: /^TDX_MODULE_/ },
  { id: 'xfam', only: 'dcap-qvl accepts', because: /^XFAM_RESERVED_BITS$/ },
  { id: 'qe-authentication-data', only: 'we accept', because: /^QE report hash mismatch$/ },
  { id: 'sgx-versions', only: 'we accept', because: /^SGX TEE quote must have version 3$/ },
  { id: 'tcb-info-version-2', only: 'we accept', because: /^Failed to decode TcbInfo$/ },
  { id: 'lass', only: 'we accept', because: /^Reserved bits in TD attributes are set$/ },
  {
    id: 'pem-white-space',
    only: 'we accept',
    because: /^(?:Failed to extract PCK certificates|Certificate chain is too short)/,
  },
];
