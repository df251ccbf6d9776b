import { type JsonValue, parseJson, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appraisalPolicyFromJson,
  appraisalPolicyToJson,
  policyDigest,
  SIMULATED_ANCHORS,
  trustAnchorsFromJson,
  trustAnchorsToJson,
  VENDOR_ANCHORS,
} from '../../src/index.ts';
import { rsaSpki } from '../../src/simulated/certificate-writer.ts';
import { authorityCertificate, authorityKey } from '../../src/simulated/development-pki.ts';
import { simulatedIntelAnchors, simulatedNitroAnchors } from '../../src/simulated/index.ts';
import { parseCertificate, spkiPin } from '../../src/x509/x509.ts';
import { policy } from '../formats/snp-fixture.ts';

const json = appraisalPolicyToJson(policy) as Record<string, JsonValue>;
const sevSnp = json.sevSnp as Record<string, JsonValue>;
const sgx = json.sgx as Record<string, JsonValue>;
const tdx = json.tdx as Record<string, JsonValue>;
const tcb = { fmc: 0, bootLoader: 1, tee: 1, snp: 1, microcode: 1 };

describe('appraisal policy', () => {
  it('comes back from its JSON, and has a digest of its contents', () => {
    expect(appraisalPolicyFromJson(json)).toEqual({ ok: true, value: policy });
    expect(policyDigest(policy)).toBe(policyDigest({ ...policy }));
    expect(policyDigest({ ...policy, maxAgeBlocks: 1001 })).not.toBe(policyDigest(policy));
  });

  it.each<[string, JsonValue]>([
    ['an unknown member', { ...json, extra: 1 }],
    ['another schema', { ...json, schema: 'cloister/appraisal-policy/v1' }],
    ['an unknown status', { ...json, acceptedStatuses: ['Fine'] }],
    ['a repeated status', { ...json, acceptedStatuses: ['UpToDate', 'UpToDate'] }],
    ['an odd hardware id', { ...json, barredHardwareIds: ['ABC'] }],
    ['an odd listed hardware id', { ...json, allowedHardwareIds: ['ABC'] }],
    ['an empty hardware id', { ...json, barredHardwareIds: [''] }],
    ['no maximum age', { ...json, maxAgeBlocks: 0 }],
    ['a fractional window', { ...json, refreshWindowBlocks: 1.5 }],
    ['a nonce window of text', { ...json, nonceWindowBlocks: '20' }],
    ['SNP requirements that are a list', { ...json, sevSnp: [] }],
    ['advisories that are no list', { ...json, acceptedAdvisories: 'any' }],
    ['an odd advisory', { ...json, acceptedAdvisories: ['INTEL SA'] }],
    ['an age beyond all heights', { ...json, maxAgeBlocks: 1_000_000_001 }],
    ['a refresh window beyond all heights', { ...json, refreshWindowBlocks: 2 ** 53 - 1 }],
    ['a nonce window that fills the state', { ...json, nonceWindowBlocks: 100_001 }],
    ['no distinct platform', { ...json, minimumDistinctPlatforms: 0 }],
    ['more distinct platforms than there are', { ...json, minimumDistinctPlatforms: 5 }],
    ['an odd FMSPC', { ...json, sgx: { ...sgx, barredFmspcs: ['90c06f'] } }],
    ['fifteen SVNs', { ...json, sgx: { ...sgx, minimumComponents: Array.from({ length: 15 }, () => 0) } }],
    ['an SVN of 256', { ...json, sgx: { ...sgx, minimumComponents: Array.from({ length: 16 }, () => 256) } }],
    ['an SVN below zero', { ...json, sgx: { ...sgx, minimumPceSvn: -1 } }],
    ['SGX requirements with those of a TD', { ...json, sgx: tdx }],
    ['TDX requirements without those of a TD', { ...json, tdx: sgx }],
    ['a fractional evaluation number', { ...json, tdx: { ...tdx, minimumTcbEvaluationDataNumber: 0.5 } }],
    ['TD flags that are no booleans', { ...json, tdx: { ...tdx, allowMigration: 'no' } }],
    ['TEE SVNs that are no list', { ...json, tdx: { ...tdx, minimumTeeTcbSvn: '00' } }],
    ['a short PCR', { ...json, nitro: { imageSigners: ['ab'] } }],
    ['Nitro requirements with more members', { ...json, nitro: { imageSigners: [], pcr9: [] } }],
    [
      'an unknown product',
      { ...json, sevSnp: { ...sevSnp, products: { Rome: { minimumTcb: tcb, upToDateTcb: tcb } } } },
    ],
    ['a TCB out of range', product({ minimumTcb: { ...tcb, snp: 256 }, upToDateTcb: tcb })],
    ['a TCB without a component', product({ minimumTcb: { snp: 1 }, upToDateTcb: tcb })],
    ['an up-to-date level below the minimum', product({ minimumTcb: { ...tcb, tee: 2 }, upToDateTcb: tcb })],
    ['VMPL 4', { ...json, sevSnp: { ...sevSnp, maximumVmpl: 4 } }],
    ['flags that are no booleans', { ...json, sevSnp: { ...sevSnp, allowVlek: 0 } }],
    ['short ID key digests', { ...json, sevSnp: { ...sevSnp, idKeyDigests: ['ab'] } }],
    ['an array', []],
    ['null', null],
  ])('refuses %s', (_, value) => {
    expect(appraisalPolicyFromJson(value)).toMatchObject({ code: 'POLICY_MALFORMED' });
  });

  it('need not accept every platform', () => {
    for (const member of ['sevSnp', 'sgx', 'tdx', 'nitro'] as const) {
      const read = appraisalPolicyFromJson({ ...json, [member]: null });
      expect(read).toEqual({ ok: true, value: { ...policy, [member]: null } });
    }
    const any = appraisalPolicyFromJson({ ...json, acceptedAdvisories: null });
    expect(any).toMatchObject({ ok: true, value: { acceptedAdvisories: null } });
  });

  it('cannot switch off revocation, accept masked chips, or accept what Intel revoked or does not know', () => {
    for (const status of ['Revoked', 'TcbNotSupported']) {
      expect(appraisalPolicyFromJson({ ...json, acceptedStatuses: [status] })).toMatchObject({ code: 'POLICY_UNSAFE' });
    }
    expect(appraisalPolicyFromJson({ ...json, sevSnp: { ...sevSnp, requireCrl: false } })).toMatchObject({
      code: 'POLICY_UNSAFE',
    });
    expect(appraisalPolicyFromJson({ ...json, sevSnp: { ...sevSnp, allowMaskedChipId: true } })).toMatchObject({
      code: 'POLICY_UNSAFE',
    });
  });

  it('throws on no JSON', () => {
    const members = [...Object.keys(json), ...Object.keys(sevSnp), 'simulated', 'roots', 'vendors'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...members), fc.jsonValue()), (value) => {
        const parsed = parseJson(utf8(JSON.stringify(value)), { maxBytes: 100_000, maxDepth: 50 });
        if (!parsed.ok) return;
        appraisalPolicyFromJson(parsed.value);
        appraisalPolicyFromJson({ ...json, ...value } as JsonValue);
        appraisalPolicyFromJson({ ...json, sevSnp: { ...sevSnp, ...value } as JsonValue });
        trustAnchorsFromJson(parsed.value);
      }),
    );
  });
});

