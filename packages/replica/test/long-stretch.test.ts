/** Long stretches in which blocks were notarized and none was finalized, and what it takes to come out of them. */
import { asHeight } from '@cloister/encoding';
import { keysFrom, MiniNet, type MiniNode, putRecord } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import { BLOCK_BACKLOG_MAX, COMMIT_BLOCKS_MAX, SYNC_BLOCKS_MAX } from '../src/limits.ts';

const [VOTE, CERTIFICATE, FINALIZE] = [2, 3, 4];
/** Views of the stretch; with one of four leaders away, three in four bring a block. */
const VIEWS = 190;
const BLOCKS = 0.7 * VIEWS;

/** Finalize votes and finalizations do not arrive while this holds; nor does anything at the nodes that are away. */
function withholdFinality(net: MiniNet, away: ReadonlySet<MiniNode> = new Set()): void {
  net.carries = (from, to, bytes) => {
    if (away.has(from) || away.has(to)) return false;
    // By their first bytes, since thousands of them are sent again: the type of message, then the kind of statement.
    return (bytes[0] !== VOTE && bytes[0] !== CERTIFICATE) || bytes[1] !== FINALIZE;
  };
}

async function grow(net: MiniNet, blocks: number): Promise<void> {
  const view = () => net.node(0).replica.status().view;
  const due = view() + blocks;
  while (view() < due) await net.advance(5_000);
}

/** Four replicas go through hundreds of views, whose real signatures take a slow machine more than the usual time of a test. */
const TIME_MS = 300_000;

describe('a long stretch without finality', { timeout: TIME_MS }, () => {
  it('ends at once when the network heals, by what the nodes hold, and one that was away needs few round trips', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    net.submit(net.node(0), putRecord(net.genesis, { expiryHeight: 250 }).bytes);
    await net.advance(2_000);
    const [start = 0] = net.heights();
    const absent = net.node(3);
    withholdFinality(net, new Set([absent]));
    await grow(net, VIEWS);
    expect(net.heights().every((height) => height <= start + 1)).toBe(true);
    const requests = new Map<MiniNode, number>();
    net.onRequest = (from) => requests.set(from, (requests.get(from) ?? 0) + 1);
    net.carries = () => true;
    await net.advance(4_000);
    for (const height of net.heights()) expect(height).toBeGreaterThan(start + BLOCKS);
    for (const index of [0, 1, 2]) expect(requests.get(net.node(index)) ?? 0).toBe(0);
    expect(requests.get(absent)).toBeLessThanOrEqual(5);
    expect(new Set(net.nodes.map(({ replica }) => replica.ledger.accounts.size)).size).toBe(1);

    // A node that joins later meets a stretch that no range can bring.
    expect(BLOCKS).toBeGreaterThan(SYNC_BLOCKS_MAX);
    const late = await net.add(keysFrom('late', 1)[0] as never);
    net.input(late, { type: 'start' });
    for (const index of [0, 1, 2, 3]) net.input(late, { type: 'peer', id: net.node(index).id, up: true });
    await net.advance(3_000);
    expect(late.replica.status().executedHeight).toBeGreaterThan(start + BLOCKS);
    expect(late.replica.status().synced).toBe(true);
  });

  it('is made of blocks without batches once it is long', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(2_000);
    withholdFinality(net);
    for (let index = 0; index < 10; index++) {
      net.submit(net.node(index % 4), putRecord(net.genesis, { key: `${index}`, expiryHeight: 250 }).bytes);
      await net.advance(150);
    }
    const [executed = 0] = net.heights();
    net.carries = () => true;
    await net.advance(5_000);
    const { reader } = net.node(0);
    const last = await reader.finalizationFrom(asHeight(executed + 1));
    expect(last?.height).toBeGreaterThan(executed + 2 * BLOCK_BACKLOG_MAX);
    const full: number[] = [];
    for (let height = executed + 1; height <= (last?.height ?? 0); height++) {
      const block = await reader.blockAt(asHeight(height));
      if ((block?.body.batches.length ?? 0) > 0) full.push(height);
    }
    expect(full.length).toBeGreaterThan(0);
    for (const height of full) expect(height).toBeLessThanOrEqual(executed + BLOCK_BACKLOG_MAX);
  });

  it('is executed in parts, and a restart between two of them goes on from there', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(2_000);
    const [start = 0] = net.heights();
    withholdFinality(net);
    await grow(net, 2 * COMMIT_BLOCKS_MAX + 8);
    net.carries = () => true;
    // The first part of node 0's commit becomes durable, and then the power fails.
    const node = net.node(0);
    node.writes = () => node.replica.status().executedHeight <= start + COMMIT_BLOCKS_MAX / 2;
    await net.advance(3_000);
    const partial = await node.reader.tipHeight();
    expect(partial).toBeGreaterThan(start);
    expect(partial).toBeLessThan(start + 2 * COMMIT_BLOCKS_MAX);
    node.writes = () => true;
    await net.restart(0);
    await net.advance(4_000);
    expect(node.replica.status().executedHeight).toBeGreaterThan(start + 2 * COMMIT_BLOCKS_MAX);
    expect(Math.abs((net.heights()[0] ?? 0) - (net.heights()[1] ?? 0))).toBeLessThan(3);
  });
});
