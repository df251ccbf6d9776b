/**
 * Drives the consensus state machine: decodes frames into its inputs, and turns its effects into those of the replica.
 *
 * Inputs that arise while effects are carried out (a block that verifies at once) wait in a queue, so that the effects
 * of one step are complete before the next begins. Proposals that cannot be judged yet and builds that must wait are
 * kept here and looked at again when something changes.
 */
import {
  type Block,
  blockOf,
  type ConsensusMessage,
  createMachine,
  DEFAULT_TIMING,
  type Effect,
  encodeGuardRecord,
  encodeMessage,
  type FaultEvidence,
  type GuardHead,
  type Input,
  type MachineState,
  type MachineStatus,
  machineStatus,
  type Recall,
  type Round,
  step,
  uselessAtAGlimpse,
} from '@cloister/consensus';
import { type Digest, type Height, parseValidatorId, type ValidatorId } from '@cloister/encoding';
import type { StoreOp } from '@cloister/event-log';
import type { BatchPool } from '../batches/batch-pool.ts';
import type { Want } from '../batches/batch-puller.ts';
import { BUILD_TIMER, type BuildRequest, buildBlock } from '../blocks/block-builder.ts';
import type { EvidencePool } from '../blocks/evidence-pool.ts';
import { RECEIVE_TIMER, Receiver, sendPriority } from '../receive/receiver.ts';
import type { RecoveredReplica } from '../recovery/recovered.ts';
import { guardKey } from '../store/chain-keys.ts';
import type { Commit } from '../store/commit-pipeline.ts';
import type { CommittedTip } from '../store/committed-tip.ts';
import { GuardKeys } from '../store/guard-keys.ts';
import type { ArrivedRange, Fetcher } from '../sync/fetcher.ts';
import { ProposalJudge } from './proposal-judge.ts';
import type { ExecutedRoot, ReplicaConfig, ReplicaCore } from './replica-core.ts';

const TIMER_PREFIX = 'consensus/';
/** The machine has verification left over from an earlier step. */
const CONTINUE_TIMER = 'continue';

export interface DriverParts {
  readonly core: ReplicaCore;
  readonly config: ReplicaConfig;
  readonly recovered: RecoveredReplica;
  readonly pool: BatchPool;
  readonly evidence: EvidencePool;
  readonly fetcher: Fetcher;
  /** Roots of an executed block, durable or about to be. */
  readonly root: (height: Height) => ExecutedRoot | undefined;
  readonly newestCommit: (height: number) => CommittedTip | undefined;
  readonly persistOps: (block: Block) => StoreOp[];
  readonly persist: (chain: readonly StoreOp[], guard: readonly StoreOp[], done: () => void) => void;
  readonly onCommit: (commit: Commit) => void;
  readonly onEvidence: (evidence: FaultEvidence) => void;
  readonly onRecall: (from: ValidatorId, recall: Recall) => void;
  readonly onOwnUnknown: (round: Round) => void;
  /** Proposals name batches that are not here. */
  readonly onMissing: () => void;
  readonly onCatchUp: (from: readonly ValidatorId[]) => void;
}

export class ConsensusDriver {
  readonly #parts: DriverParts;
  readonly #guardKeys: GuardKeys;
  #machine: MachineState;
  readonly #receiver: Receiver;
  /** Signatures checked by consensus so far. */
  #checked = 0;
  readonly #inputs: Input[] = [];
  #draining = false;
  /** The newest timer of each name, which says what it means when it fires. */
  readonly #timers = new Map<string, Extract<Effect, { type: 'set-timer' }>>();
  readonly #judge: ProposalJudge;
  #building: BuildRequest | undefined;
  #workPending = false;
  #certificateAttempts = 0;

