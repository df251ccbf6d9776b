/**
 * Remembers which validators sent forgeries, and until when their frames are dropped unread.
 *
 * An honest validator verifies what it passes on, so a forgery is the fault of its sender. A few are forgiven, since a
 * defect may cause one; then the sender is out for a time that doubles with each further forgery after it came back,
 * and halves again as it behaves.
 */
import type { ValidatorId } from '@cloister/encoding';

/** Forgeries before the first time out. */
const FORGIVEN = 3;
const CUT_MS_FIRST = 5_000;
const CUT_MS_MAX = 600_000;

interface Conduct {
  forgeries: number;
  /** Length of the last time out; 0 before the first. */
  cutMs: number;
  untilMs: number;
}

/** Times are of the monotonic clock. The caller asks about members of the validator set only: so many entries there are at most. */
export class SenderRecord {
  readonly #conducts = new Map<ValidatorId, Conduct>();

  isCut(id: ValidatorId, monotonicMs: number): boolean {
    const conduct = this.#conducts.get(id);
    return conduct !== undefined && monotonicMs < conduct.untilMs;
  }

  /** Notes a forgery; says whether its sender is out from now on. */
  forged(id: ValidatorId, monotonicMs: number): boolean {
    const conduct = this.#conducts.get(id) ?? { forgeries: 0, cutMs: 0, untilMs: 0 };
    this.#conducts.set(id, conduct);
    if (monotonicMs < conduct.untilMs) return false;
    conduct.forgeries += 1;
    if (conduct.cutMs === 0 && conduct.forgeries < FORGIVEN) return false;
    // The next time out is halved for each stretch of the longest time out without a forgery.
    const halvings = conduct.cutMs === 0 ? 0 : Math.floor((monotonicMs - conduct.untilMs) / CUT_MS_MAX);
    const before = conduct.cutMs / 2 ** Math.min(halvings, 32);
    conduct.cutMs = Math.min(CUT_MS_MAX, Math.max(CUT_MS_FIRST, 2 * before));
    conduct.untilMs = monotonicMs + conduct.cutMs;
    return true;
  }
}
