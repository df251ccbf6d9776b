/**
 * A bucket of tokens for each of a bounded number of names: filled at a steady rate up to a burst, and in debt when something
 * cost more than it was asked for. Whoever is not known has a full bucket.
 *
 * Time comes in with each call, in milliseconds that are meant never to go back; a clock that does gives and takes nothing.
 */
import { BoundedMap } from './bounded-map.ts';

/** Tokens that only rounding keeps from being there. */
const ROUNDING = 1e-9;

/** How a bucket fills. A name may be given other terms with each call. */
export interface BucketTerms {
  readonly perSecond: number;
  /** The most that is saved up. */
  readonly burst: number;
}

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export class TokenBuckets {
  readonly #buckets: BoundedMap<string, Bucket>;

  /**
   * The name whose bucket was used longest ago makes room for another. It comes back with a full bucket. Nobody loses
   * by that, and to gain by it a party must first appear under as many other names.
   */
  constructor(namesMax: number) {
    this.#buckets = new BoundedMap(namesMax);
  }

  /** Names remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Tokens in the bucket, below zero when it is in debt. */
  #tokens(name: string, { perSecond, burst }: BucketTerms, nowMs: number): number {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) return burst;
    const elapsedMs = Math.max(0, nowMs - bucket.atMs);
    return Math.min(burst, bucket.tokens + (elapsedMs / 1000) * perSecond);
  }

  /** Milliseconds until `cost` tokens may be taken; 0 for now. Takes nothing, and remembers nothing. */
  waitMs(name: string, terms: BucketTerms, cost: number, nowMs: number): number {
    // What is dearer than a full bucket is had from a full one.
    const missing = Math.min(cost, terms.burst) - this.#tokens(name, terms, nowMs);
    return missing <= ROUNDING ? 0 : Math.max(1, Math.ceil(((missing - ROUNDING) / terms.perSecond) * 1000));
  }

  /** Takes the tokens when they are there and gives 0; else the milliseconds until they will be. */
  take(name: string, terms: BucketTerms, cost: number, nowMs: number): number {
    const waitMs = this.waitMs(name, terms, cost, nowMs);
    const tokens = this.#tokens(name, terms, nowMs);
    this.#buckets.set(name, { tokens: waitMs === 0 ? tokens - cost : tokens, atMs: nowMs });
    return waitMs;
  }

  /** Takes them in any case, as a debt if need be; never more than a full bucket of it. Negative gives back. */
  charge(name: string, terms: BucketTerms, cost: number, nowMs: number): void {
    // What is given back beyond a full bucket is lost when the bucket is read.
    const tokens = Math.max(-terms.burst, this.#tokens(name, terms, nowMs) - cost);
    this.#buckets.set(name, { tokens, atMs: nowMs });
  }
}
