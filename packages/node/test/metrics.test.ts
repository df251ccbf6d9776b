import { type AccountId, asAccountId, asHeight } from '@cloister/encoding';
import { AGES, Chain, enclaveOf, v0, v1, v2, v3 } from '@cloister/testkit';
import { intelEndorsements, mixedChain, setPolicy, submitEndorsements } from '@cloister/testkit/platforms';
import { describe, expect, it } from 'vitest';
import { addApiMetrics } from '../src/http/api-metrics.ts';
import { type Family, MetricsRegistry, SERIES_MAX } from '../src/status/metrics.ts';
import { NODES_SHOWN_MAX, shownAttestations } from '../src/status/node-gauges.ts';
import { NodeMetrics } from '../src/status/node-metrics.ts';

/** Metrics over a chain, as read by the validator `self`. */
function metricsOf(chain: Chain, self: AccountId = v0.id): NodeMetrics {
  return new NodeMetrics({
    self,
    state: () => chain.state,
    heights: () => ({ finalized: 2, provable: 1 }),
    readiness: () => undefined,
    missedProposals: () => [{ validator: 'ab', missed: 3, passedOver: true }],
    pendingTransactions: () => 0,
    eventCount: () => chain.log.length,
    peers: () => ({ members: 3, strangers: 1 }),
    network: () => undefined,
    apiRestarts: () => 0,
    blobs: () => ({ bytes: 0, refused: 0 }),
    enclave: () => ({ platform: 'sev-snp', measurement: 'aa', running: true, restarts: 0 }),
  });
}

function apiFamilies(): readonly Family[] {
  const registry = new MetricsRegistry();
  const unread = { connections: {}, budgets: {}, streams: {} } as never;
  addApiMetrics(registry, unread);
  return registry.families;
}

