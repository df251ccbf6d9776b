import { EMPTY_ROOT, leafHash, merkleRoot, verifyConsistency, verifyInclusion } from '@cloister/crypto';
import { asHeight, type Digest, digestToBytes, fromHex, toHex, utf8 } from '@cloister/encoding';
import { appendBlocks, CHAIN_ID, eventsOf, openTestLog, readAll } from '@cloister/testkit/logs';
import { describe, expect, it } from 'vitest';
import {
  type EventLog,
  emptyHead,
  MemoryStore,
  prepareAppend,
  rebuildMerkle,
  StoreError,
  type StoreOp,
  snapshotDigest,
} from '../src/index.ts';

async function logOf(blocks: number, store: MemoryStore = new MemoryStore()): Promise<EventLog> {
  const log = await openTestLog(store);
  await appendBlocks(log, 1, blocks);
  return log;
}

/** A store whose batches fail on request. */
class FailingStore extends MemoryStore {
  failing = false;
  override async batch(ops: readonly StoreOp[], options: { readonly sync: boolean }): Promise<void> {
    if (this.failing) throw new StoreError('STORE_IO', 'no space');
    await super.batch(ops, options);
  }
}

describe('appending', () => {
  it('begins empty, at the chain id', async () => {
    const log = await openTestLog(new MemoryStore());
    expect(log.head).toEqual(emptyHead(CHAIN_ID));
    expect(log.head).toMatchObject({ count: 0, hash: CHAIN_ID, height: 0, root: toHex(EMPTY_ROOT) });
    expect(await readAll(log)).toEqual([]);
    expect(await log.rootAt(0)).toBe(toHex(EMPTY_ROOT));
  });

  it('chains each event to the one before, the first to the chain id', async () => {
    const log = await logOf(12);
    let previousHash = CHAIN_ID;
    const events = await readAll(log);
    events.forEach((event, sequence) => {
      expect(event).toMatchObject({ sequence, previousHash });
      expect(event.hash).toBe(toHex(leafHash(event.recordBytes)));
      previousHash = event.hash;
    });
    expect(log.head).toMatchObject({ count: events.length, hash: previousHash, height: 12 });
    expect(log.head.root).toBe(toHex(merkleRoot(events.map(({ recordBytes }) => leafHash(recordBytes)))));
  });

  it('prepares without writing, block upon block, and commits in order', async () => {
    const store = new MemoryStore();
    const log = await openTestLog(store);
    const first = log.prepare(asHeight(1), eventsOf(1, 3));
    const second = log.prepare(asHeight(2), eventsOf(2, 2), first);
    expect(log.head.count).toBe(0);
    expect(second.base).toEqual(first.head);
    const commits = [log.commit(first), log.commit(second)];
    await Promise.all(commits);
    expect(log.head).toEqual(second.head);
    expect(await readAll(log)).toEqual([...first.records, ...second.records]);
    expect((await openTestLog(store)).head).toEqual(second.head);
  });

  it('writes events, nodes, head and the extra operations as one synced batch', async () => {
    const batches: { readonly keys: number; readonly sync: boolean }[] = [];
    class Recording extends MemoryStore {
      override async batch(ops: readonly StoreOp[], options: { readonly sync: boolean }): Promise<void> {
        batches.push({ keys: ops.length, sync: options.sync });
        await super.batch(ops, options);
      }
    }
    const store = new Recording();
    const log = await openTestLog(store);
    await log.commit(log.prepare(asHeight(1), eventsOf(1, 4)), [{ type: 'put', key: utf8('x'), value: utf8('y') }]);
    expect(batches).toEqual([{ keys: 4 + 2 + 1 + 1, sync: true }]);
    expect(await store.durableCopy().get(utf8('x'))).toEqual(utf8('y'));
  });

  it('refuses a commit that does not continue the head, keys of its own among the extra, and falling heights', async () => {
    const log = await logOf(3);
    const stale = log.prepare(asHeight(4), eventsOf(4, 1));
    await log.commit(log.prepare(asHeight(4), eventsOf(4, 2)));
    expect(() => log.adopt(stale)).toThrow('a commit continues the head');
    expect(() => log.prepare(asHeight(3), eventsOf(3, 1))).toThrow('heights never fall');
    const next = log.prepare(asHeight(5), eventsOf(5, 1));
    expect(() => log.commit(next, [{ type: 'del', key: Uint8Array.of(0, 1) }])).toThrow("the log's own");
    await log.commit(next);
    await expect(log.commit(stale)).rejects.toThrow('a commit continues the head');
  });

  it('fails every later commit once one has failed, and keeps the head', async () => {
    const store = new FailingStore();
    const log = await openTestLog(store);
    await appendBlocks(log, 1, 2);
    const { head } = log;
    const first = log.prepare(asHeight(3), eventsOf(3, 1));
    const second = log.prepare(asHeight(4), eventsOf(4, 1), first);
    store.failing = true;
    const failed = expect(log.commit(first)).rejects.toMatchObject({ code: 'STORE_IO' });
    const alsoFailed = expect(log.commit(second)).rejects.toMatchObject({ code: 'STORE_IO' });
    await Promise.all([failed, alsoFailed]);
    store.failing = false;
    await expect(log.commit(first)).rejects.toMatchObject({ code: 'STORE_IO' });
    expect(log.head).toEqual(head);
    expect((await openTestLog(store)).head).toEqual(head);
  });

  it('serves a caller that writes by itself', async () => {
    const store = new MemoryStore();
    const log = await openTestLog(store);
    const prepared = prepareAppend(log.head, asHeight(1), eventsOf(1, 3));
    await store.batch(prepared.ops, { sync: true });
    log.adopt(prepared);
    expect(log.head).toEqual(prepared.head);
    expect((await openTestLog(store)).head).toEqual(prepared.head);
  });

  it('takes a block without events as no change', async () => {
    const store = new MemoryStore();
    const log = await logOf(2, store);
    const { head } = log;
    await log.commit(log.prepare(asHeight(9), []));
    expect(log.head).toEqual(head);
    expect((await openTestLog(store, { verify: 'full' })).head).toEqual(head);
  });
});

