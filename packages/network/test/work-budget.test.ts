/** A class of peers gets its share of a core, and within it whoever used least goes first. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Party, WorkBudget } from '../src/gates/work-budget.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const START_MS = 1_000_000;

function budgetOf(msPerSecond: number, waitingMax = 1_000): { budget: WorkBudget; spent: () => number } {
  vi.setSystemTime(START_MS);
  let spent = 0;
  const options = {
    msPerSecond,
    burstMs: 100,
    waitingMax,
    nowMs: () => Date.now(),
    spent: (ms: number) => {
      spent += ms;
    },
  };
  return { budget: new WorkBudget(options), spent: () => spent };
}

function party(group: string, peer = group): Party {
  return { group, peer };
}

/** Asks again and again for turns of `workMs` each until the time is up; how many it got. */
function keepAsking(budget: WorkBudget, who: Party, workMs: number): { turns: number } {
  const got = { turns: 0 };
  const next = async (): Promise<void> => {
    for (;;) {
      if (!(await budget.turn(who, workMs, 60_000))) return;
      got.turns += 1;
    }
  };
  void next();
  return got;
}

describe('a budget of work', () => {
  it('grants its share and no more, however many ask', async () => {
    const { budget, spent } = budgetOf(50);
    for (let i = 0; i < 50; i++) keepAsking(budget, party(`group ${i}`), 5);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(spent()).toBeGreaterThan(950);
    expect(spent()).toBeLessThan(20 * 50 + 100 + 10);
    budget.stop();
  });

  it('shares alike among groups, whatever the number of peers in one', async () => {
    const { budget } = budgetOf(50);
    const flood = Array.from({ length: 40 }, (_, i) => keepAsking(budget, party('flooder', `key ${i}`), 5));
    const honest = keepAsking(budget, party('honest'), 5);
    await vi.advanceTimersByTimeAsync(20_000);
    const flooded = flood.reduce((sum, { turns }) => sum + turns, 0);
    expect(honest.turns).toBeGreaterThan(0.4 * (flooded + honest.turns));
    budget.stop();
  });

  it('shares alike among the peers of one group', async () => {
    const { budget } = budgetOf(50);
    const greedy = Array.from({ length: 30 }, () => keepAsking(budget, party('shared', 'greedy'), 5));
    const modest = keepAsking(budget, party('shared', 'modest'), 5);
    await vi.advanceTimersByTimeAsync(20_000);
    const taken = greedy.reduce((sum, { turns }) => sum + turns, 0);
    expect(modest.turns).toBeGreaterThan(0.4 * (taken + modest.turns));
    budget.stop();
  });

  it('remembers what a group used after its peers are gone, and forgets in time', async () => {
    const { budget } = budgetOf(50);
    budget.charge(party('busy', 'gone'), 60);
    budget.charge(party('busy', 'gone'), 60);
    const order: string[] = [];
    for (const name of ['busy', 'new']) void budget.turn(party(name), 1, 5_000).then(() => order.push(name));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(order).toEqual(['new', 'busy']);
    budget.stop();
  });

  it('refuses who waited too long, and who comes when too many wait', async () => {
    const { budget } = budgetOf(1, 2);
    budget.charge(party('a'), 60);
    budget.charge(party('a'), 60);
    const waits = [budget.turn(party('a'), 1, 500), budget.turn(party('b'), 1, 500)];
    expect(await budget.turn(party('c'), 1, 500)).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await Promise.all(waits)).toEqual([false, false]);
    expect(budget.waiting).toBe(0);
  });

  it('counts one pause of the whole process as no more than a long piece of work', () => {
    const { budget, spent } = budgetOf(50);
    budget.charge(party('unlucky'), 60_000);
    expect(spent()).toBe(60);
    expect(budget.tryTurn(party('other'), 1)).toBe(true);
  });

  it('keeps a bounded number of accounts', () => {
    const { budget } = budgetOf(50);
    for (let i = 0; i < 5_000; i++) budget.charge(party(`g${i}`, `p${i}`), 1);
    expect(budget.size).toBe(2 * 1_024);
  });
});
