/** `attest forecast` over the API of a node whose four validators are on four platforms. */
import { encodeEndorsements, type ForecastCause, type SetForecast } from '@cloister/attestation';
import { toBase64 } from '@cloister/encoding';
import { AGES, BLOCK_MS, v0, v1, v2, v3 } from '@cloister/testkit';
import { intelEndorsements, NEWER_MS, setPolicy } from '@cloister/testkit/platforms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NetworkApi, networkApi } from '../http/network-api.ts';
import { temporaryFolder } from '../samples.ts';
import { DAY_MS, EARLY_SHORT, earlyCollateral, fileOf } from './evidence-files.ts';
import { cloister, cloisterJson } from './run-command.ts';

type Told = {
  readonly causes: readonly ForecastCause[];
  readonly sets: readonly SetForecast[];
  readonly simulated: boolean;
  readonly missing: readonly string[];
};
type ToldOf = Told & {
  readonly node: string;
  readonly name: string;
  readonly attested: boolean;
  readonly eligible: boolean;
};
type NetworkTold = {
  readonly simulated: boolean;
  readonly height: number;
  readonly blockMs: number;
  readonly blockMsMeasured: boolean;
  readonly validators: readonly ToldOf[];
};

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let api: NetworkApi;
beforeAll(async () => {
  folder = await temporaryFolder();
  api = await networkApi();
});
afterAll(async () => {
  await api.close();
  await folder.remove();
});

describe('of a network', () => {
  async function told(...words: readonly string[]): Promise<{ readonly code: number; readonly value: NetworkTold }> {
    const { code, values } = await cloisterJson<NetworkTold>('attest', 'forecast', '--node', api.url, ...words);
    expect(values).toHaveLength(1);
    return { code, value: values[0] as NetworkTold };
  }

  function of(value: NetworkTold, id: string): ToldOf {
    const found = value.validators.find(({ node }) => node === id);
    if (found === undefined) throw new Error(`${id} is not told of`);
    return found;
  }

  it('tells each validator what comes first, in blocks and days, by the pace of blocks', async () => {
    const { code, value } = await told();
    expect(code).toBe(0);
    expect(value).toMatchObject({
      simulated: true,
      height: api.chain.height,
      blockMs: BLOCK_MS,
      blockMsMeasured: api.chain.height > 1,
    });
    expect(value.validators).toHaveLength(4);
    for (const { node, causes, eligible } of value.validators) {
      expect(eligible).toBe(true);
      const held = api.chain.state.attestations.get(node as never);
      expect(causes.slice(0, 2).map(({ kind, losesAtHeight }) => [kind, losesAtHeight])).toEqual([
        ['refresh', held === undefined ? 0 : held.aliveUntilHeight + 1],
        ['age', held === undefined ? 0 : held.validUntilHeight + 1],
      ]);
      const ends = causes.flatMap(({ losesAtMs }) => losesAtMs ?? []);
      expect(Math.min(...ends)).toBe(held?.validUntilMs);
    }
    const { out } = await cloister('attest', 'forecast', '--node', api.url);
    expect(out).toMatch(/^SIMULATED/);
    expect(out).toContain('1.00 seconds a block as measured');
    expect(out).toContain(`v0 ${v0.id}: nitro nitro, eligible`);
    // The nonce's block, from which a refresh is counted, is one before the acceptance.
    const blocks = AGES.refreshWindowBlocks;
    expect(out).toContain(`  in ${blocks} blocks, about ${blocks}.0 seconds: refresh the last refresh`);
  });

  it('assumes a pace where there are too few blocks to measure one', async () => {
    api.blocksKept = 1;
    const { value } = await told();
    api.blocksKept = Number.MAX_SAFE_INTEGER;
    expect(value).toMatchObject({ blockMs: 1000, blockMsMeasured: false });
  });

  it('sets every platform beside the set that is about it', async () => {
    const sets = [
      await fileOf(folder.path, 'n-sgx.json', earlyCollateral('sgx')),
      await fileOf(folder.path, 'n-tdx.json', earlyCollateral('tdx')),
    ];
    const { code, value } = await told(...sets.flatMap((path) => ['--early', path]));
    expect(code).toBe(0);
    for (const { id } of [v2, v3]) {
      const { causes } = of(value, id);
      expect(causes.at(-1)).toMatchObject({ set: 'early', when: 'with-set', short: EARLY_SHORT });
    }
    for (const { id } of [v0, v1]) expect(of(value, id).sets.map(({ set }) => set)).toEqual(['held']);
  });

  it('tells of a grace, of a policy to come and of what it takes away, and ends with 3 once it has', async () => {
    const { chain } = api;
    const entry = [...chain.state.measurements.values()].find(({ platform }) => platform === 'sev-snp');
    if (entry === undefined) throw new Error('the genesis allows one');
    const { platform, measurement, image, name } = entry;
    const graceUntilHeight = (chain.height + 6) as never;
    const payload = { platform, measurement, image, name, status: 'grace-until', graceUntilHeight } as const;
    const tdx = chain.state.network?.appraisalPolicy.tdx ?? null;
    const stricter = tdx === null ? null : { ...tdx, minimumTcbEvaluationDataNumber: 1000 };
    // Longer ages are looser, so that the whole policy waits.
    const changes = { tdx: stricter, maxAgeBlocks: AGES.maxAgeBlocks + 1 };
    chain.block([chain.transaction(v0, 'set-measurement', payload), setPolicy(chain, changes)]);
    const { effectiveHeight = 0 } = chain.state.scheduledPolicy ?? {};
    expect(effectiveHeight).toBeGreaterThan(chain.height);

    const before = await told();
    expect(before.code).toBe(0);
    const waiting = of(before.value, v3.id).causes[0];
    expect(waiting).toMatchObject({
      kind: 'policy',
      when: 'later',
      losesAtHeight: effectiveHeight,
      code: 'TCB_EVALUATION_NUMBER_BELOW_MINIMUM',
      short: [{ component: 'tcbEvaluationDataNumber', have: 19, need: 1000 }],
    });
    expect(of(before.value, v1.id).causes[0]).toMatchObject({
      kind: 'measurement',
      losesAtHeight: graceUntilHeight + 1,
    });
    expect(of(before.value, v2.id).causes[0]?.kind).toBe('refresh');

    chain.advanceTo(effectiveHeight + 1);
    const after = await told();
    expect(after.code).toBe(3);
    expect(of(after.value, v3.id)).toMatchObject({ eligible: false, reasons: ['EVICTED'] });
    expect(of(after.value, v3.id).causes[0]).toMatchObject({ kind: 'policy', when: 'now' });
    expect(of(after.value, v2.id).eligible).toBe(true);
    const { out } = await cloister('attest', 'forecast', '--node', api.url);
    expect(out).toContain('tdx 90c06f000000, NOT eligible: EVICTED');
    expect(out).toContain(
      '  NOW: policy 19: TCB_EVALUATION_NUMBER_BELOW_MINIMUM; short: tcbEvaluationDataNumber is 19, not 1000',
    );
  });

  it('goes by the endorsements that newer ones replaced', async () => {
    const { chain } = api;
    const newer = intelEndorsements('sgx');
    const transaction = chain.transaction(v1, 'submit-endorsements', {
      platform: 'sgx',
      endorsements: toBase64(encodeEndorsements(newer)),
    });
    chain.block(transaction);
    const { value } = await told();
    const tcbInfo = of(value, v2.id).causes.find(({ kind }) => kind === 'tcb-info');
    expect(tcbInfo?.losesAtMs).toBe(NEWER_MS + 90 * DAY_MS);
  });
});