describe('reading', () => {
  it('gives ranges and single events', async () => {
    const log = await logOf(10);
    const events = await readAll(log);
    for (const [from, to] of [
      [0, 5],
      [3, 4],
      [7, 7],
      [20, 1000],
      [1000, 2000],
    ] as const) {
      const range = [];
      for await (const event of log.read({ from, to })) range.push(event);
      expect(range).toEqual(events.slice(from, to));
    }
    expect(await log.get(6)).toEqual(events[6]);
    for (const sequence of [-1, 0.5, events.length, Number.NaN, 2 ** 60]) {
      expect(await log.get(sequence)).toBeUndefined();
    }
  });

  it('reads up to the head that it began with while blocks are appended', async () => {
    const log = await logOf(5);
    const { count } = log.head;
    let seen = 0;
    for await (const event of log.read({ from: 0 })) {
      expect(event.sequence).toBe(seen++);
      if (seen === 2) await appendBlocks(log, 6, 8);
    }
    expect(seen).toBe(count);
  });

  it('replays to the same state from 0 and from a snapshot', async () => {
    const log = await logOf(20);
    const evolve = (state: string[], event: { readonly type: string; readonly height: number }): string[] => {
      state.push(`${event.type}@${event.height}`);
      return state;
    };
    const whole = await log.replay({ state: [], evolve });
    const half = await log.saveSnapshot(log.head, utf8(JSON.stringify(whole)));
    await appendBlocks(log, 21, 30);
    const loaded = await log.loadSnapshot();
    expect(loaded).toEqual(half);
    const state = JSON.parse(new TextDecoder().decode(half.stateBytes)) as string[];
    const resumed = await log.replay({ state, from: half.count, previousHash: half.hash, evolve });
    expect(resumed).toEqual(await log.replay({ state: [], evolve }));
    const wrong = log.replay({ state: [], from: half.count, previousHash: CHAIN_ID, evolve });
    await expect(wrong).rejects.toMatchObject({ code: 'EVENT_CHAIN_BROKEN', firstBadSequence: half.count });
  });
});

