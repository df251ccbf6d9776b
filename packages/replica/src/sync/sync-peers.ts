/**
 * Knows which peers are connected, and which to ask next. Peers take turns, so that one that lies or is silent costs
 * one attempt.
 *
 * A peer that answered badly or not at all rests for a doubling time: it is asked again only when nobody else is left.
 * The rest outlives a reconnection. An offence is also told to the shell, and the network cuts the peer off.
 */
import type { Offence, ValidatorId } from '@cloister/encoding';
import { PEER_REST_MS_MAX, PEER_REST_MS_MIN, RESTING_PEERS_MAX } from '../limits.ts';
import type { ReplicaCore } from '../step/replica-core.ts';

export class SyncPeers {
  readonly #core: ReplicaCore;
  readonly #up = new Set<string>();
  readonly #resting = new Map<string, { readonly restMs: number; readonly untilMs: number }>();

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

  /** Connected peers in the order in which to ask: the preferred before the others, those that rest after both. */
  order(prefer: readonly string[]): string[] {
    const all = [...new Set([...prefer, ...this.#up])].filter((id) => this.#up.has(id));
    return [...all.filter((id) => !this.isResting(id)), ...all.filter((id) => this.isResting(id))];
  }

  /** The peer for the n-th attempt. */
  pick(attempt: number, prefer: readonly string[]): string {
    const order = this.order(prefer);
    return order[attempt % Math.max(1, order.length)] ?? 'any';
  }

  /** Whether it is asked last for now. */
  isResting(id: string): boolean {
    return (this.#resting.get(id)?.untilMs ?? 0) > this.#core.monotonicMs;
  }

  /** It helped. */
  served(id: string): void {
    this.#resting.delete(id);
  }

  /** It did not answer, or without what it must have had. */
  failed(id: string): void {
    if (id === this.#core.self) return;
    const before = this.#resting.get(id)?.restMs ?? PEER_REST_MS_MIN / 2;
    const restMs = Math.min(PEER_REST_MS_MAX, 2 * before);
    this.#resting.delete(id);
    this.#resting.set(id, { restMs, untilMs: this.#core.monotonicMs + restMs });
    for (const oldest of this.#resting.keys()) {
      if (this.#resting.size <= RESTING_PEERS_MAX) return;
      this.#resting.delete(oldest);
    }
  }

  /** It sent what no honest peer sends. */
  blame(id: string, offence: Offence, code: string): void {
    this.failed(id);
    this.#core.emit({ type: 'refused', from: id, code });
    if (id !== 'any' && id !== this.#core.self) this.#core.emit({ type: 'blame', peer: id, offence });
  }
}