  constructor(parts: DriverParts) {
    this.#parts = parts;
    const { core, config, recovered } = parts;
    this.#guardKeys = new GuardKeys(recovered.guardKeys);
    this.#machine = (config.createMachine ?? createMachine)(
      {
        chainId: core.chainId,
        self: core.self,
        sign: core.isMember ? core.signer.sign : undefined,
        startsMuted: true,
        genesisSet: core.set,
        genesisTimestampMs: core.genesis.genesis.timeMs,
        timing: { ...DEFAULT_TIMING, ...config.timing },
      },
      recovered.machine,
    );
    this.#judge = new ProposalJudge(parts, (answer) => this.feed(answer));
    this.#receiver = new Receiver({
      core,
      useless: (from, glimpse) => uselessAtAGlimpse(this.#machine, from, glimpse),
      take: (from, message) => {
        const before = this.#checked;
        if (message.type === 'recall') parts.onRecall(from, message);
        else this.feed({ type: 'message', from, message });
        return this.#checked - before;
      },
    });
  }

  get status(): MachineStatus {
    return machineStatus(this.#machine);
  }

  start(): void {
    this.feed({ type: 'chain-head', head: this.#parts.recovered.head });
    this.feed({ type: 'start' });
  }

  neededBatches(): ReadonlyMap<Digest, Want> {
    return this.#judge.neededBatches(this.#machine);
  }

  namedBatches(): Digest[] {
    return this.#judge.namedBatches();
  }

  /** Looks at waiting proposals again: something arrived or was executed. */
  recheck(): void {
    this.#judge.recheck();
  }

  frame(from: ValidatorId, bytes: Uint8Array): void {
    this.#receiver.frame(from, bytes);
  }

  timer(id: string): void {
    if (id === RECEIVE_TIMER) this.#receiver.timer();
    if (id === CONTINUE_TIMER) this.feed({ type: 'continue' });
    const set = this.#timers.get(id);
    if (set !== undefined) this.feed({ type: 'timer', timer: set.timer, epoch: set.epoch, view: set.view });
  }

  /** Tells the machine when it changes whether a leader has reason to propose at once. */
  workPending(pending: boolean): void {
    if (pending === this.#workPending) return;
    this.#workPending = pending;
    this.feed({ type: 'work-pending', pending });
  }

  /** A commit's chain batch is durable. */
  executed(height: Height, hash: Digest, head: GuardHead): void {
    this.feed({ type: 'chain-head', head });
    this.feed({ type: 'executed', height, hash });
    this.recheck();
    this.tryBuild();
  }

  /** A block that was asked for, with ancestors. */
  chainFetched([tip, ...ancestors]: readonly Block[]): void {
    if (tip !== undefined) this.feed({ type: 'block-arrived', header: tip.header, body: tip.body, ancestors });
  }

  /** A synced range; the machine checks certificate and hash chain. */
  chainArrived(range: ArrivedRange): void {
    // A peer that is no validator is known by its libp2p name alone. It is not blamed here.
    const from = parseValidatorId(range.from) ?? this.#parts.core.self;
    this.feed({ type: 'chain-arrived', from, blocks: range.blocks, finalization: range.finalization });
  }

  feed(input: Input): void {
    this.#inputs.push(input);
    if (this.#draining) return;
    this.#draining = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      const { state, effects, checked } = step(this.#machine, next);
      this.#machine = state;
      this.#checked += checked;
      for (const effect of effects) this.#run(effect);
    }
    this.#draining = false;
  }

  #run(effect: Effect): void {
    const { core, fetcher, onCommit, onEvidence, onCatchUp } = this.#parts;
    switch (effect.type) {
      case 'persist':
        this.#persist(effect);
        break;
      case 'send':
        this.send(effect.to, effect.message);
        break;
      case 'set-timer': {
        const id = TIMER_PREFIX + effect.timer;
        this.#timers.set(id, effect);
        core.setTimer(id, effect.delayMs);
        break;
      }
      case 'verify-block':
        this.#judge.take(effect, this.status.view);
        break;
      case 'build-block':
        this.#building = effect;
        this.tryBuild();
        break;
      case 'fetch-block':
        fetcher.fetchChain(effect.hash, effect.aboveHeight, effect.from);
        break;
      case 'fetch-certificates':
        this.#fetchCertificates(effect);
        break;
      case 'catch-up':
        onCatchUp(effect.from);
        break;
      case 'commit':
        this.#judge.forgetBelow(effect.blocks.at(-1)?.header.height);
        onCommit({ blocks: effect.blocks, finalization: effect.finalization });
        break;
      case 'evidence':
        onEvidence(effect.evidence);
        break;
      case 'rejected':
        this.#receiver.rejected(effect.from, effect.code);
        break;
      case 'continue':
        core.setTimer(CONTINUE_TIMER, 0);
        break;
      case 'own-unknown':
        this.#parts.onOwnUnknown(effect.round);
        break;
      case 'halt':
        core.halt(effect.code, effect.detail);
        break;
      // Blocks are fetched by the sync protocol, which every node serves from its store, with their batches.
      case 'serve-block':
      case 'enter-epoch':
        break;
    }
  }

  send(to: ValidatorId | 'all', message: ConsensusMessage): void {
    const priority = sendPriority(message.type);
    this.#parts.core.emit({ type: 'send', to, channel: 'consensus', priority, bytes: encodeMessage(message) });
  }

  #persist({ token, record, block }: Extract<Effect, { type: 'persist' }>): void {
    const { core, persist, persistOps } = this.#parts;
    const key = guardKey(record);
    const value = encodeGuardRecord(core.chainId, record);
    const guard: StoreOp[] = [...this.#guardKeys.put(key, record.floor), { type: 'put', key, value }];
    const stored = block === undefined ? undefined : blockOf(block.header, block.body);
    const chain = stored === undefined ? [] : persistOps(stored);
    persist(chain, guard, () => this.feed({ type: 'persisted', token }));
  }

  #fetchCertificates({ epoch, fromView, toView, from }: Extract<Effect, { type: 'fetch-certificates' }>): void {
    const to = from[this.#certificateAttempts++ % Math.max(1, from.length)] ?? 'all';
    this.send(to, { type: 'cert-request', epoch, fromView, toView });
  }

  // Building.

  tryBuild(): void {
    const request = this.#building;
    if (request === undefined) return;
    const { core, pool, evidence, root, newestCommit } = this.#parts;
    const outcome = buildBlock({ core, pool, evidence, root, newestCommit }, request);
    if ('built' in outcome) {
      this.#building = undefined;
      this.feed({ type: 'block-built', epoch: request.epoch, view: request.view, ...outcome.built });
    } else if (outcome.waitMs !== undefined) {
      core.setTimer(BUILD_TIMER, outcome.waitMs);
    }
  }
}
