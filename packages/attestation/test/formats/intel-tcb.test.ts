/** TCB evaluation by Intel's rules: levels, module, quoting enclave, convergence, relaunch advice, requirements. */
import { describe, expect, it } from 'vitest';
import { convergeStatus, type PlatformStatus, relaunchStatus } from '../../src/formats/intel/tcb-status.ts';
import { INTEL_TCB_STATUSES, type IntelTcbStatus, type VerifiedIntel, verifyIntelQuote } from '../../src/index.ts';
import {
  type SimulatedCollateral,
  type SimulatedPlatformLevel,
  simulatedIntelDevice,
} from '../../src/simulated/index.ts';
import { pckChainText } from '../../src/simulated/intel/intel-device.ts';
import { collateral, LATEST, platform, sgx, sgxQuote, tdx, tdxQuote, VALIDITY } from './intel-fixture.ts';
import { seedOf } from './snp-fixture.ts';

function verified(input: Parameters<typeof verifyIntelQuote>[0]): VerifiedIntel {
  const result = verifyIntelQuote(input);
  if (!result.ok) expect.fail(`${result.code} ${result.detail}`);
  return result.value;
}

/** Status of a TD by its SVNs at launch and now. */
function td(
  launch: readonly number[],
  current?: readonly number[],
  changes: Partial<SimulatedCollateral> = {},
): string {
  const quote = tdxQuote({ teeTcbSvn: launch, teeTcbSvn2: current });
  return verified(tdx({ quote, collateral: collateral('tdx', changes) })).tcb.status;
}

const level = (status: PlatformStatus): SimulatedPlatformLevel => ({ sgx: [], tdx: [], pceSvn: 0, status });

