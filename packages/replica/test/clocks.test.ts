import { makeValidatorSet } from '@cloister/consensus';
import type { ValidatorId } from '@cloister/encoding';
import { keysFrom, MiniNet } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import { BLOCK_DRIFT_MS_MAX } from '../src/limits.ts';
import { NetworkClock } from '../src/step/network-clock.ts';

const HOUR_MS = 3_600_000;

/** How many of the blocks that node 0 committed from `height` on each node proposed. */
function proposedSince(net: MiniNet, height: number): number[] {
  const blocks = net.effectsOf(0, 'committed').filter((block) => block.height > height);
  return net.nodes.map(({ id }) => blocks.filter(({ proposer }) => proposer === id).length);
}

describe('a wall clock that steps', () => {
  it('an hour ahead for two seconds costs its validator no turn once it is right again', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(2_000);
    net.node(1).skewMs = HOUR_MS;
    await net.advance(2_000);
    net.node(1).skewMs = 0;
    const [height = 0] = net.heights();
    await net.advance(15_000);
    const proposed = proposedSince(net, height);
    expect(proposed[1]).toBeGreaterThanOrEqual(3);
    expect(Math.max(...proposed) - Math.min(...proposed)).toBeLessThanOrEqual(2);
  });
});

const DAY_MS = 24 * HOUR_MS;

function refusedBlocks(net: MiniNet): number {
  return net.nodes.flatMap(({ effects }) =>
    effects.filter((effect) => effect.type === 'refused' && effect.code === 'BLOCK_INVALID'),
  ).length;
}

/** Time of the newest block on node 0, minus the time that it is. */
function chainAheadMs(net: MiniNet): number {
  return (net.effectsOf(0, 'committed').at(-1)?.timeMs ?? 0) - net.nowMs;
}

describe('of one validator of four', () => {
  it.each([
    ['an hour ahead', HOUR_MS],
    ['an hour behind', -HOUR_MS],
    ['a day ahead', DAY_MS],
    ['a day behind', -DAY_MS],
  ])('%s costs no block and moves no time, and the node says how far it is off', async (_, stepMs) => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(6_000);
    const [height = 0] = net.heights();
    net.node(1).skewMs = stepMs;
    await net.advance(12_000);
    expect(refusedBlocks(net)).toBe(0);
    const proposed = proposedSince(net, height);
    expect(proposed[1]).toBeGreaterThanOrEqual(2);
    expect(Math.abs(chainAheadMs(net))).toBeLessThan(3_000);
    expect(Math.abs((net.node(1).replica.status().clockSkewMs ?? 0) - stepMs)).toBeLessThan(2_000);
    expect(Math.abs(net.node(0).replica.status().clockSkewMs ?? stepMs)).toBeLessThan(2_000);
    net.node(1).skewMs = 0;
    await net.advance(1_200);
    expect(Math.abs(net.node(1).replica.status().clockSkewMs ?? stepMs)).toBeLessThan(2_000);
  });

  it('that was wrong from the first start on costs its own turns only', async () => {
    const net = await MiniNet.of(4);
    net.node(1).skewMs = HOUR_MS;
    await net.start();
    await net.advance(20_000);
    expect(net.heights()[0]).toBeGreaterThanOrEqual(12);
    expect(Math.abs(chainAheadMs(net))).toBeLessThan(3_000);
  });

  it('that drifts a second each minute is followed and then told', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    for (let at = 0; at < 60; at++) {
      net.node(1).skewMs += 100;
      await net.advance(500);
    }
    expect(refusedBlocks(net)).toBe(0);
    expect(net.node(1).replica.status().clockSkewMs).toBeGreaterThan(4_000);
  });
});

describe('the time of the others', () => {
  const [alice, bob, carol, dave] = keysFrom('clock', 4).map(({ id }) => id as ValidatorId) as [
    ValidatorId,
    ValidatorId,
    ValidatorId,
    ValidatorId,
  ];
  const set = makeValidatorSet([alice, bob, carol, dave].map((id) => ({ id, weight: 1n })));
  const heard = (clock: NetworkClock, proposer: ValidatorId, timestampMs: number, monotonicMs = 0): void =>
    clock.heard({ proposer, timestampMs, parentTimestampMs: 0 }, monotonicMs);

  it('is what two of three say, whatever the third says and however often', () => {
    const clock = new NetworkClock(set, alice);
    heard(clock, bob, 1_000_000);
    heard(clock, carol, 1_000_000);
    for (let at = 0; at < 10; at++) heard(clock, dave, 1_000_000 + HOUR_MS * at);
    expect(clock.stampMs(1_000_000 + DAY_MS, 0)).toBe(1_000_000);
    expect(clock.latestMs(1_000_000 - DAY_MS, 0)).toBe(1_000_000 + BLOCK_DRIFT_MS_MAX);
    expect(clock.skewMs(1_000_000 + DAY_MS, 0)).toBe(DAY_MS);
  });

  it('is not used before so many were heard that liars cannot be the majority', () => {
    const clock = new NetworkClock(set, alice);
    expect(clock.skewMs(5, 0)).toBeUndefined();
    heard(clock, bob, 1_000_000);
    heard(clock, dave, 1_000_000);
    expect(clock.stampMs(1_000_000 + DAY_MS, 0)).toBe(1_000_000 + DAY_MS);
    expect(clock.skewMs(1_000_000 + DAY_MS, 0)).toBe(DAY_MS);
  });

  it('is not told by a leader whose parent lies in its future, by itself or by a stranger', () => {
    const clock = new NetworkClock(set, alice);
    clock.heard({ proposer: bob, timestampMs: 7_001, parentTimestampMs: 7_000 }, 0);
    heard(clock, alice, 1_000_000);
    heard(clock, 'ab'.repeat(32) as ValidatorId, 1_000_000);
    expect(clock.skewMs(5, 0)).toBeUndefined();
  });

  it('takes no block of the future from a liar, however often it leads', () => {
    const clock = new NetworkClock(set, alice);
    for (const id of [bob, carol]) heard(clock, id, 1_000_000);
    for (let at = 1; at < 50; at++) {
      heard(clock, dave, clock.latestMs(1_000_000, 0));
      for (const id of [bob, carol])
        clock.heard({ proposer: id, timestampMs: 1_002_001, parentTimestampMs: 1_002_000 }, 0);
    }
    expect(clock.latestMs(1_000_000, 0)).toBe(1_000_000 + BLOCK_DRIFT_MS_MAX);
  });
});
