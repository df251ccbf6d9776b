/** One appraisal for every platform: what it accepts, what binds software to evidence, and what policies ask of each. */
import { asDigest, canonicalJson, toHex, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  type Appraisal,
  type AppraisalPolicy,
  appraise,
  checkBundleBinding,
  createEndorsementCache,
  decodeEvidenceBundle,
  type EvidenceBundle,
  encodeEvidenceBundle,
  encodeRuntimeData,
  endorsementsOfCollateral,
  evidenceDigest,
  keysetOf,
  MAX_BUNDLE_BYTES,
  NITRO_IMAGE_PCR,
  nitroImageRegister,
  nitroMeasurement,
  PLATFORMS,
  parseIntelCollateral,
  reportDataFor,
  sgxMeasurement,
  tdxMeasurement,
  verifyBundle,
} from '../src/index.ts';
import {
  simulatedIntelDevice,
  simulatedMachine,
  simulatedNitroEnclave,
  type TdFields,
  writeEnclaveReport,
  writeTdReport,
} from '../src/simulated/index.ts';
import { AT_MS, IMAGE, MEASUREMENT, policy, runtime, seedOf } from './formats/snp-fixture.ts';
import { MACHINES, machineAppraisal, machineBundle } from './platform-fixture.ts';

const RUNTIME_DATA = encodeRuntimeData(runtime);
const REPORT_DATA = reportDataFor(RUNTIME_DATA);
const OTHER = new Uint8Array(32).fill(9);
const ZERO48 = new Uint8Array(48);
const VALIDITY = { notBeforeMs: Date.UTC(2025, 0, 1), notAfterMs: Date.UTC(2045, 0, 1) };

const td = policy.tdx ?? expect.fail('the policy accepts TDX');

function withReport(platform: 'sgx' | 'tdx' | 'nitro', report: Uint8Array, change: Partial<AppraisalPolicy> = {}) {
  const { endorsements } = machineBundle(platform);
  const bundle: EvidenceBundle = { evidence: { platform, report }, runtimeData: RUNTIME_DATA, endorsements };
  return machineAppraisal(platform, { bundle, policy: { ...policy, ...change } });
}

const intel = simulatedIntelDevice({ seed: seedOf(84), validity: VALIDITY });

/** A TD as the machine launches it, but for some fields. */
function withTd(fields: Partial<TdFields>, change: Partial<AppraisalPolicy> = {}): Appraisal {
  const body = writeTdReport({
    teeTcbSvn: [6, 1, 3],
    mrTd: MEASUREMENT,
    mrConfigId: IMAGE,
    reportData: REPORT_DATA,
    ...fields,
  });
  const version = fields.teeTcbSvn2 === undefined ? 4 : 5;
  return withReport('tdx', intel.quote({ version, tee: 'tdx', body }), change);
}

const nitro = simulatedNitroEnclave(seedOf(81), { notBeforeMs: AT_MS - 1000, notAfterMs: AT_MS + 1000 });

function withPcrs(pcrs: Map<number, Uint8Array>, userData = REPORT_DATA, change: Partial<AppraisalPolicy> = {}) {
  return withReport('nitro', nitro.document({ pcrs, timestampMs: AT_MS, userData }), change);
}

const PCRS = new Map([
  [0, MEASUREMENT],
  [NITRO_IMAGE_PCR, nitroImageRegister(IMAGE)],
]);

