import { hash } from '@cloister/crypto';
import { asValidatorId, asView, type ValidatorId } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { makeValidatorSet } from '../../src/index.ts';
import { LeaderReputation } from '../../src/leaders/leader-reputation.ts';

/** A record fed by a chain of which the test says who led and who did not, turn by turn. */
class Chain {
  readonly standing: LeaderReputation;
  readonly ids: ValidatorId[];
  #view = 0;

  constructor(count: number, patience = 0) {
    const set = makeValidatorSet(
      Array.from({ length: count }, (_, index) => ({ id: asValidatorId(hash(`leader ${index}`)), weight: 1n })),
    );
    this.standing = new LeaderReputation(set, patience);
    this.ids = set.validators.map(({ id }) => id);
  }

  id(index: number): ValidatorId {
    const id = this.ids[index];
    if (id === undefined) throw new Error('no such leader');
    return id;
  }

  /** A block at `atMs` by `proposer`, after turns without one; as many views pass as there are validators. */
  block(atMs: number, proposer: number, absent: readonly number[] = [], views: number = this.ids.length): void {
    this.#view += views;
    const view = asView(this.#view);
    const missed = absent.map((index) => ({ leader: this.id(index), view: asView(this.#view - 1) }));
    if (missed.length > 0) this.standing.missed(missed, { atMs, view });
    this.standing.led(this.id(proposer), { atMs, view });
  }

  passes(index: number): boolean {
    return this.standing.isPassedOver(this.id(index));
  }
}

describe('a leader that misses a turn', () => {
  it('is passed over for a time and a number of turns, and longer after each trial that it misses', () => {
    const chain = new Chain(4);
    const trials: number[] = [];
    // A turn each 200 ms for ten minutes.
    for (let nowMs = 0; nowMs < 600_000; nowMs += 200) {
      if (!chain.passes(2)) trials.push(nowMs);
      chain.block(nowMs, 1, [2]);
    }
    expect(trials.slice(0, 4)).toEqual([0, 5_200, 15_400, 35_600]);
    expect(trials.length).toBeLessThan(9);
    expect(chain.standing.records()).toMatchObject([{ validator: chain.id(2), missed: 3_000, passedOver: true }]);
  });

  it('is passed over for turns also where one comes once a minute', () => {
    const chain = new Chain(100);
    let waited = 0;
    for (let turn = 0; turn < 100; turn++) {
      if (!chain.passes(7)) waited += 1;
      chain.block(turn * 60_000, 1, [7]);
    }
    expect(waited).toBeLessThan(15);
  });

  it('is back with the first turn that it leads, and a miss soon after counts for more', () => {
    const chain = new Chain(4);
    chain.block(0, 1, [0]);
    expect(chain.passes(0)).toBe(true);
    chain.block(1_000, 0);
    expect(chain.passes(0)).toBe(false);
    chain.block(2_000, 1, [0]);
    for (let turn = 0; turn < 10; turn++) chain.block(2_001 + turn, 1, [0]);
    chain.block(8_000, 1);
    expect(chain.passes(0)).toBe(true);
    for (let turn = 0; turn < 30; turn++) chain.block(9_000 + turn, 0);
    for (let turn = 0; turn < 4; turn++) chain.block(11_000 + turn, 1, [0]);
    chain.block(16_001, 1);
    expect(chain.passes(0)).toBe(false);
  });

  it('is charged only with turns for which it was waited for, as decided views before', () => {
    const chain = new Chain(4);
    chain.block(0, 1, [0]);
    for (let turn = 0; turn < 3; turn++) chain.block(100 + turn, 1, [0]);
    // Its time is over by the time of this block; the view before it was still given up at once.
    chain.block(6_000, 1, [0]);
    expect(chain.passes(0)).toBe(false);
    // So was this one, by nodes that had not heard of that block yet.
    chain.block(6_010, 1, [0], 2);
    expect(chain.standing.records()).toMatchObject([{ missedInARow: 1 }]);
    chain.block(6_020, 1, [0]);
    expect(chain.standing.records()).toMatchObject([{ missedInARow: 2 }]);
  });

  it('is forgiven as often as the record is patient', () => {
    const chain = new Chain(4, 1);
    chain.block(0, 1, [0]);
    expect(chain.passes(0)).toBe(false);
    chain.block(100, 1, [0]);
    expect(chain.passes(0)).toBe(true);
  });
});

describe('nobody honest is passed over', () => {
  it('for a stretch in which more failed than can be faulty: that was the network', () => {
    const chain = new Chain(4);
    chain.block(0, 3, [0, 1, 2, 3, 0, 1]);
    expect([0, 1, 2, 3].some((index) => chain.passes(index))).toBe(false);
    expect(chain.standing.records().map(({ missed }) => missed)).toEqual([2, 2, 1, 1]);
  });

  it('beyond the weight that can be faulty, whoever missed turns: the worst are, the others lead', () => {
    const chain = new Chain(7);
    for (const index of [0, 1, 2, 3]) chain.block(index, 6, [index]);
    // The last two come later in the order, are tried, and miss again.
    for (let turn = 0; turn < 9; turn++) chain.block(20_000 + turn, 6, [2, 3]);
    expect([0, 1, 2, 3].filter((index) => chain.passes(index))).toEqual([2, 3]);
  });

  it('of three validators or fewer: none may be faulty', () => {
    const chain = new Chain(3);
    for (let turn = 0; turn < 10; turn++) chain.block(turn, 1, [0]);
    expect(chain.passes(0)).toBe(false);
  });
});

describe('two leaders of four that fail one after the other', () => {
  /** Four leaders in turn, a view each 150 ms. Who is waited for is decided on entering a view, before the block below it is committed. */
  function run(isUp: (leader: number, nowMs: number) => boolean, views: number): number[] {
    const { standing, ids } = new Chain(4);
    const proposers: number[] = [];
    let missed: { leader: ValidatorId; view: ReturnType<typeof asView> }[] = [];
    let commit = (): void => undefined;
    for (let view = 1; view <= views; view++) {
      const leader = view % 4;
      const id = ids[leader];
      if (id === undefined) throw new Error('no such leader');
      const gives = !standing.isPassedOver(id) && isUp(leader, view * 150);
      commit();
      commit = () => undefined;
      if (!gives) {
        missed.push({ leader: id, view: asView(view) });
        continue;
      }
      proposers.push(leader);
      const [gap, moment] = [missed, { atMs: view * 150, view: asView(view) }];
      missed = [];
      commit = () => {
        if (gap.length > 0) standing.missed(gap, moment);
        standing.led(id, moment);
      };
    }
    return proposers;
  }

  it('both lead again soon after both are back', () => {
    // 1 starts late, 3 is away for a while after that.
    const backMs = 30_000;
    const proposers = run((leader, nowMs) => {
      if (leader === 1) return nowMs > 20_000;
      return leader !== 3 || nowMs < 18_000 || nowMs > backMs;
    }, 1_000);
    const late = proposers.slice(-40);
    for (const leader of [0, 1, 2, 3]) expect(late.filter((one) => one === leader).length).toBe(10);
  });
});
