import { describe, expect, it } from 'vitest';
import { illegalSignature } from '../../src/guard/sign-guard.ts';
import { PROTOCOL_RULES } from '../../src/rules.ts';
import { forkingLeader } from './sim-byzantine.ts';
import { runScenario, type Scenario } from './simulation.ts';

const BASE: Omit<Scenario, 'seed'> = {
  weights: [1, 1, 1, 1],
  lossPermille: 100,
  maxDelayMs: 200,
  partitions: 2,
  crashes: 2,
  blackout: false,
  troubleMs: 4000,
};

/** Which checks fail in how many of the seeds. */
function caught(scenario: Omit<Scenario, 'seed'>, seeds: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let seed = 0; seed < seeds; seed++) {
    const { violations } = runScenario({ ...scenario, seed: `mutation ${seed}` });
    for (const id of new Set(violations.map((violation) => violation.id))) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

describe('with a safety rule removed, some seed fails a check', () => {
  it('no seed fails while all rules are there', () => {
    const scenario = { ...BASE, byzantine: { count: 1, twist: forkingLeader } };
    expect([...caught(BASE, 15), ...caught(scenario, 15)]).toEqual([]);
  });

  it('a quorum of q − 1', () => {
    const rules = { ...PROTOCOL_RULES, quorum: (set: { quorum: bigint }) => set.quorum - 1n };
    const counts = caught({ ...BASE, partitions: 8, crashes: 0, lossPermille: 0, maxDelayMs: 50, rules }, 15);
    expect([counts.has('S7'), counts.has('S1'), counts.has('S2')]).toEqual([true, true, true]);
  });

  it('finalize after nullify, and nullify after finalize', () => {
    const rules = {
      ...PROTOCOL_RULES,
      illegalSignature: (...[own, statement]: Parameters<typeof illegalSignature>) => {
        const { nullify, finalize, ...rest } = own;
        if (statement.kind === 'finalize') return illegalSignature(finalize ? { ...rest, finalize } : rest, statement);
        if (statement.kind === 'nullify') return illegalSignature(nullify ? { ...rest, nullify } : rest, statement);
        return illegalSignature(own, statement);
      },
    };
    const counts = caught({ ...BASE, rules }, 30);
    expect([counts.has('S6'), counts.has('S2')]).toEqual([true, true]);
  });

  it('the write-ahead log dropped', () => {
    const counts = caught({ ...BASE, crashes: 8, dropsGuard: true }, 15);
    expect(counts.has('S6')).toBe(true);
  });

  it('skipped nullifications unchecked, with a forking leader', () => {
    const rules = { ...PROTOCOL_RULES, coversSkippedViews: () => true };
    const byzantine = { count: 1, twist: forkingLeader };
    const counts = caught({ ...BASE, partitions: 0, crashes: 0, rules, byzantine }, 40);
    expect([counts.has('S1'), counts.has('S5')]).toEqual([true, true]);
  });
});
