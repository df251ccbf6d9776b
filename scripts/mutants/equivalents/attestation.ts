/** Mutants of packages/attestation that no test can catch. */
import { ABSENT_MEMBER, type Equivalent, NARROWING, ONLY_FASTER } from './equivalent.ts';

/** Whoever reads past the end is refused at the end. */
const REFUSED_AT_END = 'what reads past its end is refused by the demand to be exactly at the end';

export const ATTESTATION: readonly Equivalent[] = [
  { file: 'evidence/cbor.ts', check: 'count > this.#bytes.length - this.#at', in: 'truncated', reason: REFUSED_AT_END },
  {
    file: 'evidence/cbor.ts',
    check: 'additional > 27',
    reason: 'an argument of 16 bytes or more is not minimal or not safe',
  },
  {
    file: 'evidence/cbor.ts',
    check: "'type' in value",
    reason: 'without a member type the comparison with it fails as well',
  },
  {
    file: 'evidence/cbor.ts',
    check: "value.type === 'map'",
    reason: 'a tag has no entries, and undefined is the answer for it',
  },
  { file: 'x509/certificate-path.ts', check: 'root === undefined', reason: NARROWING },
  { file: 'x509/certificate-path.ts', check: 'publicKey === undefined', reason: NARROWING },
  { file: 'x509/certificate-path.ts', check: 'algorithm === undefined', reason: NARROWING },
  { file: 'x509/certificate-path.ts', check: 'signed.get(key) === true', reason: ONLY_FASTER },
  { file: 'formats/intel/paths.ts', check: 'known !== undefined', reason: ONLY_FASTER },
  { file: 'formats/intel/verify.ts', check: 'cache.quotingEnclaves.get(key) === true', reason: ONLY_FASTER },
  {
    file: 'x509/x509-fields.ts',
    check: 'text === undefined',
    reason: 'the answer for one name without text is undefined as well',
  },
  {
    file: 'x509/x509-fields.ts',
    check: 'reader.peekTag() === contextTag(number)',
    reason: 'without a hash the algorithm is not verified, whether or not it can be read',
  },
  { file: 'x509/der.ts', check: 'byte === undefined', reason: REFUSED_AT_END },
  { file: 'x509/der.ts', check: 'length > this.#bytes.length - contentStart', reason: REFUSED_AT_END },
  { file: 'x509/der.ts', check: 'count === 0', reason: 'a length of no bytes is 0 and not minimal' },
  { file: 'x509/der.ts', check: 'content.length > 4', reason: 'more than four bytes are above every maximum' },
  { file: 'formats/intel/crl-checks.ts', check: 'key !== undefined', reason: NARROWING },
  { file: 'formats/intel/paths.ts', check: 'issuer === undefined', reason: NARROWING },
  { file: 'formats/intel/paths.ts', check: "leaf?.publicKey?.type !== 'ec'", reason: NARROWING },
  { file: 'formats/intel/pck-extension.ts', check: 'type === undefined', reason: NARROWING },
  {
    file: 'formats/intel/quote.ts',
    check: 'report === undefined',
    in: 'return report === undefined ? undefined : { tee, report }',
    reason: NARROWING,
  },
  { file: 'formats/intel/statements.ts', check: "publicKey?.type !== 'ec'", reason: NARROWING },
  {
    file: 'formats/intel/verify.ts',
    check: "body.tee === 'tdx'",
    reason: 'an enclave report has no SVNs of TDX, so that undefined is passed either way',
  },
  {
    file: 'formats/nitro/document.ts',
    check: "typeof key !== 'string'",
    reason: 'a number is not among the names of members',
  },
  {
    file: 'formats/nitro/document.ts',
    check: 'map.size > MAX_PCRS',
    reason: 'there are no more than 32 different indices of 0 to 31',
  },
  { file: 'formats/nitro/verify.ts', check: "leaf?.publicKey?.type !== 'ec'", reason: NARROWING },
  {
    file: 'formats/sev-snp/report.ts',
    check: 'version >= 3',
    in: 'productOfCpuid',
    reason: 'version 2 has zeros there, which name no product',
  },
  { file: 'formats/sev-snp/revocation.ts', check: 'key === undefined', reason: NARROWING },
  { file: 'formats/sev-snp/vek-certificate.ts', check: 'name === undefined', reason: NARROWING },
  { file: 'formats/sev-snp/verify.ts', check: 'known !== undefined', reason: ONLY_FASTER },
  { file: 'x509/x509-fields.ts', check: 'hash === undefined', in: "type: 'ecdsa'", reason: NARROWING },
  {
    file: 'x509/x509-fields.ts',
    check: 'Object.hasOwn(HASHES, oid)',
    reason: 'dotted numbers are no names of inherited members',
  },
  {
    file: 'x509/x509.ts',
    check: 'Object.hasOwn(CURVES, curveOid)',
    reason: 'dotted numbers are no names of inherited members',
  },
  {
    file: 'x509/x509.ts',
    check: "algorithm.type !== 'rsa-pss'",
    reason: 'RSA-PSS without a salt length verifies nothing',
  },
  { file: 'endorsements/endorsement-cache.ts', check: 'known !== undefined', reason: ONLY_FASTER },
  {
    file: 'endorsements/endorsement-needs.ts',
    check: 'certificate === undefined',
    in: 'PCK_CHAIN_MALFORMED',
    reason: 'for the compiler only: there is no extension without a certificate',
  },
  {
    file: 'endorsements/endorsement-update.ts',
    check: 'tcbInfo === undefined',
    reason: 'for the compiler only: of a list the second is not there without the first',
  },
  {
    file: 'endorsements/intel-endorsements.ts',
    check: 'root === undefined',
    reason: 'for the compiler only: of a list the third is not there without the second',
  },
  {
    file: 'policy/policy-loosenings.ts',
    check: '!isSnpProduct(name)',
    reason: 'for the compiler only: policies name no other product lines',
  },
  {
    file: 'policy/policy-loosenings.ts',
    check: 'after === undefined',
    reason: 'for the compiler only: the name is one of those that are there',
  },
  {
    file: 'evidence/refresh.ts',
    check: 'height === undefined',
    reason: 'for the compiler only: the reader gives whole numbers from 0 to the largest safe one, or refuses',
  },
  {
    file: 'evidence/verify-evidence.ts',
    check: 'verified.ok',
    in: 'verified.ok ? verified.value',
    reason: ABSENT_MEMBER,
  },
  {
    file: 'forecast/forecast-sets.ts',
    check: "!('fmspc' in needs.value)",
    reason: 'for the compiler only: what an Intel quote needs names its processor',
  },
  {
    file: 'forecast/forecast.ts',
    check: 'own.refusal === undefined',
    reason: 'for the compiler only: what is not verified was refused',
  },
  { file: 'formats/intel/component-types.ts', check: 'parsed.ok', reason: ABSENT_MEMBER },
  { file: 'appraisal/svn-shortfall.ts', check: "!('value' in tcbInfo)", reason: NARROWING },
  { file: 'appraisal/svn-shortfall.ts', check: "!('value' in identity)", reason: NARROWING },
  {
    file: 'appraisal/svn-shortfall.ts',
    check: 'newest === undefined',
    reason: 'for the compiler only: lists of levels without any level are refused',
  },
  {
    file: 'appraisal/svn-shortfall.ts',
    check: "body.tee === 'tdx'",
    in: 'const td =',
    reason: 'an enclave report has no SVNs of TDX, so that undefined is passed either way',
  },
  {
    file: 'appraisal/svn-shortfall.ts',
    check: "body.tee === 'sgx'",
    reason: 'an SGX quote has no status of a TDX module, which the next check asks for',
  },
  {
    file: 'appraisal/svn-shortfall.ts',
    check: 'tcb.tdxModuleStatus === undefined',
    reason: 'for the compiler only: a TDX quote has a status of its module',
  },
];
