/** A bucket of tokens for each asker: so many answers a minute, with a burst of the same size. */
import { type BucketTerms, TokenBuckets } from '@cloister/encoding';

/** Askers that are remembered; the one that asked longest ago makes room. */
export const ASKERS_MAX = 4096;

export class ChallengeRateLimit {
  readonly #terms: BucketTerms;
  readonly #monotonicMs: () => number;
  readonly #buckets = new TokenBuckets(ASKERS_MAX);

  constructor(perMinute: number, monotonicMs: () => number) {
    this.#terms = { perSecond: perMinute / 60, burst: perMinute };
    this.#monotonicMs = monotonicMs;
  }

  get askers(): number {
    return this.#buckets.size;
  }

  /** Milliseconds until this asker may have another answer; 0 for now. Takes nothing. */
  waitMs(asker: string): number {
    return this.#buckets.waitMs(asker, this.#terms, 1, this.#monotonicMs());
  }

  /** Whether this asker may have another answer now; takes it into account when so. */
  take(asker: string): boolean {
    return this.#buckets.take(asker, this.#terms, 1, this.#monotonicMs()) === 0;
  }
}
