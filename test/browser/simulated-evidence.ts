/**
 * Evidence of the simulated platforms, genuine and spoiled, as requests to the verifier with the code that each must meet.
 */
import {
  type IntelCollateral,
  type IntelSignedStatement,
  SIMULATED_ANCHORS,
  type SnpProduct,
  type TrustAnchors,
  trustAnchorsToJson,
  VENDOR_ANCHORS,
} from '@cloister/attestation';
import {
  SIMULATED_GUEST_POLICY,
  type SimulatedCollateral,
  simulatedCollateral,
  simulatedCrl,
  simulatedIntelAnchors,
  simulatedIntelDevice,
  simulatedNitroAnchors,
  simulatedNitroEnclave,
  simulatedSnpDevice,
  writeEnclaveReport,
  writeTdReport,
} from '@cloister/attestation/simulated';
import { toBase64, toHex, utf8 } from '@cloister/encoding';
import type { VerificationRequest } from './verifier.ts';

export interface SimulatedCase {
  readonly title: string;
  readonly request: VerificationRequest;
  /** Undefined: accepted. */
  readonly code: string | undefined;
}

/** One kind of evidence and how it may be spoiled. */
interface Sample {
  readonly name: string;
  readonly evidence: Uint8Array;
  readonly files: readonly Uint8Array[];
  readonly anchors: TrustAnchors;
  readonly variations: readonly Variation[];
}

interface Variation {
  readonly change: string;
  readonly evidence?: Uint8Array;
  readonly files?: readonly Uint8Array[];
  readonly anchors?: TrustAnchors;
  readonly atMs?: number;
  readonly code: string | undefined;
}

const at = Date.parse;
const AT_MS = at('2026-06-01T00:00:00Z');
const ISSUED_MS = at('2026-05-20T00:00:00Z');
const NEXT_UPDATE_MS = at('2026-06-19T00:00:00Z');
const BETWEEN_MS = at('2026-07-01T00:00:00Z');
const LATE_MS = at('2034-01-01T00:00:00Z');
const VALIDITY = { notBeforeMs: at('2026-01-01T00:00:00Z'), notAfterMs: at('2033-01-01T00:00:00Z') };
const REPORT_DATA = new Uint8Array(64).fill(0xcc);

function seed(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

/** A copy with the lowest bit of one byte flipped; a negative index counts from the end. */
function flipped(bytes: Uint8Array, index: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const place = index < 0 ? copy.length + index : index;
  const byte = copy[place];
  if (byte === undefined) throw new Error(`no byte ${index}`);
  copy[place] = byte ^ 1;
  return copy;
}

/** Index of the first occurrence. */
function find(bytes: Uint8Array, part: Uint8Array): number {
  const index = toHex(bytes).indexOf(toHex(part));
  if (index < 0 || index % 2 === 1) throw new Error('not among the bytes');
  return index / 2;
}

function pem(label: string, ders: readonly Uint8Array[]): string {
  return ders
    .map((der) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? [];
      return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
    })
    .join('');
}

/** The JSON form of collateral (`parseIntelCollateral`). */
function collateralFile({ tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuerChain }: IntelCollateral): Uint8Array {
  const statement = (name: string, signed: IntelSignedStatement | undefined): object =>
    signed === undefined
      ? {}
      : {
          [name]: new TextDecoder().decode(signed.bytes),
          [`${name}_signature`]: toHex(signed.signature),
          [`${name}_issuer_chain`]: pem('CERTIFICATE', signed.issuerChain),
        };
  const members = {
    ...statement('tcb_info', tcbInfo),
    ...statement('qe_identity', qeIdentity),
    root_ca_crl: rootCrl && toHex(rootCrl),
    pck_crl: pckCrl && toHex(pckCrl),
    pck_crl_issuer_chain: pckCrlIssuerChain && pem('CERTIFICATE', pckCrlIssuerChain),
  };
  return utf8(JSON.stringify(members));
}

const QUOTES = {
  'SGX v3': { version: 3, tee: 'sgx', bodyAt: 48, reportDataAt: 320, bodyBytes: 384 },
  'TDX v4': { version: 4, tee: 'tdx', bodyAt: 48, reportDataAt: 520, bodyBytes: 584 },
  'TDX v5': { version: 5, tee: 'tdx', bodyAt: 54, reportDataAt: 520, bodyBytes: 648 },
} as const;

