/**
 * A running node: everything opened and started in order, and drained in the reverse order.
 */
import { type AccountId, assert, type Digest } from '@cloister/encoding';
import type { Network } from '@cloister/network';
import type { SigningStatus } from '@cloister/replica';
import { enclaveLauncher } from '../attest/enclave-launch.ts';
import type { CommittedBlock } from '../chain/event-bus.ts';
import { LogScrub } from '../chain/log-scrub.ts';
import { membersOf, startNetwork } from '../chain/node-network.ts';
import { saveSnapshotIfDue } from '../chain/state-snapshots.ts';
import { closeStores, type NodeStores, openStores } from '../chain/stores.ts';
import type { ApiThread } from '../desk/api-thread.ts';
import { createApi } from '../desk/create-api.ts';
import type { NodeMetrics, Operation } from '../status/node-metrics.ts';
import { ReadinessWatch } from '../status/readiness-watch.ts';
import { SeedWatch } from '../status/seed-watch.ts';
import { TwinWatch } from '../status/twin-watch.ts';
import { codeOf, messageOf } from './errors.ts';
import { ensureFolders, readGenesis, readNodeKeys } from './home.ts';
import { obtainGenesis } from './join.ts';
import { createLog, type Log } from './log-lines.ts';
import type { NodeContext } from './node-context.ts';
import { createCore, type NodeCore } from './node-core.ts';
import { createContext, createMetrics, type NodeParts } from './node-parts.ts';
import { nodePackageVersion } from './node-version.ts';
import type { RunningNode, StartOptions, StopReason } from './running-node.ts';

const BLOB_SWEEP_MS = 300_000;
/** Longest that a stop waits for running executions. */
const DRAIN_MS_MAX = 20_000;

const monotonicMs = (): number => performance.now();

/** Throws `NodeError`, `StoreError`, `EventLogDamaged`, `NetworkError` or a `CodedError` of a `StartRefusal`; nothing is left open then. */
export async function startNode(options: StartOptions): Promise<RunningNode> {
  const keys = await readNodeKeys(options.layout);
  const { layout, config, join } = options;
  const nowMs = (): number => Date.now();
  const write = (line: string): void => void process.stderr.write(`${line}\n`);
  const log = options.log ?? createLog({ level: config['node.log_level'], format: config['log.format'], write, nowMs });
  const genesis = join === undefined ? await readGenesis(layout) : await obtainGenesis(layout, join, keys.node.seed);
  await ensureFolders(layout);
  const stores = await openStores(layout);
  const node = new NodeProcess({ ...options, log }, stores, nowMs);
  try {
    await node.open(keys, genesis, await nodePackageVersion());
    return node;
  } catch (error) {
    await node.abandon();
    throw error;
  }
}

type NodeKeys = Awaited<ReturnType<typeof readNodeKeys>>;

class NodeProcess implements RunningNode {
  readonly #options: StartOptions & { readonly log: Log };
  readonly #stores: NodeStores;
  readonly #nowMs: () => number;
  readonly #startedMs = monotonicMs();
  readonly stopped: Promise<StopReason>;
  #resolveStopped: (reason: StopReason) => void = () => undefined;
  #stopping: Promise<void> | undefined;
  #halted: StopReason | undefined;
  #core: NodeCore | undefined;
  #network: Network | undefined;
  #api: ApiThread | undefined;
  #scrub: LogScrub | undefined;
  #sweep: ReturnType<typeof setInterval> | undefined;
  #watch: ReadinessWatch | undefined;
  #twins: TwinWatch | undefined;
  #seeds: SeedWatch | undefined;
  #context: NodeContext | undefined;
  apiUrl: string | undefined;
  addresses: readonly string[] = [];