describe('proofs from stored nodes', () => {
  it('roots, inclusion and consistency verify for every size', async () => {
    const log = await logOf(11);
    const leaves = (await readAll(log)).map(({ recordBytes }) => leafHash(recordBytes));
    for (let size = 0; size <= leaves.length; size++) {
      const root = merkleRoot(leaves.slice(0, size));
      expect(await log.rootAt(size)).toBe(toHex(root));
      for (let index = 0; index < size; index++) {
        const proof = await log.inclusion(index, size);
        const leaf = leaves[index] ?? root;
        expect(verifyInclusion({ leafHash: leaf, index, size, proof, root })).toBe(true);
      }
      for (let oldSize = 0; oldSize <= size; oldSize++) {
        const proof = await log.consistency(oldSize, size);
        const oldRoot = merkleRoot(leaves.slice(0, oldSize));
        expect(verifyConsistency({ oldSize, newSize: size, oldRoot, newRoot: root, proof })).toBe(true);
      }
    }
  });

  it('refuses sizes that the log has not reached', async () => {
    const log = await logOf(3);
    const { count } = log.head;
    await expect(log.rootAt(count + 1)).rejects.toThrow('a size that the log has reached');
    await expect(log.inclusion(0, count + 1)).rejects.toThrow('a size that the log has reached');
    await expect(log.inclusion(count, count)).rejects.toThrow('an event of the tree');
    await expect(log.consistency(2, 1)).rejects.toThrow('sizes in order');
  });

  it('rebuildMerkle writes the same nodes again', async () => {
    const store = new MemoryStore();
    const log = await logOf(9, store);
    const nodes = { gte: Uint8Array.of(0, 0x6d), lt: Uint8Array.of(0, 0x6e) };
    const before = [];
    for await (const entry of store.range(nodes)) before.push(entry);
    await store.batch(
      before.map(([key]) => ({ type: 'del', key })),
      { sync: true },
    );
    await expect(openTestLog(store)).rejects.toMatchObject({ code: 'MERKLE_MISMATCH' });
    expect(await rebuildMerkle(store, CHAIN_ID)).toEqual(log.head);
    const after = [];
    for await (const entry of store.range(nodes)) after.push(entry);
    expect(after).toEqual(before);
    expect((await openTestLog(store)).head).toEqual(log.head);
    await expect(rebuildMerkle(store, 'ee'.repeat(32) as Digest)).rejects.toMatchObject({ code: 'HEAD_CHECKSUM' });
  });
});

describe('snapshots', () => {
  it('keeps the newest two, and answers with the newest that is intact and of this history', async () => {
    const store = new MemoryStore();
    const log = await openTestLog(store);
    expect(await log.loadSnapshot()).toBeUndefined();
    for (let height = 1; height <= 4; height++) {
      await appendBlocks(log, height, height);
      await log.saveSnapshot(log.head, utf8(`state ${height}`));
    }
    const keys = [];
    for await (const [key] of store.range({ gte: Uint8Array.of(0, 0x73), lt: Uint8Array.of(0, 0x74) })) keys.push(key);
    expect(keys).toHaveLength(2);
    const newest = await log.loadSnapshot();
    expect(newest).toMatchObject({ count: log.head.count, height: 4, digest: snapshotDigest(utf8('state 4')) });
    const [older, last] = keys;
    if (older === undefined || last === undefined) throw new Error('two snapshots');
    const stored = (await store.get(last)) ?? new Uint8Array();
    for (let at = 0; at < stored.length; at++) {
      const changed = stored.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      await store.batch([{ type: 'put', key: last, value: changed }], { sync: true });
      expect(await log.loadSnapshot()).toMatchObject({ height: 3, stateBytes: utf8('state 3') });
    }
    await store.batch([{ type: 'del', key: older }], { sync: true });
    expect(await log.loadSnapshot()).toBeUndefined();
  });

  it('passes over a snapshot of another history or of a longer log', async () => {
    const store = new MemoryStore();
    const log = await logOf(3, store);
    await log.saveSnapshot({ ...log.head, hash: 'dd'.repeat(32) as Digest }, utf8('other'));
    expect(await log.loadSnapshot()).toBeUndefined();
    const longer = { ...log.head, count: log.head.count + 1 };
    await expect(async () => log.saveSnapshot(longer, utf8('longer'))).rejects.toThrow('of what is committed');
  });
});

