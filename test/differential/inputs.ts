/** Quotes for the comparison of verifiers: real vectors where they are present, and a family under the simulated root. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { IntelCollateral } from '@cloister/attestation';
import { parseConformanceManifest } from '@cloister/attestation';
import { SeededRandom } from '@cloister/crypto';
import { utf8 } from '@cloister/encoding';
import { CASES } from '../../packages/attestation/test/formats/intel-cases.ts';
import { AT_MS, collateral, sgxQuote, tdxQuote } from '../../packages/attestation/test/formats/intel-fixture.ts';
import { collateralMembers, IntelInputs } from '../../packages/attestation/test/fuzz/intel-subjects.ts';
import type { Input } from './both-verifiers.ts';

const directory = fileURLToPath(new URL('../../../shared/vectors/attestation/', import.meta.url));

/** Whether the real vectors are there. */
export const vectorsPresent: boolean = existsSync(`${directory}manifest.json`);

function read(path: string): Uint8Array {
  return new Uint8Array(readFileSync(`${directory}${path}`));
}

/** Every SGX and TDX case with collateral. */
export function vectorInputs(): readonly Input[] {
  const manifest = vectorsPresent ? parseConformanceManifest(read('manifest.json')) : undefined;
  if (!manifest?.ok) return [];
  return manifest.value.flatMap((vector) => {
    if ('unreadable' in vector) return [];
    const [path] = vector.endorsements;
    if (!path?.endsWith('.json') || vector.atMs === undefined) return [];
    return [{ name: vector.id, quote: read(vector.evidence), text: read(path), atMs: vector.atMs }];
  });
}

function textOf(value: IntelCollateral | undefined): Uint8Array {
  if (value === undefined) return utf8('{}');
  const missing: readonly (readonly [unknown, readonly string[]])[] = [
    [value.tcbInfo, ['tcb_info', 'tcb_info_signature', 'tcb_info_issuer_chain']],
    [value.qeIdentity, ['qe_identity', 'qe_identity_signature', 'qe_identity_issuer_chain']],
    [value.rootCrl, ['root_ca_crl']],
    [value.pckCrl, ['pck_crl']],
    [value.pckCrlIssuerChain, ['pck_crl_issuer_chain']],
  ];
  const absent = missing.flatMap(([member, names]) => (member === undefined ? names : []));
  const members = Object.entries(collateralMembers(value)).filter(([name]) => !absent.includes(name));
  return utf8(JSON.stringify(Object.fromEntries(members)));
}

/** Every way in which our verifier refuses, one input each. */
export function refusedInputs(): readonly Input[] {
  return Object.entries(CASES).map(([code, make]) => {
    const { quote, collateral: from, atMs } = make();
    return { name: `refused with ${code}`, quote, text: textOf(from), atMs };
  });
}

const PLATFORM_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;

/** Every platform status with every status of TDX module and quoting enclave, at launch and now. */
export function statusInputs(): readonly Input[] {
  const inputs: Input[] = [];
  for (const status of PLATFORM_STATUSES) {
    const changes = {
      platformLevels: [
        { sgx: [], tdx: [], pceSvn: 0, status, advisories: status === 'UpToDate' ? [] : [`SA-${status}`] },
      ],
    };
    const [sgxText, tdxText] = [textOf(collateral('sgx', changes)), textOf(collateral('tdx', changes))];
    for (const isvSvn of [4, 3, 2, 1]) {
      const qe = { qe: { isvSvn } };
      inputs.push({ name: `SGX ${status}, QE ${isvSvn}`, quote: sgxQuote({}, qe), text: sgxText, atMs: AT_MS });
      for (const launch of [
        [6, 1, 3],
        [4, 1, 3],
        [3, 1, 3],
        [1, 1, 3],
        [5, 0, 3],
      ] as const) {
        for (const now of [undefined, [6, 1, 3], [4, 1, 3]] as const) {
          const quote = tdxQuote({ teeTcbSvn: launch, teeTcbSvn2: now }, qe);
          const name = `TDX ${status}, QE ${isvSvn}, SVNs ${launch.join('.')} now ${now?.join('.') ?? 'not told'}`;
          inputs.push({ name, quote, text: tdxText, atMs: AT_MS });
        }
      }
    }
  }
  return inputs;
}

