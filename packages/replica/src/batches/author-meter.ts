/**
 * Bounds how many signatures of one author's gossiped batches are verified in a time: each author has a bucket that
 * fills with time.
 *
 * Authors are validators, so there are as many buckets as validators.
 */
import type { ValidatorId } from '@cloister/encoding';
import { AUTHOR_SIGNATURES_BURST, AUTHOR_SIGNATURES_PER_SECOND } from '../limits.ts';

export class AuthorMeter {
  readonly #buckets = new Map<ValidatorId, { left: number; atMs: number }>();

  /** Takes `count` verifications of the author's share, if it has them. */
  take(author: ValidatorId, count: number, monotonicMs: number): boolean {
    const bucket = this.#buckets.get(author) ?? { left: AUTHOR_SIGNATURES_BURST, atMs: monotonicMs };
    const earned = ((monotonicMs - bucket.atMs) / 1_000) * AUTHOR_SIGNATURES_PER_SECOND;
    bucket.left = Math.min(AUTHOR_SIGNATURES_BURST, bucket.left + earned);
    bucket.atMs = monotonicMs;
    this.#buckets.set(author, bucket);
    if (bucket.left < count) return false;
    bucket.left -= count;
    return true;
  }
}
