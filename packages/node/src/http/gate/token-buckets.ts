/** A bucket of tokens for each client: filled at a steady rate, saved up for a while, and owed when an answer cost more. */

interface Bucket {
  tokens: number;
  atMs: number;
}

export interface TokenBucketsOptions {
  readonly perSecond: number;
  /** The most that is saved up. */
  readonly burst: number;
  readonly clientsMax: number;
  readonly monotonicMs: () => number;
}

export class TokenBuckets {
  readonly #options: TokenBucketsOptions;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: TokenBucketsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#buckets.size;
  }

  #bucket(client: string): Bucket {
    const { perSecond, burst, clientsMax, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
    const bucket = this.#buckets.get(client) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    // The least recently seen client makes room: it comes back with a full bucket, so nobody loses by it.
    this.#buckets.delete(client);
    this.#buckets.set(client, bucket);
    if (this.#buckets.size > clientsMax) this.#buckets.delete(this.#buckets.keys().next().value ?? client);
    return bucket;
  }

  /** Takes the tokens when they are there and gives 0; else the milliseconds until they will be. */
  take(client: string, tokens: number): number {
    const bucket = this.#bucket(client);
    // What is dearer than a full bucket is had from a full one.
    const needed = Math.min(tokens, this.#options.burst);
    if (bucket.tokens >= needed) {
      bucket.tokens -= tokens;
      return 0;
    }
    return Math.ceil(((needed - bucket.tokens) / this.#options.perSecond) * 1000);
  }

  /** Takes them in any case, as a debt if need be; never more than a full bucket of it. Negative gives back. */
  charge(client: string, tokens: number): void {
    const bucket = this.#bucket(client);
    const { burst } = this.#options;
    bucket.tokens = Math.min(burst, Math.max(-burst, bucket.tokens - tokens));
  }
}
