/** Inputs of `verifyIntelQuote` with one thing changed, by the code with which each is refused. */
import { fromHex, utf8 } from '@cloister/encoding';
import { expect } from 'vitest';
import { type IntelVerification, type IntelVerificationCode, VENDOR_ANCHORS } from '../../src/index.ts';
import { basicConstraints, keyUsage } from '../../src/simulated/authority-extensions.ts';
import { type EcKey, rsaSpki } from '../../src/simulated/certificate-writer.ts';
import { developmentKey } from '../../src/simulated/development-keys.ts';
import { simulatedIntelCrl } from '../../src/simulated/index.ts';
import { signStatement } from '../../src/simulated/intel/collateral-writer.ts';
import { deriveP256Key, INTEL_SERIALS, pckExtension, simulatedIntelName } from '../../src/simulated/intel/intel-pki.ts';
import { derBitString } from '../../src/x509/der-writer.ts';
import {
  AT_MS,
  changedAuthority,
  collateral,
  ISSUED_MS,
  intelAuthorityCertificate,
  intelAuthorityKey,
  LATEST,
  leafFields,
  NEXT_UPDATE_MS,
  pck,
  pckCa,
  platform,
  quoteWithChain,
  root,
  SGX_COLLATERAL,
  sgx,
  sgxQuote,
  TDX_COLLATERAL,
  tdx,
  tdxQuote,
  VALIDITY,
  withChain,
  withCollateral,
} from './intel-fixture.ts';

export const foreign: EcKey = deriveP256Key(utf8('somebody else'), 'key');
export const CRL_TIMES = { number: 1n, thisUpdateMs: ISSUED_MS, nextUpdateMs: NEXT_UPDATE_MS };

/** A quote with bytes replaced from an offset on. */
export function changed(quote: Uint8Array, offset: number, ...bytes: readonly number[]): Uint8Array {
  const copy = quote.slice();
  copy.set(bytes, offset);
  return copy;
}

export const quote3: Uint8Array = sgxQuote();
export const quote4: Uint8Array = tdxQuote();
export const quote5: Uint8Array = tdxQuote({ teeTcbSvn2: LATEST });
/** Offsets in quotes of version 3: body, then signature length, signature, key, report of the quoting enclave. */
const V3 = { body: 48, length: 432, signature: 436, qeReport: 564 };

function withStatement(name: 'tcbInfo' | 'qeIdentity', change: object): IntelVerification {
  return withCollateral({ [name]: { ...SGX_COLLATERAL[name], ...change } });
}

function withLeafExtension(value: Uint8Array): IntelVerification {
  const { oid } = pckExtension(platform.statement);
  const extensions = leafFields.extensions.map((e) => (e.oid === oid ? { ...e, value } : e));
  return withChain({ leaf: { extensions } });
}

