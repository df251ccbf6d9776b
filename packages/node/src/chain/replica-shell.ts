/**
 * Drives the pure replica: hands it inputs one at a time with the clocks' readings, and carries out its effects.
 *
 * Effects that leave the node or claim durability run first in, first out across steps: a store is on disk (chain synced,
 * then guard synced) before anything queued after it happens. Verdicts, admissions, timers and reports wait for nothing.
 * A failed write stops the node. Inputs are worked off in slices, so that the process stays responsive.
 */
import { type Digest, fail, type Result, type ValidatorId } from '@cloister/encoding';
import type { BatchVerdict } from '@cloister/network';
import { type AdmissionCode, carryOutStore, type ReplicaEffect, type UntimedInput } from '@cloister/replica';
import { NamedTimers } from '../process/named-timers.ts';
import type { ReplicaShellOptions, ShellEffect } from './shell-ports.ts';

/** Longest stretch of steps before timers and sockets get their turn, in milliseconds. */
const SLICE_MS = 8;

interface QueuedInput {
  /** The clocks are read when its turn comes. */
  readonly input: UntimedInput;
  /** Given the effects of the step that took the input. */
  readonly then: ((effects: readonly ReplicaEffect[]) => void) | undefined;
}

export class ReplicaShell {
  readonly #options: ReplicaShellOptions;
  readonly #inputs: QueuedInput[] = [];
  readonly #effects: ReplicaEffect[] = [];
  readonly #timers = new NamedTimers();
  readonly #admissions = new Map<number, (result: Result<{ readonly id: Digest }, AdmissionCode>) => void>();
  #nextRef = 1;
  #nextPeer = 0;
  #slicePending = false;
  #stepping = false;
  #running = false;
  #writing: Promise<void> | undefined;
  #halted = false;

  constructor(options: ReplicaShellOptions) {
    this.#options = options;
  }

  start(): void {
    this.#take({ type: 'start' });
  }

  /** A frame of an authenticated member's direct stream. */
  frame(from: ValidatorId, bytes: Uint8Array): void {
    this.#take({ type: 'frame', channel: 'consensus', from, bytes });
  }

