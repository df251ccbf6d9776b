/**
 * SIMULATED services of Intel and AMD, as a fetcher: the addresses, headers and bodies of the true ones, under the simulated
 * key infrastructure; and the simulated platforms that they know.
 */
import type { IntelCollateral, IntelSignedStatement } from '@cloister/attestation';
import {
  type SimulatedIntelDevice,
  type SimulatedSnpDevice,
  simulatedCollateral,
  simulatedCrl,
  simulatedIntelDevice,
  simulatedSnpDevice,
  writeEnclaveReport,
  writeTdReport,
} from '@cloister/attestation/simulated';
import { concatBytes, toBase64, toHex, utf8 } from '@cloister/encoding';
import type { EndorsementFetcher, FetchedAnswer } from '../../src/attesters/index.ts';

export const AT_MS: number = Date.parse('2026-06-01T00:00:00Z');
export const DAY_MS = 86_400_000;
const VALIDITY = { notBeforeMs: Date.parse('2026-01-01T00:00:00Z'), notAfterMs: Date.parse('2033-01-01T00:00:00Z') };

export const REPORT_DATA: Uint8Array = new Uint8Array(64).fill(0x5a);

export const intel: SimulatedIntelDevice = simulatedIntelDevice({
  seed: new Uint8Array(32).fill(41),
  validity: VALIDITY,
});

function snpDevice(
  fill: number,
  product: 'Milan' | 'Genoa' | 'Turin',
  signingKey: 'VCEK' | 'VLEK',
): SimulatedSnpDevice {
  return simulatedSnpDevice({ seed: new Uint8Array(32).fill(fill), product, validity: VALIDITY, signingKey });
}

export const milan: SimulatedSnpDevice = snpDevice(42, 'Milan', 'VCEK');
export const genoa: SimulatedSnpDevice = snpDevice(43, 'Genoa', 'VCEK');
export const turin: SimulatedSnpDevice = snpDevice(44, 'Turin', 'VCEK');
export const genoaVlek: SimulatedSnpDevice = snpDevice(45, 'Genoa', 'VLEK');

/** A TDX quote of the simulated platform. */
export function tdxQuote(reportData: Uint8Array, device: SimulatedIntelDevice = intel): Uint8Array {
  const body = writeTdReport({ teeTcbSvn: [6, 1, 3], reportData, mrTd: new Uint8Array(48).fill(2) });
  return device.quote({ version: 4, tee: 'tdx', body });
}

/** An SGX quote of the same platform. */
export function sgxQuote(reportData: Uint8Array): Uint8Array {
  return intel.quote({ version: 3, tee: 'sgx', body: writeEnclaveReport({ reportData }) });
}

export function snpReport(device: SimulatedSnpDevice, reportData: Uint8Array): Uint8Array {
  const [measurement, hostData] = [new Uint8Array(48).fill(0xaa), new Uint8Array(32).fill(0xbb)];
  return device.report({ reportData, measurement, hostData });
}

/** What Intel would say on a day, for thirty days. */
export function collateralOf(nowMs: number, device: SimulatedIntelDevice = intel): IntelCollateral {
  const issuedMs = Math.floor(nowMs / DAY_MS) * DAY_MS;
  return simulatedCollateral({
    tee: 'tdx',
    issuedMs,
    nextUpdateMs: issuedMs + 30 * DAY_MS,
    fmspc: device.statement.fmspc,
    pceId: device.statement.pceId,
    tcbEvaluationDataNumber: 19,
    platformLevels: [{ sgx: [3, 3, 2, 2, 4, 1, 0, 5], tdx: [5, 0, 3], pceSvn: 13, status: 'UpToDate' }],
    moduleLevels: new Map([[1, [{ isvSvn: 6, status: 'UpToDate' }]]]),
    qeLevels: [{ isvSvn: 4, status: 'UpToDate' }],
    pckIssuer: device.pckIssuer,
  });
}

export function pem(certificates: readonly Uint8Array[]): string {
  return certificates
    .map((der) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? [];
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
    })
    .join('');
}

