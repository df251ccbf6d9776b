/** A bucket of tokens for each asker: so many answers a minute, with a burst of the same size. */

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Askers that are remembered; the one that asked longest ago makes room. */
export const ASKERS_MAX = 4096;

export class RateLimit {
  readonly #perMinute: number;
  readonly #monotonicMs: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number, monotonicMs: () => number) {
    this.#perMinute = perMinute;
    this.#monotonicMs = monotonicMs;
  }

  get askers(): number {
    return this.#buckets.size;
  }

  /** The asker's tokens now. */
  #tokens(asker: string): number {
    const bucket = this.#buckets.get(asker);
    if (bucket === undefined) return this.#perMinute;
    const gained = (Math.max(0, this.#monotonicMs() - bucket.atMs) / 60_000) * this.#perMinute;
    return Math.min(this.#perMinute, bucket.tokens + gained);
  }

  /** Milliseconds until this asker may have another answer; 0 for now. Takes nothing. */
  waitMs(asker: string): number {
    const missing = 1 - this.#tokens(asker);
    return missing <= 0 ? 0 : Math.ceil((missing * 60_000) / this.#perMinute);
  }

  /** Whether this asker may have another answer now; takes it into account when so. */
  take(asker: string): boolean {
    const tokens = this.#tokens(asker);
    const allowed = tokens >= 1;
    this.#buckets.delete(asker);
    this.#buckets.set(asker, { tokens: allowed ? tokens - 1 : tokens, atMs: this.#monotonicMs() });
    if (this.#buckets.size > ASKERS_MAX) this.#buckets.delete(this.#buckets.keys().next().value ?? asker);
    return allowed;
  }
}