describe('platform levels', () => {
  it('take the first that every component and the PCE reach', () => {
    const older = simulatedIntelDevice({
      seed: seedOf(40),
      validity: VALIDITY,
      components: [3, 3, 2, 2, 3, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
    });
    const body = sgxQuote().slice(48, 432);
    const tcb = verified(sgx({ quote: older.quote({ version: 3, tee: 'sgx', body }) })).tcb;
    expect(tcb).toMatchObject({
      status: 'OutOfDate',
      platformStatus: 'OutOfDate',
      tdxModuleStatus: undefined,
      advisories: ['SA-1', 'SA-2'],
    });
    for (const [pceSvn, status] of [
      [13, 'UpToDate'],
      [12, 'Revoked'],
      [5, 'Revoked'],
      [4, 'TcbNotSupported'],
    ] as const) {
      const device = simulatedIntelDevice({ seed: seedOf(41), validity: VALIDITY, pceSvn });
      expect(verified(sgx({ quote: device.quote({ version: 3, tee: 'sgx', body }) })).tcb.status).toBe(status);
    }
  });

  it('compare each of the sixteen components', () => {
    for (let index = 0; index < 16; index++) {
      const components = [...platform.statement.components];
      components[index] = (components[index] ?? 0) + 1;
      const levels: readonly SimulatedPlatformLevel[] = [{ sgx: components, pceSvn: 0, status: 'UpToDate' }];
      const { tcb } = verified(sgx({ collateral: collateral('sgx', { platformLevels: levels }) }));
      expect(tcb).toMatchObject({ status: 'TcbNotSupported', tcbDateMs: undefined });
    }
  });

  it('compare TDX components from 2 on when the module has a major version, else all', () => {
    expect(td([6, 1, 3])).toBe('UpToDate');
    expect(td([3, 3, 3])).toBe('UpToDate');
    expect(td([6, 1, 2])).toBe('OutOfDate');
    expect(td([6, 1, 1])).toBe('Revoked');
    expect(td([5, 0, 3])).toBe('UpToDate');
    expect(td([4, 0, 3])).toBe('Revoked');
    for (let index = 2; index < 16; index++) {
      const tdxComponents = [...LATEST, ...new Array<number>(13).fill(0)];
      tdxComponents[index] = (tdxComponents[index] ?? 0) + 1;
      const platformLevels = [{ sgx: [], tdx: tdxComponents, pceSvn: 0, status: 'UpToDate' as const }];
      expect(td(LATEST, undefined, { platformLevels })).toBe('TcbNotSupported');
    }
  });
});

describe('the TDX module', () => {
  it('is judged by the levels of its major version', () => {
    for (const [svn, status, advisories] of [
      [6, 'UpToDate', []],
      [5, 'OutOfDate', ['SA-1', 'SA-4']],
      [4, 'OutOfDate', ['SA-1', 'SA-4']],
      [3, 'Revoked', []],
    ] as const) {
      const { tcb } = verified(tdx({ quote: tdxQuote({ teeTcbSvn: [svn, 1, 3] }) }));
      expect(tcb).toMatchObject({ status, platformStatus: 'UpToDate', tdxModuleStatus: status, advisories });
    }
    const { tcb } = verified(tdx({ quote: tdxQuote({ teeTcbSvn: [1, 1, 3] }) }));
    expect(tcb).toMatchObject({ status: 'TcbNotSupported', tdxModuleStatus: 'TcbNotSupported' });
  });

  it('of major version 0 has no identity of its own, but the signer that TCB info names', () => {
    const { tcb } = verified(tdx({ quote: tdxQuote({ teeTcbSvn: [5, 0, 3] }) }));
    expect(tcb.tdxModuleStatus).toBe('UpToDate');
    const foreign = tdxQuote({ teeTcbSvn: [5, 0, 3], mrSignerSeam: new Uint8Array(48).fill(1) });
    expect(verifyIntelQuote(tdx({ quote: foreign }))).toMatchObject({ code: 'TDX_MODULE_SIGNER_MISMATCH' });
  });

  it('is found whatever the case of its id, and needs its own major version', () => {
    const identity = (id: string): Partial<SimulatedCollateral> => ({
      tcbInfoMembers: {
        tdxModuleIdentities: [
          {
            id,
            mrsigner: '00'.repeat(48),
            attributes: '00'.repeat(8),
            attributesMask: 'FF'.repeat(8),
            tcbLevels: [{ tcb: { isvsvn: 1 }, tcbDate: '2025-01-01T00:00:00Z', tcbStatus: 'UpToDate' }],
          },
        ],
      },
    });
    expect(td([6, 0x1a, 3], undefined, identity('tdx_1a'))).toBe('UpToDate');
    const other = collateral('tdx', identity('TDX_1B'));
    expect(verifyIntelQuote(tdx({ quote: tdxQuote({ teeTcbSvn: [6, 0x1a, 3] }), collateral: other }))).toMatchObject({
      code: 'TDX_MODULE_IDENTITY_MISSING',
    });
  });
});

describe('the quoting enclave', () => {
  it('is judged by its ISVSVN', () => {
    for (const [isvSvn, status, advisories] of [
      [5, 'UpToDate', []],
      [4, 'UpToDate', []],
      [3, 'OutOfDate', ['SA-7']],
      [2, 'Revoked', []],
      [1, 'TcbNotSupported', []],
    ] as const) {
      for (const input of [
        sgx({ quote: sgxQuote({}, { qe: { isvSvn } }) }),
        tdx({ quote: tdxQuote({}, { qe: { isvSvn } }) }),
      ]) {
        expect(verified(input).tcb).toMatchObject({ status, platformStatus: 'UpToDate', qeStatus: status, advisories });
      }
    }
  });
});

describe('convergence', () => {
  const statuses = INTEL_TCB_STATUSES.filter((s): s is PlatformStatus => !s.startsWith('TDRelaunch'));

  it('follows the table', () => {
    const outOfDate: Readonly<Record<PlatformStatus, PlatformStatus>> = {
      UpToDate: 'OutOfDate',
      SWHardeningNeeded: 'OutOfDate',
      ConfigurationNeeded: 'OutOfDateConfigurationNeeded',
      ConfigurationAndSWHardeningNeeded: 'OutOfDateConfigurationNeeded',
      OutOfDate: 'OutOfDate',
      OutOfDateConfigurationNeeded: 'OutOfDateConfigurationNeeded',
      Revoked: 'Revoked',
      TcbNotSupported: 'TcbNotSupported',
    };
    for (const status of statuses) {
      expect(convergeStatus(status, 'UpToDate')).toBe(status);
      expect(convergeStatus(status, 'OutOfDate')).toBe(outOfDate[status]);
      expect(convergeStatus(status, 'TcbNotSupported')).toBe('TcbNotSupported');
      expect(convergeStatus(status, 'Revoked')).toBe(status === 'TcbNotSupported' ? status : 'Revoked');
    }
  });

  it('takes the module and then the quoting enclave into account', () => {
    for (const status of statuses.filter((s) => s !== 'TcbNotSupported')) {
      const platformLevels = [level(status)];
      expect(td(LATEST, undefined, { platformLevels })).toBe(status);
      expect(td([4, 1, 3], undefined, { platformLevels })).toBe(convergeStatus(status, 'OutOfDate'));
      const quote = tdxQuote({ teeTcbSvn: [4, 1, 3] }, { qe: { isvSvn: 2 } });
      expect(verified(tdx({ quote, collateral: collateral('tdx', { platformLevels }) })).tcb.status).toBe('Revoked');
    }
  });
});

describe('relaunch advice', () => {
  it('is given to a TD 1.5 that was launched out of date and is current now', () => {
    expect(td([4, 1, 3], [6, 1, 3])).toBe('TDRelaunchAdvised');
    expect(td([4, 1, 3], [3, 3, 3])).toBe('TDRelaunchAdvised');
    expect(td([6, 1, 2], [6, 1, 3])).toBe('TDRelaunchAdvised');
    expect(td([4, 1, 3], [6, 1, 3], { platformLevels: [level('ConfigurationNeeded')] })).toBe(
      'TDRelaunchAdvisedConfigurationNeeded',
    );
  });

  it('is not given to any other', () => {
    expect(td([4, 1, 3])).toBe('OutOfDate');
    expect(td([4, 1, 3], [5, 1, 3])).toBe('OutOfDate');
    expect(td([6, 1, 3], [4, 1, 3])).toBe('UpToDate');
    expect(td([3, 1, 3], [6, 1, 3])).toBe('Revoked');
    const quote = tdxQuote({ teeTcbSvn: [4, 1, 3], teeTcbSvn2: LATEST }, { qe: { isvSvn: 3 } });
    expect(verified(tdx({ quote })).tcb.status).toBe('OutOfDate');
  });

  it('does not stand where TCB info does not know the SVNs of now', () => {
    expect(td([6, 1, 3], [6, 2, 3])).toBe('TcbNotSupported');
    expect(td([6, 1, 3], [1, 1, 3])).toBe('TcbNotSupported');
  });

  it('keeps the advisories of the launch', () => {
    const quote = tdxQuote({ teeTcbSvn: [4, 1, 3], teeTcbSvn2: LATEST });
    expect(verified(tdx({ quote })).tcb).toMatchObject({
      platformStatus: 'UpToDate',
      tdxModuleStatus: 'OutOfDate',
      advisories: ['SA-1', 'SA-4'],
    });
  });

  it('follows the table', () => {
    const current: readonly PlatformStatus[] = [
      'UpToDate',
      'SWHardeningNeeded',
      'ConfigurationNeeded',
      'ConfigurationAndSWHardeningNeeded',
    ];
    for (const [index, status] of current.entries()) {
      const advised: IntelTcbStatus = index < 2 ? 'TDRelaunchAdvised' : 'TDRelaunchAdvisedConfigurationNeeded';
      expect(relaunchStatus('OutOfDate', status)).toBe(advised);
      expect(relaunchStatus('OutOfDateConfigurationNeeded', status)).toBe('TDRelaunchAdvisedConfigurationNeeded');
      expect(relaunchStatus('Revoked', status)).toBe('Revoked');
      expect(relaunchStatus(status, status)).toBe(status);
    }
    for (const status of ['OutOfDate', 'OutOfDateConfigurationNeeded', 'Revoked'] as const) {
      expect(relaunchStatus('OutOfDate', status)).toBe('OutOfDate');
    }
  });
});

describe('a chain of 76 columns', () => {
  it('is read like one of 64', () => {
    const text = new TextDecoder().decode(pckChainText(platform.certificates));
    const wide = text.replaceAll(/-----BEGIN CERTIFICATE-----\n([^-]*)-/g, (_, body: string) => {
      const lines = body.replaceAll('\n', '').match(/.{1,76}/g) ?? [];
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-`;
    });
    const quote = sgxQuote({}, { certificationData: new TextEncoder().encode(wide) });
    expect(verified(sgx({ quote })).tcb.status).toBe('UpToDate');
  });
});
