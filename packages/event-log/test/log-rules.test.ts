/** What the log does not believe, although its bytes match their checksum. */
import { asHeight, type Digest, utf8 } from '@cloister/encoding';
import { appendBlocks, CHAIN_ID, openTestLog } from '@cloister/testkit/logs';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  decodeHead,
  type EventLog,
  emptyHead,
  encodeHead,
  eventHash,
  MemoryStore,
  rebuildMerkle,
  StoreError,
  withChecksum,
  withoutChecksum,
} from '../src/index.ts';
import { sameHead } from '../src/log/head.ts';
import { eventKey, HEAD_KEY, numberOfKey, SCRUB_KEY } from '../src/log/keys.ts';
import { asDamage } from '../src/log/verify.ts';

const CHECKPOINT_KEY = Uint8Array.of(0, 'c'.charCodeAt(0));
const OTHER = 'dd'.repeat(32) as Digest;

let store: MemoryStore;
let log: EventLog;
beforeEach(async () => {
  store = new MemoryStore();
  log = await openTestLog(store);
  await appendBlocks(log, 1, 10);
});

const put = (key: Uint8Array, value: Uint8Array) => store.batch([{ type: 'put', key, value }], { sync: true });
const valueAt = async (key: Uint8Array) => (await store.get(key)) ?? new Uint8Array(0);

async function scrubbed(): Promise<readonly number[]> {
  const steps: number[] = [];
  for await (const { verified } of log.scrub({ stepEvents: 5 })) steps.push(verified);
  return steps;
}

describe('a head', () => {
  it('is none with peaks of another size, or of an unknown version', () => {
    const { head } = log;
    expect(decodeHead(encodeHead(head))).toEqual(head);
    const fewer = { ...head, frontier: { ...head.frontier, peaks: head.frontier.peaks.slice(1) } };
    expect(decodeHead(encodeHead(fewer))).toBeUndefined();
    const later = withoutChecksum(encodeHead(head))?.slice() ?? new Uint8Array(0);
    later[0] = 9;
    expect(decodeHead(withChecksum(later))).toBeUndefined();
  });

  it('is the same as another only in every member', () => {
    const { head } = log;
    const peaks = head.frontier.peaks.map((peak) => peak.map((byte) => byte ^ 1));
    expect(sameHead(head, { ...head })).toBe(true);
    for (const change of [
      { chainId: OTHER },
      { count: head.count + 1 },
      { hash: OTHER },
      { height: asHeight(head.height + 1) },
      { frontier: { ...head.frontier, peaks } },
    ]) {
      expect([change, sameHead(head, { ...head, ...change })]).toEqual([change, false]);
    }
  });

  it('that the events do not confirm is found by whoever rebuilds the nodes', async () => {
    await expect(rebuildMerkle(new MemoryStore(), CHAIN_ID)).rejects.toMatchObject({ code: 'HEAD_CHECKSUM' });
    await expect(rebuildMerkle(store, OTHER)).rejects.toMatchObject({ code: 'HEAD_CHECKSUM' });
    const peaks = log.head.frontier.peaks.map((peak) => peak.map((byte) => byte ^ 1));
    await put(HEAD_KEY, encodeHead({ ...log.head, frontier: { ...log.head.frontier, peaks } }));
    await expect(rebuildMerkle(store, CHAIN_ID)).rejects.toMatchObject({ code: 'HEAD_MISMATCH' });
  });
});

describe('a position', () => {
  it('of another chain, or beyond the head, makes the scrubber begin anew', async () => {
    const whole = await scrubbed();
    expect(whole.length).toBeGreaterThan(2);
    const other = await openTestLog(new MemoryStore(), { chainId: OTHER });
    await appendBlocks(other, 1, 2);
    const longer = await openTestLog(new MemoryStore());
    await appendBlocks(longer, 1, 20);
    for (const position of [other.head, longer.head]) {
      await put(SCRUB_KEY, encodeHead(position));
      expect(await scrubbed()).toEqual(whole);
    }
  });

  it('of another chain is no checkpoint, and that of nothing verifies everything', async () => {
    await put(CHECKPOINT_KEY, encodeHead(emptyHead(OTHER)));
    await expect(openTestLog(store)).rejects.toMatchObject({ code: 'CHECKPOINT_CHECKSUM' });
    await put(CHECKPOINT_KEY, encodeHead(emptyHead(CHAIN_ID)));
    const verified: number[] = [];
    await openTestLog(store, { onProgress: (done) => verified.push(done) });
    expect(verified.at(-1)).toBe(log.head.count);
  });

  it('is read from a key of its length alone', () => {
    expect(numberOfKey(eventKey(7))).toBe(7);
    expect(numberOfKey(Uint8Array.of(...eventKey(7), 0))).toBeUndefined();
  });
});

