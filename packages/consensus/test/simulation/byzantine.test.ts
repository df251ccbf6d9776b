import { describe, expect, it } from 'vitest';
import {
  equivocator,
  forkingLeader,
  impersonator,
  nullifyAndFinalize,
  type Twist,
  withholder,
} from './sim-byzantine.ts';
import { runScenario } from './simulation.ts';

/** One of four validators misbehaves: the others stay safe, get on after healing, and accuse nobody else (S8). */
function accusations(twist: Twist): Set<string> {
  const kinds = new Set<string>();
  for (let seed = 0; seed < 15; seed++) {
    const result = runScenario({
      seed: `byzantine ${seed}`,
      weights: [1, 1, 1, 1],
      lossPermille: 50,
      maxDelayMs: 150,
      partitions: 1,
      crashes: 1,
      blackout: false,
      troubleMs: 2500,
      byzantine: { count: 1, twist },
    });
    expect(result.violations).toEqual([]);
    for (const kind of result.accusations) kinds.add(kind);
  }
  return kinds;
}

describe('one Byzantine validator of four', () => {
  it('an equivocator is accused', () => {
    const kinds = accusations(equivocator);
    expect([...kinds]).toEqual(expect.arrayContaining(['double-propose', 'double-notarize', 'double-finalize']));
  });
  it('a forking leader is accused of its justification', () => {
    expect(accusations(forkingLeader)).toContain('bad-justification');
  });
  it('who nullifies and finalizes is accused', () => {
    expect([...accusations(nullifyAndFinalize)]).toEqual(['nullify-finalize']);
  });
  it('a withholder costs views and nothing else', () => {
    expect([...accusations(withholder)]).toEqual([]);
  });
  it('an impersonator convinces nobody', () => {
    expect([...accusations(impersonator)]).toEqual([]);
  });
});