export const CASES: { readonly [C in IntelVerificationCode]?: () => IntelVerification } = {
  QUOTE_SIZE: () => sgx({ quote: quote3.subarray(0, 47) }),
  QUOTE_VERSION: () => sgx({ quote: changed(quote3, 0, 6) }),
  QUOTE_KEY_TYPE: () => sgx({ quote: changed(quote3, 2, 3) }),
  QUOTE_TEE_TYPE: () => sgx({ quote: changed(quote3, 4, 0x81) }),
  QUOTE_QE_VENDOR: () => sgx({ quote: changed(quote3, 12, 0) }),
  QUOTE_BODY_TYPE: () => tdx({ quote: changed(quote5, 48, 1) }),
  QUOTE_BODY_SIZE: () => tdx({ quote: changed(quote5, 50, 0x48) }),
  QUOTE_RESERVED_FIELD: () => sgx({ quote: changed(quote3, V3.body + 20, 1) }),
  QUOTE_TRUNCATED: () => sgx({ quote: quote3.subarray(0, quote3.length - 1) }),
  QUOTE_LENGTHS: () => tdx({ quote: changed(quote4, 48 + 584 + 4 + 128 + 2, 0) }),
  QUOTE_CERTIFICATION_TYPE: () => tdx({ quote: changed(quote4, 48 + 584 + 4 + 128, 5) }),
  QUOTE_TRAILING_BYTES: () => sgx({ quote: Uint8Array.of(...quote3, 0, 0, 1) }),
  PCK_CHAIN_ABSENT: () =>
    sgx({ quote: sgxQuote({}, { certificationType: 3, certificationData: new Uint8Array(404) }) }),
  PCK_CHAIN_PEM_MALFORMED: () => sgx({ quote: sgxQuote({}, { certificationData: utf8('no PEM') }) }),
  PCK_CHAIN_CERTIFICATE_MALFORMED: () => sgx({ quote: quoteWithChain([pck.subarray(1), pckCa, root]) }),
  PCK_CHAIN_CHAIN_LENGTH: () => sgx({ quote: quoteWithChain([pck, pckCa]) }),
  PCK_CHAIN_ROOT_NOT_PINNED: () => sgx({ trustAnchors: VENDOR_ANCHORS }),
  PCK_CHAIN_CERTIFICATE_NAME: () => withChain({ leaf: { subject: simulatedIntelName('Intel SGX PCK Thing') } }),
  PCK_CHAIN_CERTIFICATE_ALGORITHM: () =>
    withChain({ leaf: { signer: { ...intelAuthorityKey('platform-ca'), hash: 'sha384' } } }),
  PCK_CHAIN_CERTIFICATE_KEY: () => withChain({ leaf: { spki: rsaSpki(developmentKey('Genoa', 'ask')) } }),
  PCK_CHAIN_CERTIFICATE_CRITICAL_EXTENSION: () =>
    withChain({ leaf: { extensions: leafFields.extensions.map((e) => ({ ...e, critical: true })) } }),
  PCK_CHAIN_CERTIFICATE_NOT_CA: () =>
    withChain({ issuer: { extensions: [keyUsage('authority'), basicConstraints(undefined)] } }),
  PCK_CHAIN_CERTIFICATE_KEY_USAGE: () =>
    withChain({ issuer: { extensions: [keyUsage('signature'), basicConstraints({ pathLength: 0 })] } }),
  PCK_CHAIN_CERTIFICATE_PATH_LENGTH: () =>
    withChain({ root: { extensions: [keyUsage('authority'), basicConstraints({ pathLength: 0 })] } }),
  PCK_CHAIN_LEAF_IS_CA: () =>
    withChain({ leaf: { extensions: [keyUsage('signature'), basicConstraints({ pathLength: 0 })] } }),
  PCK_CHAIN_ROOT_SIGNATURE: () => withChain({ root: { signer: foreign } }),
  PCK_CHAIN_INTERMEDIATE_SIGNATURE: () => withChain({ issuer: { signer: foreign } }),
  PCK_CHAIN_LEAF_SIGNATURE: () => withChain({ leaf: { signer: foreign } }),
  PCK_CHAIN_CERTIFICATE_NOT_YET_VALID: () => sgx({ atMs: VALIDITY.notBeforeMs - 1 }),
  PCK_CHAIN_CERTIFICATE_EXPIRED: () => sgx({ atMs: VALIDITY.notAfterMs + 1 }),
  PCK_EXTENSION_MISSING: () => withChain({ leaf: { extensions: leafFields.extensions.slice(0, 2) } }),
  PCK_EXTENSION_MALFORMED: () => withLeafExtension(fromHex('3000')),
  COLLATERAL_MISSING: () => sgx({ collateral: undefined }),
  ROOT_CRL_MISSING: () => withCollateral({ rootCrl: undefined }),
  ROOT_CRL_MALFORMED: () => withCollateral({ rootCrl: new Uint8Array() }),
  ROOT_CRL_ISSUER: () => withCollateral({ rootCrl: SGX_COLLATERAL.pckCrl }),
  ROOT_CRL_ISSUER_KEY_USAGE: () =>
    withChain({
      root: {
        extensions: [
          { ...keyUsage('authority'), value: derBitString(Uint8Array.of(0x04), 2) },
          basicConstraints({ pathLength: 1 }),
        ],
      },
    }),
  PCK_CRL_MISSING: () => withCollateral({ pckCrl: undefined }),
  PCK_CRL_MALFORMED: () => withCollateral({ pckCrl: SGX_COLLATERAL.pckCrl?.subarray(1) }),
  PCK_CRL_ISSUER: () => withCollateral({ pckCrl: simulatedIntelCrl({ by: 'processor-ca', ...CRL_TIMES }) }),
  PCK_CRL_NOT_YET_VALID: () =>
    withCollateral({ pckCrl: simulatedIntelCrl({ by: 'platform-ca', ...CRL_TIMES, thisUpdateMs: AT_MS + 1000 }) }),
  PCK_CRL_EXPIRED: () =>
    withCollateral({ pckCrl: simulatedIntelCrl({ by: 'platform-ca', ...CRL_TIMES, nextUpdateMs: AT_MS - 1000 }) }),
  ROOT_CRL_NOT_YET_VALID: () => sgx({ atMs: ISSUED_MS - 1 }),
  ROOT_CRL_EXPIRED: () => sgx({ atMs: NEXT_UPDATE_MS + 1 }),
  PCK_CRL_CHAIN_CHAIN_LENGTH: () => withCollateral({ pckCrlIssuerChain: [root] }),
  PCK_CRL_CHAIN_ROOT_NOT_PINNED: () => withCollateral({ pckCrlIssuerChain: [root, pckCa] }),
  PCK_CRL_CHAIN_MISMATCH: () =>
    withCollateral({ pckCrlIssuerChain: [intelAuthorityCertificate('processor-ca'), root] }),
  PCK_CA_REVOKED: () => sgx({ collateral: collateral('sgx', { revokedByRoot: [INTEL_SERIALS['platform-ca']] }) }),
  PCK_REVOKED: () => sgx({ collateral: collateral('sgx', { revokedPcks: [platform.serial] }) }),
  TCB_INFO_MISSING: () => withCollateral({ tcbInfo: undefined }),
  TCB_INFO_CHAIN_CERTIFICATE_NAME: () => withStatement('tcbInfo', { issuerChain: [pckCa, root] }),
  TCB_INFO_CHAIN_LEAF_SIGNATURE: () =>
    withStatement('tcbInfo', { issuerChain: [changedAuthority('tcb-signing', { signer: foreign }), root] }),
  TCB_INFO_SIGNER_REVOKED: () =>
    sgx({ collateral: collateral('sgx', { revokedByRoot: [INTEL_SERIALS['tcb-signing']] }) }),
  TCB_INFO_SIGNATURE: () => withStatement('tcbInfo', { signature: SGX_COLLATERAL.qeIdentity?.signature }),
  TCB_INFO_MALFORMED: () => withCollateral({ tcbInfo: signStatement('{"id":"SGX"}') }),
  TCB_INFO_ID: () => withCollateral({ tcbInfo: TDX_COLLATERAL.tcbInfo }),
  TCB_INFO_VERSION: () => sgx({ collateral: collateral('sgx', { tcbInfoMembers: { version: 4 } }) }),
  TCB_INFO_NOT_YET_VALID: () =>
    sgx({ collateral: collateral('sgx', { tcbInfoMembers: { issueDate: '2026-06-01T00:00:01Z' } }) }),
  TCB_INFO_EXPIRED: () =>
    sgx({ collateral: collateral('sgx', { tcbInfoMembers: { nextUpdate: '2026-05-31T23:59:59Z' } }) }),
  TCB_INFO_FMSPC: () => sgx({ collateral: collateral('sgx', { tcbInfoMembers: { fmspc: '00606A000000' } }) }),
  TCB_INFO_PCEID: () => sgx({ collateral: collateral('sgx', { tcbInfoMembers: { pceId: '0001' } }) }),
  QE_IDENTITY_MISSING: () => withCollateral({ qeIdentity: undefined }),
  QE_IDENTITY_CHAIN_CERTIFICATE_EXPIRED: () =>
    withStatement('qeIdentity', {
      issuerChain: [changedAuthority('tcb-signing', { validity: { ...VALIDITY, notAfterMs: AT_MS - 1000 } }), root],
    }),
  QE_IDENTITY_SIGNER_REVOKED: () => {
    const second = changedAuthority('tcb-signing', { serial: 99n });
    const { rootCrl } = collateral('sgx', { revokedByRoot: [99n] });
    const { qeIdentity } = SGX_COLLATERAL;
    if (qeIdentity === undefined) expect.fail();
    return withCollateral({ rootCrl, qeIdentity: { ...qeIdentity, issuerChain: [second, root] } });
  },
  QE_IDENTITY_SIGNATURE: () => withStatement('qeIdentity', { signature: new Uint8Array(64) }),
  QE_IDENTITY_MALFORMED: () => sgx({ collateral: collateral('sgx', { qeIdentityMembers: { tcbLevels: [] } }) }),
  QE_IDENTITY_ID: () => withCollateral({ qeIdentity: TDX_COLLATERAL.qeIdentity }),
  QE_IDENTITY_VERSION: () => sgx({ collateral: collateral('sgx', { qeIdentityMembers: { version: 1 } }) }),
  QE_IDENTITY_NOT_YET_VALID: () =>
    sgx({ collateral: collateral('sgx', { qeIdentityMembers: { issueDate: '2026-06-01T00:00:01Z' } }) }),
  QE_IDENTITY_EXPIRED: () =>
    sgx({ collateral: collateral('sgx', { qeIdentityMembers: { nextUpdate: '2026-05-31T23:59:59Z' } }) }),
  QE_REPORT_SIGNATURE: () => sgx({ quote: sgxQuote({}, { pckKey: foreign }) }),
  QE_REPORT_DATA_MISMATCH: () => sgx({ quote: sgxQuote({}, { qe: { reportData: new Uint8Array(64) } }) }),
  QE_MISCSELECT_MISMATCH: () => sgx({ quote: sgxQuote({}, { qe: { miscSelect: Uint8Array.of(1, 0, 0, 0) } }) }),
  QE_ATTRIBUTES_MISMATCH: () => sgx({ quote: sgxQuote({}, { qe: { attributes: new Uint8Array(16) } }) }),
  QE_MRSIGNER_MISMATCH: () => sgx({ quote: sgxQuote({}, { qe: { mrSigner: new Uint8Array(32) } }) }),
  QE_ISVPRODID_MISMATCH: () => sgx({ quote: sgxQuote({}, { qe: { isvProdId: 7 } }) }),
  QE_DEBUG: () =>
    sgx({
      quote: sgxQuote({}, { qe: { attributes: fromHex('07000000000000000300000000000000') } }),
      collateral: collateral('sgx', { qeIdentityMembers: { attributesMask: 'F9FFFFFFFFFFFFFF0000000000000000' } }),
    }),
  QUOTE_SIGNATURE: () => sgx({ quote: changed(quote3, V3.body + 64, 9) }),
  TDX_MODULE_IDENTITY_MISSING: () => tdx({ quote: tdxQuote({ teeTcbSvn: [6, 2, 3] }) }),
  TDX_MODULE_SIGNER_MISMATCH: () => tdx({ quote: tdxQuote({ mrSignerSeam: new Uint8Array(48).fill(1) }) }),
  TDX_MODULE_ATTRIBUTES_MISMATCH: () => tdx({ quote: tdxQuote({ seamAttributes: Uint8Array.of(1) }) }),
};