describe.each(PLATFORMS)('evidence of %s', (platform) => {
  it('is appraised in full by the one function', () => {
    const input = machineAppraisal(platform);
    const result = appraise(input);
    expect(result).toMatchObject({
      ok: true,
      value: {
        platform,
        simulated: true,
        product: MACHINES[platform].product,
        hardwareId: MACHINES[platform].hardwareId,
        measurement: input.referenceValues[0]?.measurement,
        image: toHex(IMAGE),
        keyset: keysetOf(runtime),
        evidenceDigest: evidenceDigest(input.bundle),
        status: platform === 'nitro' ? 'NotApplicable' : 'UpToDate',
        advisories: [],
        claims: { cloister_platform: platform, cloister_simulated: true, dbgstat: 'disabled-since-boot' },
      },
    });
    if (!result.ok) return;
    expect(result.value.validUntilMs).toBeGreaterThan(AT_MS);
    expect(() => canonicalJson({ ...result.value.claims })).not.toThrow();
    expect(result.value.statements).toHaveLength(platform === 'sgx' || platform === 'tdx' ? 2 : 0);
  });

  it('answers the same with a cold cache, a warm one and none', () => {
    const input = machineAppraisal(platform);
    const cache = createEndorsementCache();
    const first = appraise(input);
    expect(appraise({ ...input, cache })).toEqual(first);
    expect(appraise({ ...input, cache })).toEqual(first);
  });

  it('holds until the stated instant and not after', () => {
    const input = machineAppraisal(platform);
    const result = appraise(input);
    if (!result.ok) expect.fail(result.code);
    expect(appraise({ ...input, atMs: result.value.validUntilMs }).ok).toBe(true);
    expect(appraise({ ...input, atMs: result.value.validUntilMs + 1 }).ok).toBe(false);
  });

  it('travels in a bundle that fits a transaction', () => {
    const { bundle } = machineAppraisal(platform);
    const bytes = encodeEvidenceBundle(bundle);
    expect(bytes.length).toBeLessThan(MAX_BUNDLE_BYTES);
    expect(decodeEvidenceBundle(bytes)).toEqual({ ok: true, value: bundle });
  });

  it('is refused by a policy that does not accept the platform', () => {
    const member = { nitro: 'nitro', 'sev-snp': 'sevSnp', sgx: 'sgx', tdx: 'tdx' }[platform];
    const input = machineAppraisal(platform, { policy: { ...policy, [member]: null } });
    expect(appraise(input)).toMatchObject({ code: 'PLATFORM_NOT_ACCEPTED', detail: platform });
  });

  it('is refused under the name of another platform', () => {
    for (const other of PLATFORMS.filter((name) => name !== platform)) {
      const bundle = machineBundle(platform);
      const renamed = { ...bundle, evidence: { ...bundle.evidence, platform: other } };
      expect(appraise(machineAppraisal(other, { bundle: renamed })).ok).toBe(false);
      expect(checkBundleBinding(renamed).ok).toBe(false);
    }
  });

  it('is refused for a barred machine, an unknown base, another image, and a revoked pair', () => {
    const input = machineAppraisal(platform);
    const { hardwareId } = MACHINES[platform];
    const barred = { ...policy, barredHardwareIds: [hardwareId] };
    expect(appraise({ ...input, policy: barred })).toMatchObject({ code: 'HARDWARE_BARRED' });
    expect(appraise({ ...input, referenceValues: [] })).toMatchObject({ code: 'MEASUREMENT_NOT_ALLOWED' });
    const [value] = input.referenceValues;
    if (value === undefined) expect.fail();
    const others = [{ ...value, image: asDigest(toHex(OTHER)) }];
    expect(appraise({ ...input, referenceValues: others })).toMatchObject({ code: 'IMAGE_NOT_ALLOWED' });
    const revoked = [{ ...value, status: 'revoked' as const }];
    expect(appraise({ ...input, referenceValues: revoked })).toMatchObject({ code: 'MEASUREMENT_REVOKED' });
  });

  it('does not speak for other runtime data', () => {
    const bundle = {
      ...machineBundle(platform),
      runtimeData: encodeRuntimeData({ ...runtime, nonce: '11'.repeat(32) }),
    };
    const refusal = { ok: false, code: 'REPORT_DATA_MISMATCH' };
    expect(appraise(machineAppraisal(platform, { bundle }))).toMatchObject(refusal);
    expect(verifyBundle(machineAppraisal(platform, { bundle }))).toMatchObject(refusal);
    expect(checkBundleBinding(bundle)).toMatchObject(refusal);
  });

  it('does not speak for an image that its runtime data claims', () => {
    const bundle = machineBundle(platform, AT_MS, { ...runtime, image: asDigest(toHex(OTHER)) });
    const refusal = { ok: false, code: 'IMAGE_MISMATCH' };
    expect(appraise(machineAppraisal(platform, { bundle }))).toMatchObject(refusal);
    expect(verifyBundle(machineAppraisal(platform, { bundle }))).toMatchObject(refusal);
    expect(checkBundleBinding(bundle)).toMatchObject(refusal);
  });

  it('passes what an enclave checks of its own, which asks no policy', () => {
    const input = machineAppraisal(platform, { referenceValues: [] });
    expect(verifyBundle(input)).toEqual({ ok: true, value: runtime });
    expect(checkBundleBinding(input.bundle)).toEqual({ ok: true, value: runtime });
    const late = { ...input, atMs: Date.UTC(2046, 0, 1) };
    expect(verifyBundle(late).ok).toBe(false);
    const oversized = { ...input.bundle, runtimeData: new Uint8Array(2049) };
    expect(checkBundleBinding(oversized)).toMatchObject({ code: 'RUNTIME_DATA_TOO_LARGE' });
  });
});

