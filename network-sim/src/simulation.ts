/**
 * One run: real replicas on virtual time, a faulty network between them, clients, incidents, and the checkers over all.
 */
import type { Header } from '@cloister/consensus';
import { SeededRandom } from '@cloister/crypto';
import type { Digest, ValidatorId } from '@cloister/encoding';
import type { ReplicaEffect } from '@cloister/replica';
import type { Behaviour } from './byzantine/behaviour.ts';
import { BYZANTINE } from './byzantine/index.ts';
import { Checkers } from './checkers.ts';
import { ClientLoad } from './client-load.ts';
import { CutOffs } from './cut-offs.ts';
import { FaultyNetwork } from './faulty-network.ts';
import { makeNetwork, SIM_START_MS, type SimulatedNetwork } from './genesis.ts';
import { HostileTenant } from './hostile-tenant.ts';
import { Incidents } from './incidents.ts';
import type { RunOptions, RunReport } from './report.ts';
import type { Scenario, ScenarioPlan } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { SimNode } from './sim-node.ts';
import { Trace } from './trace.ts';
import { Wires } from './wires.ts';

/** Virtual time in which one more block must be made, once nothing more befalls the network. */
const LIVENESS_MS_PER_BLOCK = 15_000;
const SETTLE_MS = 60_000;
const HELD_ROUNDS_MAX = 400;
/** Submissions of the hostile tenant, none of which is told apart. */
const HOSTILE_REF = 1;

export class Simulation {
  readonly #scenario: Scenario;
  readonly #seed: string;
  readonly #blocks: number;
  readonly #forMs: number | undefined;
  readonly #random: SeededRandom;
  readonly #scheduler = new Scheduler(SIM_START_MS);
  readonly #network: FaultyNetwork;
  readonly #setup: SimulatedNetwork;
  readonly #plan: ScenarioPlan;
  readonly #nodes: SimNode[] = [];
  readonly #byzantine = new Map<number, Behaviour>();
  readonly #checkers: Checkers;
  readonly #trace = new Trace();
  readonly #headers = new Map<Digest, Header>();
  readonly #heights: number[] = [];
  readonly #evidence = new Set<string>();
  readonly #refusals = new Map<string, number>();
  readonly #load: ClientLoad;
  readonly #hostileTenant: HostileTenant;
  readonly #wires: Wires;
  #nextRef = 1_000_000;
  readonly #incidents: Incidents;
  readonly #cutOffs: CutOffs;
  #finished = false;

