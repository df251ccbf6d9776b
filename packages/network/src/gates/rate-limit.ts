/**
 * A token bucket for each peer. Buckets outlive connections, so that whoever reconnects goes on with the one that it emptied;
 * the one that was used longest ago makes room.
 */
const BUCKETS_MAX = 2_048;

export class RateLimit {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** Takes one token of `peer`, whose bucket refills at `perSecond` and holds three seconds' worth (at least one token). */
  take(peer: string, perSecond: number, monotonicMs: number): boolean {
    const burst = Math.max(1, perSecond * 3);
    const bucket = this.#buckets.get(peer) ?? { tokens: burst, atMs: monotonicMs };
    // A clock that steps back refills nothing and takes nothing away.
    const elapsedMs = Math.max(0, monotonicMs - bucket.atMs);
    bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs / 1000) * perSecond);
    bucket.atMs = monotonicMs;
    this.#buckets.delete(peer);
    this.#buckets.set(peer, bucket);
    if (this.#buckets.size > BUCKETS_MAX) this.#buckets.delete(this.#buckets.keys().next().value ?? peer);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  get size(): number {
    return this.#buckets.size;
  }
}