describe('policies ask', () => {
  it('TDs for what TdRequirements say', () => {
    expect(appraise(withTd({}))).toMatchObject({ ok: true });
    for (const [code, fields, allowed] of [
      ['TD_ATTRIBUTES_RESERVED_BITS', { tdAttributes: (1n << 28n) | 2n }, undefined],
      ['XFAM_RESERVED_BITS', { xfam: 1n }, undefined],
      ['DEBUG_ENABLED', { tdAttributes: (1n << 28n) | 1n }, undefined],
      ['MIGRATION_ALLOWED', { tdAttributes: (1n << 28n) | (1n << 29n) }, { allowMigration: true }],
      ['SERVICE_TD_BOUND', { teeTcbSvn2: [6, 1, 3], mrServiceTd: ZERO48.map(() => 1) }, { allowServiceTd: true }],
      ['SEPT_VE_ENABLED', { tdAttributes: 0n }, { requireSeptVeDisable: false }],
      [
        'PERFORMANCE_MONITORING_ENABLED',
        { tdAttributes: (1n << 28n) | (1n << 63n) },
        { allowPerformanceMonitoring: true },
      ],
    ] as const) {
      expect(appraise(withTd(fields))).toMatchObject({ code });
      if (allowed !== undefined) expect(appraise(withTd(fields, { tdx: { ...td, ...allowed } })).ok).toBe(true);
    }
  });

  it('for an evaluation number, a status and no open advisories', () => {
    const code = 'TCB_EVALUATION_NUMBER_BELOW_MINIMUM';
    expect(appraise(withTd({}, { tdx: { ...td, minimumTcbEvaluationDataNumber: 20 } }))).toMatchObject({ code });
    expect(appraise(withTd({}, { acceptedStatuses: [] }))).toMatchObject({ code: 'TCB_STATUS_NOT_ACCEPTED' });
    expect(appraise(withTd({ teeTcbSvn: [6, 1, 2] }))).toMatchObject({ code: 'TCB_STATUS_NOT_ACCEPTED' });
  });

  it('the same image signer of Nitro enclaves, where they name any', () => {
    const signer = ZERO48.map(() => 7);
    const signed = withPcrs(new Map([...PCRS, [8, signer]]), REPORT_DATA, { nitro: { imageSigners: [toHex(signer)] } });
    expect(appraise(signed).ok).toBe(true);
    const other = { nitro: { imageSigners: ['01'.repeat(48)] } };
    expect(appraise(withPcrs(PCRS, REPORT_DATA, other))).toMatchObject({ code: 'IMAGE_SIGNER_NOT_ACCEPTED' });
  });
});

