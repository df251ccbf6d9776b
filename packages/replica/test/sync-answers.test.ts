/** Answers of the sync protocol by servers that lie, and what a past fault left on disk. */
import { blockHashOf, bodyHashOf, type Header } from '@cloister/consensus';
import { asEpoch, asHeight, asView } from '@cloister/encoding';
import { type Batch, signBatch } from '@cloister/ledger';
import { MiniNet, putRecord } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import { decodeSyncRequest, decodeSyncResponse, encodeSyncResponse, type SyncResponse } from '../src/index.ts';
import { blockOps } from '../src/store/chain-store.ts';

const LIAR = 3;
type Batches = Extract<SyncResponse, { type: 'batches' }>['batches'];

/** A batch by the liar that would never expire. */
function poison(net: MiniNet): Batch {
  const { key, id } = net.node(LIAR);
  return signBatch(key, {
    chainId: net.genesis.chainId,
    author: id,
    epoch: asEpoch(0),
    lane: 'normal',
    expiryHeight: asHeight(Number.MAX_SAFE_INTEGER),
    transactions: [putRecord(net.genesis).bytes],
  });
}

/** Two seconds of a network whose last validator gossips nothing and answers pulls of batches with `lie` of the truth. */
async function liedTo(lie: (honest: Batches, net: MiniNet) => SyncResponse | undefined) {
  const net = await MiniNet.of(4);
  const liar = net.node(LIAR);
  liar.mute = true;
  let lies = 0;
  liar.serve = (answer, request) => {
    const [asked, given] = [decodeSyncRequest(request), decodeSyncResponse(answer)];
    if (!asked.ok || asked.value.type !== 'batches' || !given.ok || given.value.type !== 'batches') return answer;
    lies++;
    const lying = lie(given.value.batches, net);
    return lying === undefined ? undefined : encodeSyncResponse(lying);
  };
  await net.start();
  const transactions = Array.from({ length: 20 }, () => putRecord(net.genesis));
  for (const [index, { bytes }] of transactions.entries()) {
    net.submit(net.node(index % 4), bytes);
    await net.advance(100);
  }
  await net.advance(3_000);
  const blames = [0, 1, 2].flatMap((index) => net.effectsOf(index, 'blame'));
  const committed = transactions.filter(({ id }) => net.node(0).replica.ledger.executed.has(id)).length;
  return { net, lies, blames, committed };
}

describe('a server that answers a pull of batches', () => {
  it.each([
    ['with more than was asked for', 'UNASKED', (honest: Batches, net: MiniNet) => [...honest, poison(net).bytes]],
    ['with another batch', 'UNASKED', (honest: Batches, net: MiniNet) => honest.map(() => poison(net).bytes)],
    ['with bytes that are no batch', 'UNASKED', (honest: Batches) => honest.map(() => Uint8Array.of(1, 2, 3))],
    ['with fewer than was asked for', 'UNASKED', () => []],
  ] as const)('%s leaves nothing behind and is blamed', async (_, offence, lie) => {
    const { net, lies, blames, committed } = await liedTo((honest, at) => ({
      type: 'batches',
      batches: lie(honest, at),
    }));
    expect(lies).toBeGreaterThan(0);
    expect(blames.length).toBeGreaterThan(0);
    for (const blame of blames) expect(blame).toMatchObject({ peer: net.node(LIAR).id, offence });
    for (const { replica } of net.nodes.slice(0, 3)) expect(replica.status().pendingBatches).toBe(0);
    // What the honest submitted is there; what only the liar had may be lost with it.
    expect(committed).toBeGreaterThanOrEqual(15);
    expect(Math.min(...net.heights())).toBeGreaterThan(10);
  });

  it('with an answer of another kind, or that does not decode, is blamed', async () => {
    const other = await liedTo(() => ({ type: 'status', finality: undefined }));
    expect(other.blames.map(({ offence }) => offence)).toContain('LIED');
    expect(other.committed).toBeGreaterThanOrEqual(15);
  });

  it('not at all, or without what it lacks, is no offence', async () => {
    for (const lie of [
      () => undefined,
      (honest: Batches) => ({ type: 'batches', batches: honest.map(() => undefined) }) as const,
    ]) {
      const { blames, committed, net } = await liedTo(lie);
      expect(blames).toEqual([]);
      expect(committed).toBeGreaterThanOrEqual(15);
      expect(Math.min(...net.heights())).toBeGreaterThan(10);
    }
  });
});

describe('what a past fault left on disk', () => {
  it('is not taken in at the start, and the chain goes on', async () => {
    const net = await MiniNet.of(4);
    await net.start();
    await net.advance(2_500);
    const node = net.node(0);
    const batch = poison(net);
    const tip = await node.reader.blockAt(await node.reader.tipHeight());
    if (tip === undefined) throw new Error('no block');
    const body = { ...tip.body, batches: [batch.id] };
    const header: Header = {
      ...tip.header,
      height: asHeight(tip.header.height + 1),
      parentHash: tip.hash,
      view: asView(tip.header.view + 1),
      bodyHash: bodyHashOf(body),
    };
    await node.chain.batch(blockOps({ header, body, hash: blockHashOf(header) }, [batch]), { sync: true });
    await net.restart(0);
    expect(node.replica.status().pendingBatches).toBe(0);
    const before = net.heights();
    await net.advance(6_000);
    for (const [index, height] of net.heights().entries()) expect(height).toBeGreaterThan((before[index] ?? 0) + 3);
  });
});
