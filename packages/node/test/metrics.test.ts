import { type AccountId, asHeight } from '@cloister/encoding';
import { AGES, Chain, enclaveOf, v0, v1, v2, v3 } from '@cloister/testkit';
import { intelEndorsements, mixedChain, setPolicy, submitEndorsements } from '@cloister/testkit/platforms';
import { describe, expect, it } from 'vitest';
import { MetricsRegistry } from '../src/status/metrics.ts';
import { NodeMetrics } from '../src/status/node-metrics.ts';

/** Metrics over a chain, as read by the validator `self`. */
function metricsOf(chain: Chain, self: AccountId = v0.id): NodeMetrics {
  return new NodeMetrics({
    self,
    state: () => chain.state,
    heights: () => ({ finalized: 2, provable: 1 }),
    standing: () => undefined,
    missedProposals: () => [{ validator: 'ab', missed: 3, passedOver: true }],
    pendingTransactions: () => 0,
    eventCount: () => chain.log.length,
    peers: () => ({ members: 3, strangers: 1 }),
    network: () => undefined,
    indexFailures: () => 0,
    apiRestarts: () => 0,
    blobs: () => ({ bytes: 0, refused: 0 }),
    enclave: () => ({ platform: 'sev-snp', measurement: 'aa', running: true, restarts: 0 }),
  });
}

describe('metrics', () => {
  it('are written in the text format, labels escaped, buckets cumulative', () => {
    const registry = new MetricsRegistry();
    const counter = registry.counter('a_total', 'What it\ncounts');
    counter.increment({ code: 'x"\\\ny' }, 2);
    counter.increment({ code: 'x"\\\ny' });
    const histogram = registry.histogram('b_seconds', 'How long', [0.1, 1]);
    for (const value of [0.05, 0.5, 5]) histogram.observe(value);
    registry.gauge('c', 'Now').set(1.5);
    expect(registry.render()).toBe(
      [
        '# HELP a_total What it\\ncounts',
        '# TYPE a_total counter',
        'a_total{code="x\\"\\\\\\ny"} 3',
        '# HELP b_seconds How long',
        '# TYPE b_seconds histogram',
        'b_seconds_bucket{le="0.1"} 1',
        'b_seconds_bucket{le="1"} 2',
        'b_seconds_bucket{le="+Inf"} 3',
        'b_seconds_sum 5.55',
        'b_seconds_count 3',
        '# HELP c Now',
        '# TYPE c gauge',
        'c 1.5',
        '',
      ].join('\n'),
    );
    expect(() => registry.gauge('c', 'again')).toThrow(TypeError);
  });

  it('hold a bounded number of label sets', () => {
    const registry = new MetricsRegistry();
    const counter = registry.counter('a_total', '');
    for (let i = 0; i < 5_000; i++) counter.increment({ i: `${i}` });
    expect(registry.render().split('\n').length).toBeLessThan(600);
  });

  it('carry the names of the operations guide', () => {
    const chain = new Chain();
    chain.block();
    chain.block(chain.evidence(v0, enclaveOf(v0)));
    const metrics = metricsOf(chain);
    metrics.committed({ events: chain.log } as never);
    metrics.executed({ type: 'submitted', durationMs: 20 } as never);
    const text = metrics.registry.render();
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
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{[^}]*(\}[^}]*)*\})? [-+0-9.eINf]+)$/);
    }
  });
});

describe('forecasts', () => {
  /** Values of a family by their labels. */
  function series(metrics: NodeMetrics, name: string): ReadonlyMap<string, number> {
    const lines = metrics.registry.render().split('\n');
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

  it('count down to each kind of end, and to each age', () => {
    const { chain } = mixedChain();
    const metrics = metricsOf(chain);
    const read = () => series(metrics, seconds);
    const before = read();
    expect([...before.keys()]).toHaveLength(1 + 2 + 4 + 4);
    for (const node of [v0, v1, v2, v3]) {
      const held = chain.state.attestations.get(node.id);
      const ends = [...before].filter(([labels]) => labels.startsWith(`node="${node.id}"`)).map(([, value]) => value);
      expect(Math.min(...ends)).toBe(((held?.validUntilMs ?? 0) - chain.state.timeMs) / 1000);
      const ages = series(metrics, blocks);
      expect(ages.get(at(node, 'age'))).toBe(AGES.maxAgeBlocks);
      expect(ages.get(at(node, 'refresh'))).toBe((held?.aliveUntilHeight ?? 0) - chain.height);
    }
    chain.advanceTo(chain.height + 5);
    for (const [labels, value] of read()) expect(value).toBe((before.get(labels) ?? 0) - 5);
    expect(series(metrics, blocks).get(at(v1, 'age'))).toBe(AGES.maxAgeBlocks - 5);
    expect(series(metrics, short).size).toBe(0);
  });

  it('count down to the end of a grace', () => {
    const { chain } = mixedChain();
    const metrics = metricsOf(chain);
    const entry = [...chain.state.measurements.values()].find(({ platform }) => platform === 'sgx');
    if (entry === undefined) throw new Error('the genesis allows one');
    const { platform, measurement, image, name } = entry;
    const graceUntilHeight = asHeight(chain.height + 9);
    const payload = { platform, measurement, image, name, status: 'grace-until', graceUntilHeight } as const;
    expect(series(metrics, blocks).has(at(v2, 'measurement'))).toBe(false);
    chain.block(chain.transaction(v0, 'set-measurement', payload));
    expect(series(metrics, blocks).get(at(v2, 'measurement'))).toBe(8);
    for (const node of [v0, v1, v3]) expect(series(metrics, blocks).has(at(node, 'measurement'))).toBe(false);
  });

  it('follow newer endorsements, and name the SVNs of the local platform that are short by them', () => {
    const { chain } = mixedChain();
    const own = metricsOf(chain, v2.id);
    const other = metricsOf(chain, v1.id);
    const before = series(own, seconds).get(at(v2, 'tcb-info')) ?? 0;
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
    expect(series(own, seconds).get(at(v2, 'tcb-info'))).toBeGreaterThan(before);
    expect([...series(own, short)]).toEqual([['component="SGX TCB component 5"', 2]]);
    expect(series(other, short).size).toBe(0);
  });

  it('name what the policy asks for and the local platform lacks', () => {
    const { chain } = mixedChain();
    const metrics = metricsOf(chain, v3.id);
    expect(series(metrics, short).size).toBe(0);
    const tdx = chain.state.network?.appraisalPolicy.tdx ?? null;
    chain.block(setPolicy(chain, { tdx: tdx === null ? null : { ...tdx, minimumPceSvn: 20 } }));
    expect(chain.state.attestations.get(v3.id)?.evicted?.code).toBe('TCB_BELOW_MINIMUM');
    expect([...series(metrics, short)]).toEqual([['component="PCESVN"', 7]]);
  });
});
