/** `attest conformance` and `attest show` as they are called. */
import { join } from 'node:path';
import { findAttesters } from '@cloister/platform/attesters';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWays } from '../../src/commands/attest/attest-show.ts';
import { temporaryFolder } from '../samples.ts';
import { AT_MS, fileOf, rawFiles, simulatedBundle } from './evidence-files.ts';
import { cloister, cloisterJson } from './run-command.ts';

const AT = new Date(AT_MS).toISOString();

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

describe('attest conformance', () => {
  const manifest = (name: string, cases: readonly object[]): Promise<string> =>
    fileOf(folder.path, name, JSON.stringify({ cases }));

  it('counts cases that agree, and names those that do not', async () => {
    const { evidence } = await rawFiles(folder.path, 'conformance', simulatedBundle('tdx'));
    const file = evidence.slice(folder.path.length + 1);
    const refused = { id: 'refused', evidence: file, at: AT.replace('.000', ''), expect: { verdict: 'reject' } };
    const agreeing = await cloisterJson('attest', 'conformance', await manifest('agree.json', [refused]));
    expect(agreeing).toEqual({ code: 0, values: [{ passed: 1, failed: 0 }] });

    const wanted = { ...refused, id: 'wanted', expect: { verdict: 'accept' } };
    const absent = { ...refused, id: 'absent', evidence: 'absent.bin' };
    const mixed = await cloisterJson(
      'attest',
      'conformance',
      await manifest('mixed.json', [refused, wanted, absent, { id: 'odd' }]),
    );
    expect(mixed.code).toBe(1);
    expect(mixed.values).toMatchObject([
      { id: 'wanted', agrees: false, verdict: 'reject', code: 'PCK_CHAIN_ROOT_NOT_PINNED' },
      { id: 'absent', agrees: false, verdict: null, differences: ['no file absent.bin'] },
      { id: 'odd', agrees: false, verdict: null },
      { passed: 1, failed: 3 },
    ]);
    const { out } = await cloister('attest', 'conformance', join(folder.path, 'mixed.json'));
    expect(out).toContain('wanted: verdict reject, expected accept');
    expect(out).toMatch(/1 passed, 3 failed\n$/);
  });

  it('refuses what is no manifest with exit code 2', async () => {
    const { code, err } = await cloister('attest', 'conformance', await fileOf(folder.path, 'other.json', '{}'));
    expect({ code, isNamed: err.includes('MANIFEST_MALFORMED') }).toEqual({ code: 2, isNamed: true });
  });
});

describe('attest show', () => {
  it('names every way, SIMULATED among them, and says why each is usable or not', async () => {
    const { code, values } = await cloisterJson<{ ways: readonly object[] }>('attest', 'show');
    expect(code).toBe(0);
    expect(values[0]?.ways).toHaveLength(7);
    expect(values[0]?.ways.at(-1)).toMatchObject({
      name: 'simulated',
      simulated: true,
      usable: true,
      platform: null,
    });
    for (const way of values[0]?.ways ?? []) {
      expect(way).toMatchObject({
        name: expect.any(String),
        present: expect.any(Boolean),
        usable: expect.any(Boolean),
        reason: expect.stringMatching(/\w/),
      });
    }
    const { out } = await cloister('attest', 'show');
    expect(out).toMatch(/^way +evidence +usable +why\n/);
    expect(out).toMatch(/\nsimulated +SIMULATED +yes +SIMULATED: /);
  });

  it('says through what a machine can attest itself', async () => {
    const none = await findAttesters({ probe: probeWith(false) });
    expect(describeWays(none)).toContain('Only SIMULATED evidence can be made on this machine');
    const guest = describeWays(await findAttesters({ probe: probeWith(true) }));
    expect(guest).toMatch(/\nconfigfs-tsm +tdx +yes +collects evidence\n/);
    expect(guest).toMatch(/\nThis machine can attest itself through configfs-tsm\.$/);
  });

  function probeWith(isGuest: boolean): NonNullable<NonNullable<Parameters<typeof findAttesters>[0]>['probe']> {
    return {
      kindOf: (path) => Promise.resolve(isGuest && path.includes('tsm') ? 'directory' : 'absent'),
      isWritable: () => Promise.resolve(true),
      accepts: () => Promise.resolve(false),
      tsmProvider: () => Promise.resolve('tdx_guest'),
    };
  }
});
