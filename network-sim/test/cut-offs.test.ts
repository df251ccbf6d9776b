/** Blame has the effect that it has in production: whoever forges is disconnected, and no honest node ever is. */

import { SeededRandom } from '@cloister/crypto';
import type { ValidatorId } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { CutOffs } from '../src/cut-offs.ts';
import { FaultyNetwork, LOCAL_NETWORK } from '../src/faulty-network.ts';
import { Simulation, scenarioNamed } from '../src/index.ts';
import { Scheduler } from '../src/scheduler.ts';

function bench(byzantine: readonly number[]) {
  const scheduler = new Scheduler(0);
  const network = new FaultyNetwork(scheduler, new SeededRandom('cut-offs'), LOCAL_NETWORK);
  const violations: string[] = [];
  const told: string[] = [];
  const nodes = [0, 1, 2].map((index) => ({
    id: String(index).repeat(64) as ValidatorId,
    index,
    crashes: 0,
    input: (input: { readonly type: string }) => {
      if (input.type === 'peer') told.push(`${index} ${JSON.stringify(input).includes('true') ? 'up' : 'down'}`);
    },
  }));
  const cutOffs = new CutOffs({
    scheduler,
    network,
    nodes,
    byzantine: new Map(byzantine.map((index) => [index, {}])),
    checkers: { fail: (invariant, detail) => violations.push(`${invariant} ${detail}`) },
    trace: () => undefined,
  });
  const [first] = nodes;
  if (first === undefined) throw new Error('there are nodes');
  const blame = (index: number, times: number): void => {
    for (let i = 0; i < times; i++) {
      cutOffs.blame(first, { type: 'blame', peer: String(index).repeat(64), offence: 'FORGED' });
    }
  };
  return { scheduler, network, violations, told, cutOffs, blame };
}

describe('a node that is blamed', () => {
  it('is disconnected at the threshold, for a time, from the one that blames it alone', async () => {
    const { scheduler, network, violations, told, blame } = bench([1]);
    blame(1, 3);
    expect(network.connected(0, 1)).toBe(true);
    blame(1, 1);
    expect([network.connected(0, 1), network.connected(1, 0), network.connected(1, 2)]).toEqual([false, false, true]);
    // A second of redialling follows the 5 s; the second time they are 10.
    const connected: boolean[] = [];
    for (const atMs of [5_900, 6_100, 17_100, 17_300]) {
      scheduler.after(atMs, () => void connected.push(network.connected(0, 1)));
    }
    scheduler.after(6_200, () => blame(1, 4));
    expect(await scheduler.run(60_000)).toBe('idle');
    expect(connected).toEqual([false, true, false, true]);
    expect(told).toEqual(['0 down', '1 down', '0 up', '1 up', '0 down', '1 down', '0 up', '1 up']);
    expect(violations).toEqual([]);
  });

  it('and is honest is a finding', () => {
    const { violations, blame } = bench([1]);
    blame(2, 4);
    expect(violations).toEqual(['C1 node 0 cuts off the honest 2: FORGED']);
  });
});

describe('in whole runs', () => {
  it('the forger is cut off, and nobody else is', async () => {
    const scenario = scenarioNamed('forger');
    if (scenario === undefined) throw new Error('the scenario is there');
    const report = await new Simulation({ scenario, seed: '1' }).run();
    expect(report.violations).toEqual([]);
    const pairs = Object.keys(report.cutOffs);
    expect(new Set(pairs.map((pair) => pair.split('>')[0])).size).toBeGreaterThan(1);
    expect(new Set(pairs.map((pair) => pair.split('>')[1])).size).toBe(1);
  });
});
