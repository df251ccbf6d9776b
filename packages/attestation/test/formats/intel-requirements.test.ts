/** What a relying party may ask of an Intel platform beyond a genuine quote. */
import { toHex } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  checkIntelRequirements,
  INTEL_TCB_STATUSES,
  isIntelTcbStatus,
  type TdxRequirements,
  type VerifiedIntel,
  verifyIntelQuote,
} from '../../src/index.ts';
import { collateral, LATEST, platform, STRICT, sgx, sgxQuote, tdx, tdxQuote } from './intel-fixture.ts';

function verified(input: Parameters<typeof verifyIntelQuote>[0]): VerifiedIntel {
  const result = verifyIntelQuote(input);
  if (!result.ok) expect.fail(`${result.code} ${result.detail}`);
  return result.value;
}

describe('requirements', () => {
  const check = (value: VerifiedIntel, changes: Partial<TdxRequirements> = {}): unknown =>
    checkIntelRequirements(value, { ...STRICT, ...changes });
  const tdWith = (fields: Parameters<typeof tdxQuote>[0]): VerifiedIntel => verified(tdx({ quote: tdxQuote(fields) }));

  it('are met by an up-to-date platform', () => {
    expect(check(verified(sgx()))).toEqual({ ok: true, value: 'UpToDate' });
    expect(check(verified(tdx()))).toEqual({ ok: true, value: 'UpToDate' });
  });

  it('refuse debug whatever they say', () => {
    const attributes = Uint8Array.of(0x07, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0);
    expect(check(verified(sgx({ quote: sgxQuote({ attributes }) })))).toMatchObject({ code: 'DEBUG_ENABLED' });
    expect(check(tdWith({ tdAttributes: (1n << 28n) | 1n }))).toMatchObject({ code: 'DEBUG_ENABLED' });
  });

  it('refuse attributes and state that have no meaning', () => {
    for (const bit of [1n, 7n, 8n, 26n, 32n, 62n]) {
      expect(check(tdWith({ tdAttributes: (1n << 28n) | (1n << bit) }))).toMatchObject({
        code: 'TD_ATTRIBUTES_RESERVED_BITS',
      });
    }
    for (const xfam of [0n, 1n, 2n, 0x13n, 0x8000_0000_0000_0003n]) {
      expect(check(tdWith({ xfam }))).toMatchObject({ code: 'XFAM_RESERVED_BITS' });
    }
  });

  it('refuse what they do not allow', () => {
    const cases = [
      ['MIGRATION_ALLOWED', { tdAttributes: (1n << 28n) | (1n << 29n) }, { allowMigration: true }],
      ['SEPT_VE_ENABLED', { tdAttributes: 0n }, { requireSeptVeDisable: false }],
      [
        'PERFORMANCE_MONITORING_ENABLED',
        { tdAttributes: (1n << 28n) | (1n << 63n) },
        { allowPerformanceMonitoring: true },
      ],
      ['SERVICE_TD_BOUND', { teeTcbSvn2: LATEST, mrServiceTd: new Uint8Array(48).fill(1) }, { allowServiceTd: true }],
    ] as const;
    for (const [code, fields, allowed] of cases) {
      const value = tdWith(fields);
      expect(check(value)).toMatchObject({ code });
      expect(check(value, allowed)).toMatchObject({ ok: true });
    }
  });

  it('leave the status to the policy', () => {
    expect(check(tdWith({ teeTcbSvn: [4, 1, 3] }))).toEqual({ ok: true, value: 'OutOfDate' });
  });

  it('judge the evaluation number', () => {
    const code = 'TCB_EVALUATION_NUMBER_BELOW_MINIMUM';
    expect(check(verified(tdx()), { minimumTcbEvaluationDataNumber: 20 })).toMatchObject({ code });
    for (const members of ['tcbInfoMembers', 'qeIdentityMembers'] as const) {
      const old = collateral('sgx', { [members]: { tcbEvaluationDataNumber: 18 } });
      expect(check(verified(sgx({ collateral: old })))).toMatchObject({ code, detail: '18' });
    }
  });

  it('bar product lines', () => {
    const barredFmspcs = [toHex(platform.statement.fmspc)];
    expect(check(verified(sgx()), { barredFmspcs })).toMatchObject({ code: 'PRODUCT_NOT_ACCEPTED' });
    expect(check(verified(sgx()), { barredFmspcs: ['000000000000'] })).toMatchObject({ ok: true });
  });

  it('ask for SVNs, each at its minimum and no more', () => {
    const { components, pceSvn } = platform.statement;
    const tee = Array.from({ length: 16 }, (_, index) => LATEST[index] ?? 0);
    const met = {
      minimumComponents: components,
      minimumPceSvn: pceSvn,
      minimumQeIsvSvn: platform.qeIsvSvn,
      minimumTeeTcbSvn: tee,
    };
    expect(check(verified(tdx()), met)).toMatchObject({ ok: true });
    const code = 'TCB_BELOW_MINIMUM';
    for (const index of [0, 15]) {
      const minimumComponents = components.with(index, (components[index] ?? 0) + 1);
      expect(check(verified(sgx()), { minimumComponents })).toMatchObject({
        code,
        detail: `SGX TCB component ${index + 1}`,
      });
      const minimumTeeTcbSvn = tee.with(index, (tee[index] ?? 0) + 1);
      expect(check(verified(tdx()), { minimumTeeTcbSvn })).toMatchObject({ code, detail: `TEE_TCB_SVN part ${index}` });
      expect(check(verified(sgx()), { minimumTeeTcbSvn })).toMatchObject({ ok: true });
      const now = tdWith({ teeTcbSvn: minimumTeeTcbSvn, teeTcbSvn2: LATEST });
      expect(check(now, { minimumTeeTcbSvn })).toMatchObject({ code });
    }
    expect(check(verified(sgx()), { minimumPceSvn: pceSvn + 1 })).toMatchObject({ code, detail: 'PCESVN' });
    expect(check(verified(sgx()), { minimumQeIsvSvn: platform.qeIsvSvn + 1 })).toMatchObject({ code });
  });

  it('refuse a TD by requirements that say nothing of TDs', () => {
    const { barredFmspcs, minimumTcbEvaluationDataNumber, minimumComponents, minimumPceSvn, minimumQeIsvSvn } = STRICT;
    const forSgx = {
      barredFmspcs,
      minimumTcbEvaluationDataNumber,
      minimumComponents,
      minimumPceSvn,
      minimumQeIsvSvn,
    };
    expect(checkIntelRequirements(verified(sgx()), forSgx)).toMatchObject({ ok: true });
    expect(checkIntelRequirements(verified(tdx()), forSgx)).toMatchObject({ code: 'PRODUCT_NOT_ACCEPTED' });
  });

  it('know every status by name', () => {
    expect(INTEL_TCB_STATUSES).toHaveLength(10);
    expect(INTEL_TCB_STATUSES.every(isIntelTcbStatus)).toBe(true);
    expect(isIntelTcbStatus('uptodate')).toBe(false);
  });
});