describe('software is bound by', () => {
  it('every register that a measurement covers', () => {
    const zeros = [ZERO48, ZERO48, ZERO48, ZERO48] as const;
    const one = ZERO48.map(() => 1);
    const tds = [0, 1, 2].map((index) =>
      tdxMeasurement({ mrTd: ZERO48, rtmrs: zeros.map((r, i) => (i === index ? one : r)) as never }),
    );
    const base = tdxMeasurement({ mrTd: ZERO48, rtmrs: zeros });
    expect(new Set([base, tdxMeasurement({ mrTd: one, rtmrs: zeros }), ...tds]).size).toBe(5);
    expect(tdxMeasurement({ mrTd: ZERO48, rtmrs: [ZERO48, ZERO48, ZERO48, one] })).toBe(base);
    const enclave = { mrEnclave: ZERO48.subarray(0, 32), mrSigner: ZERO48.subarray(0, 32), isvProdId: 0, isvSvn: 0 };
    const enclaves = [
      enclave,
      { ...enclave, mrEnclave: one.subarray(0, 32) },
      { ...enclave, mrSigner: one.subarray(0, 32) },
      { ...enclave, isvProdId: 256 },
      { ...enclave, isvProdId: 1 },
      { ...enclave, isvSvn: 256 },
      { ...enclave, isvSvn: 1 },
    ];
    expect(new Set(enclaves.map(sgxMeasurement)).size).toBe(enclaves.length);
    const pcrs = [0, 1, 2].map((index) => nitroMeasurement(new Map([[index, one]])));
    expect(new Set([nitroMeasurement(new Map()), ...pcrs]).size).toBe(4);
  });

  it('a field that holds the image digest and nothing else', () => {
    const padded = new Uint8Array(48);
    padded.set(IMAGE);
    padded[47] = 1;
    expect(appraise(withTd({ mrConfigId: padded }))).toMatchObject({ code: 'IMAGE_MISMATCH' });
    const configId = new Uint8Array(64);
    configId.set(IMAGE);
    configId[32] = 1;
    const enclave = { mrEnclave: MEASUREMENT.subarray(0, 32), configId, reportData: REPORT_DATA };
    const quote = simulatedIntelDevice({ seed: seedOf(83), validity: VALIDITY }).quote({
      version: 3,
      tee: 'sgx',
      body: writeEnclaveReport(enclave),
    });
    expect(appraise(withReport('sgx', quote))).toMatchObject({ code: 'IMAGE_MISMATCH' });
  });

  it('PCR16 and user data in Nitro documents', () => {
    expect(appraise(withPcrs(PCRS)).ok).toBe(true);
    const withoutImage = new Map([[0, MEASUREMENT]]);
    expect(appraise(withPcrs(withoutImage))).toMatchObject({ code: 'IMAGE_MISMATCH' });
    const plain = new Map([...withoutImage, [NITRO_IMAGE_PCR, ZERO48]]);
    expect(appraise(withPcrs(plain))).toMatchObject({ code: 'IMAGE_MISMATCH' });
    expect(appraise(withPcrs(PCRS, new Uint8Array()))).toMatchObject({ code: 'REPORT_DATA_MISMATCH' });
    expect(appraise(withPcrs(PCRS, REPORT_DATA.subarray(0, 32)))).toMatchObject({ code: 'REPORT_DATA_MISMATCH' });
  });
});

describe('a platform without an id of its own', () => {
  it('is refused, as nothing would keep it from serving two validators', () => {
    const document = nitro.document({ pcrs: PCRS, timestampMs: AT_MS, userData: REPORT_DATA });
    expect(appraise(withReport('nitro', document)).ok).toBe(true);
    const anonymous = simulatedNitroEnclave(seedOf(81), { notBeforeMs: AT_MS - 1000, notAfterMs: AT_MS + 1000 });
    const report = anonymous.document(
      { pcrs: PCRS, timestampMs: AT_MS, userData: REPORT_DATA },
      // "module", a text that names no instance.
      { members: { module_id: Uint8Array.of(0x66, ...utf8('module')) } },
    );
    expect(appraise(withReport('nitro', report))).toMatchObject({ code: 'HARDWARE_ID_ABSENT' });
  });
});

