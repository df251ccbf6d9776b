/**
 * The conformance run: real evidence of Intel, AMD and AWS where it is present, and the rules of the run in any case.
 *
 * Third-party data is read from ../shared beside the repository when present; otherwise those tests are skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  type ConformanceCase,
  type ConformanceOutcome,
  parseConformanceManifest,
  runConformanceCase,
  VENDOR_ANCHORS,
} from '../src/index.ts';
import { parsePem } from '../src/x509/pem.ts';
import { parseCertificate, spkiPin } from '../src/x509/x509.ts';
import { sgxQuote } from './formats/intel-fixture.ts';

const directory = fileURLToPath(new URL('../../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(`${directory}manifest.json`);
if (!present) console.warn('SKIPPED: real attestation vectors, as ../shared/vectors/attestation is absent');

function readFile(path: string): Uint8Array | undefined {
  const file = `${directory}${path}`;
  return existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined;
}

const manifest = present ? parseConformanceManifest(readFile('manifest.json') ?? new Uint8Array()) : undefined;
const cases = manifest?.ok ? manifest.value : [];

describe('real vectors', () => {
  it.skipIf(!present)('are there', () => {
    expect(cases.length).toBeGreaterThanOrEqual(131);
  });

  for (const vector of cases) {
    it(vector.id, () => {
      expect(runConformanceCase(vector, readFile).differences).toEqual([]);
      if ('unreadable' in vector) return;
      // Derived cases differ from what is accepted in one thing only: the code says which.
      const change = /^derived\/(?:sgx|tdx)\d-(.*)$/.exec(vector.id)?.[1] ?? '';
      const codes = EXPECTED_CODES[change];
      if (codes !== undefined) expect(codes).toContain(runConformanceCase(vector, readFile).code);
    });
  }

  it.skipIf(!present)('hold at both ends of their windows', () => {
    const raw = JSON.parse(readFileSync(`${directory}manifest.json`, 'utf8')) as {
      cases: { id: string; window?: [string, string] }[];
    };
    const windows = new Map(raw.cases.map(({ id, window }) => [id, window]));
    for (const vector of cases) {
      if ('unreadable' in vector) continue;
      for (const end of windows.get(vector.id) ?? []) {
        const outcome = runConformanceCase({ ...vector, atMs: Date.parse(end) }, readFile);
        expect({ id: vector.id, end, differences: outcome.differences }).toEqual({
          id: vector.id,
          end,
          differences: [],
        });
      }
    }
  });

  it.skipIf(!present)('come from the roots that are pinned', () => {
    const pinOf = (der: Uint8Array | undefined): string => {
      const certificate = parseCertificate(der ?? new Uint8Array());
      return certificate === undefined ? 'malformed' : spkiPin(certificate);
    };
    const pins = VENDOR_ANCHORS.roots.filter((root) => root.platform !== 'sev-snp').map((root) => root.spkiSha256);
    const aws = parsePem(new TextDecoder().decode(readFile('aws/roots/AWS_NitroEnclaves_Root-G1.pem')), 'CERTIFICATE');
    expect(pinOf(readFile('intel/roots/Intel_SGX_Root_CA_2033.der'))).toBe(pins[0]);
    expect(pinOf(readFile('intel/roots/Intel_SGX_Root_CA_2049.der'))).toBe(pins[0]);
    expect(pinOf(aws?.[0])).toBe(pins[1]);
  });
});

/** Our code for what each derived case of Intel and AWS changed. */
const EXPECTED_CODES: Readonly<Record<string, readonly string[]>> = {
  'hdr-version-9': ['QUOTE_VERSION'],
  'hdr-teetype': ['QUOTE_BODY_TYPE', 'QUOTE_RESERVED_FIELD', 'QUOTE_TRUNCATED'],
  'hdr-qe-vendor': ['QUOTE_QE_VENDOR'],
  'hdr-akt-3': ['QUOTE_KEY_TYPE'],
  'attestation-key': ['QE_REPORT_DATA_MISMATCH'],
  'qe-auth-data': ['QE_REPORT_DATA_MISMATCH'],
  'qe-report': ['QE_REPORT_SIGNATURE'],
  'qe-report-sig': ['QE_REPORT_SIGNATURE'],
  'quote-sig': ['QUOTE_SIGNATURE'],
  'body-reportdata': ['QUOTE_SIGNATURE'],
  'body-measurement': ['QUOTE_SIGNATURE'],
  'pck-cert-byte': ['PCK_CHAIN_LEAF_SIGNATURE'],
  'siglen-plus1': ['QUOTE_TRUNCATED'],
  trunc: ['QUOTE_TRUNCATED'],
};

