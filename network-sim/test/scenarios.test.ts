import { describe, expect, it } from 'vitest';
import { SCENARIOS, Simulation } from '../src/index.ts';

const SEEDS = ['1', '2'];

describe.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
  it.each(SEEDS)('keeps every invariant with seed %s', async (seed) => {
    const report = await new Simulation({ scenario, seed }).run();
    expect(report.violations).toEqual([]);
    expect(Math.max(...report.heights)).toBeGreaterThanOrEqual(scenario.blocks);
    expect(report.certificatesChecked).toBeGreaterThan(scenario.blocks);
    expect(report.transactions.executed).toBeGreaterThan(0);
  });
});
