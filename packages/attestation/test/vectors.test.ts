/**
 * Real evidence of AMD hardware, and mutations of it, under the conformance policy of the vectors' README.
 *
 * Third-party data that is read from ../shared beside the repository when present; otherwise the tests are skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  CONFORMANCE_REQUIREMENTS,
  checkSnpRequirements,
  parsePem,
  parseSnpReport,
  VENDOR_ANCHORS,
  verifySnp,
} from '../src/index.ts';
import { parseCertificate, spkiPin } from '../src/x509/x509.ts';

interface VectorCase {
  readonly id: string;
  readonly evidence: string;
  readonly endorsements?: readonly string[];
  readonly at: string | null;
  readonly window?: readonly [string, string];
  readonly expect: { readonly verdict: string; readonly errors?: readonly string[]; readonly why?: string };
}

const directory = fileURLToPath(new URL('../../../../shared/vectors/attestation/', import.meta.url));
const manifestPath = `${directory}manifest.json`;
const present = existsSync(manifestPath);
if (!present) console.warn('SKIPPED: real attestation vectors, as ../shared/vectors/attestation is absent');

function read(file: string): Uint8Array {
  return new Uint8Array(readFileSync(`${directory}${file}`));
}

function readCertificates(file: string): readonly Uint8Array[] {
  if (!file.endsWith('.pem')) return [read(file)];
  const blocks = parsePem(new TextDecoder().decode(read(file)), 'CERTIFICATE');
  expect(blocks, file).toBeDefined();
  return blocks ?? [];
}

function verdictAt(vector: VectorCase, atMs: number): string {
  const verified = verifySnp({
    report: read(vector.evidence),
    endorsements: { certificates: (vector.endorsements ?? []).flatMap(readCertificates), crls: [] },
    trustAnchors: VENDOR_ANCHORS,
    atMs,
    requireCrl: false,
    allowMaskedChipId: true,
  });
  if (!verified.ok) return verified.code;
  const { sevSnp } = CONFORMANCE_REQUIREMENTS;
  if (sevSnp === null) expect.fail('the conformance policy accepts SEV-SNP');
  const status = checkSnpRequirements(verified.value, sevSnp);
  return status.ok ? 'accept' : status.code;
}

/** Our code for what each derived case changed. */
const MUTATION_CODES: Readonly<Record<string, string>> = {
  'version-6': 'REPORT_VERSION',
  'sigalgo-2': 'REPORT_SIGNATURE_ALGORITHM',
  'sig-pad-nonzero': 'REPORT_SIGNATURE_PADDING',
  'sig-bigendian': 'REPORT_SIGNATURE',
  'sig-r': 'REPORT_SIGNATURE',
  measurement: 'REPORT_SIGNATURE',
  'report-data': 'REPORT_SIGNATURE',
  'chip-id': 'REPORT_SIGNATURE',
  'reported-tcb': 'REPORT_SIGNATURE',
  'debug-bit-set': 'REPORT_SIGNATURE',
};

const cases: readonly VectorCase[] = present
  ? (JSON.parse(readFileSync(manifestPath, 'utf8')) as { cases: VectorCase[] }).cases.filter(({ evidence }) =>
      /(^|\/)amd\//.test(evidence),
    )
  : [];

describe('real AMD vectors', () => {
  it.skipIf(!present)('has the cases of Milan, Genoa and Turin', () => {
    expect(cases.length).toBeGreaterThanOrEqual(54);
  });

  for (const vector of cases) {
    it(vector.id, () => {
      const atMs = vector.at === null ? 0 : Date.parse(vector.at);
      const verdict = verdictAt(vector, atMs);
      switch (vector.expect.verdict) {
        case 'accept': {
          expect(verdict).toBe('accept');
          const [from, to] = vector.window ?? [];
          if (from !== undefined && to !== undefined) {
            expect(verdictAt(vector, Date.parse(from))).toBe('accept');
            expect(verdictAt(vector, Date.parse(to))).toBe('accept');
            expect(verdictAt(vector, Date.parse(from) - 1000)).toBe('CERTIFICATE_NOT_YET_VALID');
            expect(verdictAt(vector, Date.parse(to) + 1000)).toBe('CERTIFICATE_EXPIRED');
          }
          break;
        }
        case 'reject': {
          expect(verdict).not.toBe('accept');
          const mutation = /^mutation: (.*)$/.exec(vector.expect.why ?? '')?.[1];
          if (mutation !== undefined) {
            expect([verdict, mutation]).toEqual([MUTATION_CODES[mutation], mutation]);
          }
          if (vector.expect.errors?.join() === 'DEBUG_POLICY') expect(verdict).toBe('DEBUG_ENABLED');
          break;
        }
        case 'signature-unverifiable':
          expect(parseSnpReport(read(vector.evidence)).ok).toBe(true);
          expect(verdict).toBe('ENDORSEMENTS_MISSING');
          break;
        default:
          expect.fail(`verdict ${vector.expect.verdict} is not one of AMD's cases`);
      }
    });
  }

  it.skipIf(!present)('pins the roots that AMD publishes', () => {
    const pins = ['Milan', 'Genoa', 'Turin'].map((product) => {
      const [der = new Uint8Array()] = readCertificates(`amd/roots/ARK-${product}.pem`);
      const certificate = parseCertificate(der);
      return { product, pin: certificate === undefined ? undefined : spkiPin(certificate) };
    });
    const amd = VENDOR_ANCHORS.roots.filter((root) => root.platform === 'sev-snp');
    expect(pins).toEqual(amd.map(({ product, spkiSha256 }) => ({ product, pin: spkiSha256 })));
  });
});