  constructor(options: StartOptions & { readonly log: Log }, stores: NodeStores, nowMs: () => number) {
    this.#options = options;
    this.#stores = stores;
    this.#nowMs = nowMs;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  get context(): NodeContext {
    assert(this.#context !== undefined, 'the node is open');
    return this.#context;
  }

  get #opened(): NodeCore {
    assert(this.#core !== undefined, 'the node is open');
    return this.#core;
  }

  get id(): AccountId {
    return this.#opened.self;
  }

  get chainId(): Digest {
    return this.#opened.genesis.chainId;
  }

  get simulated(): boolean {
    return this.#opened.genesis.genesis.trustAnchors.simulated;
  }

  async open(keys: NodeKeys, genesis: Awaited<ReturnType<typeof readGenesis>>, version: string): Promise<void> {
    const { layout, config, log, launch } = this.#options;
    const parts: NodeParts = {
      core: () => this.#core,
      network: () => this.#network,
      halted: () => this.#halted,
      name: config['node.name'],
      version,
      apiRestarts: () => this.#api?.restarts ?? 0,
      monotonicMs,
      freeBytes: () => this.#watch?.freeBytes,
      twin: () => this.#twins?.seen,
      upSeconds: () => Math.floor((monotonicMs() - this.#startedMs) / 1000),
    };
    const metrics = createMetrics(parts, keys.validator.id);
    const core = await createCore({
      layout,
      config,
      keys,
      genesis,
      stores: this.#stores,
      launch: launch ?? enclaveLauncher(layout, config, genesis, keys.validator.id),
      log,
      nowMs: this.#nowMs,
      monotonicMs,
      network: () => this.#network,
      onCommitted: (block) => this.#onCommitted(block, metrics),
      onHalt: (code, detail) => this.#onHalt(code, detail),
      observe: {
        challenged: (_, outcome) => metrics.challenged(outcome),
        executed: (report) => metrics.executed(report),
        refused: (code) => metrics.refused(code),
        evidence: (kind) => metrics.evidence(kind),
        failed: (operation, error) => this.#failed(operation, error, metrics),
      },
    });
    this.#core = core;
    await saveSnapshotIfDue(core.opened.log, core.opened.replica.ledger);
    this.#network = await this.#startNetwork(core, keys, metrics);
    this.addresses = this.#network.addresses();
    this.#context = createContext(parts, core, metrics);
    this.#startParts(core, metrics);
    const { readiness, waitsFor } = this.#context;
    this.#watch = new ReadinessWatch({ directory: layout.chain, readiness, waitsFor, log });
    this.#watch.start();
    const { readSeeds: read } = this.#options;
    if (read !== undefined) {
      const add = (seeds: readonly string[]): void => this.#network?.addSeeds(seeds);
      this.#seeds = new SeedWatch({ isLost: this.#context.isLost, read, add, log });
      this.#seeds.start();
    }
    if (config['api.enabled']) {
      const { context, simulated } = this;
      this.#api = createApi({ core, context, config, layout, version, simulated, log, monotonicMs });
      this.apiUrl = await this.#api.start();
    }
    log('info', 'started', { node: this.id, chain: this.chainId, api: this.apiUrl, simulated: this.simulated });
  }

  #startNetwork(core: NodeCore, keys: NodeKeys, metrics: NodeMetrics): Promise<Network> {
    const { config, join, log } = this.#options;
    const { all: members, weightless } = membersOf(core.opened.replica.ledger);
    const signing = (): SigningStatus['state'] => core.opened.replica.status().signing.state;
    const twins = new TwinWatch({
      self: this.id,
      peers: () => this.#network?.peers() ?? [],
      signing,
      monotonicMs,
      log,
      onHalt: (code, detail) => this.#onHalt(code, detail),
    });
    this.#twins = twins;
    return startNetwork({
      chainId: core.genesis.chainId,
      nodeKey: keys.node,
      member: {
        id: core.self,
        sign: (message) => core.signer.sign(message),
        signs: () => signing() === 'signing',
      },
      members,
      weightless,
      seeds: [...config['network.seeds'], ...(join === undefined ? [] : [join.address])],
      config,
      peers: this.#stores.peers,
      services: () => ({
        shell: core.shell,
        chain: core.opened.reader,
        blobs: core.exchange,
        holdings: core.holdings,
        desk: core.desk,
        onRecordUnsaved: (error) => this.#failed('peer-record-save', error, metrics),
        onCutOff: ({ peer, address, offence, forMs }) => log('warn', 'peer-cut-off', { peer, address, offence, forMs }),
        onTwin: (twin) => twins.saw(twin),
        onPeer: (id, up, isMember) => {
          log('debug', up ? 'peer-up' : 'peer-down', { id, isMember });
          core.shell.peer(id, up);
          if (up && isMember) core.peers.wake();
        },
      }),
    });
  }

  #startParts(core: NodeCore, metrics: NodeMetrics): void {
    const { layout, log } = this.#options;
    core.enclave?.start();
    core.shell.start();
    core.peers.start();
    const { provableHeight } = core.opened.recovered;
    const begin = async (): Promise<void> => {
      const provable = await core.opened.reader.executed(provableHeight);
      core.executor?.start(provable?.eventCount ?? 0);
    };
    begin().catch((error: unknown) => log('error', 'internal', { error: messageOf(error) }));
    this.#scrub = new LogScrub({
      log: core.opened.log,
      directory: layout.chain,
      onDamage: (error) => this.#onHalt(error.code, error.message),
      onError: (error) => log('warn', 'scrub-failed', { error: messageOf(error) }),
    });
    this.#scrub.start();
    this.#sweep = setInterval(() => {
      core.blobs.sweep().catch((error: unknown) => this.#failed('blob-sweep', error, metrics));
    }, BLOB_SWEEP_MS);
    this.#sweep.unref();
  }

  #onCommitted(block: CommittedBlock, metrics: NodeMetrics): void {
    const core = this.#core;
    metrics.committed(block);
    if (core === undefined) return;
    // A newcomer may take the place of another, so that their number says nothing.
    if (block.events.some(({ type }) => type === 'MemberRegistered')) {
      const { all, weightless } = membersOf(core.opened.replica.ledger);
      this.#network?.setMembers(all, weightless);
    }
    if (block.events.some(({ type }) => type === 'AttestationAccepted')) core.peers.wake();
    this.#options.log('debug', 'committed', { height: block.height, transactions: block.transactionCount });
  }

  #failed(operation: Operation, error: unknown, metrics: NodeMetrics): void {
    metrics.failed(operation);
    this.#options.log('warn', `${operation}-failed`, { code: codeOf(error), error: messageOf(error) });
  }

  #onHalt(code: string, detail: string): void {
    this.#options.log('error', 'halted', { code, detail });
    this.#halted ??= { code, detail };
    // Draining takes its time, and nothing may be signed in it.
    void this.#core?.shell.stop();
    void this.stop();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#drain();
    return this.#stopping;
  }

  /** Each step runs even if an earlier one failed, so that the databases are closed in any case. */
  async #drain(): Promise<void> {
    const core = this.#core;
    const { log } = this.#options;
    const step = async (name: string, work: Promise<unknown> | undefined): Promise<void> => {
      await work?.catch((error: unknown) => log('error', 'stop', { step: name, error: messageOf(error) }));
    };
    clearInterval(this.#sweep);
    this.#watch?.stop();
    this.#seeds?.stop();
    await step('api', this.#api?.close());
    core?.peers.stop();
    await step('scrub', this.#scrub?.stop());
    // Executions that hang are ended with their enclave.
    const executions = step('executor', core?.executor?.stop());
    await Promise.race([executions, new Promise((resolve) => setTimeout(resolve, DRAIN_MS_MAX).unref())]);
    await step('enclave', core?.enclave?.stop());
    await executions;
    await step('replica', core?.shell.stop());
    await step('network', this.#network?.stop());
    await step('index', core?.index.close());
    if (core !== undefined && this.#halted === undefined) {
      await step('snapshot', saveSnapshotIfDue(core.opened.log, core.opened.replica.ledger));
    }
    await step('databases', closeStores(this.#stores));
    const reason = this.#halted ?? { code: 'STOPPED', detail: 'as asked' };
    log('info', 'stopped', { code: reason.code });
    this.#resolveStopped(reason);
  }

  /** After a failed start: closes whatever is open. */
  async abandon(): Promise<void> {
    await this.stop();
  }
}
