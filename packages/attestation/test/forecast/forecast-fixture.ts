/**
 * Simulated platforms with endorsements that end on known days, and collateral of an early set that knows newer levels.
 */
import {
  type AppraisalPolicy,
  type EvidenceEndorsements,
  type ForecastInput,
  type IntelCollateral,
  SIMULATED_ANCHORS,
  verifyEvidence,
} from '../../src/index.ts';
import {
  type SimulatedCollateral,
  simulatedAppraisalPolicy,
  simulatedCollateral,
  simulatedCrl,
  simulatedIntelDevice,
  simulatedNitroEnclave,
  simulatedSnpDevice,
  writeEnclaveReport,
  writeTdReport,
} from '../../src/simulated/index.ts';

export const DAY_MS = 86_400_000;
export const AT_MS = Date.parse('2026-06-01T00:00:00Z');
export const LONG = { notBeforeMs: Date.parse('2026-01-01T00:00:00Z'), notAfterMs: Date.parse('2033-01-01T00:00:00Z') };
export const ISSUED_MS = AT_MS - 10 * DAY_MS;
export const NEXT_UPDATE_MS = AT_MS + 20 * DAY_MS;

export const policy: AppraisalPolicy = simulatedAppraisalPolicy({
  maxAgeBlocks: 100,
  refreshWindowBlocks: 20,
  nonceWindowBlocks: 10,
});
export const seed = new Uint8Array(32).fill(61);
export const device = simulatedIntelDevice({ seed, validity: LONG });
export const SVNS = device.statement.components;
export const TEE_TCB_SVN = [6, 1, 3];
export const REPORT_DATA = new Uint8Array(64).fill(1);

export const sgxQuote = device.quote({ version: 3, tee: 'sgx', body: writeEnclaveReport({ reportData: REPORT_DATA }) });
export const tdxQuote = tdQuote(TEE_TCB_SVN, TEE_TCB_SVN);

export function tdQuote(teeTcbSvn: readonly number[], teeTcbSvn2?: readonly number[], from = device): Uint8Array {
  const fields = { teeTcbSvn, mrTd: new Uint8Array(48).fill(2), reportData: REPORT_DATA };
  return teeTcbSvn2 === undefined
    ? from.quote({ version: 4, tee: 'tdx', body: writeTdReport(fields) })
    : from.quote({ version: 5, tee: 'tdx', body: writeTdReport({ ...fields, teeTcbSvn2 }) });
}

/** Collateral by which the device is up to date. */
export function collateral(tee: 'sgx' | 'tdx', changes: Partial<SimulatedCollateral> = {}): IntelCollateral {
  return simulatedCollateral({
    tee,
    issuedMs: ISSUED_MS,
    nextUpdateMs: NEXT_UPDATE_MS,
    fmspc: device.statement.fmspc,
    pceId: device.statement.pceId,
    tcbEvaluationDataNumber: 19,
    platformLevels: [{ sgx: SVNS, tdx: TEE_TCB_SVN, pceSvn: 13, status: 'UpToDate' }],
    moduleLevels: new Map([[1, [{ isvSvn: 6, status: 'UpToDate' }]]]),
    qeLevels: [{ isvSvn: 4, status: 'UpToDate' }],
    pckIssuer: 'platform-ca',
    ...changes,
  });
}

export function holding(parts: Partial<EvidenceEndorsements>): EvidenceEndorsements {
  return { certificates: [], crls: [], collateral: undefined, ...parts };
}

export function input(
  evidence: Uint8Array,
  endorsements: EvidenceEndorsements,
  rest: Partial<ForecastInput> = {},
): ForecastInput {
  return { evidence, endorsements, policy, trustAnchors: SIMULATED_ANCHORS, atMs: AT_MS, ...rest };
}

export const onSgx = (rest: Partial<ForecastInput> = {}): ForecastInput =>
  input(sgxQuote, holding({ collateral: collateral('sgx') }), rest);
export const onTdx = (rest: Partial<ForecastInput> = {}): ForecastInput =>
  input(tdxQuote, holding({ collateral: collateral('tdx') }), rest);

