/** Metrics of where a node stands: what its readiness is judged by. */

import type { MetricsRegistry } from './metrics.ts';
import type { MetricSources } from './node-gauges.ts';
import { quorumReach } from './readiness.ts';

export function addReadinessMetrics(registry: MetricsRegistry, readiness: MetricSources['readiness']): void {
  const ready = registry.gauge('cloister_ready', '1 while /readyz answers 200');
  const unready = registry.gauge('cloister_not_ready', '1 for each reason for which /readyz answers 503', ['reason']);
  const certificateAge = registry.gauge(
    'cloister_consensus_certificate_age_seconds',
    'Since a certificate was heard that brought something new',
  );
  const finalityAge = registry.gauge('cloister_consensus_finality_age_seconds', 'Since a new finalization was heard');
  const weight = registry.gauge(
    'cloister_consensus_weight',
    'Weight of validators: own, connected, needed for a block',
    ['of'],
  );
  const signing = registry.gauge('cloister_consensus_signing', '1 while this node signs as a validator');
  const skew = registry.gauge('cloister_clock_skew_seconds', "How far this clock is ahead of the other validators'");
  const free = registry.gauge('cloister_disk_free_bytes', 'Left on the disk of the databases');
  registry.collect(() => {
    const now = readiness();
    unready.reset();
    // What is not known is not shown: 0 would be an answer.
    for (const gauge of [ready, certificateAge, finalityAge, signing, skew, free]) gauge.remove();
    if (now === undefined) return;
    const { facts, reasons, certificateMs } = now;
    const { replica, monotonicMs, freeBytes } = facts;
    const { own, connected, needed } = quorumReach(facts);
    ready.set(reasons.length === 0 ? 1 : 0);
    for (const reason of reasons) unready.set({ reason }, 1);
    certificateAge.set(Math.max(0, monotonicMs - certificateMs) / 1000);
    finalityAge.set(Math.max(0, monotonicMs - replica.finalityMs) / 1000);
    weight.set({ of: 'own' }, own);
    weight.set({ of: 'connected' }, connected);
    weight.set({ of: 'needed' }, needed);
    signing.set(replica.signing.state === 'signing' ? 1 : 0);
    if (replica.clockSkewMs !== undefined) skew.set(replica.clockSkewMs / 1000);
    if (freeBytes !== undefined) free.set(freeBytes);
  });
}
