import { asEpoch, asView, type ValidatorId } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leaderOf, leaderSchedule, makeValidatorSet, quorumOf, validatorIndex, weightOf } from '../src/index.ts';
import { members, setOf } from './samples.ts';

const all = members(5);
const leaders = (weights: readonly number[], count: number, epoch = 0): ValidatorId[] => {
  const set = setOf(all.slice(0, weights.length), weights);
  return Array.from({ length: count }, (_, index) => leaderOf(set, { epoch: asEpoch(epoch), view: asView(index + 1) }));
};

describe('leaders', () => {
  it('lead in proportion to weight over a period', () => {
    const weights = [5, 3, 1, 1];
    const led = leaders(weights, 10);
    expect(weights.map((_, index) => led.filter((id) => id === all[index]?.id).length)).toEqual(weights);
  });

  it('are spread smoothly: a heavy validator does not lead in one block of views', () => {
    const [a, b, c] = all.map((member) => member.id);
    expect(leaders([5, 1, 1], 7)).toEqual([a, a, b, a, c, a, a]);
  });

  it('never wait longer than their share asks for', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 5 }), (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const led = leaders(weights, 2 * total);
        for (const [index, weight] of weights.entries()) {
          const views = led.flatMap((id, at) => (id === all[index]?.id ? [at] : []));
          const gaps = views.slice(1).map((at, i) => at - (views[i] ?? 0));
          expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * Math.ceil(total / weight));
        }
      }),
    );
  });

  it('are offset by the epoch', () => {
    expect(leaders([1, 1, 1, 1], 4, 1)).toEqual(leaders([1, 1, 1, 1], 5).slice(1));
  });

  it('of stakes finer than the schedule get a share each', () => {
    const set = makeValidatorSet(
      all.map(({ id }, index) => ({ id, weight: 10n ** 18n * BigInt(index + 1) + 7n * BigInt(index) + 1n })),
    );
    const schedule = leaderSchedule(set);
    expect(schedule.length).toBeLessThanOrEqual(1100);
    for (const { id, weight } of set.validators) {
      const share = schedule.filter((leader) => leader === id).length / schedule.length;
      expect(Math.abs(share - Number(weight) / Number(set.totalWeight))).toBeLessThan(0.01);
    }
  });
});

describe('a validator set', () => {
  it('has a quorum of floor(2W/3) + 1, of which two share more than W/3', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 63n }), (total) => {
        const quorum = quorumOf(total);
        expect(3n * quorum > 2n * total && 3n * (quorum - 1n) <= 2n * total).toBe(true);
        expect(3n * (2n * quorum - total) > total).toBe(true);
      }),
    );
  });

  it('is sorted, leaves out weight zero, and hashes ids and weights', () => {
    const set = makeValidatorSet([...all].reverse().map(({ id }, index) => ({ id, weight: BigInt(index) })));
    expect(set.validators.map(({ id }) => id)).toEqual(all.slice(0, 4).map(({ id }) => id));
    expect(set.hash).not.toBe(setOf(all.slice(0, 4)).hash);
    for (const [index, { id, weight }] of set.validators.entries()) {
      expect(validatorIndex(set, id)).toBe(index);
      expect(weightOf(set, id)).toBe(weight);
    }
    expect(weightOf(set, all[4]?.id ?? ('' as ValidatorId))).toBe(0n);
  });

  it('refuses duplicates, negative and missing weight', () => {
    const [first] = all;
    if (first === undefined) throw new Error('no member');
    const { id } = first;
    expect(() =>
      makeValidatorSet([
        { id, weight: 1n },
        { id, weight: 2n },
      ]),
    ).toThrow(/duplicate/);
    expect(() => makeValidatorSet([{ id, weight: -1n }])).toThrow(/negative/);
    expect(() => makeValidatorSet([{ id, weight: 0n }])).toThrow(/size/);
  });
});
