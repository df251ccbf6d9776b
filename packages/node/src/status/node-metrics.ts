/** What a node counts, under names that docs/metrics.md lists; no label takes a value that a tenant or a peer chose. */
import type { ExecutionReport } from '@cloister/validator';
import type { ChallengeOutcome } from '../attest/peer-attestation.ts';
import type { CommittedBlock } from '../chain/event-bus.ts';
import { addForecastMetrics } from './forecast-metrics.ts';
import { MetricsRegistry } from './metrics.ts';
import { addKeptCounters, addNodeGauges, type MetricSources } from './node-gauges.ts';
import { addReadinessMetrics } from './readiness-metrics.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What a node does beside its duties and goes on without: a failure of it is logged, and counted by this name. */
export type Operation = 'batch-publish' | 'blob-sweep' | 'enclave-describe' | 'index' | 'peer-record-save';

function countersOf(registry: MetricsRegistry) {
  return {
    transactions: registry.counterBy('cloister_transactions_total', 'Executed transactions by outcome', ['outcome']),
    verifications: registry.counterBy(
      'cloister_attestation_verifications_total',
      'Evidence verified, on the ledger and in challenges to peers',
      ['result', 'reason'],
    ),
    inferences: registry.counterBy('cloister_inference_requests_total', 'Inferences by outcome', ['outcome']),
    disagreements: registry.counter('cloister_committee_disagreements_total', 'Tasks whose executors disagreed'),
    executions: registry.counterBy('cloister_executions_total', 'Local executions by what became of them', ['outcome']),
    duration: registry.histogram(
      'cloister_inference_duration_seconds',
      'Local execution, from challenge of the enclave to signed result',
      SECONDS,
    ),
    refused: registry.counterBy('cloister_consensus_refused_total', 'Frames and answers refused, by code', ['code']),
    evidence: registry.counterBy('cloister_consensus_evidence_total', 'Provable faults seen, by kind', ['kind']),
    failures: registry.counterBy(
      'cloister_operation_failures_total',
      'Failed operations that the node goes on without',
      ['operation'],
    ),
  };
}

export class NodeMetrics {
  readonly registry: MetricsRegistry = new MetricsRegistry('process');
  readonly #counters = countersOf(this.registry);

  constructor(sources: MetricSources) {
    addKeptCounters(this.registry, sources);
    addNodeGauges(this.registry, sources);
    addReadinessMetrics(this.registry, sources.readiness);
    addForecastMetrics(this.registry, sources.state, sources.self);
  }

  committed({ events }: CommittedBlock): void {
    const { transactions, verifications, inferences, disagreements } = this.#counters;
    for (const event of events) {
      switch (event.type) {
        case 'AttestationAccepted':
          verifications.inc({ result: 'accepted', reason: 'OK' });
          break;
        case 'TransactionRejected': {
          transactions.inc({ outcome: event.code });
          const reason = /^[A-Z][A-Z0-9_]*$/.test(event.detail) ? event.detail : event.code;
          if (event.code.startsWith('EVIDENCE_')) verifications.inc({ result: 'refused', reason });
          continue;
        }
        case 'InferenceCompleted':
          inferences.inc({ outcome: 'completed' });
          break;
        case 'InferenceFailed':
          inferences.inc({ outcome: event.code });
          break;
        case 'InferenceDisputed':
          disagreements.inc();
          break;
        default:
      }
      if ('transaction' in event && event.transaction !== null) transactions.inc({ outcome: 'committed' });
    }
  }

  /** A peer that refuses says why in words of its own, which are no label. */
  challenged({ passed, isAnswered, code }: ChallengeOutcome): void {
    const reason = isAnswered ? code : 'NOT_ANSWERED';
    this.#counters.verifications.inc({ result: passed ? 'accepted' : 'refused', reason });
  }

  executed(report: ExecutionReport): void {
    const outcome = report.type === 'refused' ? report.code : report.type;
    this.#counters.executions.inc({ outcome: report.type === 'attempt-failed' ? report.outcome.code : outcome });
    if (report.type === 'submitted') this.#counters.duration.observe(report.durationMs / 1000);
  }

  refused(code: string): void {
    this.#counters.refused.inc({ code });
  }

  failed(operation: Operation): void {
    this.#counters.failures.inc({ operation });
  }

  evidence(kind: string): void {
    this.#counters.evidence.inc({ kind });
  }
}
