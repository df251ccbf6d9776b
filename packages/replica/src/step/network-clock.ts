/**
 * Estimates the time of the other validators from their blocks.
 *
 * Each leader stamps its block with its wall clock, so the header of a proposal, when it arrives, shows how far that
 * clock is from this node's. The samples are differences to the monotonic clock, so a step of this node's wall clock
 * changes none of them, and shows at once. A leader whose parent lies in its future stamps parent + 1, which tells
 * nothing about its clock.
 *
 * The median by weight is honest once more than twice the weight that may be Byzantine was sampled. From then on a wall
 * clock that is off by more than the allowed drift is not used for blocks. This node then stamps and judges blocks by
 * the others' time, so that its error costs nobody a view, and it says that its clock is wrong.
 */
import { type ValidatorSet, weightOf } from '@cloister/consensus';
import type { ValidatorId } from '@cloister/encoding';
import { BLOCK_DRIFT_MS_MAX } from '../limits.ts';

export interface HeaderTime {
  readonly proposer: ValidatorId;
  readonly timestampMs: number;
  readonly parentTimestampMs: number;
}

export class NetworkClock {
  readonly #set: ValidatorSet;
  readonly #self: ValidatorId;
  /** Proposer → its wall clock minus this node's monotonic clock, by its newest header: at most one entry for each validator. */
  readonly #offsets = new Map<ValidatorId, number>();

  constructor(set: ValidatorSet, self: ValidatorId) {
    this.#set = set;
    this.#self = self;
  }

  /** The header of a proposal for the current view, as it arrives. */
  heard({ proposer, timestampMs, parentTimestampMs }: HeaderTime, monotonicMs: number): void {
    if (proposer === this.#self || weightOf(this.#set, proposer) === 0n) return;
    if (timestampMs === parentTimestampMs + 1) return;
    this.#offsets.set(proposer, timestampMs - monotonicMs);
  }

  /** The others' time minus the monotonic clock: the median by weight. */
  #median(): { readonly offsetMs: number; readonly isSure: boolean } | undefined {
    const samples = [...this.#offsets].sort(([, a], [, b]) => a - b);
    const total = samples.reduce((sum, [id]) => sum + weightOf(this.#set, id), 0n);
    let below = 0n;
    for (const [id, offsetMs] of samples) {
      below += weightOf(this.#set, id);
      if (2n * below >= total) return { offsetMs, isSure: total > 2n * byzantineMax(this.#set) };
    }
    return undefined;
  }

  /** How far the wall clock is ahead of the others', negative when behind; undefined before any header. */
  skewMs(nowMs: number, monotonicMs: number): number | undefined {
    const median = this.#median();
    return median === undefined ? undefined : Math.round(nowMs - monotonicMs - median.offsetMs);
  }

  /** The time for this node's own blocks: the wall clock, unless it is surely wrong. */
  stampMs(nowMs: number, monotonicMs: number): number {
    const median = this.#median();
    if (median?.isSure !== true) return nowMs;
    const othersMs = Math.floor(monotonicMs + median.offsetMs);
    return Math.abs(nowMs - othersMs) > BLOCK_DRIFT_MS_MAX ? othersMs : nowMs;
  }

  /**
   * The latest time that a block of another node may have. The later of both clocks: the monotonic clock stands still
   * while a machine is suspended, and the wall clock may be behind.
   */
  latestMs(nowMs: number, monotonicMs: number): number {
    return Math.max(nowMs, this.stampMs(nowMs, monotonicMs)) + BLOCK_DRIFT_MS_MAX;
  }
}

/** Less than a third. */
function byzantineMax({ totalWeight }: ValidatorSet): bigint {
  return (totalWeight + 2n) / 3n - 1n;
}
