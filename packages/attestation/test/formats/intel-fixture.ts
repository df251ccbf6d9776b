/**
 * A simulated Intel platform with quotes of every version, collateral, and ways to spoil each of them.
 */
import { ANY_SVNS, type IntelCollateral, type IntelVerification, type TdxRequirements } from '../../src/index.ts';
import { type CertificateToWrite, type EcKey, writeX509 } from '../../src/simulated/certificate-writer.ts';
import {
  type EnclaveFields,
  type SimulatedCollateral,
  type SimulatedIntelDevice,
  type SimulatedQuoteFields,
  simulatedCollateral,
  simulatedIntelAnchors,
  simulatedIntelDevice,
  type TdFields,
  writeEnclaveReport,
  writeTdReport,
} from '../../src/simulated/index.ts';
import { pckChainText } from '../../src/simulated/intel/intel-device.ts';
import {
  type IntelAuthority,
  intelAuthorityCertificate,
  intelAuthorityFields,
  intelAuthorityKey,
  pckFields,
} from '../../src/simulated/intel/intel-pki.ts';
import { AT_MS, seedOf, VALIDITY } from './snp-fixture.ts';

export { AT_MS, VALIDITY };

export const ANCHORS = simulatedIntelAnchors();
export const ISSUED_MS: number = Date.parse('2026-05-20T00:00:00Z');
export const NEXT_UPDATE_MS: number = Date.parse('2026-06-19T00:00:00Z');

export const platform: SimulatedIntelDevice = simulatedIntelDevice({ seed: seedOf(31), validity: VALIDITY });

/** SVNs that meet the newest level of the collateral below: TDX module 1.6, microcode 3. */
export const LATEST: readonly number[] = [6, 1, 3];
const REPORT_DATA = new Uint8Array(64).fill(0xcc);

/** Collateral options under which the platform is up to date. */
export function collateralOptions(tee: 'sgx' | 'tdx'): SimulatedCollateral {
  const { fmspc, pceId } = platform.statement;
  return {
    tee,
    issuedMs: ISSUED_MS,
    nextUpdateMs: NEXT_UPDATE_MS,
    fmspc,
    pceId,
    tcbEvaluationDataNumber: 19,
    platformLevels: [
      { sgx: [3, 3, 2, 2, 4, 1, 0, 5], tdx: [5, 0, 3], pceSvn: 13, status: 'UpToDate' },
      { sgx: [2, 2, 2, 2, 3, 1, 0, 5], tdx: [5, 0, 2], pceSvn: 13, status: 'OutOfDate', advisories: ['SA-2', 'SA-1'] },
      { sgx: [1], pceSvn: 5, status: 'Revoked', advisories: ['SA-9'] },
    ],
    moduleLevels: new Map([
      [3, [{ isvSvn: 3, status: 'UpToDate' }]],
      [
        1,
        [
          { isvSvn: 6, status: 'UpToDate' },
          { isvSvn: 4, status: 'OutOfDate', advisories: ['SA-4', 'SA-1'] },
          { isvSvn: 2, status: 'Revoked' },
        ],
      ],
    ]),
    qeLevels: [
      { isvSvn: 4, status: 'UpToDate' },
      { isvSvn: 3, status: 'OutOfDate', advisories: ['SA-7'] },
      { isvSvn: 2, status: 'Revoked' },
    ],
    pckIssuer: 'platform-ca',
  };
}

export function collateral(tee: 'sgx' | 'tdx', overrides: Partial<SimulatedCollateral> = {}): IntelCollateral {
  return simulatedCollateral({ ...collateralOptions(tee), ...overrides });
}

export const SGX_COLLATERAL: IntelCollateral = collateral('sgx');
export const TDX_COLLATERAL: IntelCollateral = collateral('tdx');

/** An SGX quote of version 3. */
export function sgxQuote(enclave: EnclaveFields = {}, fields: Partial<SimulatedQuoteFields> = {}): Uint8Array {
  const body = writeEnclaveReport({ mrEnclave: new Uint8Array(32).fill(1), reportData: REPORT_DATA, ...enclave });
  return platform.quote({ version: 3, tee: 'sgx', body, ...fields });
}

/** A TDX quote, version 4 for TD 1.0 and 5 for TD 1.5. */
export function tdxQuote(td: Partial<TdFields> = {}, fields: Partial<SimulatedQuoteFields> = {}): Uint8Array {
  const body = writeTdReport({ teeTcbSvn: LATEST, reportData: REPORT_DATA, mrTd: new Uint8Array(48).fill(2), ...td });
  return platform.quote({ version: td.teeTcbSvn2 === undefined ? 4 : 5, tee: 'tdx', body, ...fields });
}

/** Input of `verifyIntelQuote` that is accepted (SGX), unless something is overridden. */
export function sgx(overrides: Partial<IntelVerification> = {}): IntelVerification {
  return { quote: sgxQuote(), collateral: SGX_COLLATERAL, trustAnchors: ANCHORS, atMs: AT_MS, ...overrides };
}

/** The same for TDX. */
export function tdx(overrides: Partial<IntelVerification> = {}): IntelVerification {
  return { quote: tdxQuote(), collateral: TDX_COLLATERAL, trustAnchors: ANCHORS, atMs: AT_MS, ...overrides };
}

export function withCollateral(overrides: Partial<IntelCollateral>): IntelVerification {
  return sgx({ collateral: { ...SGX_COLLATERAL, ...overrides } });
}

export const STRICT: TdxRequirements = {
  barredFmspcs: [],
  minimumTcbEvaluationDataNumber: 19,
  minimumComponents: ANY_SVNS,
  minimumPceSvn: 0,
  minimumQeIsvSvn: 0,
  minimumTeeTcbSvn: ANY_SVNS,
  allowMigration: false,
  allowServiceTd: false,
  requireSeptVeDisable: true,
  allowPerformanceMonitoring: false,
};

export type CertificateChange = Partial<CertificateToWrite> & { readonly signer?: EcKey };

function write(fields: CertificateToWrite, signer: EcKey, change: CertificateChange): Uint8Array {
  const { signer: other, ...rest } = change;
  return writeX509({ ...fields, ...rest }, other ?? signer);
}

export function changedAuthority(authority: IntelAuthority, change: CertificateChange = {}): Uint8Array {
  return write(intelAuthorityFields(authority), intelAuthorityKey('root'), change);
}

/** What the platform's PCK certificate is written from. */
export const leafFields: CertificateToWrite = pckFields(
  'platform-ca',
  platform.pckKey,
  platform.serial,
  VALIDITY,
  platform.statement,
);

export function changedLeaf(change: CertificateChange): Uint8Array {
  return write(leafFields, intelAuthorityKey('platform-ca'), change);
}

/** An SGX quote with these certificates in place of the platform's. */
export function quoteWithChain(certificates: readonly Uint8Array[]): Uint8Array {
  return sgxQuote({}, { certificationData: pckChainText(certificates) });
}

export const [pck = new Uint8Array(), pckCa = new Uint8Array(), root = new Uint8Array()] = platform.certificates;

/** The platform's chain with some certificates written anew. */
export function withChain(changes: {
  readonly leaf?: CertificateChange;
  readonly issuer?: CertificateChange;
  readonly root?: CertificateChange;
}): IntelVerification {
  return sgx({
    quote: quoteWithChain([
      changes.leaf === undefined ? pck : changedLeaf(changes.leaf),
      changes.issuer === undefined ? pckCa : changedAuthority('platform-ca', changes.issuer),
      changes.root === undefined ? root : changedAuthority('root', changes.root),
    ]),
  });
}

export { intelAuthorityCertificate, intelAuthorityKey };