export const genoa = simulatedSnpDevice({ seed, product: 'Genoa', validity: LONG });
export const SNP_FIELDS = {
  reportData: REPORT_DATA,
  measurement: new Uint8Array(48).fill(3),
  hostData: new Uint8Array(32),
};

export function onSnp(rest: Partial<ForecastInput> = {}): ForecastInput {
  const crl = simulatedCrl({ product: 'Genoa', number: 1n, thisUpdateMs: ISSUED_MS, nextUpdateMs: NEXT_UPDATE_MS });
  return input(genoa.report(SNP_FIELDS), holding({ certificates: genoa.certificates, crls: [crl] }), rest);
}

export function onNitro(notAfterMs: number): ForecastInput {
  const enclave = simulatedNitroEnclave(seed, { notBeforeMs: ISSUED_MS, notAfterMs });
  const pcrs = new Map([[0, new Uint8Array(48).fill(4)]]);
  return input(enclave.document({ pcrs, timestampMs: AT_MS, userData: REPORT_DATA }), holding({}));
}

/** Why the verifier refuses at an instant; undefined when it accepts. */
export function refusalAt({ evidence, endorsements, policy: requirements, trustAnchors }: ForecastInput, atMs: number) {
  return verifyEvidence({ evidence, endorsements, requirements, trustAnchors, atMs }).refusal?.code;
}

/** What the early set knows that the standard one does not yet. */
export function earlyLevels(tee: 'sgx' | 'tdx'): Partial<SimulatedCollateral> {
  const components = [4, 3, 2, 2, 6].concat(SVNS.slice(5));
  const words = ['BIOS: Early Microcode Update', 'OS/VMM: SGX Late Microcode Update', undefined, undefined, 'BIOS'];
  const sgxtcbcomponents = components.map((svn, index) => {
    const [category, type] = words[index]?.split(': ') ?? [];
    return { svn, ...(category === undefined ? {} : { category }), ...(type === undefined ? {} : { type }) };
  });
  // The first two parts are the module's, which has levels of its own: here they say nothing.
  const tdx = [9, 9, 4].concat(Array.from({ length: 13 }, () => 0));
  const old = {
    sgxtcbcomponents: SVNS.map((svn) => ({ svn })),
    pcesvn: 13,
    tdxtcbcomponents: [5, 0, 3].concat(Array.from({ length: 13 }, () => 0)).map((svn) => ({ svn })),
  };
  const newest = { sgxtcbcomponents, pcesvn: 15, tdxtcbcomponents: tdx.map((svn) => ({ svn })) };
  const level = (tcb: typeof old, tcbDate: string, tcbStatus: string, advisoryIDs: readonly string[]) => {
    const { tdxtcbcomponents, ...sgx } = tcb;
    return { tcb: tee === 'tdx' ? { ...sgx, tdxtcbcomponents } : sgx, tcbDate, tcbStatus, advisoryIDs };
  };
  return {
    tcbEvaluationDataNumber: 20,
    tcbInfoMembers: {
      tcbLevels: [
        level(newest as never, '2026-05-01T00:00:00Z', 'UpToDate', []),
        level(old, '2025-08-01T00:00:00Z', 'OutOfDate', ['INTEL-SA-01']),
      ],
    },
    moduleLevels: new Map([
      [
        1,
        [
          { isvSvn: 7, status: 'UpToDate' },
          { isvSvn: 5, status: 'OutOfDate' },
        ],
      ],
    ]),
    qeLevels: [
      { isvSvn: 6, status: 'UpToDate' },
      { isvSvn: 4, status: 'OutOfDate' },
    ],
  };
}

export const SGX_SHORT = [
  { component: 'SGX TCB component 1', type: 'BIOS: Early Microcode Update', have: 3, need: 4 },
  { component: 'SGX TCB component 5', type: 'BIOS', have: 4, need: 6 },
  { component: 'PCESVN', have: 13, need: 15 },
];
export const QE_SHORT = { component: 'ISVSVN of the quoting enclave', have: 4, need: 6 };
