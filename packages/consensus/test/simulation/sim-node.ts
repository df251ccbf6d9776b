/**
 * One simulated validator: the real machine, a disk that survives crashes, and a shell that runs its effects in order.
 */

import { sha256 } from '@cloister/crypto';
import { accountBytes, concatBytes, type Digest, toHex, type ValidatorId } from '@cloister/encoding';
import {
  type Block,
  blockOf,
  type ConsensusMessage,
  type Effect,
  emptyGuard,
  encodeGuardRecord,
  guardFloorKey,
  guardRecordKey,
  type Header,
  type Input,
  type MachineConfig,
  type MachineState,
  recoverGuard,
  step,
} from '../../src/index.ts';
import { createMachineWith } from '../../src/machine/create.ts';
import type { Rules } from '../../src/rules.ts';
import { type BuildRequest, buildBlock, committedBlocks, type Disk, lastFinalAt, newDisk } from './sim-ledger.ts';

/** Stands for Ed25519: as binding in a simulation where nobody guesses, and a hundred times as fast. */
export function mockSignature(signer: ValidatorId, bytes: Uint8Array): Uint8Array {
  const half = sha256(concatBytes(accountBytes(signer), bytes));
  return concatBytes(half, half);
}
export function mockCheck(signer: ValidatorId, bytes: Uint8Array, signature: Uint8Array): boolean {
  return toHex(mockSignature(signer, bytes)) === toHex(signature);
}

/** What a node asks of its world. */
export interface World {
  readonly now: () => number;
  readonly delay: (from: number, to: number) => number;
  readonly later: (delayMs: number, run: () => void) => void;
  readonly transmit: (from: ValidatorId, to: ValidatorId | 'all', message: ConsensusMessage) => void;
  readonly fetchChain: (from: ValidatorId, to: ValidatorId, height: number) => void;
  readonly guardRefused: (code: string) => void;
  readonly observe: (node: SimNode, effect: Effect) => void;
}

export interface NodeOptions {
  readonly id: ValidatorId;
  readonly config: MachineConfig;
  readonly rules: Rules;
  /** Mutation: a restart finds no write-ahead records. */
  readonly dropsGuard: boolean;
  /** A Byzantine behaviour: may replace an effect by others, or by nothing. */
  readonly twist?: (node: SimNode, effect: Effect) => readonly Effect[];
}

export class SimNode {
  readonly id: ValidatorId;
  readonly options: NodeOptions;
  readonly disk: Disk = newDisk();
  readonly #world: World;
  machine: MachineState | undefined;
  /** Counts lives: what was under way in an earlier one is lost. */
  life = 0;
  #busy = false;
  readonly #pipeline: Effect[] = [];
  readonly #waiting: (() => boolean)[] = [];

  constructor(world: World, options: NodeOptions) {
    this.#world = world;
    this.options = options;
    this.id = options.id;
  }

  get up(): boolean {
    return this.machine !== undefined;
  }

  get height(): number {
    return committedBlocks(this.disk).length;
  }

  crash(): void {
    this.life += 1;
    this.machine = undefined;
    this.#pipeline.length = 0;
    this.#waiting.length = 0;
    this.#busy = false;
  }

  /** Starts from what the disk holds. */
  start(): void {
    const { config, rules, dropsGuard } = this.options;
    const guard = dropsGuard
      ? ({ ok: true, value: emptyGuard(config.chainId) } as const)
      : recoverGuard(config.chainId, this.disk.guard.values());
    if (!guard.ok) {
      this.#world.guardRefused(guard.code);
      return;
    }
    const last = this.disk.commits.at(-1);
    const tip = last?.blocks.at(-1);
    const committed =
      last === undefined || tip === undefined ? undefined : { header: tip.header, finalization: last.finalization };
    const blocks = [...this.disk.blocks.values()];
    this.machine = createMachineWith({ rules, check: mockCheck }, config, { guard: guard.value, committed, blocks });
    this.input({ type: 'start' });
  }

  input(input: Input): void {
    if (this.machine === undefined) return;
    this.#pipeline.push(...step(this.machine, input).effects);
    this.#pump();
  }

