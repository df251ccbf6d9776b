/** `attest forecast` over files, and the TCB sets that it is set beside. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  appraisalPolicyToJson,
  type Endorsements,
  endorsementsOfCollateral,
  type ForecastCause,
  intelCollateralOf,
  readEndorsementFiles,
  type SetForecast,
  VENDOR_ANCHORS,
} from '@cloister/attestation';
import { everyPlatform } from '@cloister/testkit/platforms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setFinder, setsOf } from '../../src/commands/attest/forecast-sets.ts';
import { span } from '../../src/commands/attest/forecast-text.ts';
import { Output } from '../../src/commands/command.ts';
import { temporaryFolder } from '../samples.ts';
import {
  AT_MS,
  bundleFile,
  collateralJson,
  DAY_MS,
  EARLY_SHORT,
  earlyCollateral,
  fileOf,
  rawFiles,
  simulatedBundle,
} from './evidence-files.ts';
import { cloister, cloisterJson } from './run-command.ts';

const AT = new Date(AT_MS).toISOString();
type Told = {
  readonly causes: readonly ForecastCause[];
  readonly sets: readonly SetForecast[];
  readonly simulated: boolean;
  readonly missing: readonly string[];
};

const vectors = fileURLToPath(new URL('../../../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(join(vectors, 'manifest.json'));
if (!present) console.warn('SKIPPED: forecasts of real evidence, as ../shared/vectors/attestation is absent');

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let genesis: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  genesis = await fileOf(folder.path, 'genesis.json', everyPlatform().bytes);
});
afterAll(() => folder.remove());

describe('of a file', () => {
  async function told(...words: readonly string[]): Promise<{ readonly code: number; readonly value: Told }> {
    const { code, values } = await cloisterJson<Told>('attest', 'forecast', ...words);
    expect(values).toHaveLength(1);
    return { code, value: values[0] as Told };
  }

  it('lists every end by name and in days, and says SIMULATED', async () => {
    const path = await bundleFile(folder.path, 'chip.bundle', simulatedBundle('sev-snp'));
    const { code, value } = await told(path, '--genesis', genesis, '--at', AT);
    expect({ code, simulated: value.simulated }).toEqual({ code: 0, simulated: true });
    expect(value.causes.map(({ kind, name, when }) => [kind, name, when])).toEqual([
      ['crl', 'ARK-Genoa', 'later'],
      ['certificate', 'SEV-VCEK', 'later'],
      ['certificate', 'ARK-Genoa', 'later'],
      ['certificate', 'SEV-Genoa', 'later'],
    ]);
    expect(value.sets).toMatchObject([{ set: 'held', status: 'UpToDate', parts: [{ part: 'platform', short: [] }] }]);
    const { out } = await cloister('attest', 'forecast', path, '--genesis', genesis, '--at', AT);
    const [first, second, third] = out.split('\n');
    expect(first).toMatch(/^SIMULATED/);
    expect(second).toBe(`sev-snp evidence, judged at ${AT}; a file has no age in blocks`);
    const end = value.causes[0]?.losesAtMs ?? 0;
    expect(third).toBe(`  in ${span(end - AT_MS)}: crl ARK-Genoa, ${new Date(end).toISOString()}`);
    expect(span(end - AT_MS)).toMatch(/^\d+\.\d days$/);
  });

  it('names the SVNs that are short by the early set and not by the standard one', async () => {
    const { evidence, words } = await rawFiles(folder.path, 'sgx', simulatedBundle('sgx'));
    const standardSet = words[1] ?? '';
    const earlySet = await fileOf(folder.path, 'early.json', earlyCollateral('sgx'));
    const otherSet = await fileOf(folder.path, 'early-tdx.json', earlyCollateral('tdx'));
    const sets = ['--standard', standardSet, '--early', otherSet, '--early', earlySet];
    const all = [evidence, ...words, ...sets, '--genesis', genesis, '--at', AT];
    const { code, value } = await told(...all);
    expect(code).toBe(0);
    expect(value.sets.map(({ set, status }) => [set, status])).toEqual([
      ['held', 'UpToDate'],
      ['standard', 'UpToDate'],
      ['early', 'OutOfDate'],
    ]);
    expect(value.causes.at(-1)).toEqual({
      kind: 'tcb-status',
      set: 'early',
      name: 'OutOfDate',
      when: 'with-set',
      code: 'TCB_STATUS_NOT_ACCEPTED',
      short: EARLY_SHORT,
    });
    const { out } = await cloister('attest', 'forecast', ...all);
    expect(out).toContain(
      '  with the early set: tcb-status OutOfDate: TCB_STATUS_NOT_ACCEPTED; short: SGX TCB component 5 is 4, not 6, ',
    );
    expect(out).toContain('  standard set: UpToDate, TCB evaluation data 19, accepted\n');

    const lacking = await told(evidence, ...words, '--early', otherSet, '--genesis', genesis, '--at', AT);
    expect(lacking.value.missing).toEqual(['early set: no file is about this platform']);
  });

  it('ends with 3 when something costs it now, and names what', async () => {
    const { evidence, words } = await rawFiles(folder.path, 'tdx', simulatedBundle('tdx'));
    const outOfDate = await fileOf(folder.path, 'held-early.json', earlyCollateral('tdx'));
    const now = await told(evidence, '--endorsements', outOfDate, '--genesis', genesis, '--at', AT);
    expect(now.code).toBe(3);
    expect(now.value.causes[0]).toMatchObject({ kind: 'tcb-status', when: 'now', short: EARLY_SHORT });

    const late = new Date(AT_MS + 365 * DAY_MS).toISOString();
    const expired = await told(evidence, ...words, '--genesis', genesis, '--at', late);
    expect(expired.code).toBe(3);
    const past = expired.value.causes.filter(({ when }) => when === 'now');
    expect(past.map(({ kind }) => kind).sort()).toEqual(['crl', 'crl', 'qe-identity', 'tcb-info']);
    expect(new Set(past.map((cause) => cause.code))).toEqual(new Set(['ROOT_CRL_EXPIRED']));
  });

  it('goes by the policy that is given', async () => {
    const { appraisalPolicy } = everyPlatform().genesis;
    const policy = { ...appraisalPolicy, acceptedStatuses: ['UpToDate', 'OutOfDate'] as const };
    const tolerant = await fileOf(folder.path, 'tolerant.json', JSON.stringify(appraisalPolicyToJson(policy)));
    const { evidence } = await rawFiles(folder.path, 'tolerated', simulatedBundle('tdx'));
    const held = await fileOf(folder.path, 'tolerated-early.json', earlyCollateral('tdx'));
    const words = [evidence, '--endorsements', held, '--genesis', genesis, '--policy', tolerant, '--at', AT];
    expect((await told(...words)).code).toBe(0);
  });

  it('refuses wrong words with exit code 2', async () => {
    const path = await bundleFile(folder.path, 'words.bundle', simulatedBundle('tdx'));
    const calls: readonly (readonly [string, readonly string[]])[] = [
      ['exclude each other', [path, '--node', 'http://127.0.0.1:1']],
      ['--at belongs to a file', ['--node', 'http://127.0.0.1:1', '--at', AT]],
      ['--endorsements belongs to a file', ['--node', 'http://127.0.0.1:1', '--endorsements', genesis]],
      ['knows nothing of SIMULATED', [path, '--genesis', genesis, '--fetch']],
    ];
    for (const [message, words] of calls) {
      const { code, err } = await cloister('attest', 'forecast', ...words);
      expect({ message, code }).toEqual({ message, code: 2 });
      expect(err).toContain(message);
    }
  });

  it.skipIf(!present)('knows of real evidence what the next TCB set made of it', async () => {
    const quote = join(vectors, 'intel/openenclave/tdx-v5-d21a11db.quote.bin');
    const collateral = (name: string): string => join(vectors, 'intel/collateral', name);
    const { code, value } = await told(
      quote,
      '--endorsements',
      collateral('90c06f000000-tdx-2025-02-12-e17-platform-15a300.json'),
      '--early',
      collateral('90c06f000000-tdx-2025-02-26-e18-platform-bc9412.json'),
      '--at',
      '2025-02-27T19:09:43Z',
    );
    expect({ code, simulated: value.simulated }).toEqual({ code: 0, simulated: false });
    expect(value.sets.map(({ set, status }) => [set, status])).toEqual([
      ['held', 'UpToDate'],
      ['early', 'TDRelaunchAdvised'],
    ]);
    expect(value.causes.at(-1)).toMatchObject({
      set: 'early',
      name: 'TDRelaunchAdvised',
      short: [{ component: 'TDX module SVN', have: 4, need: 6 }],
    });
    expect(value.causes[0]).toMatchObject({ kind: 'tcb-info', losesAtMs: Date.parse('2025-03-14T10:38:59Z') });
  });
});

describe('sets', () => {
  const { evidence, endorsements } = simulatedBundle('sgx');
  const none = { standard: [], early: [] };

  it('are asked of the vendor only where no file is about the platform', async () => {
    const asked: string[] = [];
    const source = (name: string, answer: Endorsements | Error) => ({
      endorsementsFor: () => {
        asked.push(name);
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ endorsements: answer });
      },
    });
    const offline = Object.assign(new Error('no route'), { code: 'FETCH_FAILED' });
    const sources = { standard: source('standard', endorsements), early: source('early', offline) };
    const found = await setFinder(none, sources)(evidence.report, AT_MS);
    expect(found.alternatives.map(({ set }) => set)).toEqual(['standard']);
    expect(found.missing).toEqual(['early set: FETCH_FAILED no route']);
    expect(asked).toEqual(['standard', 'early']);

    const file = readEndorsementFiles([new TextEncoder().encode(earlyCollateral('sgx'))]);
    if (!file.ok) throw new Error(file.code);
    const both = await setFinder({ standard: [], early: [file.value] }, sources)(evidence.report, AT_MS);
    expect(both.alternatives.map(({ set }) => set)).toEqual(['standard', 'early']);
    expect(asked).toEqual(['standard', 'early', 'standard']);
    expect(both.alternatives[1]?.endorsements).toBe(file.value);

    const { evidence: chip } = simulatedBundle('sev-snp');
    expect(await setFinder(none, sources)(chip.report, AT_MS)).toEqual({ alternatives: [], missing: [] });
    expect(asked).toHaveLength(3);
  });

  it('are not asked for without --fetch', async () => {
    const invocation = { flags: {}, positionals: [], output: new Output(true, 'sometimes'), home: undefined };
    expect(await (await setsOf(invocation, VENDOR_ANCHORS))(evidence.report, AT_MS)).toEqual({
      alternatives: [],
      missing: [],
    });
  });

  it('in files are those of the vendor byte for byte', () => {
    const file = readEndorsementFiles([new TextEncoder().encode(collateralJson(intelCollateralOf(endorsements)))]);
    expect(file.ok && endorsementsOfCollateral(file.value.collateral ?? {})).toEqual({ ok: true, value: endorsements });
  });
});