describe('metrics', () => {
  it('are written in the text format, labels escaped', async () => {
    const registry = new MetricsRegistry();
    const counter = registry.counterBy('a_total', 'What it\ncounts', ['code']);
    counter.inc({ code: 'x"\\\ny' });
    counter.inc({ code: 'x"\\\ny' });
    registry.gauge('c', 'Now').set(1.5);
    expect(await registry.render()).toBe(
      [
        '# HELP a_total What it\\ncounts',
        '# TYPE a_total counter',
        'a_total{code="x\\"\\\\\\ny"} 2',
        '',
        '# HELP c Now',
        '# TYPE c gauge',
        'c 1.5',
        '',
      ].join('\n'),
    );
    expect(() => registry.gauge('c', 'again')).toThrow('already been registered');
  });

  it('hold a bounded number of label sets, and count what is beyond together', async () => {
    const registry = new MetricsRegistry();
    const counter = registry.counterBy('a_total', 'What', ['i']);
    for (let i = 0; i < 2 * SERIES_MAX; i++) counter.inc({ i: `${i}` });
    for (let i = 0; i < 2 * SERIES_MAX; i++) counter.inc({ i: `${i}` });
    const lines = (await registry.render()).split('\n').filter((line) => line.startsWith('a_total'));
    expect(lines).toHaveLength(SERIES_MAX + 1);
    expect(lines).toContain('a_total{i="0"} 2');
    expect(lines).toContain(`a_total{i="OTHER"} ${2 * SERIES_MAX}`);
  });

  it('keep the conventions: what only goes up is a total, in base units, and nothing else says so', () => {
    const families = [...metricsOf(new Chain()).registry.families, ...apiFamilies()];
    expect(new Set(families.map(({ name }) => name)).size).toBe(families.length);
    for (const { name, type, help } of families) {
      expect(name).toMatch(/^cloister_[a-z][a-z_]*$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(name).not.toMatch(/_(ms|millis|milliseconds|minutes|kilobytes|kib|mb|percent)(_|$)/);
      expect(help).not.toBe('');
    }
  });

  it('are listed in docs/metrics.md, each with its labels', async () => {
    const rows = [...metricsOf(new Chain()).registry.families, ...apiFamilies()].map(
      ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`,
    );
    const text = [
      '# Metrics',
      '',
      'A node answers `/metrics` in the Prometheus text format. This list is written by `packages/node/test/metrics.test.ts` and',
      'compared by it. Beside these stand the default metrics of prom-client for the process and for the thread that votes:',
      '`process_…` (processor time, memory, open files) and `nodejs_…` (event-loop lag, heap, garbage collection); those of',
      "the API's own thread begin with `cloister_api_nodejs_`.",
      '',
      'No label takes a value that a tenant or a peer chose. A counter holds at most 256 sets of labels and counts what is beyond',
      'under `OTHER`; members are shown one by one up to 512, validators first.',
      '',
      '| name | type | labels | meaning |',
      '|---|---|---|---|',
      ...rows.sort(),
      '',
    ].join('\n');
    await expect(text).toMatchFileSnapshot('../../../docs/metrics.md');
  });

  it('show what every process has: event-loop lag, heap, processor time', async () => {
    const text = await metricsOf(new Chain()).registry.render();
    for (const name of ['nodejs_eventloop_lag_seconds', 'nodejs_heap_size_used_bytes', 'process_cpu_seconds_total']) {
      expect(text).toMatch(new RegExp(`^${name} [0-9.e-]+$`, 'm'));
      expect(text.split(`# TYPE ${name} `)).toHaveLength(2);
    }
  });

  it("show the loop and heap of the API's thread under other names, and the process once", async () => {
    const text = await new MetricsRegistry('api-thread').render();
    expect(text).toMatch(/^cloister_api_nodejs_eventloop_lag_seconds /m);
    expect(text).toMatch(/^cloister_api_nodejs_heap_size_used_bytes /m);
    for (const line of text.split('\n'))
      expect(line).toMatch(/^(|# (HELP|TYPE) cloister_api_nodejs_.*|cloister_api_nodejs_.*)$/);
  });

  it('take no word of a peer that refuses', async () => {
    const metrics = metricsOf(new Chain());
    const refusal = { passed: false, isAnswered: false, code: 'WORDS_OF_A_PEER', detail: '' };
    metrics.challenged(refusal as never);
    metrics.challenged({ ...refusal, isAnswered: true, code: 'TCB_BELOW_MINIMUM' } as never);
    const text = await metrics.registry.render();
    expect(text).not.toContain('WORDS_OF_A_PEER');
    expect(text).toContain('cloister_attestation_verifications_total{result="refused",reason="NOT_ANSWERED"} 1');
    expect(text).toContain('cloister_attestation_verifications_total{result="refused",reason="TCB_BELOW_MINIMUM"} 1');
  });

  it('count a failed operation under its name', async () => {
    const metrics = metricsOf(new Chain());
    metrics.failed('blob-sweep');
    metrics.failed('blob-sweep');
    expect(await metrics.registry.render()).toContain('cloister_operation_failures_total{operation="blob-sweep"} 2');
  });

  it('do not show what is not known', async () => {
    expect(await metricsOf(new Chain()).registry.render()).not.toMatch(/^cloister_disk_free_bytes /m);
  });

  it('show the chain, the peers and the enclave', async () => {
    const chain = new Chain();
    chain.block();
    chain.block(chain.evidence(v0, enclaveOf(v0)));
    const metrics = metricsOf(chain);
    metrics.committed({ events: chain.log } as never);
    metrics.executed({ type: 'submitted', durationMs: 20 } as never);
    const text = await metrics.registry.render();
    for (const name of [
      'cloister_consensus_height 2',
      'cloister_consensus_missed_proposals{validator="ab"} 3',
      'cloister_consensus_leader_passed_over{validator="ab"} 1',
      'cloister_attestation_expiry_timestamp_seconds{node="',
      'cloister_attestation_verifications_total{result="accepted",reason="OK"} 1',
      'cloister_enclave_info{platform="sev-snp",measurement="aa",svn="',
      '# TYPE cloister_inference_requests_total counter',
      'cloister_inference_duration_seconds_count 1',
      'cloister_committee_disagreements_total 0',
      'cloister_network_peers{kind="member"} 3',
    ]) {
      expect(text).toContain(name);
    }
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(/^(|# (HELP|TYPE) [a-z0-9_]+ .*|[a-z0-9_]+(\{[^}]*(\}[^}]*)*\})? (Nan|[-+0-9.eINf]+))$/);
    }
  });
});

it('show so many members and no more, and no validator gives way to one without weight', () => {
  const chain = new Chain();
  chain.block(chain.evidence(v0, enclaveOf(v0)));
  const held = chain.state.attestations.get(v0.id);
  if (held === undefined) throw new Error('it is attested');
  const ids = Array.from({ length: 2 * NODES_SHOWN_MAX }, (_, i) => asAccountId(i.toString(16).padStart(64, '0')));
  const attestations = new Map([...ids, v0.id].map((node) => [node, { ...held, node }]));
  const shown = shownAttestations({ ...chain.state, attestations });
  expect(shown).toHaveLength(NODES_SHOWN_MAX);
  expect(shown[0]?.node).toBe(v0.id);
});

describe('forecasts', () => {
  /** Values of a family by their labels. */
  async function series(metrics: NodeMetrics, name: string): Promise<ReadonlyMap<string, number>> {
    const lines = (await metrics.registry.render()).split('\n');
    const own = lines.filter((line) => line.startsWith(`${name}{`));
    return new Map(
      own.map((line) => {
        const [, labels = '', value = ''] = /^[a-z_]+\{(.*)\} (\S+)$/.exec(line) ?? [];
        return [labels, Number(value)];
      }),
    );
  }

  const seconds = 'cloister_attestation_forecast_seconds';
  const blocks = 'cloister_attestation_forecast_blocks';
  const short = 'cloister_attestation_svn_short';
  const at = ({ id }: { readonly id: string }, cause: string): string => `node="${id}",cause="${cause}"`;

  it('count down to each kind of end, and to each age', async () => {
    const { chain } = mixedChain();
    const metrics = metricsOf(chain);
    const read = () => series(metrics, seconds);
    const before = await read();
    expect([...before.keys()]).toHaveLength(1 + 2 + 4 + 4);
    for (const node of [v0, v1, v2, v3]) {
      const held = chain.state.attestations.get(node.id);
      const ends = [...before].filter(([labels]) => labels.startsWith(`node="${node.id}"`)).map(([, value]) => value);
      expect(Math.min(...ends)).toBe(((held?.validUntilMs ?? 0) - chain.state.timeMs) / 1000);
      const ages = await series(metrics, blocks);
      expect(ages.get(at(node, 'age'))).toBe(AGES.maxAgeBlocks);
      expect(ages.get(at(node, 'refresh'))).toBe((held?.aliveUntilHeight ?? 0) - chain.height);
    }
    chain.advanceTo(chain.height + 5);
    for (const [labels, value] of await read()) expect(value).toBe((before.get(labels) ?? 0) - 5);
    expect((await series(metrics, blocks)).get(at(v1, 'age'))).toBe(AGES.maxAgeBlocks - 5);
    expect((await series(metrics, short)).size).toBe(0);
  });

  it('count down to the end of a grace', async () => {
    const { chain } = mixedChain();
    const metrics = metricsOf(chain);
    const entry = [...chain.state.measurements.values()].find(({ platform }) => platform === 'sgx');
    if (entry === undefined) throw new Error('the genesis allows one');
    const { platform, measurement, image, name } = entry;
    const graceUntilHeight = asHeight(chain.height + 9);
    const payload = { platform, measurement, image, name, status: 'grace-until', graceUntilHeight } as const;
    expect((await series(metrics, blocks)).has(at(v2, 'measurement'))).toBe(false);
    chain.block(chain.transaction(v0, 'set-measurement', payload));
    expect((await series(metrics, blocks)).get(at(v2, 'measurement'))).toBe(8);
    for (const node of [v0, v1, v3]) expect((await series(metrics, blocks)).has(at(node, 'measurement'))).toBe(false);
  });

  it('follow newer endorsements, and name the SVNs of the local platform that are short by them', async () => {
    const { chain } = mixedChain();
    const own = metricsOf(chain, v2.id);
    const other = metricsOf(chain, v1.id);
    const before = (await series(own, seconds)).get(at(v2, 'tcb-info')) ?? 0;
    const { components, pceSvn } = { components: [3, 3, 2, 2, 4, 1, 0, 5], pceSvn: 13 };
    const newer = components.map((svn, index) => (index === 4 ? svn + 2 : svn));
    const tolerant = { acceptedStatuses: ['UpToDate', 'OutOfDate'] as const, maxAgeBlocks: AGES.maxAgeBlocks };
    chain.block(setPolicy(chain, tolerant));
    chain.advanceTo(chain.height + 4);
    const levels = { pceSvn, tdx: [6, 1, 3] };
    const newerLevels = [
      { ...levels, sgx: newer, status: 'UpToDate' as const },
      { ...levels, sgx: components, status: 'OutOfDate' as const },
    ];
    chain.block(submitEndorsements(chain, 'sgx', intelEndorsements('sgx', { platformLevels: newerLevels })));
    expect(chain.state.attestations.get(v2.id)?.tcbStatus).toBe('OutOfDate');
    expect((await series(own, seconds)).get(at(v2, 'tcb-info'))).toBeGreaterThan(before);
    expect([...(await series(own, short))]).toEqual([['component="SGX TCB component 5"', 2]]);
    expect((await series(other, short)).size).toBe(0);
  });

  it('name what the policy asks for and the local platform lacks', async () => {
    const { chain } = mixedChain();
    const metrics = metricsOf(chain, v3.id);
    expect((await series(metrics, short)).size).toBe(0);
    const tdx = chain.state.network?.appraisalPolicy.tdx ?? null;
    chain.block(setPolicy(chain, { tdx: tdx === null ? null : { ...tdx, minimumPceSvn: 20 } }));
    expect(chain.state.attestations.get(v3.id)?.evicted?.code).toBe('TCB_BELOW_MINIMUM');
    expect([...(await series(metrics, short))]).toEqual([['component="PCESVN"', 7]]);
  });
});
