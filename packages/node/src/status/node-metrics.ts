/** The metrics of a node, under the names of the operations guide; never a label by tenant or request. */
import type { AccountId } from '@cloister/encoding';
import { type LedgerState, listAttestations, networkOf } from '@cloister/ledger';
import type { NetworkCounters } from '@cloister/network';
import type { ExecutionReport } from '@cloister/validator';
import type { ChallengeOutcome } from '../attest/peer-attestation.ts';
import type { CommittedBlock } from '../chain/event-bus.ts';
import { watchEventLoop } from '../process/event-loop-delay.ts';
import { addForecastMetrics } from './forecast-metrics.ts';
import { type Counter, type Histogram, MetricsRegistry } from './metrics.ts';
import type { ReadinessFacts } from './readiness.ts';
import { addStandingMetrics } from './standing-metrics.ts';

export interface MetricSources {
  readonly state: () => LedgerState;
  readonly self: AccountId;
  readonly heights: () => { readonly finalized: number; readonly provable: number };
  readonly standing: () =>
    | { readonly facts: ReadinessFacts; readonly reasons: readonly string[]; readonly certificateMs: number }
    | undefined;
  /** Validators that missed turns to propose: how many, and whether they are passed over. */
  readonly missedProposals: () => readonly {
    readonly validator: string;
    readonly missed: number;
    readonly passedOver: boolean;
  }[];
  readonly pendingTransactions: () => number;
  readonly eventCount: () => number;
  readonly peers: () => { readonly members: number; readonly strangers: number };
  readonly network: () => Readonly<NetworkCounters> | undefined;
  readonly indexFailures: () => number;
  readonly apiRestarts: () => number;
  readonly blobs: () => { readonly bytes: number; readonly refused: number };
  readonly enclave: () =>
    | { readonly platform: string; readonly measurement: string; readonly running: boolean; readonly restarts: number }
    | undefined;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const NETWORK_COUNTERS = {
  votesSent: ['cloister_network_votes_sent_total', 'Frames sent on direct streams'],
  votesDropped: ['cloister_network_votes_dropped_total', 'Frames dropped unsent: too old, or the queue was full'],
  votesReceived: ['cloister_network_votes_received_total', 'Frames received on direct streams'],
  framesRefused: ['cloister_network_frames_refused_total', 'Frames refused for form, size or sender'],
  batchesPublished: ['cloister_network_batches_published_total', 'Batches gossiped'],
  batchesReceived: ['cloister_network_batches_received_total', 'Batches received by gossip'],
  batchesRejected: ['cloister_network_batches_rejected_total', 'Gossiped batches that were invalid'],
  requestsServed: ['cloister_network_requests_served_total', 'Requests of peers answered'],
  requestsRefused: ['cloister_network_requests_refused_total', 'Requests of peers refused'],
  redials: ['cloister_network_redials_total', 'Dials of known members'],
  closedSilent: ['cloister_network_closed_silent_total', 'Connections closed after silence'],
  offences: ['cloister_network_offences_total', 'Offences of peers: what no honest peer sends'],
  twinRecords: ['cloister_network_twin_records_total', 'Records of this node that another process signed'],
  cutOffs: ['cloister_network_cut_offs_total', 'Peers cut off for a time for their offences'],
  connectionsRefused: [
    'cloister_network_connections_refused_total',
    'Connections of peers refused while they are cut off',
  ],
  weightlessWorkMs: [
    'cloister_network_weightless_work_milliseconds_total',
    'Processor time spent for members without weight',
  ],
  strangerWorkMs: ['cloister_network_stranger_work_milliseconds_total', 'Processor time spent for strangers'],
  arrivalWorkMs: ['cloister_network_arrival_work_milliseconds_total', 'Processor time spent on handshakes'],
  closedDeaf: ['cloister_network_closed_deaf_total', 'Connections closed for lack of gossip streams'],
} as const satisfies { readonly [K in keyof NetworkCounters]: readonly [string, string] };

export class NodeMetrics {
  readonly registry: MetricsRegistry = new MetricsRegistry();
  readonly #transactions: Counter;
  readonly #verifications: Counter;
  readonly #inferences: Counter;
  readonly #duration: Histogram;
  readonly #disagreements: Counter;
  readonly #executions: Counter;
  readonly #refused: Counter;
  readonly #evidence: Counter;
  readonly #loop = watchEventLoop();
  readonly #sweepFailures: Counter;