function intelSample(name: keyof typeof QUOTES): Sample {
  const { version, tee, bodyAt, reportDataAt, bodyBytes } = QUOTES[name];
  const device = simulatedIntelDevice({ seed: seed(31), validity: VALIDITY });
  const body = (debug: boolean): Uint8Array => {
    if (tee === 'sgx') {
      const attributes = Uint8Array.of(debug ? 7 : 5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0);
      return writeEnclaveReport({ attributes, mrEnclave: seed(1), reportData: REPORT_DATA });
    }
    return writeTdReport({
      teeTcbSvn: [6, 1, 3],
      teeTcbSvn2: version === 5 ? [6, 1, 3] : undefined,
      tdAttributes: (1n << 28n) | (debug ? 1n : 0n),
      mrTd: new Uint8Array(48).fill(2),
      reportData: REPORT_DATA,
    });
  };
  const quote = (debug = false): Uint8Array => device.quote({ version, tee, body: body(debug) });
  const level = { sgx: [3, 3, 2, 2, 4, 1, 0, 5], tdx: [5, 0, 3], pceSvn: 13, status: 'UpToDate' } as const;
  const options: SimulatedCollateral = {
    tee,
    issuedMs: ISSUED_MS,
    nextUpdateMs: NEXT_UPDATE_MS,
    fmspc: device.statement.fmspc,
    pceId: device.statement.pceId,
    tcbEvaluationDataNumber: 19,
    platformLevels: [level],
    moduleLevels: new Map([[1, [{ isvSvn: 6, status: 'UpToDate' }]]]),
    qeLevels: [{ isvSvn: 4, status: 'UpToDate' }],
    pckIssuer: 'platform-ca',
  };
  const made = simulatedCollateral(options);
  const withStatus = (status: 'OutOfDate' | 'Revoked'): readonly Uint8Array[] => [
    collateralFile(simulatedCollateral({ ...options, platformLevels: [{ ...level, status, advisories: ['SA-1'] }] })),
  ];
  const spoiled = (overrides: Partial<IntelCollateral>): readonly Uint8Array[] => [
    collateralFile({ ...made, ...overrides }),
  ];
  const evidence = quote();
  const { tcbInfo, pckCrl } = made;
  if (tcbInfo === undefined || pckCrl === undefined) throw new Error('incomplete collateral');
  const issued = utf8('"tcbEvaluationDataNumber":19');
  return {
    name,
    evidence,
    files: [collateralFile(made)],
    anchors: simulatedIntelAnchors(),
    variations: [
      {
        change: 'a bit of the report data',
        evidence: flipped(evidence, bodyAt + reportDataAt),
        code: 'QUOTE_SIGNATURE',
      },
      // After the body and the length of the signature data.
      {
        change: 'a bit of the signature',
        evidence: flipped(evidence, bodyAt + bodyBytes + 4),
        code: 'QUOTE_SIGNATURE',
      },
      { change: 'a byte cut off', evidence: evidence.subarray(0, -1), code: 'QUOTE_TRUNCATED' },
      { change: 'debug mode', evidence: quote(true), code: 'DEBUG_ENABLED' },
      {
        change: 'a bit of the TCB info',
        files: spoiled({
          tcbInfo: { ...tcbInfo, bytes: flipped(tcbInfo.bytes, find(tcbInfo.bytes, issued) + issued.length - 1) },
        }),
        code: 'TCB_INFO_SIGNATURE',
      },
      { change: 'a bit of the PCK CRL', files: spoiled({ pckCrl: flipped(pckCrl, -1) }), code: 'PCK_CRL_SIGNATURE' },
      { change: 'no collateral', files: [], code: 'COLLATERAL_MISSING' },
      { change: 'no TCB info', files: spoiled({ tcbInfo: undefined }), code: 'TCB_INFO_MISSING' },
      { change: 'collateral that is no JSON', files: [utf8('{"tcb_info":')], code: 'COLLATERAL_MALFORMED' },
      { change: 'after the collateral', atMs: BETWEEN_MS, code: 'ROOT_CRL_EXPIRED' },
      { change: 'after the certificates', atMs: LATE_MS, code: 'PCK_CHAIN_CERTIFICATE_EXPIRED' },
      {
        change: 'a revoked PCK certificate',
        files: [collateralFile(simulatedCollateral({ ...options, revokedPcks: [device.serial] }))],
        code: 'PCK_REVOKED',
      },
      { change: 'a platform that is out of date', files: withStatus('OutOfDate'), code: undefined },
      { change: 'a platform that is revoked', files: withStatus('Revoked'), code: 'TCB_STATUS_NOT_ACCEPTED' },
      { change: "the vendors' roots", anchors: VENDOR_ANCHORS, code: 'PCK_CHAIN_ROOT_NOT_PINNED' },
    ],
  };
}

