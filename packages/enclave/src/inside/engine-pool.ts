/**
 * The engines of all models, so many at most, and which of them gives way to another.
 */
import type { AccountId, Digest } from '@cloister/encoding';
import { ModelEngine, Suspensions } from './engines.ts';
import type { EngineLauncher } from './platform-link.ts';

interface Placed {
  readonly owner: AccountId;
  readonly engine: ModelEngine;
}

/**
 * The engines of all models: so many at most. The owner who has most gives way, with the idle one that was used longest ago, so
 * that an owner with many models pushes out own ones.
 */
export class EnginePool {
  readonly #launcher: EngineLauncher;
  readonly #timeoutMs: number;
  readonly #enginesMax: number;
  /** Least used first. */
  readonly #engines = new Map<Digest, Placed>();
  readonly #suspensions: Suspensions;

  constructor(launcher: EngineLauncher, timeoutMs: number, enginesMax: number, nowMs: () => number) {
    this.#suspensions = new Suspensions(nowMs);
    this.#launcher = launcher;
    this.#timeoutMs = timeoutMs;
    this.#enginesMax = enginesMax;
  }

  /** The engine of a model, for whose sake others may have to go. */
  of(model: Digest, owner: AccountId): ModelEngine {
    const placed = this.#engines.get(model) ?? {
      owner,
      engine: new ModelEngine(this.#launcher, this.#timeoutMs, model, this.#suspensions),
    };
    this.#engines.delete(model);
    while (this.#engines.size >= this.#enginesMax) {
      const victim = this.#victim(owner);
      if (victim === undefined) break;
      this.#engines.get(victim)?.engine.retire();
      this.#engines.delete(victim);
    }
    this.#engines.set(model, placed);
    return placed.engine;
  }

  /** A model is run, or a piece of its file came. */
  used(model: Digest): void {
    const placed = this.#engines.get(model);
    if (placed === undefined) return;
    this.#engines.delete(model);
    this.#engines.set(model, placed);
  }

  #victim(coming: AccountId): Digest | undefined {
    const counts = new Map<AccountId, number>([[coming, 1]]);
    for (const { owner } of this.#engines.values()) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    let victim: { readonly model: Digest; readonly count: number } | undefined;
    for (const [model, { owner, engine }] of this.#engines) {
      const count = counts.get(owner) ?? 0;
      if (engine.isIdle && count > (victim?.count ?? 0)) victim = { model, count };
    }
    return victim?.model;
  }
}