  constructor(sources: MetricSources) {
    const { registry } = this;
    this.#transactions = registry.counter('cloister_transactions_total', 'Executed transactions by outcome');
    this.#verifications = registry.counter(
      'cloister_attestation_verifications_total',
      'Evidence verified, on the ledger and in challenges to peers',
    );
    this.#inferences = registry.counter('cloister_inference_requests_total', 'Inferences by model and outcome');
    this.#duration = registry.histogram(
      'cloister_inference_duration_seconds',
      'Local execution, from challenge of the enclave to signed result',
      SECONDS,
    );
    this.#disagreements = registry.counter('cloister_committee_disagreements_total', 'Tasks whose executors disagreed');
    this.#executions = registry.counter('cloister_executions_total', 'Local executions by what became of them');
    this.#refused = registry.counter('cloister_consensus_refused_total', 'Frames and answers refused, by code');
    this.#evidence = registry.counter('cloister_consensus_evidence_total', 'Provable faults seen, by kind');
    this.#sweepFailures = registry.counter('cloister_blob_sweep_failures_total', 'Sweeps of old blobs that failed');
    this.#disagreements.increment({}, 0);
    this.#sweepFailures.increment({}, 0);
    this.#gauges(sources);
    addStandingMetrics(registry, sources.standing);
    addForecastMetrics(registry, sources.state, sources.self);
  }

  #gauges(sources: MetricSources): void {
    const { registry } = this;
    const simulated = registry.gauge('cloister_simulated', '1 on a chain under SIMULATED trust anchors');
    const height = registry.gauge('cloister_consensus_height', 'Height of the last executed block');
    const finalized = registry.gauge('cloister_consensus_finalized_height', 'Height of the last finalized block');
    const provable = registry.gauge('cloister_consensus_provable_height', 'Height up to which events are provable');
    const blockTime = registry.gauge('cloister_consensus_block_timestamp_seconds', 'Time of the last executed block');
    const pending = registry.gauge('cloister_mempool_transactions', 'Transactions pending here');
    const missed = registry.gauge(
      'cloister_consensus_missed_proposals',
      'Turns of a validator that gave no block in the committed chain, since this node started',
    );
    const passedOver = registry.gauge('cloister_consensus_leader_passed_over', '1 while a leader is passed over');
    const events = registry.gauge('cloister_events', 'Events in the log');
    const peers = registry.gauge('cloister_network_peers', 'Connected peers');
    const blobBytes = registry.gauge('cloister_blob_bytes', 'Bytes of blobs on disk');
    const expiry = registry.gauge(
      'cloister_attestation_expiry_timestamp_seconds',
      'Block time at which the endorsements of an accepted attestation end',
    );
    const blocksLeft = registry.gauge(
      'cloister_attestation_blocks_left',
      'Blocks for which an attestation still holds',
    );
    const eligible = registry.gauge('cloister_attestation_eligible', '1 while a node may execute');
    const info = registry.gauge('cloister_enclave_info', 'The local enclave: 1 while it runs');
    const restarts = registry.gauge('cloister_enclave_restarts', 'Launches of the local enclave after the first');
    const memory = registry.gauge('process_resident_memory_bytes', 'Resident memory');
    const loop = registry.gauge(
      'cloister_event_loop_delay_max_seconds',
      'Longest that the main event loop was held in the last 10 to 20 seconds',
    );
    registry.counterFrom('process_cpu_seconds_total', 'User and system time', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    registry.counterFrom('cloister_index_failures_total', 'Blocks that could not be indexed when they came', () => {
      return sources.indexFailures();
    });
    registry.counterFrom('cloister_api_restarts_total', 'Starts of the API after its first', () =>
      sources.apiRestarts(),
    );
    registry.counterFrom('cloister_blobs_refused_total', 'Blobs not handed to a peer for its standing', () => {
      return sources.blobs().refused;
    });
    registry.counterFrom(
      'cloister_event_loop_stalls_total',
      'Times that the main event loop was held for more than 50 ms',
      () => this.#loop.stalls,
    );
    for (const key of Object.keys(NETWORK_COUNTERS) as (keyof typeof NETWORK_COUNTERS)[]) {
      const [name, help] = NETWORK_COUNTERS[key];
      registry.counterFrom(name, help, () => sources.network()?.[key] ?? 0);
    }
    registry.collect(() => {
      const state = sources.state();
      simulated.set(networkOf(state).trustAnchors.simulated ? 1 : 0);
      height.set(state.height);
      finalized.set(sources.heights().finalized);
      provable.set(sources.heights().provable);
      blockTime.set(state.timeMs / 1000);
      pending.set(sources.pendingTransactions());
      for (const { validator, missed: turns, passedOver: isPassedOver } of sources.missedProposals()) {
        missed.set(turns, { validator });
        passedOver.set(isPassedOver ? 1 : 0, { validator });
      }
      events.set(sources.eventCount());
      const { members, strangers } = sources.peers();
      peers.set(members, { kind: 'member' });
      peers.set(strangers, { kind: 'stranger' });
      blobBytes.set(sources.blobs().bytes);
      memory.set(process.memoryUsage.rss());
      loop.set(this.#loop.longestMs / 1000);
      for (const gauge of [expiry, blocksLeft, eligible, info]) gauge.clear();
      for (const view of listAttestations(state)) {
        const labels = { node: view.node };
        expiry.set(view.validUntilMs / 1000, labels);
        blocksLeft.set(view.blocksLeft, labels);
        eligible.set(view.eligible ? 1 : 0, labels);
      }
      const enclave = sources.enclave();
      if (enclave === undefined) return;
      const tcb = state.attestations.get(sources.self as never)?.tcb;
      const svn = tcb === undefined ? '' : JSON.stringify(tcb);
      info.set(enclave.running ? 1 : 0, { platform: enclave.platform, measurement: enclave.measurement, svn });
      restarts.set(enclave.restarts);
    });
  }

  committed({ events }: CommittedBlock): void {
    for (const event of events) {
      switch (event.type) {
        case 'AttestationAccepted':
          this.#verifications.increment({ result: 'accepted', reason: 'OK' });
          break;
        case 'TransactionRejected': {
          this.#transactions.increment({ outcome: event.code });
          const reason = /^[A-Z][A-Z0-9_]*$/.test(event.detail) ? event.detail : event.code;
          if (event.code.startsWith('EVIDENCE_')) this.#verifications.increment({ result: 'refused', reason });
          continue;
        }
        case 'InferenceCompleted':
          this.#inferences.increment({ model: event.model, outcome: 'completed' });
          break;
        case 'InferenceFailed':
          this.#inferences.increment({ model: '', outcome: event.code });
          break;
        case 'InferenceDisputed':
          this.#disagreements.increment();
          break;
        default:
      }
      if ('transaction' in event && event.transaction !== null) this.#transactions.increment({ outcome: 'committed' });
    }
  }

  challenged({ passed, code }: ChallengeOutcome): void {
    this.#verifications.increment({ result: passed ? 'accepted' : 'refused', reason: code });
  }

  executed(report: ExecutionReport): void {
    const outcome = report.type === 'refused' ? report.code : report.type;
    this.#executions.increment({ outcome: report.type === 'attempt-failed' ? report.outcome.code : outcome });
    if (report.type === 'submitted') this.#duration.observe(report.durationMs / 1000);
  }

  refused(code: string): void {
    this.#refused.increment({ code });
  }

  sweepFailed(): void {
    this.#sweepFailures.increment();
  }

  evidence(kind: string): void {
    this.#evidence.increment({ kind });
  }
}
