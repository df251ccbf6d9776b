/** A token bucket for each peer. Buckets live as long as the connection: `forget` removes one. */
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
    this.#buckets.set(peer, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  forget(peer: string): void {
    this.#buckets.delete(peer);
  }

  get size(): number {
    return this.#buckets.size;
  }
}