  /** Runs effects first in, first out; a write holds up what follows. */
  #pump(): void {
    while (!this.#busy) {
      const effect = this.#pipeline.shift();
      if (effect === undefined) return;
      const { twist } = this.options;
      for (const each of twist === undefined ? [effect] : twist(this, effect)) {
        this.#world.observe(this, each);
        this.#run(each);
      }
    }
  }

  #after(delayMs: number, run: () => void): void {
    const { life } = this;
    this.#world.later(delayMs, () => {
      if (this.life === life) run();
    });
  }

  /** Chain first, then guard: a crash between leaves the block alone. */
  #write(steps: readonly (() => void)[], done: Input): void {
    this.#busy = true;
    let at = 0;
    const next = (): void => {
      steps[at]?.();
      at += 1;
      if (at < steps.length) {
        this.#after(this.#world.delay(0, 3), next);
        return;
      }
      this.#busy = false;
      this.input(done);
      this.#pump();
    };
    this.#after(this.#world.delay(0, 3), next);
  }

  #run(effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        this.#persist(effect);
        break;
      case 'send':
        this.#world.transmit(this.id, effect.to, effect.message);
        break;
      case 'set-timer': {
        const { timer, epoch, view } = effect;
        this.#after(effect.delayMs, () => this.input({ type: 'timer', timer, epoch, view }));
        break;
      }
      case 'verify-block':
        this.#whenPossible(() => this.#verify(effect.header, effect.blockHash));
        break;
      case 'build-block':
        this.#after(this.#world.delay(0, 5), () => this.#whenPossible(() => this.#build(effect)));
        break;
      case 'fetch-block': {
        const own = this.disk.blocks.get(effect.hash);
        const { hash: wanted, from } = effect;
        if (own !== undefined)
          this.#after(1, () => this.input({ type: 'block-arrived', header: own.header, body: own.body }));
        else if (from[0] !== undefined) this.#world.transmit(this.id, from[0], { type: 'block-request', hash: wanted });
        break;
      }
      case 'serve-block': {
        const found =
          this.disk.blocks.get(effect.hash) ?? committedBlocks(this.disk).find((each) => each.hash === effect.hash);
        if (found !== undefined)
          this.#world.transmit(this.id, effect.to, { type: 'block', header: found.header, body: found.body });
        break;
      }
      case 'fetch-certificates': {
        const { epoch, fromView, toView } = effect;
        for (const peer of effect.from.slice(0, 2)) {
          this.#world.transmit(this.id, peer, { type: 'cert-request', epoch, fromView, toView });
        }
        break;
      }
      case 'catch-up':
        if (effect.from[0] !== undefined) this.#world.fetchChain(effect.from[0], this.id, effect.fromHeight);
        break;
      case 'commit': {
        const { blocks, finalization } = effect;
        const tip = blocks.at(-1);
        if (tip === undefined) break;
        const write = (): void => {
          this.disk.commits.push({ blocks, finalization });
          for (const [key, block] of this.disk.blocks)
            if (block.header.height <= tip.header.height) this.disk.blocks.delete(key);
          this.#after(0, () => this.#retryWaiting());
        };
        this.#write([write], { type: 'executed', height: tip.header.height, hash: tip.hash });
        break;
      }
      case 'continue':
        this.#after(0, () => this.input({ type: 'continue' }));
        break;
      case 'evidence':
      case 'enter-epoch':
      case 'rejected':
      case 'halt':
        break;
    }
  }

  #persist(effect: Extract<Effect, { type: 'persist' }>): void {
    const { record, block, token } = effect;
    const steps: (() => void)[] = [];
    if (block !== undefined) {
      steps.push(() => {
        const made = blockOf(block.header, block.body);
        if (made !== undefined) this.disk.blocks.set(made.hash, made);
      });
    }
    steps.push(() => {
      this.disk.guard.set(toHex(guardRecordKey(record)), encodeGuardRecord(this.options.config.chainId, record));
      const floor = toHex(guardFloorKey(record.floor));
      for (const key of this.disk.guard.keys()) if (key < floor) this.disk.guard.delete(key);
    });
    this.#write(steps, { type: 'persisted', token });
  }

  #whenPossible(attempt: () => boolean): void {
    if (!attempt()) this.#waiting.push(attempt);
  }

  #retryWaiting(): void {
    for (const attempt of this.#waiting.splice(0)) this.#whenPossible(attempt);
  }

  #verify(header: Header, blockHash: Digest): boolean {
    const mine = lastFinalAt(this.options.config, this.disk, header.lastFinal.height);
    if (mine === undefined) return false;
    const valid = mine.hash === header.lastFinal.hash && mine.eventRoot === header.lastFinal.eventRoot;
    this.#after(this.#world.delay(0, 2), () =>
      this.input({ type: 'block-verified', blockHash, verdict: valid ? 'valid' : 'invalid' }),
    );
    return true;
  }

  #build(effect: Extract<Effect, { type: 'build-block' }>): boolean {
    const built = this.buildOn(effect);
    if (built === undefined) return false;
    const { epoch, view } = effect;
    this.#after(0, () => this.input({ type: 'block-built', epoch, view, header: built.header, body: built.body }));
    return true;
  }

  /** A block on a parent, or undefined while execution is behind what the parent vouches for. */
  buildOn(effect: BuildRequest, salt = 0): Block | undefined {
    return buildBlock(
      { config: this.options.config, disk: this.disk, id: this.id, nowMs: this.#world.now(), salt },
      effect,
    );
  }
}
