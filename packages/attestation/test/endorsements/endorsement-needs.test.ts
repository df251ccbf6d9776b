/**
 * Which endorsements evidence needs, and how long endorsements hold, on simulated platforms and on real ones.
 *
 * Third-party data that is read from ../shared beside the repository when present; otherwise those tests are skipped.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { certificatePeriod, crlPeriod, endorsementNeeds, type Platform, statementPeriod } from '../../src/index.ts';
import { simulatedIntelDevice, simulatedSnpDevice } from '../../src/simulated/index.ts';
import {
  ISSUED_MS,
  platform as intel,
  NEXT_UPDATE_MS,
  SGX_COLLATERAL,
  sgxQuote,
  tdxQuote,
} from '../formats/intel-fixture.ts';
import { CRL_TIMES, FIELDS, genoa, genoaCrl, genoaVlek, seedOf, VALIDITY } from '../formats/snp-fixture.ts';

describe('what endorsements evidence needs', () => {
  it('is named by the PCK certificate in a quote', () => {
    const fmspc = '90c06f000000';
    for (const [platform, report] of [
      ['sgx', sgxQuote()],
      ['tdx', tdxQuote()],
    ] as const) {
      expect(endorsementNeeds({ platform, report })).toEqual({
        ok: true,
        value: { platform, fmspc, pckIssuer: 'platform' },
      });
    }
    const single = simulatedIntelDevice({ seed: seedOf(9), validity: VALIDITY, pckIssuer: 'processor-ca' });
    const report = single.quote({ version: 3, tee: 'sgx', body: new Uint8Array(384) });
    expect(endorsementNeeds({ platform: 'sgx', report })).toMatchObject({ value: { pckIssuer: 'processor' } });
  });

  it.each([
    ['of the other TEE', 'tdx', sgxQuote(), 'QUOTE_OTHER_TEE'],
    ['without chain', 'sgx', sgxQuote({}, { certificationType: 3 }), 'PCK_CHAIN_ABSENT'],
    ['with another text', 'sgx', sgxQuote({}, { certificationData: new Uint8Array([0x41]) }), 'PCK_CHAIN_MALFORMED'],
    ['that is none', 'sgx', new Uint8Array(100), 'QUOTE_VERSION'],
  ] as const)('is not to be had from a quote %s', (_, platform, report, code) => {
    expect(endorsementNeeds({ platform, report })).toMatchObject({ ok: false, code });
  });

  it('is the chip, at its TCB, by an SEV-SNP report', () => {
    for (const product of ['Milan', 'Genoa', 'Turin'] as const) {
      const { hardwareId, tcb, ...device } = simulatedSnpDevice({ seed: seedOf(5), product, validity: VALIDITY });
      expect(endorsementNeeds({ platform: 'sev-snp', report: device.report(FIELDS) })).toEqual({
        ok: true,
        value: { platform: 'sev-snp', product, signingKey: 'VCEK', hardwareId, tcb },
      });
    }
    const masked = genoaVlek.report(FIELDS).fill(0, 0x1a0, 0x1e0);
    expect(endorsementNeeds({ platform: 'sev-snp', report: masked })).toMatchObject({
      ok: true,
      value: { signingKey: 'VLEK', hardwareId: undefined },
    });
  });

  it('takes the product from the certificate when a report of version 2 does not name it', () => {
    const report = genoa.report(FIELDS).fill(0, 0x188, 0x1a0).with(0, 2);
    expect(endorsementNeeds({ platform: 'sev-snp', report })).toMatchObject({ ok: false, code: 'PRODUCT_UNKNOWN' });
    const [leaf = new Uint8Array(), ...above] = genoa.certificates;
    expect(endorsementNeeds({ platform: 'sev-snp', report }, above)).toMatchObject({ code: 'PRODUCT_UNKNOWN' });
    expect(endorsementNeeds({ platform: 'sev-snp', report }, [...above, leaf])).toMatchObject({
      ok: true,
      value: { product: 'Genoa', hardwareId: genoa.hardwareId },
    });
  });

  it('is nothing for a Nitro document', () => {
    expect(endorsementNeeds({ platform: 'nitro', report: new Uint8Array() })).toEqual({
      ok: true,
      value: { platform: 'nitro' },
    });
  });
});

describe('how long endorsements hold', () => {
  it('is read from their contents', () => {
    const [leaf = new Uint8Array()] = intel.certificates;
    expect(certificatePeriod(leaf)).toEqual({ fromMs: VALIDITY.notBeforeMs, untilMs: VALIDITY.notAfterMs });
    expect(crlPeriod(genoaCrl)).toEqual({ fromMs: CRL_TIMES.thisUpdateMs, untilMs: CRL_TIMES.nextUpdateMs });
    const { tcbInfo, qeIdentity } = SGX_COLLATERAL;
    const period = { fromMs: ISSUED_MS, untilMs: NEXT_UPDATE_MS };
    expect(statementPeriod('tcb-info', tcbInfo?.bytes ?? new Uint8Array())).toEqual(period);
    expect(statementPeriod('qe-identity', qeIdentity?.bytes ?? new Uint8Array())).toEqual(period);
  });

  it('is not known of anything else', () => {
    const [leaf = new Uint8Array()] = intel.certificates;
    expect([certificatePeriod(genoaCrl), crlPeriod(leaf)]).toEqual([undefined, undefined]);
    const text = SGX_COLLATERAL.tcbInfo?.bytes ?? new Uint8Array();
    expect([statementPeriod('qe-identity', text), statementPeriod('tcb-info', text.subarray(1))]).toEqual([
      undefined,
      undefined,
    ]);
  });
});

interface VectorFile {
  readonly file: string;
  readonly kind: string;
  readonly fmspc?: string;
  readonly product?: string;
}

interface VectorCase {
  readonly evidence: string;
  readonly collateral?: string;
  readonly endorsements?: readonly string[];
}

const directory = fileURLToPath(new URL('../../../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(`${directory}manifest.json`);
if (!present) console.warn('SKIPPED: real attestation vectors, as ../shared/vectors/attestation is absent');
const manifest: { readonly files: readonly VectorFile[]; readonly cases: readonly VectorCase[] } = present
  ? JSON.parse(readFileSync(`${directory}manifest.json`, 'utf8'))
  : { files: [], cases: [] };

function read(file: string): Uint8Array {
  return new Uint8Array(readFileSync(`${directory}${file}`));
}

describe('what endorsements real evidence needs', () => {
  const quotes = manifest.files.filter(({ kind, fmspc }) => kind === 'quote' && fmspc !== undefined);
  it.skipIf(!present)('knows the processors of real quotes', () => {
    expect(quotes.length).toBeGreaterThan(10);
    for (const { file, fmspc } of quotes) {
      const platform: Platform = file.includes('/sgx-') ? 'sgx' : 'tdx';
      const needs = endorsementNeeds({ platform, report: read(file) });
      // Some quotes name their platform by an encrypted PPID only.
      if (!needs.ok) expect(needs.code, file).toBe('PCK_CHAIN_ABSENT');
      else expect(needs.value, file).toMatchObject({ platform, fmspc });
    }
  });

  it.skipIf(!present)('knows the issuers of their PCK certificates', () => {
    const pairs = manifest.cases.filter(({ evidence, collateral }) => collateral && evidence.endsWith('.quote.bin'));
    expect(pairs.length).toBeGreaterThan(10);
    for (const { evidence, collateral = '' } of pairs) {
      const platform: Platform = evidence.includes('/sgx-') ? 'sgx' : 'tdx';
      const needs = endorsementNeeds({ platform, report: read(evidence) });
      if (!needs.ok || needs.value.platform === 'nitro' || needs.value.platform === 'sev-snp') continue;
      if (!collateral.includes(needs.value.fmspc)) continue;
      expect(collateral, evidence).toContain(needs.value.pckIssuer);
    }
  });

  it.skipIf(!present)('knows the chips of real reports', () => {
    const reports = manifest.files.filter(({ kind, file }) => kind === 'report' && file.endsWith('.report.bin'));
    expect(reports.length).toBeGreaterThan(5);
    for (const { file, product = '' } of reports) {
      const endorsements = manifest.cases.find(({ evidence }) => evidence === file)?.endorsements ?? [];
      const certificates = endorsements.filter((name) => !name.endsWith('.pem')).map(read);
      const needs = endorsementNeeds({ platform: 'sev-snp', report: read(file) }, certificates);
      if (!needs.ok) expect(needs.code, file).toBe('PRODUCT_UNKNOWN');
      else expect(needs.value, file).toMatchObject({ product: product.split(/[ -]/)[0] });
    }
  });
});
