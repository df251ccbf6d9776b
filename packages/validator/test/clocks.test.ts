import { describe, expect, it } from 'vitest';
import { MiniNet } from './mini-net.ts';

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