  /** A gossiped batch that `from` passed on, be it a member's id or a stranger's name; resolves with the replica's verdict on it. */
  batch(from: string, bytes: Uint8Array): Promise<BatchVerdict> {
    if (this.#halted) return Promise.resolve('ignore');
    return new Promise((resolve) => {
      this.#take({ type: 'frame', channel: 'batch', from, bytes }, (effects) => {
        resolve(effects.find((effect) => effect.type === 'batch-verdict')?.verdict ?? 'ignore');
      });
    });
  }

  peer(id: string, up: boolean): void {
    this.#take({ type: 'peer', id, up });
  }

  /** Hands a client's transaction in; `verified`: its signature was checked, in another thread of this node. */
  submit(bytes: Uint8Array, verified = false): Promise<Result<{ readonly id: Digest }, AdmissionCode>> {
    if (this.#halted) return Promise.resolve(fail('HALTED'));
    const ref = this.#nextRef++;
    return new Promise((resolve) => {
      this.#admissions.set(ref, resolve);
      this.#take({ type: 'submit', ref, bytes, verified });
    });
  }

  /** No further input is taken; resolves when the running write, if any, is done. */
  async stop(): Promise<void> {
    this.#end();
    await this.#writing?.catch(() => undefined);
  }

  #end(): void {
    this.#halted = true;
    this.#inputs.length = 0;
    this.#effects.length = 0;
    this.#timers.clear();
    for (const answer of this.#admissions.values()) answer(fail('HALTED'));
    this.#admissions.clear();
  }

  #take(input: UntimedInput, then?: QueuedInput['then']): void {
    if (this.#halted) return;
    this.#inputs.push({ input, then });
    if (!this.#slicePending && !this.#stepping) this.#slice();
  }

  #slice(): void {
    this.#slicePending = false;
    this.#stepping = true;
    const endMs = performance.now() + SLICE_MS;
    let taken = 0;
    for (; taken < this.#inputs.length && !this.#halted; taken++) {
      if (taken > 0 && performance.now() > endMs) break;
      const queued = this.#inputs[taken];
      if (queued !== undefined) this.#step(queued);
    }
    this.#inputs.splice(0, taken);
    this.#stepping = false;
    if (this.#inputs.length === 0 || this.#halted) return;
    this.#slicePending = true;
    setImmediate(() => this.#slice());
  }

  #step({ input, then }: QueuedInput): void {
    let effects: readonly ReplicaEffect[];
    try {
      effects = this.#options.replica.step({
        ...input,
        nowMs: this.#options.nowMs(),
        monotonicMs: this.#options.monotonicMs(),
      });
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#halt('REPLICA_FAILED', detail);
      return;
    }
    for (const effect of effects) this.#accept(effect);
    then?.(effects);
    this.#runEffects();
  }

  /** Carries out at once what waits for nothing, and queues the rest. */
  #accept(effect: ReplicaEffect): void {
    switch (effect.type) {
      case 'batch-verdict':
        return;
      case 'admission': {
        const answer = this.#admissions.get(effect.ref);
        this.#admissions.delete(effect.ref);
        answer?.(effect.result);
        return;
      }
      case 'set-timer':
        this.#timers.set(effect.id, effect.delayMs, () => this.#take({ type: 'timer', id: effect.id }));
        return;
      case 'evidence':
        this.#options.onEvidence(effect);
        return;
      case 'blame':
        this.#options.network.blame(effect.peer, effect.offence);
        return;
      case 'refused':
        this.#options.onRefused(effect);
        return;
      default:
        this.#effects.push(effect);
    }
  }

  /**
   * Effects that lead to further inputs do not enter it again, so that a listener is told of one block before the next.
   */
  #runEffects(): void {
    if (this.#running) return;
    this.#running = true;
    while (this.#writing === undefined && !this.#halted) {
      const effect = this.#effects[0];
      if (effect === undefined) break;
      if (effect.type === 'store') {
        this.#writeStores();
        break;
      }
      this.#effects.shift();
      this.#run(effect);
    }
    this.#running = false;
  }

  /** Writes the stores at the front of the queue: each chain part before any of their guard parts, both synced. */
  #writeStores(): void {
    const stores: ShellEffect<'store'>[] = [];
    for (const effect of this.#effects) {
      if (effect.type !== 'store') break;
      stores.push(effect);
    }
    this.#effects.splice(0, stores.length);
    const [first] = stores;
    if (first === undefined) return;
    const merged: ShellEffect<'store'> = {
      type: 'store',
      token: first.token,
      chain: stores.flatMap((store) => store.chain),
      guard: stores.flatMap((store) => store.guard),
      guardSync: stores.some((store) => store.guardSync),
      append: stores.flatMap((store) => store.append),
    };
    this.#writing = carryOutStore(merged, this.#options).then(
      () => {
        this.#writing = undefined;
        for (const { token } of stores) this.#take({ type: 'stored', token });
        this.#runEffects();
      },
      (error: unknown) => {
        this.#writing = undefined;
        this.#halt('STORE_FAILED', `a write failed, so nothing more is signed: ${String(error)}`);
      },
    );
  }

  #run(effect: ReplicaEffect): void {
    const { network } = this.#options;
    switch (effect.type) {
      case 'send':
        if (effect.to === 'all') network.broadcastConsensus(effect.bytes, effect.priority);
        else network.sendConsensus(effect.to, effect.bytes, effect.priority);
        return;
      case 'gossip':
        network.gossipBatch(effect.bytes).catch(this.#options.onUnpublished);
        return;
      case 'request':
        void this.#request(effect);
        return;
      case 'committed':
        this.#options.onCommitted(effect);
        return;
      case 'execute':
        this.#options.onExecute(effect);
        return;
      case 'halt':
        this.#halt(effect.code, effect.detail);
        return;
      case 'store':
      case 'set-timer':
      case 'batch-verdict':
      case 'admission':
      case 'evidence':
      case 'blame':
      case 'refused':
        return;
    }
  }

  async #request({ requestId, to, bytes, timeoutMs, maxBytes }: ShellEffect<'request'>): Promise<void> {
    const peer = to === 'any' ? this.#anyPeer() : to;
    let answer: Uint8Array | undefined;
    if (peer !== undefined) {
      answer = await this.#options.network.request(peer, bytes, { timeoutMs, maxBytes }).catch(() => undefined);
    }
    // Without a wait the same request would come back at once.
    if (peer === undefined) await new Promise((resolve) => setTimeout(resolve, 50).unref());
    this.#take({ type: 'response', requestId, bytes: answer, ...(peer === undefined ? {} : { from: peer }) });
  }

  /** Each connected peer in turn. */
  #anyPeer(): string | undefined {
    const peers = this.#options.network.syncPeers();
    return peers.length === 0 ? undefined : peers[this.#nextPeer++ % peers.length];
  }

  #halt(code: string, detail: string): void {
    if (this.#halted) return;
    this.#end();
    this.#options.onHalt(code, detail);
  }
}