  constructor(options: RunOptions) {
    this.#scenario = options.scenario;
    this.#seed = options.seed;
    this.#blocks = options.forMs === undefined ? (options.blocks ?? options.scenario.blocks) : Number.POSITIVE_INFINITY;
    this.#forMs = options.forMs;
    this.#random = new SeededRandom(`${options.scenario.name}/${options.seed}`);
    const size = {
      validators: options.validators ?? options.scenario.validators,
      observers: options.scenario.observers ?? 0,
    };
    this.#setup = makeNetwork(this.#random.fork('keys'), { ...size, clients: 2 });
    this.#plan = options.scenario.plan(this.#random.fork('plan'), size);
    this.#network = new FaultyNetwork(this.#scheduler, this.#random.fork('network'), this.#plan.profile);
    const validators = this.#setup.nodes.slice(0, size.validators).map(({ id }) => id as ValidatorId);
    const honest = new Set(validators.filter((_, index) => this.#plan.byzantine?.has(index) !== true));
    this.#checkers = new Checkers(this.#setup.genesis.chainId, validators, honest, () => this.#scheduler.stop());
    this.#setup.nodes.forEach((keyPair, index) => {
      const name = this.#plan.byzantine?.get(index);
      const random = this.#random.fork(`node ${index}`);
      if (name !== undefined) {
        const { chainId } = this.#setup.genesis;
        const context = { chainId, keyPair, random, validators, self: index };
        this.#byzantine.set(index, BYZANTINE[name].make(context));
      }
      this.#nodes.push(
        new SimNode({
          index,
          keyPair,
          genesis: this.#setup.genesis,
          scheduler: this.#scheduler,
          random,
          skewMs: random.below(100) - 50,
          createMachine: this.#plan.createMachine,
          forgetsGuard: this.#plan.forgetsGuard,
          freshKey: true,
          onEffect: (node, effect) => this.#onEffect(node, effect),
        }),
      );
      this.#heights.push(0);
    });
    const { genesis, clients, hostileTenant } = this.#setup;
    this.#load = new ClientLoad(genesis.chainId, clients, this.#random.fork('load'));
    this.#hostileTenant = new HostileTenant(genesis.chainId, hostileTenant, this.#random.fork('hostile tenant'));
    this.#wires = new Wires({
      scheduler: this.#scheduler,
      network: this.#network,
      nodes: this.#nodes,
      validatorCount: size.validators,
      byzantine: this.#byzantine,
      checkers: this.#checkers,
      trace: (line) => this.#trace.add(`${this.#at()} ${line}`),
    });
    this.#cutOffs = new CutOffs({
      scheduler: this.#scheduler,
      network: this.#network,
      nodes: this.#nodes,
      byzantine: this.#byzantine,
      checkers: this.#checkers,
      trace: (line) => this.#trace.add(`${this.#at()} ${line}`),
    });
    this.#incidents = new Incidents({
      chainId: this.#setup.genesis.chainId,
      scheduler: this.#scheduler,
      network: this.#network,
      nodes: this.#nodes,
      heights: this.#heights,
      checkers: this.#checkers,
      trace: (line) => this.#trace.add(`${this.#at()} ${line}`),
    });
  }

  async run(): Promise<RunReport> {
    const offline = new Set(this.#plan.offline ?? []);
    for (const node of this.#nodes) {
      if (!offline.has(node.index))
        this.#scheduler.after(this.#random.below(50), () => this.#incidents.startNode(node));
    }
    for (const incident of this.#plan.incidents ?? []) this.#incidents.schedule(incident);
    if ((this.#plan.loadIntervalMs ?? 0) > 0) this.#submitEvery(this.#plan.loadIntervalMs ?? 0);
    if (this.#plan.hostileTenant !== undefined) this.#floodEvery(this.#plan.hostileTenant);
    this.#wires.startTicks();
    if (this.#forMs !== undefined) this.#scheduler.after(this.#forMs, () => this.#scheduler.stop());
    const budgetMs = this.#incidents.calmAtMs - SIM_START_MS + SETTLE_MS + this.#blocks * LIVENESS_MS_PER_BLOCK;
    try {
      const outcome = await this.#scheduler.run(SIM_START_MS + budgetMs);
      if (outcome !== 'stopped') {
        const heights = this.#heights.join(', ');
        this.#checkers.fail('L1', `heights ${heights} after ${budgetMs} ms, ${this.#blocks} blocks were due`);
      }
    } catch (error) {
      // An assertion inside a node is a finding like any other, and as reproducible.
      this.#checkers.fail('APP', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    this.#finish();
    return this.#report();
  }

  // Clients.

  #submitEvery(intervalMs: number): void {
    if (this.#finished) return;
    const up = this.#nodes.filter((node) => node.up && !this.#byzantine.has(node.index));
    const node = up[this.#load.pick(up.length)];
    const bytes = this.#load.next(this.#heights[node?.index ?? 0] ?? 0);
    if (bytes !== undefined) node?.input({ type: 'submit', ref: this.#nextRef++, bytes });
    this.#scheduler.after(1 + this.#load.pick(2 * intervalMs), () => this.#submitEvery(intervalMs));
  }

  #floodEvery(flood: NonNullable<ScenarioPlan['hostileTenant']>): void {
    if (this.#finished) return;
    for (const node of this.#nodes.filter(({ up }) => up)) {
      for (let i = 0; i < flood.each; i++) {
        const bytes = this.#hostileTenant.next(this.#heights[node.index] ?? 0);
        if (bytes !== undefined) node.input({ type: 'submit', ref: HOSTILE_REF, bytes });
      }
    }
    this.#scheduler.after(flood.intervalMs, () => this.#floodEvery(flood));
  }

  // Effects.

  #at(): string {
    return (this.#scheduler.nowMs - SIM_START_MS).toFixed(1);
  }

  #onEffect(node: SimNode, effect: ReplicaEffect): void {
    switch (effect.type) {
      case 'send':
        this.#wires.send(node, effect);
        return;
      case 'gossip':
        this.#wires.gossip(node, effect.bytes);
        return;
      case 'request':
        this.#wires.request(node, effect);
        return;
      case 'committed':
        this.#committed(node, effect);
        return;
      case 'admission':
        node.noteAdmission(effect);
        if (effect.ref === HOSTILE_REF) this.#hostileTenant.answered(effect.result.ok);
        else if (effect.result.ok) this.#load.admitted(effect.result.value.id);
        return;
      case 'evidence':
        this.#evidence.add(`${effect.kind} by ${this.#nodes.findIndex(({ id }) => id === effect.against)}`);
        this.#checkers.evidence(effect.against, effect.kind);
        return;
      case 'blame':
        this.#cutOffs.blame(node, effect);
        return;
      case 'halt':
        if (!this.#byzantine.has(node.index))
          this.#checkers.fail('S1', `node ${node.index} halted: ${effect.code} ${effect.detail}`);
        return;
      case 'refused':
        this.#refusals.set(effect.code, (this.#refusals.get(effect.code) ?? 0) + 1);
        this.#trace.add(`${this.#at()} ${node.index} refused ${effect.code} ${effect.detail ?? ''}`);
        return;
      default:
        return;
    }
  }

  #committed(node: SimNode, effect: Extract<ReplicaEffect, { type: 'committed' }>): void {
    const { height, fates } = effect;
    this.#heights[node.index] = height;
    const root = node.replica === undefined ? undefined : rootAfter(node, height);
    this.#trace.add(
      `${this.#at()} ${node.index} commits ${height} ${effect.hash.slice(0, 12)} ${root?.slice(0, 12) ?? ''}`,
    );
    if (!this.#byzantine.has(node.index)) {
      this.#checkers.committed(`node ${node.index}`, height, effect.hash, root);
      this.#load.executed(fates);
    }
    const status = node.replica?.status();
    if (status !== undefined && status.held.rounds > HELD_ROUNDS_MAX) {
      this.#checkers.fail('L4', `node ${node.index} holds ${status.held.rounds} rounds`);
    }
    this.#scheduler.after(0, async () => {
      const header = await node.reader?.header(height);
      if (header !== undefined) this.#headers.set(effect.hash, header);
    });
    this.#stopWhenDone();
  }

  #stopWhenDone(): void {
    if (this.#finished || this.#scheduler.nowMs < this.#incidents.calmAtMs) return;
    const due = this.#nodes.filter((node) => !this.#byzantine.has(node.index) && this.#isDue(node));
    if (!due.every((node) => node.up && (this.#heights[node.index] ?? 0) >= this.#blocks)) return;
    this.#finished = true;
    // A little longer, so that what is on its way is seen.
    this.#scheduler.after(500, () => this.#scheduler.stop());
  }

  /** Whether a node is expected to keep up: those that never start are not. */
  #isDue(node: SimNode): boolean {
    const joins = this.#plan.incidents?.some((incident) => incident.type === 'join' && incident.node === node.index);
    return this.#plan.offline?.includes(node.index) !== true || joins === true;
  }

  #finish(): void {
    this.#checkers.finish(this.#headers);
    if (!this.#finished) return;
    const heights = this.#nodes
      .filter((node) => !this.#byzantine.has(node.index) && this.#isDue(node))
      .map(({ index }) => this.#heights[index] ?? 0);
    if (Math.max(...heights) - Math.min(...heights) > 20) this.#checkers.fail('L3', `heights ${heights.join(', ')}`);
  }

  #report(): RunReport {
    this.#trace.add(`end ${this.#heights.join(' ')} ${[...this.#evidence].sort().join(' ')}`);
    return {
      scenario: this.#scenario.name,
      seed: this.#seed,
      ok: this.#checkers.violations.length === 0,
      violations: this.#checkers.violations,
      traceHash: this.#trace.hash,
      traceLines: this.#trace.count,
      virtualMs: Math.round(this.#scheduler.nowMs - SIM_START_MS),
      heights: this.#heights,
      transactions: this.#load.summary(),
      hostileTenant: this.#hostileTenant.summary(),
      network: { delivered: this.#network.delivered, lost: this.#network.lost },
      certificatesChecked: this.#checkers.certificates,
      evidence: [...this.#evidence].sort(),
      refusals: Object.fromEntries([...this.#refusals].sort(([a], [b]) => (a < b ? -1 : 1))),
      cutOffs: Object.fromEntries(this.#cutOffs.counts),
      crashes: this.#nodes.reduce((sum, { crashes }) => sum + crashes, 0),
      tail: this.#trace.tail(60),
    };
  }
}

/** The event root of a node's log, when its head is of this height. */
function rootAfter(node: SimNode, height: number): Digest | undefined {
  const head = node.log?.head;
  return head?.height === height ? head.root : undefined;
}
