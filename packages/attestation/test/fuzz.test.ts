/** Mutated evidence and endorsements of every format; `pnpm fuzz` does the same at length. */
import { SeededRandom } from '@cloister/crypto';
import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz/target.ts';
import { FUZZED_FORMATS, makeTarget } from './fuzz/targets.ts';

const INPUTS = 3000;

describe('mutated inputs', () => {
  for (const format of FUZZED_FORMATS) {
    it(`of ${format} throw nothing and make the verifier say nothing that nobody signed`, () => {
      const report = fuzz(makeTarget(format), new SeededRandom(`fuzz test ${format}`), INPUTS);
      expect(report.violations).toEqual([]);
      // The inputs reach deep: many codes, and some that are accepted because they say the same.
      expect(report.counts.size).toBeGreaterThan(15);
      expect([...report.counts.values()].reduce((sum, count) => sum + count)).toBe(INPUTS);
      expect(report.counts.get('accepted (says the same)')).toBeGreaterThan(0);
    });
  }

  it('are the same for the same seed', () => {
    const run = (seed: string) => fuzz(makeTarget('nitro'), new SeededRandom(seed), 200).counts;
    expect(run('a')).toEqual(run('a'));
    expect(run('a')).not.toEqual(run('b'));
  });
});
