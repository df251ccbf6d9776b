import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { TokenBuckets } from '../src/index.ts';

const terms = { perSecond: 10, burst: 40 };
const NAMES_MAX = 8;
let nowMs = 0;
let buckets: TokenBuckets;

const take = (name: string, cost: number): number => buckets.take(name, terms, cost, nowMs);
const charge = (name: string, cost: number): void => buckets.charge(name, terms, cost, nowMs);

beforeEach(() => {
  nowMs = 0;
  buckets = new TokenBuckets(NAMES_MAX);
});

describe('a token bucket', () => {
  it('is saved up, spent, owed and refilled, for each name alone', () => {
    expect(take('a', 40)).toBe(0);
    expect(take('a', 1)).toBe(100);
    expect(take('b', 1)).toBe(0);
    nowMs += 100;
    expect(take('a', 1)).toBe(0);
    charge('a', 1e9);
    expect(take('a', 1)).toBe(4_100);
    nowMs += 4_100;
    expect(take('a', 1)).toBe(0);
    charge('a', -1e9);
    expect([take('a', 40), take('a', 1)]).toEqual([0, 100]);
    // What costs more than can be saved up is had for all of it.
    nowMs += 10_000;
    expect(take('a', 400)).toBe(0);
    expect(take('a', 1)).toBeGreaterThan(4_000);
  });

  it('saves up no more than the burst, and loses nothing to a clock that goes back', () => {
    take('a', 1);
    nowMs += 1e9;
    expect([take('a', 40), take('a', 1)]).toEqual([0, 100]);
    nowMs += 1_000;
    expect(take('a', 0)).toBe(0);
    nowMs -= 5_000;
    expect([take('a', 10), take('a', 1)]).toEqual([0, 100]);
  });

  it('tells how long to wait without taking or remembering anything', () => {
    expect(buckets.waitMs('a', terms, 40, nowMs)).toBe(0);
    expect(buckets.size).toBe(0);
    take('a', 40);
    expect(buckets.waitMs('a', terms, 3, nowMs)).toBe(300);
    expect(buckets.waitMs('a', terms, 3, nowMs + 300)).toBe(0);
    expect(buckets.waitMs('a', terms, 3, nowMs)).toBe(300);
  });

  it('gives what it told to wait for, when the wait is over and not before', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 40, size: 'max' }), (costs) => {
        const own = new TokenBuckets(1);
        let at = 0;
        for (const cost of costs) {
          const waitMs = own.take('a', terms, cost, at);
          if (waitMs === 0) continue;
          if (waitMs > 1) expect(own.take('a', terms, cost, at + waitMs - 1)).toBeGreaterThan(0);
          at += waitMs;
          expect(own.take('a', terms, cost, at)).toBe(0);
        }
      }),
    );
  });

  it('never gives more than the burst and what the time filled in, whatever the clock does', () => {
    const move = fc.record({ stepMs: fc.integer({ min: -5_000, max: 5_000 }), cost: fc.integer({ min: 1, max: 40 }) });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60, size: 'max' }), (moves) => {
        const own = new TokenBuckets(1);
        let [at, forwardMs, taken] = [10_000_000, 0, 0];
        for (const { stepMs, cost } of moves) {
          at += stepMs;
          forwardMs += Math.max(0, stepMs);
          if (own.take('a', terms, cost, at) === 0) taken += cost;
          expect(taken).toBeLessThanOrEqual(terms.burst + (forwardMs / 1000) * terms.perSecond + 1e-6);
        }
      }),
    );
  });

  it('is remembered of so many names, and a forgotten one begins with a full one', () => {
    take('first', 40);
    for (let i = 0; i < NAMES_MAX + 10; i++) {
      take(`name ${i}`, 40);
      expect(buckets.size).toBeLessThanOrEqual(NAMES_MAX);
    }
    expect(take('first', 40)).toBe(0);
  });

  it('is kept of whoever came last, also when all that they got was a refusal', () => {
    take('first', 40);
    for (let i = 0; i < NAMES_MAX - 1; i++) take(`name ${i}`, 1);
    expect(take('first', 40)).toBeGreaterThan(0);
    take('another', 1);
    expect(take('first', 40)).toBeGreaterThan(0);
  });
});
