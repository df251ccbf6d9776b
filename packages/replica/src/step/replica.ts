/**
 * One replica without I/O of its own: `step(input)` answers with the effects to carry out, first in, first out.
 *
 * It wires the parts together. Consensus decides the order (consensus-driver.ts); batches carry the transactions
 * (ingress.ts, batch-pool.ts); execution follows finalization (commit-pipeline.ts); what is missing is fetched
 * (fetcher.ts). Nothing that comes from outside makes `step` throw: hostile bytes end in a `refused` effect with a code.
 */
import { evidenceKey } from '@cloister/consensus';
import type { KeyedTree } from '@cloister/crypto';
import { asHeight, assert, type Digest, type Height } from '@cloister/encoding';
import type { EventLog, PreparedAppend } from '@cloister/event-log';
import type { LedgerState } from '@cloister/ledger';
import { BatchIntake } from '../batches/batch-intake.ts';
import { BatchPool } from '../batches/batch-pool.ts';
import { BatchPuller, PULL_TIMER } from '../batches/batch-puller.ts';
import { BUILD_TIMER } from '../blocks/block-builder.ts';
import { EvidencePool } from '../blocks/evidence-pool.ts';
import { Forwarder } from '../receive/forwarder.ts';
import { FLUSH_TIMER, Ingress } from '../receive/ingress.ts';
import { TransactionSignatureCache } from '../receive/transaction-signatures.ts';
import type { RecoveredReplica } from '../recovery/recovered.ts';
import { type Commit, CommitPipeline } from '../store/commit-pipeline.ts';
import { TipTracker } from '../store/committed-tip.ts';
import { DurableWrites } from '../store/durable-writes.ts';
import { committedEffect, type ExecutedBlock } from '../store/executed-block.ts';
import { rememberedRound } from '../store/guard-memory.ts';
import { Fetcher, HEDGE_TIMER } from '../sync/fetcher.ts';
import { RequestDesk } from '../sync/request-desk.ts';
import { FOLLOW_TIMER, Follower } from '../sync/sync-follow.ts';
import { SyncPeers } from '../sync/sync-peers.ts';
import { ConsensusDriver } from './consensus-driver.ts';
import { ReplicaProgress } from './progress.ts';
import { createReplicaCore, type ReplicaConfig, type ReplicaCore } from './replica-core.ts';
import type { ReplicaClocks, ReplicaEffect, ReplicaInput, ReplicaStatus } from './replica-ports.ts';
import { START_TIMER, StartRule } from './start-rule.ts';
import { TaskAssigner } from './task-assigner.ts';

export class Replica {
  readonly #core: ReplicaCore;
  readonly #pool: BatchPool;
  readonly #intake: BatchIntake;
  readonly #ingress: Ingress;
  readonly #evidence: EvidencePool;
  readonly #peers: SyncPeers;
  readonly #desk: RequestDesk;
  readonly #fetcher: Fetcher;
  readonly #puller: BatchPuller;
  readonly #pipeline: CommitPipeline;
  readonly #consensus: ConsensusDriver;
  readonly #startRule: StartRule;
  readonly #writes = new DurableWrites((effect) => this.#effects.push(effect));
  readonly #tasks: TaskAssigner;
  readonly #follower: Follower;
  #effects: ReplicaEffect[] = [];
  #clocks: ReplicaClocks = { nowMs: 0, monotonicMs: 0 };
  #halted: { readonly code: string; readonly detail: string } | undefined;
  readonly #tip: TipTracker;
  readonly #progress: ReplicaProgress;
  #provableHeight: Height;
  /** Newest height with an event beside BlockBegun. */
  #workHeight: Height;
  #started = false;

