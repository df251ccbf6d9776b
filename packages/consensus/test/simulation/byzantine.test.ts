import { describe, expect, it } from 'vitest';
import {
  equivocator,
  forkingLeader,
  impersonator,
  nullifyAndFinalize,
  type Twist,
  withholder,
} from './sim-byzantine.ts';
import type { Sighting } from './sim-checks.ts';
import { type RunResult, runScenario } from './simulation.ts';

/** One of four validators misbehaves, in each seed: the others stay safe and get on after healing. */
function runs(twist: Twist, seeds = 15): RunResult[] {
  return Array.from({ length: seeds }, (_, seed) => {
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
    return result;
  });
}

/** What honest nodes saw of whom, without repetition; of a culprit and of an honest validator told apart. */
function faults(results: readonly RunResult[]): string[] {
  const named = results.flatMap(({ accusations, byzantine }) =>
    accusations.map(({ what, of }) => `${what} by ${byzantine.has(of) ? 'the culprit' : 'an honest validator'}`),
  );
  return [...new Set(named)].sort();
}

/** Which honest validators saw `what`, over all seeds. */
function witnesses(
  results: readonly RunResult[],
  what: string,
  seen: (run: RunResult) => readonly Sighting[],
): Set<string> {
  return new Set(results.flatMap((run) => seen(run).flatMap((each) => (each.what === what ? [each.by] : []))));
}

function accusers(results: readonly RunResult[], what: string): Set<string> {
  return witnesses(results, what, (run) => run.accusations);
}

function honest(results: readonly RunResult[]): Set<string> {
  return new Set(results.flatMap((run) => [...run.honest]));
}

/** In how many seeds a block of the culprit was committed. */
function seedsLedByCulprit(results: readonly RunResult[]): number {
  return results.filter(({ proposers, byzantine }) => [...byzantine].some((id) => proposers.has(id))).length;
}

function badSignatures({ refusals, byzantine }: RunResult): Sighting[] {
  return refusals.filter(({ what, of }) => what === 'BAD_SIGNATURE' && byzantine.has(of));
}

describe('one Byzantine validator of four', () => {
  it('is accused of nothing while it behaves, and its blocks are committed', () => {
    const results = runs((_node, effect) => [effect], 3);
    expect(faults(results)).toEqual([]);
    expect(results.flatMap(badSignatures)).toEqual([]);
    expect(seedsLedByCulprit(results)).toBe(3);
  });

  it('an equivocator is accused by every honest validator, and nobody else is', () => {
    const results = runs(equivocator);
    const seen = ['double-finalize', 'double-notarize', 'double-propose'];
    expect(faults(results)).toEqual(expect.arrayContaining(seen.map((kind) => `${kind} by the culprit`)));
    expect(faults(results).filter((fault) => fault.endsWith('an honest validator'))).toEqual([]);
    for (const kind of seen) expect(accusers(results, kind)).toEqual(honest(results));
  });

  it('a forking leader is accused of its justification by every honest validator', () => {
    const results = runs(forkingLeader);
    expect(faults(results)).toContain('bad-justification by the culprit');
    expect(faults(results).filter((fault) => fault.endsWith('an honest validator'))).toEqual([]);
    expect(accusers(results, 'bad-justification')).toEqual(honest(results));
  });

  it('who nullifies and finalizes is accused by every honest validator', () => {
    const results = runs(nullifyAndFinalize);
    expect(faults(results)).toEqual(['nullify-finalize by the culprit']);
    expect(accusers(results, 'nullify-finalize')).toEqual(honest(results));
  });

  it('a withholder has no block committed, and is accused of nothing', () => {
    const results = runs(withholder);
    expect(faults(results)).toEqual([]);
    expect(seedsLedByCulprit(results)).toBe(0);
  });

  it('an impersonator is refused by every honest validator, and convinces nobody', () => {
    const results = runs(impersonator);
    expect(faults(results)).toEqual([]);
    expect(witnesses(results, 'BAD_SIGNATURE', badSignatures)).toEqual(honest(results));
  });
});
