import { canonicalJson, type JsonValue, parseUtf8, toHex, utf8 } from '@cloister/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBase64Url, toBase64Url } from '../src/base64url.ts';
import {
  decodeCmw,
  decodeEvidenceBundle,
  encodeCmw,
  encodeEvidenceBundle,
  encodeRuntimeData,
  evidenceDigest,
  MAX_BUNDLE_BYTES,
  parseRuntimeData,
  type RuntimeData,
  reportDataFor,
} from '../src/index.ts';
import { bundleOf, flipBit, runtime } from './snp-fixture.ts';

const bundle = bundleOf();
const cmw = encodeCmw(bundle.evidence);
const bundleBytes = encodeEvidenceBundle(bundle);

function cmwOf(record: JsonValue): Uint8Array {
  return utf8(canonicalJson(record));
}

describe('CMW record', () => {
  it('is the JSON array [media type, base64url]', () => {
    const [type, value] = JSON.parse(parseUtf8(cmw) ?? '') as [string, string];
    expect(type).toBe('application/vnd.cloister.sev-snp-report');
    expect(parseBase64Url(value)).toEqual(bundle.evidence.report);
    expect(decodeCmw(cmw)).toEqual({ ok: true, value: bundle.evidence });
  });

  it('refuses other shapes, types and spellings', () => {
    const value = toBase64Url(bundle.evidence.report);
    const type = 'application/vnd.cloister.sev-snp-report';
    for (const record of [
      [type],
      [type, value, 4],
      { type, value },
      [1, value],
      [type, 1],
      [type, `${value}=`],
      null,
    ]) {
      expect(decodeCmw(cmwOf(record)), JSON.stringify(record)).toMatchObject({ code: 'CMW_MALFORMED' });
    }
    expect(decodeCmw(cmwOf(['text/plain', value]))).toMatchObject({ code: 'CMW_TYPE_UNKNOWN' });
    expect(decodeCmw(utf8(` ${parseUtf8(cmw)}`))).toMatchObject({ code: 'CMW_MALFORMED' });
  });
});

describe('base64url', () => {
  it('has one text for bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string(), (bytes, text) => {
        expect(parseBase64Url(toBase64Url(bytes))).toEqual(bytes);
        const parsed = parseBase64Url(text);
        if (parsed !== undefined) expect(toBase64Url(parsed)).toBe(text);
      }),
    );
  });
});

describe('evidence bundle', () => {
  it('decodes to what was encoded and fits a transaction in base64', () => {
    expect(decodeEvidenceBundle(bundleBytes)).toEqual({ ok: true, value: bundle });
    expect(bundleBytes.length).toBeLessThan(10_000);
    expect(Math.ceil(MAX_BUNDLE_BYTES / 3) * 4).toBeLessThan(31 * 1024);
  });

  it('refuses what is too large, truncated, extended or of another version', () => {
    expect(decodeEvidenceBundle(new Uint8Array(MAX_BUNDLE_BYTES + 1))).toMatchObject({ code: 'BUNDLE_TOO_LARGE' });
    expect(decodeEvidenceBundle(bundleBytes.slice(0, -1))).toMatchObject({ code: 'BUNDLE_MALFORMED' });
    expect(decodeEvidenceBundle(Uint8Array.of(...bundleBytes, 0))).toMatchObject({ code: 'BUNDLE_MALFORMED' });
    expect(decodeEvidenceBundle(flipBit(bundleBytes, 1))).toMatchObject({ code: 'BUNDLE_MALFORMED' });
    const many = { ...bundle, endorsements: { certificates: Array<Uint8Array>(9).fill(new Uint8Array()), crls: [] } };
    expect(decodeEvidenceBundle(encodeEvidenceBundle(many))).toMatchObject({ code: 'BUNDLE_MALFORMED' });
  });

  it('has one encoding, and throws on nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(), (random, position) => {
        decodeEvidenceBundle(random);
        decodeCmw(random);
        const mutated = flipBit(bundleBytes, position);
        const decoded = decodeEvidenceBundle(mutated);
        if (decoded.ok) expect(encodeEvidenceBundle(decoded.value)).toEqual(mutated);
      }),
    );
  });

  it('has a digest that covers evidence and runtime data but not endorsements', () => {
    const digest = evidenceDigest(bundle);
    expect(evidenceDigest({ ...bundle, endorsements: { certificates: [], crls: [] } })).toBe(digest);
    expect(evidenceDigest({ ...bundle, runtimeData: utf8('{}') })).not.toBe(digest);
    const report = flipBit(bundle.evidence.report, 5);
    expect(evidenceDigest({ ...bundle, evidence: { platform: 'sev-snp', report } })).not.toBe(digest);
  });
});

describe('runtime data', () => {
  const bytes = encodeRuntimeData(runtime);

  it('is canonical JSON that parses to itself', () => {
    expect(parseRuntimeData(bytes)).toEqual({ ok: true, value: runtime });
    expect(parseUtf8(bytes)).toMatch(/^\{"chain_id":"c1/);
  });

  it('is bound by SHA-256 and 32 zero bytes', () => {
    const reportData = reportDataFor(bytes);
    expect(reportData).toHaveLength(64);
    expect(toHex(reportData.subarray(32))).toBe('00'.repeat(32));
  });

  it.each([
    ['chain_id', 'C1'.repeat(32)],
    ['domain', 'cloister/report-data/v2'],
    ['purpose', 'both'],
    ['hpke_key', 'ab'],
    ['sign_key', 7],
    ['image', null],
    ['node_id', ''],
    ['nonce', '5E'.repeat(32)],
    ['nonce_height', -1],
    ['nonce_height', 1.5],
  ])('refuses %s = %j', (name, value) => {
    expect(parseRuntimeData(utf8(canonicalJson({ ...runtime, [name]: value })))).toMatchObject({
      code: 'RUNTIME_DATA_MALFORMED',
    });
  });

  it('refuses missing members, other orders and unusable keys', () => {
    const { nonce: _, ...rest } = runtime;
    expect(parseRuntimeData(utf8(canonicalJson(rest)))).toMatchObject({ code: 'RUNTIME_DATA_MALFORMED' });
    const reversed = Object.fromEntries(Object.entries(runtime).reverse());
    const text = JSON.stringify(reversed);
    expect(text).not.toBe(parseUtf8(bytes));
    expect(parseRuntimeData(utf8(text))).toMatchObject({ code: 'RUNTIME_DATA_NOT_CANONICAL' });
    const zeroKey: RuntimeData = { ...runtime, hpke_key: '00'.repeat(32) };
    expect(parseRuntimeData(encodeRuntimeData(zeroKey))).toMatchObject({ code: 'RUNTIME_DATA_KEY' });
  });

  it('has one encoding, and throws on nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (random, position) => {
        parseRuntimeData(random);
        const mutated = flipBit(bytes, position);
        const parsed = parseRuntimeData(mutated);
        if (parsed.ok) expect(encodeRuntimeData(parsed.value)).toEqual(mutated);
      }),
    );
  });
});
