/** Gauges of a node, and the counters that other parts keep; read when somebody asks. */
import { type AccountId, asValidatorId } from '@cloister/encoding';
import { type AttestationProjection, type LedgerState, listAttestations, settingsOf } from '@cloister/ledger';
import type { NetworkCounters } from '@cloister/network';
import { watchEventLoop } from '../process/event-loop-delay.ts';
import type { MetricsRegistry } from './metrics.ts';
import type { ReadinessFacts } from './readiness.ts';

export interface MetricSources {
  readonly state: () => LedgerState;
  readonly self: AccountId;
  readonly heights: () => { readonly finalized: number; readonly provable: number };
  readonly readiness: () =>
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
  readonly apiRestarts: () => number;
  readonly blobs: () => { readonly bytes: number; readonly refused: number };
  readonly enclave: () =>
    | { readonly platform: string; readonly measurement: string; readonly running: boolean; readonly restarts: number }
    | undefined;
}

/** Members whose attestations are shown one by one. */
export const NODES_SHOWN_MAX = 512;

/** Validators come first, so that a member without weight never takes the place of one, whatever its id. */
export function shownAttestations(state: LedgerState): readonly AttestationProjection[] {
  const all = listAttestations(state);
  const hasWeight = ({ node }: AttestationProjection): boolean =>
    (state.members.get(asValidatorId(node))?.weight ?? 0) > 0;
  return [...all.filter(hasWeight), ...all.filter((one) => !hasWeight(one))].slice(0, NODES_SHOWN_MAX);
}

const NETWORK_COUNTERS = {
  consensusFramesSent: ['cloister_network_consensus_frames_sent_total', 'Frames sent on direct streams'],
  consensusFramesDropped: [
    'cloister_network_consensus_frames_dropped_total',
    'Frames dropped unsent: too old, or the queue was full',
  ],
  consensusFramesReceived: ['cloister_network_consensus_frames_received_total', 'Frames received on direct streams'],
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
    'cloister_network_weightless_work_seconds_total',
    'Processor time spent for members without weight',
  ],
  strangerWorkMs: ['cloister_network_stranger_work_seconds_total', 'Processor time spent for strangers'],
  arrivalWorkMs: ['cloister_network_arrival_work_seconds_total', 'Processor time spent on handshakes'],
  closedDeaf: ['cloister_network_closed_deaf_total', 'Connections closed for lack of gossip streams'],
} as const satisfies { readonly [K in keyof NetworkCounters]: readonly [string, string] };

/** Counters that are kept where their thing happens. */
export function addKeptCounters(registry: MetricsRegistry, sources: MetricSources): void {
  const watch = watchEventLoop();
  registry.counterFrom('cloister_enclave_restarts_total', 'Launches of the local enclave after the first', () => {
    return sources.enclave()?.restarts ?? 0;
  });
  registry.counterFrom('cloister_api_restarts_total', 'Starts of the API after its first', () => sources.apiRestarts());
  registry.counterFrom('cloister_blobs_refused_total', 'Blobs not handed to a peer for its attestation', () => {
    return sources.blobs().refused;
  });
  registry.counterFrom(
    'cloister_event_loop_stalls_total',
    'Times that the main event loop was held for more than 50 ms',
    () => watch.stalls,
  );
  for (const key of Object.keys(NETWORK_COUNTERS) as (keyof typeof NETWORK_COUNTERS)[]) {
    const [name, help] = NETWORK_COUNTERS[key];
    const unit = key.endsWith('Ms') ? 1 / 1000 : 1;
    registry.counterFrom(name, help, () => (sources.network()?.[key] ?? 0) * unit);
  }
}

export function addNodeGauges(registry: MetricsRegistry, sources: MetricSources): void {
  const watch = watchEventLoop();
  const simulated = registry.gauge('cloister_simulated', '1 on a chain under SIMULATED trust anchors');
  const height = registry.gauge('cloister_consensus_height', 'Height of the last executed block');
  const finalized = registry.gauge('cloister_consensus_finalized_height', 'Height of the last finalized block');
  const provable = registry.gauge('cloister_consensus_provable_height', 'Height up to which events are provable');
  const blockTime = registry.gauge('cloister_consensus_block_timestamp_seconds', 'Time of the last executed block');
  const pending = registry.gauge('cloister_mempool_transactions', 'Transactions pending here');
  const missed = registry.gauge(
    'cloister_consensus_missed_proposals',
    'Turns of a validator that gave no block in the committed chain, since this node started',
    ['validator'],
  );
  const passedOver = registry.gauge('cloister_consensus_leader_passed_over', '1 while a leader is passed over', [
    'validator',
  ]);
  const events = registry.gauge('cloister_events', 'Events in the log');
  const peers = registry.gauge('cloister_network_peers', 'Connected peers', ['kind']);
  const blobBytes = registry.gauge('cloister_blob_bytes', 'Bytes of blobs on disk');
  const expiry = registry.gauge(
    'cloister_attestation_expiry_timestamp_seconds',
    'Block time at which the endorsements of an accepted attestation end',
    ['node'],
  );
  const blocksLeft = registry.gauge('cloister_attestation_blocks_left', 'Blocks for which an attestation still holds', [
    'node',
  ]);
  const eligible = registry.gauge('cloister_attestation_eligible', '1 while a node may execute', ['node']);
  const info = registry.gauge('cloister_enclave_info', 'The local enclave: 1 while it runs', [
    'platform',
    'measurement',
    'svn',
  ]);
  const loop = registry.gauge(
    'cloister_event_loop_delay_max_seconds',
    'Longest that the main event loop was held in the last 10 to 20 seconds',
  );
  registry.collect(() => {
    const state = sources.state();
    for (const gauge of [missed, passedOver, expiry, blocksLeft, eligible, info]) gauge.reset();
    simulated.set(settingsOf(state).trustAnchors.simulated ? 1 : 0);
    height.set(state.height);
    finalized.set(sources.heights().finalized);
    provable.set(sources.heights().provable);
    blockTime.set(state.timeMs / 1000);
    pending.set(sources.pendingTransactions());
    for (const { validator, missed: turns, passedOver: isPassedOver } of sources.missedProposals()) {
      missed.set({ validator }, turns);
      passedOver.set({ validator }, isPassedOver ? 1 : 0);
    }
    events.set(sources.eventCount());
    const { members, strangers } = sources.peers();
    peers.set({ kind: 'member' }, members);
    peers.set({ kind: 'stranger' }, strangers);
    blobBytes.set(sources.blobs().bytes);
    loop.set(watch.longestMs / 1000);
    for (const shown of shownAttestations(state)) {
      const labels = { node: shown.node };
      expiry.set(labels, shown.validUntilMs / 1000);
      blocksLeft.set(labels, shown.blocksLeft);
      eligible.set(labels, shown.eligible ? 1 : 0);
    }
    const enclave = sources.enclave();
    if (enclave === undefined) return;
    const tcb = state.attestations.get(sources.self)?.tcb;
    const svn = tcb === undefined ? '' : JSON.stringify(tcb);
    info.set({ platform: enclave.platform, measurement: enclave.measurement, svn }, enclave.running ? 1 : 0);
  });
}
