/**
 * A token bucket for each peer. Buckets outlive connections, so that a peer that reconnects finds the bucket that it
 * emptied. The one that was used longest ago is forgotten first.
 */
import { TokenBuckets } from '@cloister/encoding';

const BUCKETS_MAX = 2_048;

export class PeerRateLimit {
  readonly #buckets = new TokenBuckets(BUCKETS_MAX);

  /** Takes one token of `peer`, whose bucket refills at `perSecond` and holds three seconds' worth (at least one token). */
  take(peer: string, perSecond: number, monotonicMs: number): boolean {
    return this.#buckets.take(peer, { perSecond, burst: Math.max(1, perSecond * 3) }, 1, monotonicMs) === 0;
  }

  get size(): number {
    return this.#buckets.size;
  }
}
