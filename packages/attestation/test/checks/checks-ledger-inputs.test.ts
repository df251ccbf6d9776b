/** Single checks on what a ledger is given besides evidence, and on what it keeps. Each fails when its check is left out. */
import { asDigest, asMeasurement, concatBytes, type JsonValue, toHex } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { cborArray, cborBytes, cborHead, cborText } from '../../src/evidence/cbor.ts';
import { MAX_CMW_BYTES } from '../../src/evidence/evidence.ts';
import { stepOf } from '../../src/evidence/verification-steps.ts';
import {
  type AppraisalPolicy,
  appraisalPolicyFromJson,
  appraisalPolicyToJson,
  appraise,
  decodeCmw,
  detectEvidenceFormat,
  EVIDENCE_MEDIA_TYPES,
  loosenings,
  matchReferenceValue,
  NITRO_IMAGE_PCR,
  nitroImageRegister,
  policyDigest,
  reportDataFor,
  SIMULATED_ANCHORS,
  type TrustAnchors,
  trustAnchorsFromJson,
  verifyEvidence,
} from '../../src/index.ts';
import { simulatedNitroEnclave } from '../../src/simulated/index.ts';
import { AT_MS, IMAGE, MEASUREMENT, policy, seedOf } from '../formats/snp-fixture.ts';
import { machineAppraisal, machineBundle } from '../platform-fixture.ts';

const json = appraisalPolicyToJson(policy) as Record<string, JsonValue>;

describe('policies', () => {
  it.each([{ acceptedAdvisories: null }, { sevSnp: null }, { sgx: null }, { tdx: null }, { nitro: null }] as const)(
    'have a text and a digest without %o',
    (change) => {
      const narrowed: AppraisalPolicy = { ...policy, ...change };
      expect(appraisalPolicyFromJson(appraisalPolicyToJson(narrowed))).toEqual({ ok: true, value: narrowed });
      expect(policyDigest(narrowed)).not.toBe(policyDigest(policy));
    },
  );

  it('name advisories by text and platforms by ids of at most 64 bytes', () => {
    expect(appraisalPolicyFromJson({ ...json, acceptedAdvisories: ['5'] }).ok).toBe(true);
    expect(appraisalPolicyFromJson({ ...json, acceptedAdvisories: [5] })).toMatchObject({ code: 'POLICY_MALFORMED' });
    const id = 'ab'.repeat(64);
    expect(appraisalPolicyFromJson({ ...json, barredHardwareIds: [id] }).ok).toBe(true);
    const long = { ...json, barredHardwareIds: [`${id}00`] };
    expect(appraisalPolicyFromJson(long)).toMatchObject({
      code: 'POLICY_MALFORMED',
      detail: 'policy.barredHardwareIds[0]: expected 1 to 64 bytes of lowercase hex',
    });
  });
});

describe('a platform that the policy does not accept', () => {
  it('is refused before anything of it is parsed or verified', () => {
    const bundle = { ...machineBundle('sgx'), evidence: { platform: 'sgx', report: new Uint8Array(10) } } as const;
    expect(appraise(machineAppraisal('sgx', { bundle }))).toMatchObject({ code: 'QUOTE_SIZE' });
    const unaccepted = machineAppraisal('sgx', { bundle, policy: { ...policy, sgx: null } });
    expect(appraise(unaccepted)).toMatchObject({ code: 'PLATFORM_NOT_ACCEPTED', detail: 'sgx' });
  });
});

describe('a policy that allows a thing already', () => {
  it('is no looser for going on to allow it', () => {
    const { sevSnp, tdx } = policy;
    if (sevSnp === null || tdx === null) expect.fail('the policy accepts both');
    const loose: AppraisalPolicy = {
      ...policy,
      sevSnp: { ...sevSnp, allowVlek: true, allowMaskedChipId: true, allowMigrationAgent: true },
      tdx: { ...tdx, allowMigration: true, allowServiceTd: true, allowPerformanceMonitoring: true },
    };
    expect(loosenings(policy, loose)).toEqual(['sevSnp', 'tdx']);
    expect(loosenings(loose, loose)).toEqual([]);
  });
});

