/** What a relying party may ask of an Intel platform beyond a genuine quote. */
import { describe, expect, it } from 'vitest';
import {
  checkIntelRequirements,
  INTEL_TCB_STATUSES,
  type IntelRequirements,
  isIntelTcbStatus,
  type VerifiedIntel,
  verifyIntelQuote,
} from '../src/index.ts';
import { collateral, LATEST, STRICT, sgx, sgxQuote, tdx, tdxQuote } from './intel-fixture.ts';

function verified(input: Parameters<typeof verifyIntelQuote>[0]): VerifiedIntel {
  const result = verifyIntelQuote(input);
  if (!result.ok) expect.fail(`${result.code} ${result.detail}`);
  return result.value;
}

describe('requirements', () => {
  const check = (value: VerifiedIntel, changes: Partial<IntelRequirements> = {}): unknown =>
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

  it('judge evaluation number, status and advisories', () => {
    const value = tdWith({ teeTcbSvn: [4, 1, 3] });
    const outOfDate = { acceptedStatuses: ['OutOfDate'] as const };
    expect(check(value)).toMatchObject({ code: 'TCB_STATUS_NOT_ACCEPTED', detail: 'OutOfDate' });
    expect(check(value, outOfDate)).toMatchObject({ code: 'ADVISORY_NOT_ACCEPTED', detail: 'SA-1' });
    expect(check(value, { ...outOfDate, acceptedAdvisories: ['SA-1'] })).toMatchObject({ detail: 'SA-4' });
    expect(check(value, { ...outOfDate, acceptedAdvisories: ['SA-4', 'SA-1'] })).toMatchObject({ ok: true });
    expect(check(value, { ...outOfDate, acceptedAdvisories: undefined })).toMatchObject({ ok: true });
    const code = 'TCB_EVALUATION_NUMBER_BELOW_MINIMUM';
    expect(check(value, { minimumTcbEvaluationDataNumber: 20 })).toMatchObject({ code });
    for (const members of ['tcbInfoMembers', 'qeIdentityMembers'] as const) {
      const old = collateral('sgx', { [members]: { tcbEvaluationDataNumber: 18 } });
      expect(check(verified(sgx({ collateral: old })))).toMatchObject({ code, detail: '18' });
    }
  });

  it('know every status by name', () => {
    expect(INTEL_TCB_STATUSES).toHaveLength(10);
    expect(INTEL_TCB_STATUSES.every(isIntelTcbStatus)).toBe(true);
    expect(isIntelTcbStatus('uptodate')).toBe(false);
  });
});
