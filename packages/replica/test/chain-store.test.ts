/** A reader whose log lags behind the database that it shares: what it proves never runs ahead of what it can show. */
import { asHeight } from '@cloister/encoding';
import { StoredLog } from '@cloister/event-log';
import { MiniNet } from '@cloister/testkit/mini-net';
import { expect, it } from 'vitest';
import { buildEventProofParts, ChainStore } from '../src/index.ts';

it('proves under the newest header that covers no more events than its log shows', async () => {
  const net = await MiniNet.of(1);
  await net.start();
  await net.advance(1_500);
  const node = net.node(0);
  const { chainId, bytes } = net.genesis;
  const head = node.log.head;
  const lagging = new ChainStore(node.chain, new StoredLog(node.chain, () => head), { chainId, bytes });
  const before = await lagging.latestFinality();
  expect(before?.header.lastFinal.eventCount).toBeGreaterThan(0);

  await net.advance(3_000);
  expect(node.log.head.count).toBeGreaterThan(head.count);
  const whole = await node.reader.latestFinality();
  expect(whole?.header.lastFinal.eventCount).toBeGreaterThan(head.count);

  const covered = await lagging.latestFinality();
  expect(covered?.header.lastFinal.eventCount).toBeLessThanOrEqual(head.count);
  expect(covered?.header.height).toBeGreaterThanOrEqual(before?.header.height ?? 0);
  expect(await buildEventProofParts(lagging, 0)).toMatchObject({ index: 0 });
  expect(await buildEventProofParts(lagging, head.count)).toBeUndefined();

  const nothing = { ...head, count: 0 };
  const empty = new ChainStore(node.chain, new StoredLog(node.chain, () => nothing), { chainId, bytes });
  expect((await empty.latestFinality())?.header.height ?? asHeight(0)).toBeLessThanOrEqual(1);
  expect(await buildEventProofParts(empty, 0)).toBeUndefined();
});