describe('trust anchors', () => {
  const spkiSha256 = 'ab'.repeat(32);

  it('list at most sixteen roots, each by a digest', () => {
    const roots = Array.from({ length: 17 }, (_, i) => ({
      platform: 'nitro',
      spkiSha256: i.toString(16).padStart(64, '0'),
    }));
    expect(trustAnchorsFromJson({ simulated: true, roots: roots.slice(0, 16) }).ok).toBe(true);
    for (const list of [
      roots,
      [{ platform: 'nitro', spkiSha256: spkiSha256.slice(2) }],
      [{ platform: 'sgx-tdx', spkiSha256: 7 }],
      'nitro',
      { length: 1 },
    ]) {
      expect(trustAnchorsFromJson({ simulated: true, roots: list })).toMatchObject({ code: 'TRUST_ANCHORS_MALFORMED' });
    }
  });

  it.each(['sgx', 'nitro'] as const)('of another vendor vouch for no evidence of %s', (platform) => {
    const input = machineAppraisal(platform);
    const other = platform === 'nitro' ? 'sgx-tdx' : 'nitro';
    const swapped: TrustAnchors = {
      simulated: true,
      roots: SIMULATED_ANCHORS.roots.map(({ spkiSha256: pin }) => ({ platform: other, spkiSha256: pin })),
    };
    expect(appraise(input).ok).toBe(true);
    const code = platform === 'nitro' ? 'ROOT_NOT_PINNED' : 'PCK_CHAIN_ROOT_NOT_PINNED';
    expect(appraise({ ...input, trustAnchors: swapped })).toMatchObject({ code });
  });
});

describe('reference values', () => {
  it('of one platform allow nothing on another', () => {
    const found = {
      platform: 'sev-snp',
      measurement: asMeasurement(toHex(MEASUREMENT)),
      image: asDigest(toHex(IMAGE)),
    } as const;
    expect(matchReferenceValue([{ ...found, status: 'allowed' }], found)).toBeUndefined();
    const elsewhere = [{ ...found, platform: 'tdx', status: 'allowed' }] as const;
    expect(matchReferenceValue(elsewhere, found)).toBe('MEASUREMENT_NOT_ALLOWED');
  });
});

describe('evidence', () => {
  it('travels in records of at most 16 KiB', () => {
    const head = cborText(EVIDENCE_MEDIA_TYPES.sgx);
    const record = (length: number): Uint8Array => cborArray([head, cborBytes(new Uint8Array(length))]);
    const most = MAX_CMW_BYTES - record(MAX_CMW_BYTES).length + MAX_CMW_BYTES;
    expect(record(most)).toHaveLength(MAX_CMW_BYTES);
    expect(decodeCmw(record(most)).ok).toBe(true);
    expect(decodeCmw(record(most + 1))).toMatchObject({ code: 'CMW_MALFORMED' });
  });

  it('of fewer than four bytes looks like nothing', () => {
    for (const bytes of [[0x84], [0xd2, 0x84], [2], [3, 0, 0]]) {
      expect(detectEvidenceFormat(Uint8Array.from(bytes))).toBeUndefined();
    }
  });

  it('that no vendor gives a status has none', () => {
    const { bundle, trustAnchors } = machineAppraisal('nitro');
    const verdict = verifyEvidence({
      evidence: bundle.evidence.report,
      endorsements: { certificates: [], crls: [], collateral: undefined },
      requirements: policy,
      trustAnchors,
      atMs: AT_MS,
    });
    expect([verdict.format, verdict.refusal, verdict.status]).toEqual(['nitro', undefined, undefined]);
  });

  it('of one format is never accounted for with the codes of another', () => {
    expect(stepOf('nitro', 'DOCUMENT_SIZE')).toBe('document');
    expect(() => stepOf('nitro', 'QUOTE_SIZE')).toThrow('QUOTE_SIZE is no code of nitro');
  });
});

describe('an image signer', () => {
  it('is not taken for granted where the document has no register of it', () => {
    const nitro = simulatedNitroEnclave(seedOf(81), { notBeforeMs: AT_MS - 1000, notAfterMs: AT_MS + 1000 });
    const { evidence, ...rest } = machineBundle('nitro');
    const registers = [
      [0, MEASUREMENT],
      [NITRO_IMAGE_PCR, nitroImageRegister(IMAGE)],
    ] as const;
    const pcrs = concatBytes(
      cborHead(5, registers.length),
      ...registers.flatMap(([index, value]) => [cborHead(0, index), cborBytes(value)]),
    );
    const report = nitro.document(
      { pcrs: new Map(), timestampMs: AT_MS, userData: reportDataFor(rest.runtimeData) },
      { members: { pcrs } },
    );
    const signed = (imageSigners: readonly string[]): unknown => {
      const bundle = { ...rest, evidence: { ...evidence, report } };
      return appraise(machineAppraisal('nitro', { bundle, policy: { ...policy, nitro: { imageSigners } } }));
    };
    expect(signed(['00'.repeat(48)])).toMatchObject({ code: 'IMAGE_SIGNER_NOT_ACCEPTED' });
    expect(signed([])).toMatchObject({ ok: true });
  });
});