function snpSample(product: SnpProduct): Sample {
  const device = simulatedSnpDevice({ seed: seed(1), product, validity: VALIDITY });
  const fields = { measurement: new Uint8Array(48).fill(0xaa), hostData: seed(0xbb), reportData: REPORT_DATA };
  const evidence = device.report(fields);
  const times = { product, number: 7n, thisUpdateMs: ISSUED_MS, nextUpdateMs: NEXT_UPDATE_MS };
  const crl = simulatedCrl(times);
  const [leaf, ...authorities] = device.certificates;
  if (leaf === undefined) throw new Error('no certificate');
  const files = [...device.certificates, crl];
  return {
    name: `SEV-SNP ${product}`,
    evidence,
    files,
    anchors: SIMULATED_ANCHORS,
    variations: [
      { change: 'a bit of the report data', evidence: flipped(evidence, 0x50), code: 'REPORT_SIGNATURE' },
      { change: 'a bit of the signature', evidence: flipped(evidence, 0x2a0), code: 'REPORT_SIGNATURE' },
      { change: 'a byte cut off', evidence: evidence.subarray(0, -1), code: 'REPORT_SIZE' },
      {
        change: 'debug mode',
        evidence: device.report({ ...fields, policy: SIMULATED_GUEST_POLICY | (1n << 19n) }),
        code: 'DEBUG_ENABLED',
      },
      {
        change: 'endorsements in PEM',
        files: [utf8(pem('CERTIFICATE', device.certificates)), utf8(pem('X509 CRL', [crl]))],
        code: undefined,
      },
      {
        change: 'a bit of the chip certificate',
        files: [flipped(leaf, -1), ...authorities, crl],
        code: 'LEAF_SIGNATURE',
      },
      { change: 'a bit of the CRL', files: [...device.certificates, flipped(crl, -1)], code: 'CRL_SIGNATURE' },
      { change: 'no endorsements', files: [], code: 'ENDORSEMENTS_MISSING' },
      { change: 'no chip certificate', files: [...authorities, crl], code: 'LEAF_MISSING' },
      { change: 'after the CRL', atMs: BETWEEN_MS, code: 'CRL_EXPIRED' },
      { change: 'after the certificates', atMs: LATE_MS, code: 'CERTIFICATE_EXPIRED' },
      {
        change: 'a revoked chip certificate',
        files: [...device.certificates, simulatedCrl({ ...times, revokedDevices: [device.serial] })],
        code: 'LEAF_REVOKED',
      },
      { change: "the vendors' roots", anchors: VENDOR_ANCHORS, code: 'ROOT_NOT_PINNED' },
    ],
  };
}

function nitroSample(): Sample {
  const enclave = simulatedNitroEnclave(seed(51), { notBeforeMs: AT_MS - 3_600_000, notAfterMs: AT_MS + 7_200_000 });
  const pcr0 = new Uint8Array(48).fill(1);
  const userData = utf8('user data of the enclave');
  const fields = { pcrs: new Map([[0, pcr0]]), timestampMs: AT_MS, userData };
  const evidence = enclave.document(fields);
  const leaf = enclave.certificates().at(-1);
  if (leaf === undefined) throw new Error('no certificate');
  return {
    name: 'Nitro',
    evidence,
    files: [],
    anchors: simulatedNitroAnchors(),
    variations: [
      {
        change: 'a bit of the user data',
        evidence: flipped(evidence, find(evidence, userData)),
        code: 'DOCUMENT_SIGNATURE',
      },
      { change: 'a bit of the signature', evidence: flipped(evidence, -1), code: 'DOCUMENT_SIGNATURE' },
      {
        change: 'a bit of the leaf certificate',
        evidence: flipped(evidence, find(evidence, leaf) + leaf.length - 1),
        code: 'LEAF_SIGNATURE',
      },
      { change: 'debug mode', evidence: enclave.document({ ...fields, pcrs: new Map() }), code: 'DEBUG_ENABLED' },
      {
        change: 'a map of indefinite length',
        evidence: enclave.document(fields, { indefinite: true }),
        code: undefined,
      },
      {
        change: 'no timestamp',
        evidence: enclave.document(fields, { members: { timestamp: undefined } }),
        code: 'PAYLOAD_MEMBER',
      },
      { change: 'after the certificates', atMs: BETWEEN_MS, code: 'CERTIFICATE_EXPIRED' },
      { change: 'before the certificates', atMs: ISSUED_MS, code: 'CERTIFICATE_NOT_YET_VALID' },
      { change: "the vendors' roots", anchors: VENDOR_ANCHORS, code: 'ROOT_NOT_PINNED' },
    ],
  };
}

function casesOf({ name, variations, ...genuine }: Sample): readonly SimulatedCase[] {
  return [{ change: 'genuine', code: undefined }, ...variations].map((variation) => {
    const { change, code, atMs = AT_MS, evidence, files, anchors } = { ...genuine, ...variation };
    const request: VerificationRequest = {
      evidence: toBase64(evidence),
      endorsementFiles: files.map(toBase64),
      trustAnchors: JSON.stringify(trustAnchorsToJson(anchors)),
      atMs,
    };
    return { title: `${name}, ${change}`, request, code };
  });
}

/** Every case. Takes some RSA signatures. */
export function simulatedCases(): readonly SimulatedCase[] {
  const intel = (Object.keys(QUOTES) as (keyof typeof QUOTES)[]).map(intelSample);
  const snp = (['Milan', 'Genoa', 'Turin'] as const).map(snpSample);
  return [...intel, ...snp, nitroSample()].flatMap(casesOf);
}
