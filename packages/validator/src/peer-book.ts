/**
 * Who is connected, and whom to ask next: several peers in turn, so that one that lies or sleeps costs one attempt.
 */
import type { ValidatorId } from '@cloister/crypto';
import type { ReplicaCore } from './replica-core.ts';

export class PeerBook {
  readonly #core: ReplicaCore;
  readonly #up = new Set<string>();

  constructor(core: ReplicaCore) {
    this.#core = core;
  }

  set(id: string, up: boolean): void {
    if (up && id !== this.#core.self) this.#up.add(id);
    else this.#up.delete(id);
  }

  get count(): number {
    return this.#up.size;
  }

  /** Connected validators. */
  validators(): ValidatorId[] {
    return this.#core.set.validators.map(({ id }) => id).filter((id) => this.#up.has(id));
  }

  /** The peer for the n-th attempt: the preferred ones first, then everyone, round and round. */
  pick(attempt: number, prefer: readonly string[]): string {
    const preferred = prefer.filter((id) => this.#up.has(id));
    const others = [...this.#up].filter((id) => !preferred.includes(id));
    const order = [...preferred, ...others];
    return order[attempt % Math.max(1, order.length)] ?? 'any';
  }
}
