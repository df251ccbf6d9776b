/** A bucket of tokens for each asker: so many answers a minute, with a burst of the same size. */

interface Bucket {
  tokens: number;
  atMs: number;
}

const ASKERS_MAX = 4096;

export class RateLimit {
  readonly #perMinute: number;
  readonly #monotonicMs: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number, monotonicMs: () => number) {
    this.#perMinute = perMinute;
    this.#monotonicMs = monotonicMs;
  }

  /** Whether this asker may have another answer now; takes it into account when so. */
  take(asker: string): boolean {
    const monotonicMs = this.#monotonicMs();
    const bucket = this.#buckets.get(asker) ?? { tokens: this.#perMinute, atMs: monotonicMs };
    const gained = (Math.max(0, monotonicMs - bucket.atMs) / 60_000) * this.#perMinute;
    const tokens = Math.min(this.#perMinute, bucket.tokens + gained);
    this.#buckets.delete(asker);
    const allowed = tokens >= 1;
    this.#buckets.set(asker, { tokens: allowed ? tokens - 1 : tokens, atMs: monotonicMs });
    // The least recently seen asker makes room.
    if (this.#buckets.size > ASKERS_MAX) this.#buckets.delete(this.#buckets.keys().next().value ?? asker);
    return allowed;
  }
}
