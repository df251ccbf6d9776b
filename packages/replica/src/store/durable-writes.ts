/** Writes that are under way, and what is done when each is durable. */
import { assert } from '@cloister/encoding';
import type { ReplicaEffect } from '../step/replica-ports.ts';

type StoreEffect = Extract<ReplicaEffect, { readonly type: 'store' }>;

export class DurableWrites {
  readonly #waiting = new Map<number, () => void>();
  readonly #emit: (effect: ReplicaEffect) => void;
  #nextToken = 1;

  constructor(emit: (effect: ReplicaEffect) => void) {
    this.#emit = emit;
  }

  store(effect: Omit<StoreEffect, 'type' | 'token'>, done: () => void): void {
    const token = this.#nextToken++;
    this.#waiting.set(token, done);
    this.#emit({ type: 'store', token, ...effect });
  }

  /** The shell says once for each write that it is durable. */
  stored(token: number): void {
    const done = this.#waiting.get(token);
    this.#waiting.delete(token);
    assert(done !== undefined, 'stored: an unknown token');
    done();
  }
}
