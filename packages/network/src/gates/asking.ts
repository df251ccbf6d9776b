/**
 * What this node asks of each peer stays below what a peer admits, so that no honest node is ever taken for a flood: fewer
 * requests at once and a lower rate than the other side's limits.
 */

import type { NetworkLimits } from '../types.ts';
import { PeerRateLimit } from './peer-rate-limit.ts';

/** The share of a peer's limit that is made use of. */
const SHARE = 0.8;

export class Asking {
  readonly #limits: NetworkLimits;
  readonly #isMember: () => boolean;
  readonly #rate = new PeerRateLimit();
  readonly #running = new Map<string, number>();

  /** `isMember`: whether this node is a member, as far as it knows. */
  constructor(limits: NetworkLimits, isMember: () => boolean) {
    this.#limits = limits;
    this.#isMember = isMember;
  }

  /** Runs a request, or returns undefined when its peer has as many of them as it would admit. */
  async ask<T>(peerId: string, request: () => Promise<T>): Promise<T | undefined> {
    const { memberRequestsAtOnce, strangerRequestsAtOnce, memberRequestsPerSecond, strangerRequestsPerSecond } =
      this.#limits;
    const isMember = this.#isMember();
    const atOnce = isMember ? memberRequestsAtOnce : strangerRequestsAtOnce;
    const perSecond = isMember ? memberRequestsPerSecond : strangerRequestsPerSecond;
    const running = this.#running.get(peerId) ?? 0;
    if (running >= atOnce * SHARE || !this.#rate.take(peerId, perSecond * SHARE, performance.now())) return undefined;
    this.#running.set(peerId, running + 1);
    try {
      return await request();
    } finally {
      const left = (this.#running.get(peerId) ?? 1) - 1;
      if (left > 0) this.#running.set(peerId, left);
      else this.#running.delete(peerId);
    }
  }
}