  /** From what `recoverReplica` read; use `openReplica`. */
  constructor(config: ReplicaConfig, recovered: RecoveredReplica, log: Pick<EventLog, 'prepare' | 'resyncTarget'>) {
    this.#provableHeight = recovered.provableHeight;
    this.#workHeight = recovered.workHeight;
    this.#tip = new TipTracker(recovered.tip);
    const core = createReplicaCore(config, recovered.ledger, {
      clocks: () => this.#clocks,
      resyncs: () => log.resyncTarget !== undefined,
      emit: (effect) => this.#effects.push(effect),
      committedHeight: () => asHeight(Math.max(this.#tip.height, this.#progress.height)),
      executedHeight: () => this.#progress.height,
      halt: (code, detail) => this.#halt(code, detail),
    });
    const { set, self } = core;
    this.#core = core;
    this.#progress = new ReplicaProgress(core, config, recovered);
    const signatures = new TransactionSignatureCache();
    const named = (): ReadonlySet<Digest> =>
      new Set([...this.#pipeline.namedBatches(), ...this.#consensus.namedBatches()]);
    this.#pool = new BatchPool({ chainId: core.chainId, set, signatures, named });
    const onArrived = (): void => {
      this.#pipeline.run();
      this.#consensus.recheck();
    };
    this.#intake = new BatchIntake(core, this.#pool, onArrived);
    this.#evidence = new EvidencePool(core.chainId, set, core.ledger.equivocations.keys());
    this.#peers = new SyncPeers(core);
    this.#desk = new RequestDesk(core, this.#peers);
    this.#fetcher = new Fetcher(core, this.#peers, this.#desk, {
      onChain: (blocks) => this.#consensus.chainFetched(blocks),
      onRange: (range) => this.#follower.onRange(range),
    });
    this.#puller = new BatchPuller({
      ...{ core, peers: this.#peers, desk: this.#desk, pool: this.#pool },
      needed: () => new Map([...this.#consensus.neededBatches(), ...this.#pipeline.neededBatches()]),
      onArrived,
    });
    const forwarder = new Forwarder(this.#peers, this.#desk);
    this.#ingress = new Ingress(core, this.#pool, signatures, (transactions) => forwarder.forward(transactions));
    this.#pipeline = new CommitPipeline(core, this.#pool, log, recovered, {
      onMissing: () => this.#puller.need(),
      onDurable: (executed, head) => this.#onDurable(executed, head),
      onRefused: (code) => core.emit({ type: 'refused', from: 'sync', code }),
      store: ({ chain, guard, append }, done) => this.#writes.store({ chain, guard, guardSync: false, append }, done),
    });
    this.#consensus = new ConsensusDriver({
      core,
      config,
      recovered,
      pool: this.#pool,
      evidence: this.#evidence,
      root: (height) => this.#pipeline.root(height),
      newestCommit: (height) => this.#tip.newestUpTo(height),
      fetcher: this.#fetcher,
      persist: (chain, guard, done) => this.#writes.store({ chain, guard, guardSync: true, append: [] }, done),
      persistOps: (block) => this.#pipeline.persistOps(block),
      onCommit: (commit) => this.#onCommit(commit),
      onEvidence: (evidence) => {
        if (!this.#evidence.add(evidence)) return;
        core.emit({ type: 'evidence', against: evidence.signer, kind: evidence.type, key: evidenceKey(evidence) });
      },
      onMissing: () => this.#puller.need(),
      onCatchUp: (from) => this.#follower.catchUp(from),
      onRecall: (from, recall) => this.#startRule.onRecall(from, recall),
      onOwnUnknown: (round) => this.#startRule.onOwnUnknown(round),
    });
    this.#startRule = new StartRule({
      core,
      memory: recovered.guardMemory,
      remembered: rememberedRound(recovered.machine.guard),
      resyncing: () => core.isMember && !core.isValidator,
      round: () => this.#consensus.status,
      send: (to, message) => this.#consensus.send(to, message),
      feed: (input) => this.#consensus.feed(input),
    });
    const [peers, fetcher, pipeline, consensus] = [this.#peers, this.#fetcher, this.#pipeline, this.#consensus];
    this.#follower = new Follower({ core, peers, fetcher, pipeline, consensus });
    this.#tasks = new TaskAssigner(self);
    // What is read from disk passes the same rules as what comes from outside, since an earlier fault may have left it
    // there.
    for (const { id, height, bytes } of recovered.batches) this.#pool.pulled(bytes, { id, height }, 0);
    for (const { ids, height } of recovered.committedBatches) this.#pool.commit(ids, height);
  }

  /** The agreed state as executed; changed in place by later steps. */
  get ledger(): LedgerState {
    return this.#core.ledger;
  }

  /** The facts of the state after an executed height, while they are kept. */
  facts(height: Height): KeyedTree {
    return this.#pipeline.facts(height);
  }

  status(): ReplicaStatus {
    const { view, held, leaders } = this.#consensus.status;
    return {
      role: this.#core.isValidator ? 'validator' : 'observer',
      epoch: this.#core.epoch,
      view,
      held,
      signing: this.#startRule.status,
      leaders,
      finalizedHeight: this.#core.committedHeight(),
      executedHeight: this.#progress.height,
      provableHeight: this.#provableHeight,
      pendingTransactions: this.#ingress.pendingCount,
      pendingBatches: this.#pool.pendingCount,
      halted: this.#halted,
      ...this.#progress.status(this.#follower.behind),
    };
  }

