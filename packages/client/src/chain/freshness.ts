/**
 * Decides whether a finalized header is new enough to show the present.
 *
 * A node that stopped the clock for its callers shows a true chain that ends some time ago: every proof holds, and a
 * revocation since then is not in it. The chain makes a block each idle interval (a second) at least, so the time of a
 * header can be held against the caller's own clock. Two bounds:
 *
 * - A header older than `maxHeadAgeMs` is refused at once.
 * - A header older than `LIVE_HEAD_MS` is taken only after a newer one was seen: a chain that stands still is
 *   refused.
 *
 * A caller's clock that is fast makes heads look older, and refuses too much. One that is slow makes them look younger:
 * a header that is more than `CLOCK_TOLERANCE_MS` ahead of it shows that, and nothing is believed by such a clock.
 */
import { ClientError } from '../errors.ts';

/** Block time against the caller's clock, in milliseconds. */
export const MAX_HEAD_AGE_MS = 30_000;
/** Age up to which a header needs no other that shows the chain moving. */
export const LIVE_HEAD_MS = 5_000;
/** How long a node may take to show a newer header than the first. */
export const MOVE_WAIT_MS = 10_000;
/** How far a header may be ahead of the caller's clock: validators allow each other two seconds, and clocks differ. */
export const CLOCK_TOLERANCE_MS = 5_000;

export interface HeadTime {
  readonly height: number;
  readonly timestampMs: number;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Judges the heads that one operation is shown, one after the other. */
export class Freshness {
  readonly #maxHeadAgeMs: number;
  readonly #endMs: number;
  #firstHeight: number | undefined;

  constructor(maxHeadAgeMs: number, nowMs: number) {
    this.#maxHeadAgeMs = maxHeadAgeMs;
    this.#endMs = nowMs + MOVE_WAIT_MS;
  }

  /** Whether the head counts as the present; false asks for a newer one. Throws CHAIN_STALE and CLOCK_BEHIND. */
  accepts({ height, timestampMs }: HeadTime, nowMs: number): boolean {
    const ageMs = nowMs - timestampMs;
    if (ageMs < -CLOCK_TOLERANCE_MS) {
      throw new ClientError('CLOCK_BEHIND', `head ${height} is ${seconds(-ageMs)} ahead of the clock of this machine`);
    }
    if (ageMs > this.#maxHeadAgeMs) {
      throw new ClientError(
        'CHAIN_STALE',
        `head ${height} is ${seconds(ageMs)} old, of at most ${seconds(this.#maxHeadAgeMs)}`,
      );
    }
    this.#firstHeight ??= height;
    if (ageMs <= LIVE_HEAD_MS || height > this.#firstHeight) return true;
    if (nowMs >= this.#endMs) {
      throw new ClientError('CHAIN_STALE', `head ${height} is ${seconds(ageMs)} old and no newer one came`);
    }
    return false;
  }
}