/** TD attributes, SVNs that only the rule on components 0 and 1 tells apart, versions, and details of encodings. */
function particularInputs(): readonly Input[] {
  const [sgxText, tdxText] = [textOf(collateral('sgx')), textOf(collateral('tdx'))];
  const input = (name: string, quote: Uint8Array, text = tdxText): Input => ({ name, quote, text, atMs: AT_MS });
  const withAttribute = [0n, 1n, 7n, 8n, 27n, 29n, 30n, 31n, 32n, 62n, 63n].map((bit) =>
    input(`TD attribute bit ${bit}`, tdxQuote({ tdAttributes: (1n << 28n) | (1n << bit) })),
  );
  const body = sgxQuote().slice(48, 432);
  const numbered = Array.from({ length: 16 }, (_, i) => [`sgxtcbcomp${String(i + 1).padStart(2, '0')}svn`, 0] as const);
  const tcb = { ...Object.fromEntries(numbered), pcesvn: 0 };
  const version2 = { version: 2, tcbLevels: [{ tcb, tcbDate: '2025-01-01T00:00:00Z', tcbStatus: 'UpToDate' }] };
  return [
    ...withAttribute,
    input('TD without SEPT_VE_DISABLE', tdxQuote({ tdAttributes: 0n })),
    input('TD with unknown XFAM bits', tdxQuote({ xfam: 1n << 40n })),
    input('TD with a service TD', tdxQuote({ teeTcbSvn2: [6, 1, 3], mrServiceTd: new Uint8Array(48).fill(1) })),
    input('TDX components 0 and 1 below the level', tdxQuote({ teeTcbSvn: [3, 3, 3] })),
    input('authentication data of 70 bytes', sgxQuote({}, { authData: new Uint8Array(70).fill(1) }), sgxText),
    input('authentication data of 10 bytes', sgxQuote({}, { authData: new Uint8Array(10).fill(1) }), sgxText),
    input('QE report data beyond 32 bytes', withQeReportDataTail(), sgxText),
    input('SGX in version 4', sgxQuote({}, { version: 4, body }), sgxText),
    input('SGX in version 5', sgxQuote({}, { version: 5, body }), sgxText),
    input('reserved bytes of the enclave report', sgxQuote({}, { body: withByte(body, 300) }), sgxText),
    input('trailing zeros', Uint8Array.of(...sgxQuote(), 0, 0), sgxText),
    input(
      'SGX debug',
      sgxQuote({ attributes: Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0) }),
      sgxText,
    ),
    input('TCB info of version 2', sgxQuote(), textOf(collateral('sgx', { tcbInfoMembers: version2 }))),
    input('no chain with the PCK CRL', sgxQuote(), textOf({ ...collateral('sgx'), pckCrlIssuerChain: undefined })),
  ];
}

function withByte(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = 1;
  return copy;
}

function withQeReportDataTail(): Uint8Array {
  const reportData = sgxQuote().slice(564 + 320, 564 + 384);
  return sgxQuote({}, { qe: { reportData: withByte(reportData, 63) } });
}

/** Mutations of quotes and of collateral. */
function mutatedInputs(count: number): readonly Input[] {
  return (['sgx', 'tdx'] as const).flatMap((tee) => {
    const [inputs, random] = [new IntelInputs(tee), new SeededRandom(`differential ${tee}`)];
    const drawn = Array.from({ length: count }, () => inputs.next(random));
    return [...inputs.originals, ...drawn].map(({ index, quote, text }, number) => ({
      name: `mutation ${number} of ${tee} ${index}`,
      quote,
      text,
      atMs: AT_MS,
    }));
  });
}

/** The family under the simulated root. */
export function simulatedInputs(): readonly Input[] {
  return [...refusedInputs(), ...statusInputs(), ...particularInputs(), ...mutatedInputs(2500)];
}
