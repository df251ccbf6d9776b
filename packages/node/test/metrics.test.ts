import { describe, expect, it } from 'vitest';
import { Chain, enclaveOf, v0 } from '../../ledger/test/samples.ts';
import { MetricsRegistry } from '../src/metrics.ts';
import { NodeMetrics } from '../src/node-metrics.ts';

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
    const metrics = new NodeMetrics({
      self: v0.id,
      state: () => chain.state,
      heights: () => ({ finalized: 2, provable: 1 }),
      pendingTransactions: () => 0,
      eventCount: () => chain.log.length,
      peers: () => ({ members: 3, strangers: 1 }),
      network: () => undefined,
      blobs: () => ({ bytes: 0, refused: 0 }),
      enclave: () => ({ platform: 'sev-snp', measurement: 'aa', running: true, restarts: 0 }),
    });
    metrics.committed({ events: chain.log } as never);
    metrics.executed({ type: 'submitted', durationMs: 20 } as never);
    const text = metrics.registry.render();
    for (const name of [
      'cloister_consensus_height 2',
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
