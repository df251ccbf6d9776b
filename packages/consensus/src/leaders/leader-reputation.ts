/**
 * Remembers which leaders are passed over, and until when. A leader that missed a turn is passed over for a while,
 * longer each time.
 *
 * Passing a leader over costs the others next to nothing, and waiting for one costs a view timer, so one miss is
 * enough. After that time the leader is tried again. Turns with a block bring it back. If more leaders failed in a
 * stretch than can be faulty, the network was at fault, and nobody is passed over for it. No more weight is passed over
 * than can be faulty, so honest leaders remain whatever this node believes.
 */
import { asView, type ValidatorId, type View } from '@cloister/encoding';
import { weightOf } from '../certificates/validator-set.ts';
import type { ValidatorSet } from '../messages/types.ts';

/** How long a leader is passed over at its first level, in milliseconds of block time; each level doubles it. */
const PASS_MS = 5_000;
const PASS_MS_MAX = 300_000;
/**
 * It is also passed over for at least 2^level turns, since five seconds mean nothing where its turn comes once a
 * minute.
 */
const LEVEL_MAX = 7;
/** Views by which the others' decision to try a leader again may come later than this node's, as finality reaches them. */
const TRIAL_LAG_VIEWS = 2;
/** Turns led well in a row that bring a leader down by one level. */
const TURNS_FOR_LEVEL = 8;

interface Turns {
  /** Without a block, in a row and not excused. */
  missed: number;
  /** Without a block since this node started, for whatever reason. */
  total: number;
  /** 0: it missed nothing lately. */
  level: number;
  /** Block time at which the leader last began to be passed over; undefined: it is not. */
  sinceMs: number | undefined;
  passed: number;
  /** Set when its time is over: it is tried in views after this one. */
  trialAfter: View | undefined;
  led: number;
}

/** The moment of a block: its time, and the view in which it was proposed. */
export interface BlockMoment {
  readonly atMs: number;
  readonly view: View;
}

export interface Turn {
  readonly leader: ValidatorId;
  readonly view: View;
}

/** A leader's record, for status pages. */
export interface LeaderRecord {
  readonly validator: ValidatorId;
  /** Turns without a block in a row, and since this node started. */
  readonly missedInARow: number;
  readonly missed: number;
  readonly passedOver: boolean;
}

export class LeaderReputation {
  readonly #set: ValidatorSet;
  /** Misses in a row that are forgiven to a leader that missed nothing lately. */
  readonly #patience: number;
  readonly #turns = new Map<ValidatorId, Turns>();
  #passedOver: ReadonlySet<ValidatorId> = new Set();

  constructor(set: ValidatorSet, patience: number) {
    this.#set = set;
    this.#patience = patience;
  }

  /** Whether this leader's view is to be given up on entering it. */
  isPassedOver(leader: ValidatorId): boolean {
    return this.#passedOver.has(leader);
  }

  /** Turns that gave no block, in a row between two that did; the moment is the later one's. */
  missed(missed: readonly Turn[], moment: BlockMoment): void {
    const excused = this.#exceeds(new Set(missed.map(({ leader }) => leader)));
    for (const turn of missed) {
      this.#of(turn.leader).total += 1;
      if (!excused) this.#charge(turn, moment);
    }
    this.#decide(moment);
  }

  /** A turn that gave a block. */
  led(leader: ValidatorId, moment: BlockMoment): void {
    const turns = this.#turns.get(leader);
    if (turns !== undefined) {
      turns.missed = 0;
      turns.sinceMs = undefined;
      turns.led += 1;
      if (turns.led % TURNS_FOR_LEVEL === 0) turns.level = Math.max(0, turns.level - 1);
    }
    this.#decide(moment);
  }

  /** Those that ever missed a turn. */
  records(): LeaderRecord[] {
    return [...this.#turns].map(([validator, { missed, total }]) => ({
      validator,
      missedInARow: missed,
      missed: total,
      passedOver: this.#passedOver.has(validator),
    }));
  }

  #of(leader: ValidatorId): Turns {
    let turns = this.#turns.get(leader);
    if (turns === undefined) {
      turns = { missed: 0, total: 0, level: 0, sinceMs: undefined, passed: 0, trialAfter: undefined, led: 0 };
      this.#turns.set(leader, turns);
    }
    return turns;
  }

  #charge({ leader, view }: Turn, { atMs }: BlockMoment): void {
    const turns = this.#of(leader);
    turns.led = 0;
    if (this.#passedOver.has(leader) || view <= (turns.trialAfter ?? 0)) {
      // It was not waited for: no new fault.
      turns.passed += 1;
      return;
    }
    turns.missed += 1;
    if (turns.level === 0 && turns.missed <= this.#patience) return;
    turns.level = Math.min(LEVEL_MAX, turns.level + 1);
    turns.sinceMs = atMs;
    turns.passed = 0;
    turns.trialAfter = undefined;
  }

  /**
   * The leaders that are passed over: the worst first, up to the weight that may be faulty. Of two at one level the one
   * that is passed over already comes first. Otherwise the two could take turns, and since a view begins before the
   * block below it is final, neither would be waited for at its own turn.
   */
  #decide({ atMs, view }: BlockMoment): void {
    const due = [...this.#turns].filter(([, turns]) => isDue(turns, atMs));
    for (const turns of this.#turns.values()) {
      if (turns.sinceMs !== undefined && !isDue(turns, atMs)) turns.trialAfter ??= asView(view + TRIAL_LAG_VIEWS);
    }
    const rank = (leader: ValidatorId): number => (this.#passedOver.has(leader) ? 0 : 1);
    due.sort(([a, x], [b, y]) => y.level - x.level || rank(a) - rank(b) || y.missed - x.missed || (a < b ? -1 : 1));
    const passedOver = new Set<ValidatorId>();
    for (const [leader] of due) {
      passedOver.add(leader);
      if (this.#exceeds(passedOver)) passedOver.delete(leader);
    }
    this.#passedOver = passedOver;
  }

  /** Whether these are more than can be faulty while a quorum is left. */
  #exceeds(leaders: ReadonlySet<ValidatorId>): boolean {
    let weight = 0n;
    for (const leader of leaders) weight += weightOf(this.#set, leader);
    return weight > this.#set.totalWeight - this.#set.quorum;
  }
}

function isDue({ sinceMs, level, passed }: Turns, atMs: number): boolean {
  if (sinceMs === undefined) return false;
  const forMs = Math.min(PASS_MS_MAX, PASS_MS * 2 ** (level - 1));
  return passed < 2 ** level || atMs - sinceMs < forMs;
}