/** {"<member>": <signed bytes>, "signature": "<hex>"} as Intel sends it. */
export function statementBody(
  member: 'tcbInfo' | 'enclaveIdentity',
  { bytes, signature }: IntelSignedStatement,
): Uint8Array {
  return concatBytes(utf8(`{"${member}":`), bytes, utf8(`,"signature":"${toHex(signature)}"}`));
}

export function answer(body: Uint8Array, headers: Readonly<Record<string, string>> = {}, status = 200): FetchedAnswer {
  return { status, headers: new Map(Object.entries(headers)), body };
}

/** The services. `nowMs` is theirs too; each request is noted; `override` answers in their place. */
export class SimulatedVendors implements EndorsementFetcher {
  nowMs: number = AT_MS;
  readonly requests: string[] = [];
  override: (url: string, genuine: FetchedAnswer) => FetchedAnswer | Promise<FetchedAnswer> = (_, genuine) => genuine;
  readonly #devices = [milan, genoa, turin];

  async get(url: string): Promise<FetchedAnswer> {
    this.requests.push(url);
    return this.override(url, this.#genuine(new URL(url)));
  }

  #genuine({ host, pathname, searchParams }: URL): FetchedAnswer {
    if (host === 'kdsintf.amd.com') return this.#kds(pathname, searchParams);
    const collateral = collateralOf(this.nowMs);
    const { tcbInfo, qeIdentity, pckCrl, rootCrl, pckCrlIssuerChain } = collateral;
    if (!tcbInfo || !qeIdentity || !pckCrl || !rootCrl || !pckCrlIssuerChain) throw new Error('simulated collateral');
    const chain = (certificates: readonly Uint8Array[]): string => encodeURIComponent(pem(certificates));
    if (host === 'certificates.trustedservices.intel.com' && pathname === '/IntelSGXRootCA.der') return answer(rootCrl);
    if (host !== 'api.trustedservices.intel.com') return answer(new Uint8Array(), {}, 404);
    const isKnown = searchParams.get('fmspc') === toHex(intel.statement.fmspc);
    if (pathname === '/tdx/certification/v4/tcb' && isKnown) {
      return answer(statementBody('tcbInfo', tcbInfo), { 'tcb-info-issuer-chain': chain(tcbInfo.issuerChain) });
    }
    if (pathname === '/tdx/certification/v4/qe/identity') {
      const headers = { 'sgx-enclave-identity-issuer-chain': chain(qeIdentity.issuerChain) };
      return answer(statementBody('enclaveIdentity', qeIdentity), headers);
    }
    if (pathname === '/sgx/certification/v4/pckcrl' && searchParams.get('encoding') === 'der') {
      return searchParams.get('ca') === 'platform'
        ? answer(pckCrl, { 'sgx-pck-crl-issuer-chain': chain(pckCrlIssuerChain) })
        : answer(new Uint8Array(), {}, 404);
    }
    return answer(new Uint8Array(), {}, 404);
  }

  #kds(pathname: string, query: URLSearchParams): FetchedAnswer {
    const [, kind, , product, what] = pathname.split('/');
    const missing = answer(new Uint8Array(), {}, 404);
    const device =
      kind === 'vlek' ? genoaVlek : this.#devices.find((one) => one.product === product && kind === 'vcek');
    if (device === undefined || device.product !== product) return missing;
    const [leaf = new Uint8Array(), ...above] = device.certificates;
    if (what === 'cert_chain') return answer(utf8(pem(above)));
    if (what === 'crl') {
      const week = Math.floor(this.nowMs / (7 * DAY_MS));
      const thisUpdateMs = week * 7 * DAY_MS;
      const nextUpdateMs = thisUpdateMs + 60 * DAY_MS;
      return answer(simulatedCrl({ product: device.product, number: BigInt(week), thisUpdateMs, nextUpdateMs }));
    }
    const { fmc, bootLoader, tee, snp, microcode } = device.tcb;
    const levels = { blSPL: bootLoader, teeSPL: tee, snpSPL: snp, ucodeSPL: microcode };
    const wanted = Object.entries(product === 'Turin' ? { fmcSPL: fmc, ...levels } : levels);
    const isExact = query.size === wanted.length && wanted.every(([name, level]) => Number(query.get(name)) === level);
    return what === device.hardwareId && isExact ? answer(leaf) : missing;
  }
}