describe('an event', () => {
  it('of a lower height than the one before it is damage, although all hashes agree', async () => {
    const falling = new MemoryStore();
    const made = await openTestLog(falling);
    await made.commit(made.prepare(asHeight(9), [{ type: 'X', payload: utf8('1') }]));
    const before = made.head;
    await made.commit(made.prepare(asHeight(10), [{ type: 'X', payload: utf8('2') }]));
    const bytes = withoutChecksum((await falling.get(eventKey(1))) ?? new Uint8Array(0))?.slice() ?? new Uint8Array(0);
    const at = bytes.findIndex((byte, index) => byte === 10 && bytes[index - 1] === 0);
    bytes[at] = 3;
    await falling.batch([{ type: 'put', key: eventKey(1), value: withChecksum(bytes) }], { sync: true });
    expect(eventHash(bytes)).not.toBe(made.head.hash);
    expect(before.count).toBe(1);
    await expect(openTestLog(falling)).rejects.toMatchObject({
      code: 'EVENT_CHAIN_BROKEN',
      message: expect.stringContaining('lower height'),
    });
  });

  it('whose Merkle nodes are cut short is damage where a proof asks for them', async () => {
    const key = Uint8Array.of(0, 'm'.charCodeAt(0), 0, 0, 0, 0, 0, 0, 0, 7);
    const nodes = withoutChecksum(await valueAt(key)) ?? new Uint8Array(0);
    await put(key, withChecksum(nodes.subarray(0, nodes.length - 1)));
    await expect(log.inclusion(8, 16)).rejects.toMatchObject({ code: 'MERKLE_MISMATCH' });
    await store.batch([{ type: 'del', key }], { sync: true });
    await expect(log.inclusion(8, 16)).rejects.toMatchObject({
      code: 'MERKLE_MISMATCH',
      message: expect.stringContaining('are missing'),
    });
  });
});

it('an event that is gone is damage where a proof asks for its leaf', async () => {
  await store.batch([{ type: 'del', key: eventKey(9) }], { sync: true });
  await expect(log.inclusion(8, 16)).rejects.toMatchObject({ code: 'EVENT_MISSING', firstBadSequence: 9 });
});

describe('a snapshot', () => {
  it('whose state is not that of its digest, or whose event is gone, is passed over', async () => {
    const at = log.head;
    await log.saveSnapshot(at, utf8('the state'));
    const keys: Uint8Array[] = [];
    for await (const [key] of store.range({ gte: Uint8Array.of(0, 0x73), lt: Uint8Array.of(0, 0x74) })) keys.push(key);
    const [key = new Uint8Array(0)] = keys;
    const stored = await valueAt(key);
    const bytes = withoutChecksum(stored)?.slice() ?? new Uint8Array(0);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await put(key, withChecksum(bytes));
    expect(await log.loadSnapshot()).toBeUndefined();
    bytes[0] = 9;
    await put(key, withChecksum(bytes));
    expect(await log.loadSnapshot()).toBeUndefined();
    await put(key, stored);
    expect(await log.loadSnapshot()).toMatchObject({ count: at.count });
    await appendBlocks(log, 11, 12);
    await store.batch([{ type: 'del', key: eventKey(at.count - 1) }], { sync: true });
    expect(await log.loadSnapshot()).toBeUndefined();
  });

  it('of the state before the first event is one of this chain', async () => {
    await log.saveSnapshot(emptyHead(CHAIN_ID), utf8('nothing yet'));
    expect(await log.loadSnapshot()).toMatchObject({ count: 0, stateBytes: utf8('nothing yet') });
  });
});

it('a store’s failure to read is no damage', () => {
  const failure = new StoreError('STORE_IO', 'the disk is away');
  expect(asDamage(failure, 3)).toBe(failure);
  expect(asDamage(new StoreError('STORE_CORRUPT', 'bad block'), 3)).toMatchObject({ firstBadSequence: 3 });
});
