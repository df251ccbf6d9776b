import { canonicalJson, concatBytes, parseUtf8, toHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cborArray, cborBytes, cborHead, cborText } from '../../src/evidence/cbor.ts';
import { MAX_CMW_BYTES } from '../../src/evidence/evidence.ts';
import {
  decodeCmw,
  decodeEndorsements,
  decodeEvidenceBundle,
  EVIDENCE_MEDIA_TYPES,
  encodeCmw,
  encodeEndorsements,
  encodeEvidenceBundle,
  encodeRuntimeData,
  evidenceDigest,
  MAX_BUNDLE_BYTES,
  PLATFORMS,
  parseRuntimeData,
  type RuntimeData,
  reportDataFor,
} from '../../src/index.ts';
import { bundleOf, flipBit, runtime } from '../formats/snp-fixture.ts';

const bundle = bundleOf();
const cmw = encodeCmw(bundle.evidence);
const bundleBytes = encodeEvidenceBundle(bundle);

const TYPE = 'application/vnd.cloister.sev-snp-report';

describe('CMW record', () => {
  it('is the CBOR array [media type, bytes]', () => {
    expect(cmw).toEqual(cborArray([cborText(TYPE), cborBytes(bundle.evidence.report)]));
    expect(decodeCmw(cmw)).toEqual({ ok: true, value: bundle.evidence });
  });

  it('has a media type for every platform', () => {
    for (const platform of PLATFORMS) {
      const evidence = { platform, report: bundle.evidence.report };
      expect(decodeCmw(encodeCmw(evidence))).toEqual({ ok: true, value: evidence });
    }
    expect(new Set(Object.values(EVIDENCE_MEDIA_TYPES)).size).toBe(PLATFORMS.length);
  });

  it('refuses other shapes, types and spellings', () => {
    const [type, value] = [cborText(TYPE), cborBytes(Uint8Array.of(1))];
    const indefinite = concatBytes(Uint8Array.of(0x9f), type, value, Uint8Array.of(0xff));
    for (const record of [
      cborArray([type]),
      cborArray([type, value, value]),
      cborArray([value, value]),
      cborArray([type, type]),
      concatBytes(cborHead(5, 1), type, value),
      concatBytes(cborArray([type, value]), Uint8Array.of(0)),
      indefinite,
      new Uint8Array(MAX_CMW_BYTES + 1),
      new Uint8Array(),
    ]) {
      expect(decodeCmw(record), toHex(record.subarray(0, 80))).toMatchObject({ code: 'CMW_MALFORMED' });
    }
    expect(decodeCmw(cborArray([cborText('text/plain'), value]))).toMatchObject({ code: 'CMW_TYPE_UNKNOWN' });
  });
});

describe('endorsements that stand alone', () => {
  const endorsements = {
    certificates: [Uint8Array.of(1), Uint8Array.of(2, 3)],
    crls: [Uint8Array.of(4)],
    statements: [{ bytes: utf8('{}'), signature: new Uint8Array(64).fill(5) }],
  };

  it('decode to what was encoded', () => {
    expect(decodeEndorsements(encodeEndorsements(endorsements))).toEqual({ ok: true, value: endorsements });
    const plain = { certificates: [], crls: [] };
    expect(decodeEndorsements(encodeEndorsements(plain))).toEqual({ ok: true, value: plain });
  });

  it('are refused when too large, malformed or too many', () => {
    expect(decodeEndorsements(new Uint8Array(MAX_BUNDLE_BYTES + 1))).toMatchObject({ code: 'ENDORSEMENTS_TOO_LARGE' });
    const code = 'ENDORSEMENTS_MALFORMED';
    const bytes = encodeEndorsements(endorsements);
    for (const bad of [bytes.slice(0, -1), Uint8Array.of(...bytes, 0), flipBit(bytes, 1)]) {
      expect(decodeEndorsements(bad)).toMatchObject({ code });
    }
    const statements = Array.from({ length: 9 }, () => endorsements.statements[0] ?? expect.fail());
    expect(decodeEndorsements(encodeEndorsements({ ...endorsements, statements }))).toMatchObject({ code });
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
