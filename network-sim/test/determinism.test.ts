import { expect, it } from 'vitest';
import { Simulation, scenarioNamed } from '../src/index.ts';

it.each(['crashes-lossy', 'equivocator', 'late-joiner'])(
  'S11: the same seed of %s gives the same trace',
  async (name) => {
    const scenario = scenarioNamed(name);
    if (scenario === undefined) throw new Error(`no scenario ${name}`);
    const run = (seed: string) => new Simulation({ scenario, seed, blocks: 8 }).run();
    const first = await run('5');
    const second = await run('5');
    expect(second).toEqual(first);
    expect((await run('6')).traceHash).not.toBe(first.traceHash);
  },
);