describe('the manifest', () => {
  const parse = (value: unknown): readonly (ConformanceCase | { id: string; unreadable: string })[] => {
    const parsed = parseConformanceManifest(utf8(JSON.stringify(value)));
    if (!parsed.ok) expect.fail(parsed.code);
    return parsed.value;
  };

  it('keeps cases that cannot be read, so that they count', () => {
    const expectation = { verdict: 'reject' };
    const read = parse({
      cases: [
        { id: 'whole', evidence: 'a', at: '2026-01-01T00:00:00Z', expect: expectation, unknown: 1 },
        7,
        { id: 'no evidence', expect: expectation },
        { id: 'no verdict', evidence: 'a', expect: {} },
        { id: 'no instant', evidence: 'a', at: 'yesterday', expect: expectation },
        { id: 'no path', evidence: 'a', endorsements: [1], expect: expectation },
        { evidence: 'a', at: null, endorsements: 'one', collateral: 'two', expect: expectation },
      ],
    });
    expect(read.map((vector) => ('unreadable' in vector ? vector.unreadable : vector.endorsements))).toEqual([
      [],
      'value: expected an object',
      '.evidence: expected text of 0 to 67108864 characters',
      '.expect.verdict: expected text of 0 to 67108864 characters',
      '.at: expected an instant in UTC',
      '.endorsements[0]: expected text of 0 to 67108864 characters',
      ['two', 'one'],
    ]);
    expect(read[1]?.id).toBe('case 2');
  });

  it('is a JSON object with a list of cases', () => {
    for (const text of ['', '[]', '{}', '{"cases":{}}', '{"cases":[],"cases":[]}']) {
      expect(parseConformanceManifest(utf8(text))).toMatchObject({ code: 'MANIFEST_MALFORMED' });
    }
  });
});

describe('a case', () => {
  const quote = sgxQuote();
  const files = new Map([
    ['quote', quote],
    ['noise', utf8('noise')],
    ['empty', utf8('{}')],
  ]);
  const run = (
    expect: Partial<ConformanceCase['expect']>,
    evidence = 'quote',
    endorsements: string[] = [],
  ): ConformanceOutcome =>
    runConformanceCase(
      {
        id: 'one',
        evidence,
        endorsements,
        atMs: 0,
        expect: {
          verdict: 'reject',
          tcbStatus: undefined,
          platformStatus: undefined,
          tdxModuleStatus: undefined,
          qeStatus: undefined,
          advisories: undefined,
          signatureValid: undefined,
          ...expect,
        },
      },
      (path) => files.get(path),
    );

  it('disagrees where anything does', () => {
    // A simulated quote is not Intel's: refused under the vendor roots, which is what these cases expect.
    expect(run({})).toMatchObject({ agrees: true, verdict: 'reject', code: 'PCK_CHAIN_ROOT_NOT_PINNED' });
    expect(run({ verdict: 'either' }).agrees).toBe(true);
    for (const verdict of ['accept', 'policy', 'signature-only', 'reject-or-needs-pck-lookup', 'unheard-of']) {
      expect(run({ verdict })).toMatchObject({ agrees: false, differences: [`verdict reject, expected ${verdict}`] });
    }
    expect(run({ tcbStatus: 'UpToDate' }).differences).toEqual(['tcb_status none, expected UpToDate']);
    expect(run({ qeStatus: null, tdxModuleStatus: null, advisories: [] }).agrees).toBe(true);
    expect(run({ advisories: ['SA-1'] }).agrees).toBe(false);
    expect(run({ signatureValid: true }).agrees).toBe(true);
    expect(run({ signatureValid: false }).agrees).toBe(false);
  });

  it('disagrees when it cannot be run', () => {
    expect(run({}, 'nowhere')).toMatchObject({ agrees: false, differences: ['no file nowhere'] });
    expect(run({}, 'quote', ['nowhere'])).toMatchObject({ agrees: false, differences: ['no file nowhere'] });
    expect(runConformanceCase({ id: 'one', unreadable: 'expect' }, () => undefined).agrees).toBe(false);
  });

  it('is refused with endorsements that are none, and of no known format', () => {
    expect(run({}, 'quote', ['noise'])).toMatchObject({ agrees: true, code: 'ENDORSEMENT_FILE_UNKNOWN' });
    expect(run({}, 'quote', ['empty', 'empty'])).toMatchObject({ agrees: true, code: 'COLLATERAL_REPEATED' });
    expect(run({ verdict: 'accept' }, 'quote', ['noise']).agrees).toBe(false);
    expect(run({}, 'noise')).toMatchObject({ agrees: true, code: 'EVIDENCE_FORMAT_UNKNOWN' });
  });
});
