/** What a range costs the node that serves it, and what it says: a stranger may ask for it, and the thread that votes pays. */
import { encodeBody, encodeCertificate, encodeHeader } from '@cloister/consensus';
import { asHeight } from '@cloister/encoding';
import type { ReadableStore } from '@cloister/event-log';
import { MiniNet, putRecord } from '@cloister/testkit/mini-net';
import { beforeAll, expect, it } from 'vitest';
import { ChainStore, encodeSyncRequest, serveSync } from '../src/index.ts';
import { blockKey } from '../src/store/chain-keys.ts';
import { decodeSyncResponse, type SyncResponse } from '../src/sync/sync-messages.ts';

let net: MiniNet;
beforeAll(async () => {
  net = await MiniNet.of(4);
  await net.start();
  net.submit(net.node(0), putRecord(net.genesis).bytes);
  await net.advance(4_000);
});

function rangeFrom(fromHeight: number, maxBytes = 1 << 21): Uint8Array {
  return encodeSyncRequest({ type: 'range', fromHeight, maxBytes });
}

async function ranged(reader: ChainStore, fromHeight: number, maxBytes?: number): Promise<SyncResponse> {
  const answer = decodeSyncResponse(await serveSync(reader, rangeFrom(fromHeight, maxBytes)));
  if (!answer.ok) throw new Error(answer.detail);
  return answer.value;
}

/** A reader over the node's database, whose reads go through `store`. */
function readerOver(store: Partial<ReadableStore>): ChainStore {
  const { chain, log } = net.node(0);
  const bound: ReadableStore = {
    get: (key) => chain.get(key),
    getMany: (keys) => chain.getMany(keys),
    range: (range) => chain.range(range),
    close: () => chain.close(),
    ...store,
  };
  return new ChainStore(bound, log, { chainId: net.genesis.chainId, bytes: net.genesis.bytes });
}

it('serves the blocks, batches and certificate that stand in the database', async () => {
  const { reader } = net.node(0);
  const answer = await ranged(reader, 1);
  if (answer.type !== 'range') throw new Error(answer.type);
  expect(answer.blocks.length).toBeGreaterThan(1);
  expect(answer.blocks.flatMap(({ batches }) => batches).length).toBeGreaterThan(0);
  for (const [index, { header, body, batches }] of answer.blocks.entries()) {
    const block = await reader.blockAt(asHeight(index + 1));
    if (block === undefined) throw new Error(`no block ${index + 1}`);
    expect(header).toEqual(encodeHeader(block.header));
    expect(body).toEqual(encodeBody(block.body));
    expect(batches).toEqual(await reader.batches(block.body.batches));
  }
  const last = await reader.finalizationFrom(asHeight(answer.blocks.length));
  if (last === undefined) throw new Error('no certificate');
  expect(last.height).toBe(answer.blocks.length);
  expect(answer.finalization).toEqual(encodeCertificate(last.finalization));

  const short = await ranged(reader, 2, 1);
  expect(short).toMatchObject({ type: 'range', blocks: [answer.blocks[1]] });
});

it('walks the certificates once for a range, and decodes no block and no certificate', async () => {
  let walks = 0;
  const reader = readerOver({
    range: (range) => {
      walks++;
      return net.node(0).chain.range(range);
    },
  });
  const decoding = async (): Promise<never> => {
    throw new Error('decoded');
  };
  reader.block = decoding;
  reader.blockAt = decoding;
  reader.finalizationFrom = decoding;
  expect(await ranged(reader, 1)).toEqual(await ranged(net.node(0).reader, 1));
  expect(walks).toBe(1);
});

it.each([
  ['header', 10],
  ['body', -1],
])('serves no block whose %s was damaged on disk: that would cost an honest node its good name', async (_part, at) => {
  const { reader, chain } = net.node(0);
  const block = await reader.blockAt(asHeight(2));
  if (block === undefined) throw new Error('no block 2');
  const damaged = Buffer.from(blockKey(block.hash));
  const hostile = readerOver({
    get: async (key) => {
      const value = await chain.get(key);
      if (value === undefined || !damaged.equals(key)) return value;
      return value.map((byte, index) => (index === (at + value.length) % value.length ? byte ^ 1 : byte));
    },
  });
  await expect(serveSync(hostile, rangeFrom(1))).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});