describe('checkpoint and scrub', () => {
  it('verifies from the checkpoint on, which stays behind the head', async () => {
    const store = new MemoryStore();
    const log = await logOf(40, store);
    const { count } = log.head;
    const verified: number[] = [];
    const options = { alwaysVerifiedEvents: 20, onProgress: (done: number) => verified.push(done) };
    const first = await openTestLog(store, options);
    expect(first.checkpoint.count).toBe(count - 20);
    expect(verified.at(-1)).toBe(count);
    verified.length = 0;
    const second = await openTestLog(store, options);
    expect(second.checkpoint).toEqual(first.checkpoint);
    expect(verified.at(-1)).toBe(20);
    verified.length = 0;
    await openTestLog(store, { ...options, verify: 'full' });
    expect(verified.at(-1)).toBe(count);
  });

  it('scrub verifies everything in steps, resumes, and moves the checkpoint', async () => {
    const store = new MemoryStore();
    await logOf(40, store);
    const log = await openTestLog(store, { alwaysVerifiedEvents: 10, verify: 'full' });
    await appendBlocks(log, 41, 80);
    const { count } = log.head;
    const seen: number[] = [];
    for await (const { verified, total } of log.scrub({ stepEvents: 25 })) {
      seen.push(verified);
      expect(total).toBe(count);
      if (seen.length === 2) break;
    }
    for await (const { verified } of (await openTestLog(store)).scrub({ stepEvents: 25 })) seen.push(verified);
    expect(seen).toEqual([...Array.from({ length: Math.ceil(count / 25) - 1 }, (_, i) => 25 * (i + 1)), count]);
    for await (const { verified } of log.scrub({ stepEvents: 1000, restart: true })) expect(verified).toBe(count);
    for await (const _ of log.scrub({ stepEvents: 7 }));
    expect(log.checkpoint.count).toBeGreaterThan(count - 10 - 7);
    expect(log.checkpoint.count).toBeLessThanOrEqual(count - 10);
    expect((await openTestLog(store)).checkpoint).toEqual(log.checkpoint);
  });

  it('finds damage before the checkpoint, which opening leaves to it', async () => {
    const store = new MemoryStore();
    await logOf(40, store);
    await openTestLog(store, { alwaysVerifiedEvents: 10 });
    const key = Uint8Array.of(0, 0x65, 0, 0, 0, 0, 0, 0, 0, 5);
    const stored = (await store.get(key)) ?? fromHex('00');
    stored[20] = (stored[20] ?? 0) ^ 1;
    await store.batch([{ type: 'put', key, value: stored }], { sync: true });
    const log = await openTestLog(store, { alwaysVerifiedEvents: 10 });
    await expect(openTestLog(store, { verify: 'full' })).rejects.toMatchObject({ code: 'EVENT_CHECKSUM' });
    const scrubbing = (async () => {
      for await (const _ of log.scrub({ stepEvents: 3 }));
    })();
    await expect(scrubbing).rejects.toMatchObject({ code: 'EVENT_CHECKSUM', firstBadSequence: 5 });
    await expect(readAll(log)).rejects.toMatchObject({ code: 'EVENT_CHECKSUM', firstBadSequence: 5 });
    await expect(log.get(5)).rejects.toMatchObject({ code: 'EVENT_CHECKSUM' });
    await expect(log.inclusion(4, 8)).rejects.toMatchObject({ code: 'EVENT_CHECKSUM' });
    expect(digestToBytes(await log.rootAt(40))).toHaveLength(32);
  });
});
