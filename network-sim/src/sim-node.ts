/**
 * The shell of one simulated node: the real replica over stores in memory, with crash and restart.
 *
 * Stores are written in stages (chain sync, guard sync, completion) with virtual time between them, so that a crash can
 * fall between any two. A crash keeps what was synced; what was not, it keeps or loses by chance.
 */
import type { createMachine } from '@cloister/consensus';
import type { Ed25519KeyPair, SeededRandom } from '@cloister/crypto';
import { asEpoch, asView, type ValidatorId } from '@cloister/encoding';
import { type EventLog, MemoryStore } from '@cloister/event-log';
import type { ParsedGenesis } from '@cloister/ledger';
import {
  type ChainStore,
  carryOutStore,
  guardMarkOp,
  openReplica,
  type Replica,
  type ReplicaEffect,
  serveSync,
  type UntimedInput,
} from '@cloister/replica';
import type { Scheduler } from './scheduler.ts';

export interface SimNodeOptions {
  readonly index: number;
  readonly keyPair: Ed25519KeyPair;
  readonly genesis: ParsedGenesis;
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  /** Difference of this node's wall clock from virtual time, in milliseconds; may be stepped while the node runs. */
  skewMs: number;
  readonly createMachine?: typeof createMachine | undefined;
  /** Every effect that is not the node's own affair, in order. */
  onEffect(node: SimNode, effect: ReplicaEffect): void;
  /** The node's memory of what it signed is gone with the crash that follows: for mutation checks. */
  readonly forgetsGuard?: boolean | undefined;
  /** The key was made together with this node's guard, which says so: it may sign from its first start on. */
  readonly freshKey?: boolean | undefined;
}

interface Running {
  readonly replica: Replica;
  readonly log: EventLog;
  readonly reader: ChainStore;
  /** Newest setting of each timer; an older one that fires is void. */
  readonly timers: Map<string, number>;
  readonly stores: Extract<ReplicaEffect, { type: 'store' }>[];
  storing: boolean;
}

export class SimNode {
  readonly context: SimNodeOptions;
  #chain: MemoryStore = new MemoryStore();
  #guard: MemoryStore = new MemoryStore();
  #running: Running | undefined;
  /** Counts starts; what was scheduled in an earlier life is void. */
  #life = 0;
  #timerOrder = 0;
  crashes = 0;
  /** Its disk is empty: it never started, or lost it. */
  isNew = true;

  constructor(context: SimNodeOptions) {
    this.context = context;
  }

  get id(): ValidatorId {
    return this.context.keyPair.id as ValidatorId;
  }

  get index(): number {
    return this.context.index;
  }

  get up(): boolean {
    return this.#running !== undefined;
  }

  get replica(): Replica | undefined {
    return this.#running?.replica;
  }

  get reader(): ChainStore | undefined {
    return this.#running?.reader;
  }

  get log(): EventLog | undefined {
    return this.#running?.log;
  }

  get guardStore(): MemoryStore {
    return this.#guard;
  }

  /** This node's wall clock. Virtual time itself is its monotonic clock. */
  get nowMs(): number {
    return Math.floor(this.context.scheduler.nowMs + this.context.skewMs);
  }

  /** Opens the databases and starts the replica; throws what `openReplica` throws. */
  async start(): Promise<void> {
    const { genesis, keyPair, createMachine: machine } = this.context;
    if (this.#life === 0 && this.context.freshKey === true) await this.#markGuard();
    this.#life++;
    this.isNew = false;
    const { replica, log, reader } = await openReplica({
      config: { genesis, signer: keyPair, ...(machine === undefined ? {} : { createMachine: machine }) },
      chain: this.#chain,
      guard: this.#guard,
    });
    this.#running = { replica, log, reader, timers: new Map(), stores: [], storing: false };
    this.input({ type: 'start' });
  }

  async #markGuard(): Promise<void> {
    const floor = { epoch: asEpoch(0), view: asView(0) };
    await this.#guard.batch([guardMarkOp({ validator: this.id, floor })], { sync: true });
  }

  /** As `crash`, and what comes back has an empty disk: the key file is all that is left. */
  loseDisk(): void {
    this.crash();
    this.#chain = new MemoryStore();
    this.#guard = new MemoryStore();
    this.isNew = true;
  }

  /** Power off: memory is gone, and of unsynced writes what chance leaves. */
  crash(): void {
    this.crashes++;
    this.#life++;
    this.#running = undefined;
    const lose = this.context.random.below(2) === 0;
    this.#chain = lose ? this.#chain.durableCopy() : this.#chain.copy();
    this.#guard = lose ? this.#guard.durableCopy() : this.#guard.copy();
    if (this.context.forgetsGuard === true) this.#guard = new MemoryStore();
  }

  /** Feeds the replica and carries out what it answers. Nothing happens while the node is down. */
  input(input: UntimedInput): void {
    const running = this.#running;
    if (running === undefined) return;
    const clocks = { nowMs: this.nowMs, monotonicMs: this.context.scheduler.nowMs };
    for (const effect of running.replica.step({ ...input, ...clocks })) this.#run(running, effect);
  }

  #run(running: Running, effect: ReplicaEffect): void {
    if (effect.type === 'store') {
      running.stores.push(effect);
      this.#storeNext(running);
    } else if (effect.type === 'set-timer') {
      this.#setTimer(running, effect.id, effect.delayMs);
    } else {
      this.context.onEffect(this, effect);
    }
  }

  #setTimer(running: Running, id: string, delayMs: number): void {
    const order = ++this.#timerOrder;
    running.timers.set(id, order);
    this.#later(delayMs, () => {
      if (running.timers.get(id) === order) this.input({ type: 'timer', id });
    });
  }

  /** Runs after `delayMs` unless the node went down in between. */
  #later(delayMs: number, run: () => void | Promise<void>): void {
    const life = this.#life;
    this.context.scheduler.after(delayMs, () => (this.#life === life ? run() : undefined));
  }

  #storeNext(running: Running): void {
    if (running.storing) return;
    const effect = running.stores.shift();
    if (effect === undefined) return;
    running.storing = true;
    const { random } = this.context;
    const guardOnly = { ...effect, chain: [], append: [] };
    const chainOnly = { ...effect, guard: [] };
    const stores = () => ({ chain: this.#chain, guard: this.#guard, log: running.log });
    const syncMs = () => 0.2 + random.below(30) / 10;
    this.#later(effect.chain.length > 0 ? syncMs() : 0, async () => {
      await carryOutStore(chainOnly, stores());
      this.#later(effect.guardSync ? syncMs() : 0, async () => {
        await carryOutStore(guardOnly, stores());
        this.#later(0, () => {
          running.storing = false;
          this.input({ type: 'stored', token: effect.token });
          this.#storeNext(running);
        });
      });
    });
  }

  /** Answers a sync request, or undefined while down. */
  async serve(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const running = this.#running;
    if (running === undefined) return undefined;
    return serveSync(running.reader, bytes, { submit: (transaction) => this.#submitFor(transaction) });
  }

  #nextRef = 1;
  readonly #admissions = new Map<number, string>();

  async #submitFor(transaction: Uint8Array): Promise<string> {
    const ref = this.#nextRef++;
    this.input({ type: 'submit', ref, bytes: transaction });
    const code = this.#admissions.get(ref) ?? 'NOT_ACCEPTING';
    this.#admissions.delete(ref);
    return code;
  }

  /** The outcome of a submission, as the simulation saw it. */
  noteAdmission(effect: Extract<ReplicaEffect, { type: 'admission' }>): void {
    this.#admissions.set(effect.ref, effect.result.ok ? '' : effect.result.code);
  }
}
