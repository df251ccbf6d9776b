import { SeededRandom } from '@cloister/crypto';
import { describe, expect, it } from 'vitest';
import { runScenario, type Scenario } from './simulation.ts';

const WEIGHTS: readonly (readonly number[])[] = [
  [1, 1, 1, 1],
  [1, 1, 1, 1],
  [3, 2, 2, 1, 1],
  [5, 4, 3, 2, 1],
  [10, 1, 1, 1, 1, 1, 1],
  [1],
];

function pick<T>(random: SeededRandom, values: readonly T[]): T {
  const value = values[random.below(values.length)];
  if (value === undefined) throw new Error('nothing to pick');
  return value;
}

/** Trouble of every kind, mixed by the seed. */
function mixed(seed: number): Scenario {
  const random = new SeededRandom(`mixed ${seed}`);
  return {
    seed: `mixed ${seed}`,
    weights: pick(random, WEIGHTS),
    lossPermille: pick(random, [0, 20, 100, 300]),
    maxDelayMs: pick(random, [20, 60, 200, 500]),
    partitions: random.below(3),
    crashes: random.below(6),
    blackout: random.below(3) === 0,
    troubleMs: 1500 + random.below(1500),
  };
}

const QUIET: Omit<Scenario, 'seed'> = {
  weights: [1, 1, 1, 1],
  lossPermille: 0,
  maxDelayMs: 20,
  partitions: 0,
  crashes: 0,
  blackout: false,
  troubleMs: 2000,
};

function failures(scenarios: readonly Scenario[]): unknown[] {
  return scenarios.flatMap((scenario) => {
    const { violations } = runScenario(scenario);
    return violations.length > 0 ? [{ seed: scenario.seed, violations }] : [];
  });
}
const seeds = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('simulated networks keep S1–S8, S10 and L1', () => {
  it.each([0, 1, 2, 3, 4])('under mixed trouble, batch %i of 30 seeds', (batch) => {
    expect(failures(seeds(30).map((seed) => mixed(30 * batch + seed)))).toEqual([]);
  });

  it('when all lose power at once, under loss, again and again', () => {
    const dark = seeds(30).map((seed) => {
      return { ...QUIET, seed: `blackout ${seed}`, blackout: true, crashes: 6, lossPermille: 200, maxDelayMs: 300 };
    });
    expect(failures(dark)).toEqual([]);
  });

  it('with one of four validators down for good, blocks go on', () => {
    for (const seed of seeds(5)) {
      const result = runScenario({ ...QUIET, seed: `down ${seed}`, downForGood: 1 });
      expect(result.violations).toEqual([]);
      expect(Math.max(...result.heights)).toBeGreaterThan(10);
    }
  });

  it('after one was away for hundreds of blocks (L3)', () => {
    const result = runScenario({ ...QUIET, seed: 'away', troubleMs: 12_000, awayMs: 10_000 });
    expect(result.violations).toEqual([]);
    expect(Math.min(...result.heights)).toBeGreaterThan(100);
    expect(result.caughtUp).toBeGreaterThan(0);
  });

  it('and an observer follows the chain without signing', () => {
    const result = runScenario({ ...QUIET, seed: 'observed', observers: 1, lossPermille: 50 });
    expect(result.violations).toEqual([]);
    expect(result.heights.length).toBe(5);
    expect(result.heights.at(-1)).toBeGreaterThan(10);
  });
});

describe('a seed', () => {
  it('gives the same trace again, and another seed another (S11)', () => {
    const [first, again, other] = [7, 7, 8].map((seed) => runScenario(mixed(seed)).trace);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });
});