describe('endorsements that no verification looks at', () => {
  it.each(PLATFORMS)('are refused with evidence of %s', (platform) => {
    const bundle = machineBundle(platform);
    const { certificates, crls, statements = [] } = bundle.endorsements;
    const most = {
      nitro: [0, 0, 0],
      'sev-snp': [8, 8, 0],
      sgx: [3, 2, 2],
      tdx: [3, 2, 2],
    }[platform];
    for (const [index, list] of [certificates, crls, statements].entries()) {
      const filler = { bytes: OTHER, signature: OTHER };
      const longer = Array.from(
        { length: (most[index] ?? 0) + 1 },
        (_, i) => list[i] ?? (index === 2 ? filler : OTHER),
      );
      const name = ['certificates', 'crls', 'statements'][index] ?? '';
      const endorsements = { ...bundle.endorsements, [name]: longer };
      const surplus = machineAppraisal(platform, { bundle: { ...bundle, endorsements } });
      expect(appraise(surplus)).toMatchObject({ code: 'ENDORSEMENTS_TOO_MANY' });
      expect(verifyBundle(surplus)).toMatchObject({ code: 'ENDORSEMENTS_TOO_MANY' });
    }
  });
});

describe('collateral as endorsements', () => {
  it('needs all of it, by one signer', () => {
    expect(endorsementsOfCollateral({})).toMatchObject({ code: 'COLLATERAL_INCOMPLETE' });
    const parsed = parseIntelCollateral(utf8('{}'));
    expect(parsed.ok && endorsementsOfCollateral(parsed.value)).toMatchObject({ code: 'COLLATERAL_INCOMPLETE' });
    const statement = { bytes: utf8('{}'), signature: new Uint8Array(64), issuerChain: [OTHER] };
    const collateral = {
      tcbInfo: statement,
      qeIdentity: { ...statement, issuerChain: [IMAGE] },
      rootCrl: OTHER,
      pckCrl: OTHER,
    };
    expect(endorsementsOfCollateral(collateral)).toMatchObject({ code: 'COLLATERAL_CHAINS_DIFFER' });
    expect(endorsementsOfCollateral({ ...collateral, qeIdentity: statement })).toMatchObject({ ok: true });
  });

  it('is missing where no statement came, and refused', () => {
    const bundle = machineBundle('tdx');
    const { certificates, crls } = bundle.endorsements;
    const bare = { ...bundle, endorsements: { certificates, crls } };
    expect(appraise(machineAppraisal('tdx', { bundle: bare }))).toMatchObject({ code: 'COLLATERAL_MISSING' });
    const many = {
      ...bundle.endorsements,
      statements: Array.from({ length: 9 }, () => ({ bytes: OTHER, signature: OTHER })),
    };
    expect(appraise(machineAppraisal('tdx', { bundle: { ...bundle, endorsements: many } }))).toMatchObject({
      code: 'ENDORSEMENTS_TOO_MANY',
    });
  });
});

describe('a simulated machine', () => {
  it.each(PLATFORMS)('of %s is the same from the same seed, and another from another', (platform) => {
    const machine = simulatedMachine({ seed: seedOf(5), platform });
    expect(simulatedMachine({ seed: seedOf(5), platform }).hardwareId).toBe(machine.hardwareId);
    expect(simulatedMachine({ seed: seedOf(6), platform }).hardwareId).not.toBe(machine.hardwareId);
  });

  it.each(PLATFORMS)('of %s renews its endorsements before they end', (platform) => {
    for (const days of [0, 5, 10, 100]) {
      const nowMs = AT_MS + days * 86_400_000;
      const result = appraise(machineAppraisal(platform, { bundle: machineBundle(platform, nowMs), atMs: nowMs }));
      expect(result.ok && result.value.validUntilMs - nowMs).toBeGreaterThanOrEqual(3_600_000);
      // Block time may be behind the machine's clock.
      const behind = machineAppraisal(platform, { bundle: machineBundle(platform, nowMs), atMs: nowMs - 3_000_000 });
      expect(appraise(behind).ok).toBe(true);
    }
  });
});