function product(levels: JsonValue): JsonValue {
  return { ...json, sevSnp: { ...sevSnp, products: { Genoa: levels } } };
}

describe('trust anchors', () => {
  it('come back from their JSON', () => {
    expect(trustAnchorsFromJson(trustAnchorsToJson(VENDOR_ANCHORS))).toEqual({ ok: true, value: VENDOR_ANCHORS });
    expect(trustAnchorsToJson(VENDOR_ANCHORS)).toEqual({ simulated: false, vendors: ['amd', 'intel', 'aws'] });
    for (const vendor of ['amd', 'intel', 'aws']) {
      const json: JsonValue = { simulated: false, vendors: [vendor] };
      const anchors = trustAnchorsFromJson(json);
      expect(anchors.ok ? trustAnchorsToJson(anchors.value) : anchors).toEqual(json);
    }
    expect(trustAnchorsFromJson(trustAnchorsToJson(SIMULATED_ANCHORS))).toEqual({ ok: true, value: SIMULATED_ANCHORS });
  });

  it('are either vendors or simulated roots, never both', () => {
    const [vendorRoot] = VENDOR_ANCHORS.roots;
    const [simulatedRoot] = SIMULATED_ANCHORS.roots;
    const roots = [{ ...simulatedRoot }, { ...vendorRoot }] as JsonValue;
    expect(trustAnchorsFromJson({ simulated: true, roots })).toMatchObject({ code: 'TRUST_ANCHORS_PRODUCTION_ROOT' });
    for (const value of [
      { simulated: true, roots: [{ ...simulatedRoot }], vendors: ['amd'] },
      { simulated: false, roots: [{ ...simulatedRoot }] },
      { simulated: false, vendors: ['amd'], roots: [] },
      { simulated: 'no', vendors: ['amd'] },
      { simulated: false, vendors: ['acme'] },
      { simulated: true, roots: [{ ...simulatedRoot }, { ...simulatedRoot }] },
      { simulated: true, roots: [{ ...simulatedRoot, product: 'Rome' }] },
      { simulated: true, roots: [{ ...simulatedRoot, platform: 'nitro' }] },
      { simulated: true, roots: [{ platform: 'sgx', spkiSha256: simulatedRoot?.spkiSha256 }] },
      { vendors: ['amd'] },
    ]) {
      expect(trustAnchorsFromJson(value as JsonValue), JSON.stringify(value)).toMatchObject({
        code: 'TRUST_ANCHORS_MALFORMED',
      });
    }
    expect(trustAnchorsFromJson({ simulated: false, vendors: [] })).toMatchObject({ code: 'TRUST_ANCHORS_EMPTY' });
    expect(trustAnchorsFromJson({ simulated: true, roots: [] })).toMatchObject({ code: 'TRUST_ANCHORS_EMPTY' });
  });

  it('pin the development roots that stand in the source', () => {
    const others = SIMULATED_ANCHORS.roots.filter(({ platform }) => platform !== 'sev-snp');
    expect(others).toEqual([...simulatedIntelAnchors().roots, ...simulatedNitroAnchors().roots]);
    for (const root of SIMULATED_ANCHORS.roots) {
      if (root.platform !== 'sev-snp') continue;
      const { product: line, spkiSha256 } = root;
      const certificate = parseCertificate(authorityCertificate(line, 'ark'));
      expect(certificate === undefined ? undefined : spkiPin(certificate)).toBe(spkiSha256);
      expect(certificate?.spki).toEqual(rsaSpki(authorityKey(line, 'ark')));
    }
  });
});
