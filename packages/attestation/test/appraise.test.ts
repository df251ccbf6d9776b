import { asDigest, asMeasurement, canonicalJson, toHex, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import type { FormatVerificationCode } from '../src/evidence/verified-evidence.ts';
import {
  type Appraisal,
  type AppraisalCode,
  type AppraisalPolicy,
  appraise,
  createEndorsementCache,
  encodeRuntimeData,
  evidenceDigest,
  type IntelRequirementCode,
  keysetDigest,
  type NitroRequirementCode,
  type RuntimeData,
  reportDataFor,
  type SnpRequirementCode,
  type SnpRequirements,
} from '../src/index.ts';
import { SIMULATED_GUEST_POLICY, SIMULATED_PLATFORM_INFO, simulatedSnpDevice } from '../src/simulated/index.ts';
import {
  appraisal,
  bundleOf,
  CHAIN_ID,
  CRL_TIMES,
  genoa,
  genoaCrl,
  genoaVlek,
  IMAGE,
  MEASUREMENT,
  NODE,
  policy,
  referenceValues,
  runtime,
  seedOf,
  signKeys,
  VALIDITY,
} from './formats/snp-fixture.ts';

const SEV_SNP: SnpRequirements = policy.sevSnp ?? expect.fail('the policy accepts SEV-SNP');

function withRequirements(change: Partial<SnpRequirements>, fields: Partial<Appraisal> = {}): Appraisal {
  const changed: AppraisalPolicy = { ...policy, sevSnp: { ...SEV_SNP, ...change } };
  return appraisal({ policy: changed, ...fields });
}

function withReport(fields: Parameters<typeof bundleOf>[1]): Appraisal {
  return appraisal({ bundle: bundleOf(runtime, fields) });
}

/** A bundle around runtime data that may be anything. */
function withRuntimeBytes(runtimeData: Uint8Array): Appraisal {
  const bundle = bundleOf(runtime, { reportData: reportDataFor(runtimeData) });
  return appraisal({ bundle: { ...bundle, runtimeData } });
}

function withRuntime(change: Partial<RuntimeData>): Appraisal {
  return appraisal({ bundle: bundleOf({ ...runtime, ...change }, { hostData: IMAGE }) });
}

const vlekBundle = bundleOf(runtime, {}, genoaVlek);
const tcb = genoa.tcb;
const level = { minimumTcb: tcb, upToDateTcb: tcb };
const raised = { ...tcb, microcode: tcb.microcode + 1 };
const other = asDigest('77'.repeat(32));

/** Those of other platforms are in platforms.test.ts. */
type OtherCode =
  | Exclude<FormatVerificationCode, 'DEBUG_ENABLED'>
  | Exclude<IntelRequirementCode, SnpRequirementCode>
  | NitroRequirementCode
  | 'ADVISORY_NOT_ACCEPTED'
  | 'HARDWARE_ID_ABSENT';

/** An input for every code that verification of the format does not give; the compiler knows the whole list. */
const refused: Readonly<Record<Exclude<AppraisalCode, OtherCode>, () => Appraisal>> = {
  ENDORSEMENTS_TOO_MANY: () => {
    const bundle = bundleOf();
    const crls = Array.from({ length: 9 }, () => genoaCrl);
    return appraisal({ bundle: { ...bundle, endorsements: { ...bundle.endorsements, crls } } });
  },
  RUNTIME_DATA_TOO_LARGE: () => withRuntimeBytes(new Uint8Array(2049)),
  RUNTIME_DATA_MALFORMED: () => withRuntimeBytes(utf8(canonicalJson({ ...runtime, extra: 1 }))),
  RUNTIME_DATA_NOT_CANONICAL: () => withRuntimeBytes(utf8(` ${canonicalJson({ ...runtime })}`)),
  RUNTIME_DATA_KEY: () => withRuntime({ sign_key: '01'.padEnd(64, '0') }),

  CHAIN_ID_MISMATCH: () => appraisal({ expected: { chainId: other } }),
  PURPOSE_MISMATCH: () => appraisal({ expected: { purpose: 'challenge' } }),
  NODE_ID_MISMATCH: () => appraisal({ expected: { nodeId: signKeys.id } }),
  NONCE_MISMATCH: () => appraisal({ expected: { nonce: '00'.repeat(32) } }),
  NONCE_HEIGHT_MISMATCH: () => appraisal({ expected: { nonceHeight: runtime.nonce_height + 1 } }),
  KEYSET_MISMATCH: () => appraisal({ expected: { keyset: other } }),

  PRODUCT_NOT_ACCEPTED: () => withRequirements({ products: { Turin: level } }),
  VLEK_NOT_ACCEPTED: () => appraisal({ bundle: vlekBundle }),
  TCB_BELOW_MINIMUM: () => withRequirements({ products: { Genoa: { minimumTcb: raised, upToDateTcb: raised } } }),
  LAUNCH_TCB_BELOW_MINIMUM: () => withReport({ launchTcb: { ...tcb, snp: tcb.snp - 1 } }),
  GUEST_POLICY_RESERVED_BITS: () => withReport({ policy: 0x1_0000n }),
  DEBUG_ENABLED: () => withReport({ policy: SIMULATED_GUEST_POLICY | (1n << 19n) }),
  MIGRATION_AGENT_ALLOWED: () => withReport({ policy: SIMULATED_GUEST_POLICY | (1n << 18n) }),
  SMT_ENABLED: () => withRequirements({ refuseSmt: true }),
  ALIAS_CHECK_MISSING: () => withReport({ platformInfo: SIMULATED_PLATFORM_INFO & ~(1n << 5n) }),
  CIPHERTEXT_HIDING_MISSING: () => withRequirements({ requireCiphertextHiding: true }),
  VMPL_NOT_ACCEPTED: () => withReport({ vmpl: 1 }),
  ID_KEY_NOT_ACCEPTED: () => withRequirements({ idKeyDigests: ['ab'.repeat(48)] }),
  PLATFORM_NOT_ACCEPTED: () => appraisal({ policy: { ...policy, sevSnp: null } }),
  HARDWARE_NOT_LISTED: () => appraisal({ policy: { ...policy, allowedHardwareIds: ['ab'] } }),
  HARDWARE_BARRED: () => appraisal({ policy: { ...policy, barredHardwareIds: [genoa.hardwareId] } }),
  TCB_STATUS_NOT_ACCEPTED: () => withRequirements({ products: { Genoa: { minimumTcb: tcb, upToDateTcb: raised } } }),

  MEASUREMENT_ZERO: () =>
    appraisal({
      bundle: bundleOf(runtime, { measurement: new Uint8Array(48) }),
      referenceValues: referenceValues.map((v) => ({ ...v, measurement: asMeasurement('0'.repeat(96)) })),
    }),
  MEASUREMENT_NOT_ALLOWED: () => withReport({ measurement: new Uint8Array(48).fill(1) }),
  IMAGE_NOT_ALLOWED: () => withReport({ hostData: new Uint8Array(32).fill(1) }),
  MEASUREMENT_REVOKED: () => appraisal({ referenceValues: referenceValues.map((v) => ({ ...v, status: 'revoked' })) }),
  IMAGE_MISMATCH: () => withRuntime({ image: other }),
  REPORT_DATA_MISMATCH: () => withReport({ reportData: new Uint8Array(64) }),
};

describe('appraise accepts', () => {
  it('genuine evidence of an allowed pair, in a result that is complete', () => {
    const bundle = bundleOf();
    const result = appraise(
      appraisal({
        bundle,
        expected: { chainId: CHAIN_ID, purpose: 'ledger', nodeId: NODE, nonce: runtime.nonce, nonceHeight: 41 },
      }),
    );
    expect(result).toEqual({
      ok: true,
      value: {
        platform: 'sev-snp',
        simulated: true,
        product: 'Genoa',
        hardwareId: genoa.hardwareId,
        measurement: toHex(MEASUREMENT),
        image: toHex(IMAGE),
        runtime,
        keyset: keysetDigest({
          chainId: CHAIN_ID,
          nodeId: NODE,
          hpkeKey: runtime.hpke_key,
          signKey: runtime.sign_key,
          image: runtime.image,
        }),
        evidenceDigest: evidenceDigest(bundle),
        tcb: { reported: tcb, committed: tcb, current: tcb, launch: tcb },
        status: 'UpToDate',
        advisories: [],
        validUntilMs: CRL_TIMES.nextUpdateMs,
        crls: [{ issuer: expect.any(String), number: '7'.padStart(40, '0'), ...CRL_TIMES }],
        statements: [],
        claims: expect.objectContaining({ dbgstat: 'disabled-since-boot', cloister_simulated: true }),
      },
    });
    if (result.ok) expect(() => canonicalJson({ ...result.value.claims })).not.toThrow();
  });

  it('an older but allowed TCB as OutOfDate where the policy accepts that', () => {
    const outOfDate: AppraisalPolicy = {
      ...policy,
      acceptedStatuses: ['UpToDate', 'OutOfDate'],
      sevSnp: { ...SEV_SNP, products: { Genoa: { minimumTcb: tcb, upToDateTcb: raised } } },
    };
    expect(appraise(appraisal({ policy: outOfDate }))).toMatchObject({ ok: true, value: { status: 'OutOfDate' } });
  });

  it('a VLEK, a migration agent and ciphertext hiding where the policy asks for them', () => {
    expect(appraise(withRequirements({ allowVlek: true }, { bundle: vlekBundle })).ok).toBe(true);
    const migrating = bundleOf(runtime, { policy: SIMULATED_GUEST_POLICY | (1n << 18n) });
    expect(appraise(withRequirements({ allowMigrationAgent: true }, { bundle: migrating })).ok).toBe(true);
    const hiding = bundleOf(runtime, { platformInfo: SIMULATED_PLATFORM_INFO | (1n << 4n) });
    expect(appraise(withRequirements({ requireCiphertextHiding: true }, { bundle: hiding })).ok).toBe(true);
  });

  it('until the first endorsement ends, which may be the leaf', () => {
    const validity = { ...VALIDITY, notAfterMs: CRL_TIMES.nextUpdateMs - 1000 };
    const device = simulatedSnpDevice({ seed: seedOf(6), product: 'Genoa', validity });
    const result = appraise(appraisal({ bundle: bundleOf(runtime, {}, device) }));
    expect(result).toMatchObject({ ok: true, value: { validUntilMs: validity.notAfterMs } });
  });
});

describe('appraise refuses, each with its code', () => {
  it.each(Object.entries(refused))('%s', (code, make) => {
    expect(appraise(make())).toMatchObject({ ok: false, code });
  });

  it('a masked chip id even where the format would let it pass', () => {
    const bundle = bundleOf(runtime, { chipId: new Uint8Array(64) }, genoaVlek);
    const input = withRequirements({ allowVlek: true, allowMaskedChipId: true }, { bundle });
    expect(appraise(input)).toMatchObject({ ok: false, code: 'CHIP_ID_MASKED' });
  });

  it('debug whatever the policy says', () => {
    const bundle = bundleOf(runtime, { policy: SIMULATED_GUEST_POLICY | (1n << 19n) });
    const input = withRequirements({ allowVlek: true, allowMigrationAgent: true, maximumVmpl: 3 }, { bundle });
    expect(appraise(input)).toMatchObject({ ok: false, code: 'DEBUG_ENABLED' });
  });

  it('an image of another base than the one it is listed with', () => {
    const base = new Uint8Array(48).fill(2);
    const values = [
      ...referenceValues,
      { ...referenceValues[0], measurement: asMeasurement(toHex(base)), image: other, status: 'allowed' as const },
    ].map((v) => ({ ...v, platform: 'sev-snp' as const }));
    const bundle = bundleOf(runtime, { measurement: base });
    expect(appraise(appraisal({ bundle, referenceValues: values }))).toMatchObject({ code: 'IMAGE_NOT_ALLOWED' });
  });

  it('a revoked pair that is listed as allowed too', () => {
    const [value] = referenceValues;
    const values = value === undefined ? [] : [value, { ...value, status: 'revoked' as const }];
    expect(appraise(appraisal({ referenceValues: values }))).toMatchObject({ code: 'MEASUREMENT_REVOKED' });
  });

  it('report data whose second half is not zero', () => {
    const reportData = reportDataFor(encodeRuntimeData(runtime));
    reportData[63] = 1;
    expect(appraise(withReport({ reportData }))).toMatchObject({ code: 'REPORT_DATA_MISMATCH' });
  });

  it('the report of one chip with the keys of another enclave', () => {
    const stolen = { ...bundleOf(), runtimeData: encodeRuntimeData({ ...runtime, hpke_key: runtime.nonce }) };
    expect(appraise(appraisal({ bundle: stolen }))).toMatchObject({ code: 'REPORT_DATA_MISMATCH' });
  });
});

describe('appraise is pure', () => {
  it('answers the same with a cold cache, a warm one and none, and changes nothing it is given', () => {
    const cache = createEndorsementCache();
    const input = appraisal();
    const before = JSON.stringify(input, (_, value: unknown) => (value instanceof Uint8Array ? toHex(value) : value));
    const first = appraise(input);
    expect(appraise({ ...input, cache })).toEqual(first);
    expect(appraise({ ...input, cache })).toEqual(first);
    expect(JSON.stringify(input, (_, value: unknown) => (value instanceof Uint8Array ? toHex(value) : value))).toBe(
      before,
    );
  });
});
