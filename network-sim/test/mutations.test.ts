/**
 * A checker that cannot fail proves nothing: each safety rule is removed in turn and some seed must show it. The rules are
 * consensus' own seam for this, reached by path because production code has no business with it.
 */
import { checkSignature, type createMachine } from '@cloister/consensus';
import { describe, expect, it } from 'vitest';
import { createMachineWith } from '../../packages/consensus/src/machine/create.ts';
import { PROTOCOL_RULES, type Rules } from '../../packages/consensus/src/rules.ts';
import { type InvariantId, type ScenarioPlan, Simulation, scenarioNamed } from '../src/index.ts';

/** What some seed of the first `seeds` shows; stops at the first that shows one of `wanted`. */
async function violated(
  name: string,
  changes: Partial<ScenarioPlan>,
  seeds: number,
  wanted: readonly InvariantId[] = [],
): Promise<Set<InvariantId>> {
  const base = scenarioNamed(name);
  if (base === undefined) throw new Error(`no scenario ${name}`);
  const found = new Set<InvariantId>();
  for (let seed = 1; seed <= seeds; seed++) {
    const scenario = {
      ...base,
      blocks: 12,
      plan: (...args: Parameters<typeof base.plan>) => ({ ...base.plan(...args), ...changes }),
    };
    const report = await new Simulation({ scenario, seed: String(seed) }).run();
    for (const { invariant } of report.violations) found.add(invariant);
    if (wanted.some((invariant) => found.has(invariant))) break;
    if (found.size > 0) break;
  }
  return found;
}

function machineUnder(rules: Rules): typeof createMachine {
  return (config, recovered) => createMachineWith({ rules, check: checkSignature }, config, recovered);
}

describe('a broken rule is noticed', () => {
  it('a quorum of q - 1', async () => {
    const createMachine = machineUnder({ ...PROTOCOL_RULES, quorum: (set) => set.quorum - 1n });
    expect(await violated('equivocator', { createMachine }, 2)).toContain('S7');
  });

  it('a finalize vote after a nullify vote', async () => {
    const illegalSignature: Rules['illegalSignature'] = (own, statement) =>
      statement.kind === 'finalize' && own.finalize === undefined
        ? undefined
        : PROTOCOL_RULES.illegalSignature(own, statement);
    const createMachine = machineUnder({ ...PROTOCOL_RULES, illegalSignature });
    expect(await violated('crashes-lossy', { createMachine }, 60, ['S6'])).toContain('S6');
  });

  it('a write-ahead log that is lost in a crash', async () => {
    const found = await violated('crashes', { forgetsGuard: true }, 3);
    expect(found).toContain('S10');
  });

  it('skipped views that nobody nullified', async () => {
    const createMachine = machineUnder({ ...PROTOCOL_RULES, coversSkippedViews: () => true });
    const found = await violated('forking-leader', { createMachine }, 6);
    expect([...found].some((invariant) => ['S1', 'S5', 'L1'].includes(invariant))).toBe(true);
  });
});