  /** Whether a transaction was admitted here and is not executed yet. */
  isPending(id: Digest): boolean {
    return this.#ingress.isPending(id);
  }

  /** One input; the effects in the order in which to carry them out. */
  step(input: ReplicaInput): ReplicaEffect[] {
    this.#effects = [];
    assert(input.monotonicMs >= this.#clocks.monotonicMs, 'the monotonic clock never goes back');
    this.#clocks = { nowMs: input.nowMs, monotonicMs: input.monotonicMs };
    if (this.#halted === undefined) {
      // Before the start only connections are noted, so that nothing is counted before the recovered records.
      if (this.#started || input.type === 'start' || input.type === 'peer') this.#take(input);
      if (this.#halted === undefined && this.#started) {
        this.#startRule.progress();
        this.#progress.heard(this.#consensus.status);
        this.#consensus.workPending(this.#hasWork());
      }
    } else if (input.type === 'submit') {
      this.#core.emit({ type: 'admission', ref: input.ref, result: { ok: false, code: 'HALTED' } });
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #take(input: ReplicaInput): void {
    switch (input.type) {
      case 'start':
        assert(!this.#started, 'a replica starts once');
        this.#started = true;
        this.#progress.start();
        this.#consensus.start();
        this.#startRule.start();
        this.#tasks.resume(this.#core.ledger);
        this.#assignTasks();
        this.#follower.poll();
        break;
      case 'frame':
        if (input.channel === 'consensus') this.#consensus.frame(input.from, input.bytes);
        else this.#intake.gossiped(input.from, input.bytes);
        break;
      case 'response':
        this.#desk.response(input.requestId, input.from, input.bytes);
        break;
      case 'timer':
        this.#onTimer(input.id);
        break;
      case 'stored':
        this.#writes.stored(input.token);
        break;
      case 'submit':
        this.#admit(input);
        break;
      case 'peer': {
        const first = this.#peers.count === 0;
        this.#peers.set(input.id, input.up);
        if (this.#started && input.up) this.#startRule.peerUp(input.id);
        if (this.#started && input.up && first) this.#follower.poll();
        break;
      }
    }
  }

  #admit({ ref, bytes, verified }: Extract<ReplicaInput, { type: 'submit' }>): void {
    this.#core.emit({ type: 'admission', ref, result: this.#ingress.submit(bytes, verified) });
  }

  #onTimer(id: string): void {
    if (id === FLUSH_TIMER) this.#ingress.flush();
    else if (id === BUILD_TIMER) this.#consensus.tryBuild();
    else if (id === PULL_TIMER) this.#puller.pull();
    else if (id === HEDGE_TIMER) this.#fetcher.hedge();
    else if (id === FOLLOW_TIMER) this.#follower.poll();
    else if (id === START_TIMER) this.#startRule.timer();
    else this.#consensus.timer(id);
  }

  #onCommit(commit: Commit): void {
    const last = commit.blocks.at(-1);
    if (last === undefined) return;
    this.#tip.move({ hash: last.hash, header: last.header, finalization: commit.finalization });
    for (const { body } of commit.blocks) this.#evidence.commit(body.evidence);
    this.#pipeline.commit(commit);
    this.#pipeline.run();
    this.#follower.committed();
  }

  #onDurable(executed: readonly ExecutedBlock[], head: PreparedAppend['head']): void {
    for (const { block, record, execution } of executed) {
      this.#progress.executed(record);
      this.#provableHeight = block.header.lastFinal.height;
      if (execution.events.length > 1) this.#workHeight = record.height;
      this.#ingress.executed(execution.fates.map(({ id }) => id));
      for (const event of execution.events) if (event.type === 'InferenceRequested') this.#tasks.requested(event);
      this.#core.emit(committedEffect({ block, record, execution }));
    }
    const { height } = this.#progress;
    for (const expired of this.#pool.expire(height)) this.#ingress.requeue(expired);
    this.#ingress.expire(height);
    const last = executed.at(-1);
    assert(last !== undefined, 'a commit has blocks');
    this.#consensus.executed(height, last.block.hash, { count: head.count, hash: head.hash });
    this.#assignTasks();
  }

  #hasWork(): boolean {
    return this.#pool.pendingCount > 0 || this.#evidence.size > 0 || this.#workHeight > this.#provableHeight;
  }

  #assignTasks(): void {
    const due = this.#tasks.due(this.#core.ledger, this.#provableHeight);
    for (const task of due) this.#core.emit({ type: 'execute', task });
  }

  #halt(code: string, detail: string): void {
    if (this.#halted !== undefined) return;
    this.#halted = { code, detail };
    this.#core.emit({ type: 'halt', code, detail });
  }
}
