/**
 * Each kind of damage, done to the records themselves, gives its own code and the first bad sequence.
 */
import { asHeight, type Digest, utf8 } from '@cloister/encoding';
import { appendBlocks, CHAIN_ID, eventsOf, openTestLog, readAll } from '@cloister/testkit/logs';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  checkAgainstGuard,
  type EventLog,
  EventLogDamaged,
  type LogPosition,
  MemoryStore,
  markForResync,
  type OpenOptions,
  StoreError,
  type StoreOp,
  withChecksum,
  withoutChecksum,
  witnessOp,
} from '../src/index.ts';

const BLOCKS = 10;
const numbered = (kind: string, n: number): Uint8Array => Uint8Array.of(0, kind.charCodeAt(0), 0, 0, 0, 0, 0, 0, 0, n);
const eventKey = (n: number): Uint8Array => numbered('e', n);
const nodesKey = (n: number): Uint8Array => numbered('m', n);
const single = (kind: string): Uint8Array => Uint8Array.of(0, kind.charCodeAt(0));

let store: MemoryStore;
let log: EventLog;
let count: number;
beforeEach(async () => {
  store = new MemoryStore();
  log = await openTestLog(store);
  await appendBlocks(log, 1, BLOCKS);
  count = log.head.count;
});

const write = (...ops: StoreOp[]): Promise<void> => store.batch(ops, { sync: true });
const drop = (...keys: Uint8Array[]): Promise<void> => write(...keys.map((key): StoreOp => ({ type: 'del', key })));
const valueAt = async (key: Uint8Array): Promise<Uint8Array> => (await store.get(key)) ?? new Uint8Array();

async function damage(options: Partial<OpenOptions> = {}): Promise<EventLogDamaged> {
  const error = await openTestLog(store, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EventLogDamaged);
  return error as EventLogDamaged;
}
async function expectDamage(code: string, firstBadSequence?: number, options?: Partial<OpenOptions>): Promise<void> {
  expect(await damage(options)).toMatchObject({ code, firstBadSequence });
}

describe('an event', () => {
  it.each([0, 7, 20])('%i with any byte flipped fails its checksum', async (sequence) => {
    const key = eventKey(sequence);
    const value = await valueAt(key);
    for (let at = 0; at < value.length; at += 3) {
      const changed = value.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x40;
      await write({ type: 'put', key, value: changed });
      await expectDamage('EVENT_CHECKSUM', sequence);
    }
  });
  it('that is gone', async () => {
    await drop(eventKey(4));
    await expectDamage('EVENT_MISSING', 4);
    await expect(readAll(log)).rejects.toMatchObject({ code: 'EVENT_MISSING', firstBadSequence: 4 });
    await expect(log.get(4)).rejects.toMatchObject({ code: 'EVENT_MISSING' });
  });
  it('in the place of another', async () => {
    await write({ type: 'put', key: eventKey(4), value: await valueAt(eventKey(5)) });
    await expectDamage('EVENT_MALFORMED', 4);
  });
  it('of an unknown version', async () => {
    const bytes = withoutChecksum(await valueAt(eventKey(4)))?.slice() ?? new Uint8Array();
    bytes[0] = 9;
    await write({ type: 'put', key: eventKey(4), value: withChecksum(bytes) });
    await expectDamage('EVENT_MALFORMED', 4);
  });
  it('forged with a right checksum breaks the chain at the next one, the last at the head', async () => {
    const forge = async (sequence: number): Promise<void> => {
      const bytes = withoutChecksum(await valueAt(eventKey(sequence)))?.slice() ?? new Uint8Array();
      const at = bytes.length - 34;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await write({ type: 'put', key: eventKey(sequence), value: withChecksum(bytes) });
    };
    const last = count - 1;
    await forge(last);
    const found = await damage();
    expect(['HEAD_MISMATCH', 'MERKLE_MISMATCH']).toContain(found.code);
    expect(found.firstBadSequence).toBe(last);
    await expect(readAll(log)).rejects.toMatchObject({ code: 'HEAD_MISMATCH', firstBadSequence: last });
    await forge(4);
    await expectDamage('EVENT_CHAIN_BROKEN', 5);
  });
  it('from another history with the same numbers', async () => {
    const other = new MemoryStore();
    const otherLog = await openTestLog(other, { chainId: 'dd'.repeat(32) as Digest });
    await appendBlocks(otherLog, 1, BLOCKS);
    await write({ type: 'put', key: eventKey(6), value: (await other.get(eventKey(6))) ?? new Uint8Array() });
    await expectDamage('EVENT_CHAIN_BROKEN', 6);
  });
});

describe('the end of the log', () => {
  it('cut while the head survives', async () => {
    await drop(eventKey(count - 1), eventKey(count - 2));
    await expectDamage('LOG_TRUNCATED', count - 2);
  });
  it('all events gone while the head survives', async () => {
    await drop(...Array.from({ length: count }, (_, n) => eventKey(n)));
    await expectDamage('LOG_TRUNCATED', 0);
  });
  it('the head gone while the events survive', async () => {
    await drop(single('h'));
    await expectDamage('HEAD_MISSING', 0);
  });
  it('only a checkpoint or a snapshot left', async () => {
    for (const key of [single('c'), numbered('s', 5)]) {
      store = new MemoryStore();
      await write({ type: 'put', key, value: Uint8Array.of(1) });
      await expectDamage('HEAD_MISSING', 0);
    }
  });
  it('a head older than the events, or than their Merkle nodes', async () => {
    const oldHead = await valueAt(single('h'));
    await appendBlocks(log, BLOCKS + 1, BLOCKS + 2);
    await write({ type: 'put', key: single('h'), value: oldHead });
    await expectDamage('EVENT_BEYOND_HEAD', count);
    for (let n = count; n < log.head.count; n++) await drop(eventKey(n));
    await expectDamage('EVENT_BEYOND_HEAD', count);
  });
  it('a head with a flipped byte', async () => {
    const key = single('h');
    const value = await valueAt(key);
    for (let at = 0; at < value.length; at++) {
      const changed = value.slice();
      changed[at] = (changed[at] ?? 0) ^ 2;
      await write({ type: 'put', key, value: changed });
      await expectDamage('HEAD_CHECKSUM');
    }
  });
  it('a head of another history', async () => {
    const other = await openTestLog(new MemoryStore());
    for (let height = 1; height <= BLOCKS; height++) {
      await other.commit(other.prepare(asHeight(height), eventsOf(height + 100, 1 + (height % 5))));
    }
    expect(other.head.count).toBe(count);
    const { ops } = other.prepare(asHeight(BLOCKS), []);
    await write(...ops);
    await expectDamage('HEAD_MISMATCH', count - 1);
  });
  it('the log of another chain', async () => {
    await expectDamage('WRONG_CHAIN', 0, { chainId: 'dd'.repeat(32) as Digest });
    expect((await damage({ chainId: 'dd'.repeat(32) as Digest })).recovery).toContain('same network');
  });
});

describe('Merkle nodes', () => {
  it('flipped or gone', async () => {
    for (const sequence of [1, 3, 15]) {
      const value = await valueAt(nodesKey(sequence));
      for (let at = 0; at < value.length; at += 5) {
        const changed = value.slice();
        changed[at] = (changed[at] ?? 0) ^ 8;
        await write({ type: 'put', key: nodesKey(sequence), value: changed });
        await expectDamage('MERKLE_MISMATCH', sequence);
        await expect(log.rootAt(sequence + 1)).rejects.toMatchObject({ code: 'MERKLE_MISMATCH' });
      }
      await drop(nodesKey(sequence));
      await expectDamage('MERKLE_MISMATCH', sequence);
      await expect(log.rootAt(sequence + 1)).rejects.toMatchObject({ code: 'MERKLE_MISMATCH' });
      await write({ type: 'put', key: nodesKey(sequence), value });
    }
    await openTestLog(store);
  });
});

describe('the checkpoint', () => {
  const options = { alwaysVerifiedEvents: 8 };
  beforeEach(async () => {
    await openTestLog(store, options);
  });
  it('with a flipped byte', async () => {
    const value = await valueAt(single('c'));
    value[40] = (value[40] ?? 0) ^ 1;
    await write({ type: 'put', key: single('c'), value });
    await expectDamage('CHECKPOINT_CHECKSUM', undefined, options);
  });
  it('ahead of the head: the log was rolled back', async () => {
    const short = new MemoryStore();
    const shortLog = await openTestLog(short);
    await appendBlocks(shortLog, 1, 2);
    await short.batch([{ type: 'put', key: single('c'), value: await valueAt(single('c')) }], { sync: true });
    store = short;
    await expectDamage('LOG_TRUNCATED', shortLog.head.count, options);
  });
  it('whose last event is gone or another', async () => {
    const last = count - 8 - 1;
    const value = await valueAt(eventKey(last));
    await drop(eventKey(last));
    await expectDamage('EVENT_MISSING', last, options);
    value[30] = (value[30] ?? 0) ^ 1;
    await write({ type: 'put', key: eventKey(last), value });
    await expectDamage('EVENT_CHECKSUM', last, options);
    value[30] = (value[30] ?? 0) ^ 1;
    value[value.length - 10] = (value[value.length - 10] ?? 0) ^ 1;
    await write({ type: 'put', key: eventKey(last), value: withChecksum(value.slice(0, -4)) });
    await expectDamage('EVENT_CHAIN_BROKEN', last, options);
  });
});

describe('the sign guard', () => {
  const headOf = async (blocks: number): Promise<LogPosition> => {
    const other = await openTestLog(new MemoryStore());
    await appendBlocks(other, 1, blocks);
    return { count: other.head.count, hash: other.head.hash };
  };

  it('agrees with a log at or beyond what it has seen', async () => {
    for (const blocks of [0, 1, 5, BLOCKS]) {
      const guardHead = await headOf(blocks);
      expect((await openTestLog(store, { guardHead })).head).toEqual(log.head);
    }
  });
  it('refuses a log that is behind, also an empty one', async () => {
    const guardHead = await headOf(BLOCKS + 1);
    await expectDamage('LOG_BEHIND_SIGN_GUARD', count, { guardHead });
    store = new MemoryStore();
    await expectDamage('LOG_BEHIND_SIGN_GUARD', 0, { guardHead: await headOf(1) });
    expect((await damage({ guardHead })).message).toContain('unsafe-reset --keep-keys');
  });
  it('refuses another history', async () => {
    for (const n of [0, 1, 9, count]) {
      const guardHead = { count: n, hash: 'ee'.repeat(32) as Digest };
      await expectDamage('LOG_CONFLICTS_WITH_SIGN_GUARD', Math.max(0, n - 1), { guardHead });
    }
  });
  it('as a pure check', () => {
    const hash = 'aa'.repeat(32) as Digest;
    const other = 'bb'.repeat(32) as Digest;
    expect(checkAgainstGuard({ count: 5, hash }, { count: 5, hash }, undefined)).toMatchObject({ ok: true });
    expect(checkAgainstGuard({ count: 6, hash: other }, { count: 5, hash }, hash)).toMatchObject({ ok: true });
    const code = 'LOG_CONFLICTS_WITH_SIGN_GUARD';
    expect(checkAgainstGuard({ count: 6, hash: other }, { count: 5, hash }, undefined)).toMatchObject({ code });
    expect(checkAgainstGuard({ count: 5, hash: other }, { count: 5, hash }, hash)).toMatchObject({ code });
    const behind = { code: 'LOG_BEHIND_SIGN_GUARD' };
    expect(checkAgainstGuard({ count: 4, hash }, { count: 5, hash }, hash)).toMatchObject(behind);
  });
  it('remembers each commit as the witness', async () => {
    const witness = new MemoryStore();
    const watched = await openTestLog(store, { witness });
    await appendBlocks(watched, BLOCKS + 1, BLOCKS + 1);
    const older = store.copy();
    await appendBlocks(watched, BLOCKS + 2, BLOCKS + 2);
    expect((await openTestLog(store, { witness })).head).toEqual(watched.head);
    store = older;
    const behind = (await openTestLog(older)).head.count;
    await expectDamage('LOG_BEHIND_SIGN_GUARD', behind, { witness });
    await witness.batch([{ type: 'put', key: single('w'), value: Uint8Array.of(1, 2, 3, 4, 5) }], { sync: true });
    await expectDamage('HEAD_CHECKSUM', undefined, { witness });
  });
});

describe('filling the log again after a reset', () => {
  it('is permitted by the mark until it has caught up, and never for another history', async () => {
    const witness = new MemoryStore();
    await witness.batch([witnessOp(log.head)], { sync: true });
    const guardHead = { count: 9, hash: (await log.get(8))?.hash ?? CHAIN_ID };
    const empty = new MemoryStore();
    await markForResync(empty);
    const refilled = await openTestLog(empty, { witness, guardHead });
    expect(refilled.resyncTarget).toEqual({ count, hash: log.head.hash });

    await appendBlocks(refilled, 1, 5);
    expect(await openTestLog(empty, { witness, guardHead })).toMatchObject({ resyncTarget: { count } });
    const diverging = await openTestLog(empty.copy(), { witness, guardHead });
    const blocks = Array.from({ length: count }, () => ({ type: 'Other', payload: utf8('{}') }));
    expect(() => diverging.prepare(asHeight(6), blocks)).toThrow(EventLogDamaged);

    const resumed = await openTestLog(empty, { witness, guardHead });
    await appendBlocks(resumed, 6, BLOCKS);
    expect(resumed.resyncTarget).toBeUndefined();
    expect(resumed.head).toEqual(log.head);
    await appendBlocks(resumed, BLOCKS + 1, BLOCKS + 1);
    expect((await openTestLog(empty, { witness, guardHead })).head).toEqual(resumed.head);
    store = new MemoryStore();
    await expectDamage('LOG_BEHIND_SIGN_GUARD', 0, { witness });
  });
});

describe('a store that reports corruption while it is read', () => {
  it('is damage at the sequence that was reached', async () => {
    class Rotten extends MemoryStore {
      override async *range(...args: Parameters<MemoryStore['range']>): ReturnType<MemoryStore['range']> {
        let left = 5;
        for await (const entry of super.range(...args)) {
          if (left-- === 0) throw new StoreError('STORE_CORRUPT', 'bad block');
          yield entry;
        }
      }
    }
    const rotten = new Rotten();
    await rotten.batch((await openTestLog(new MemoryStore())).prepare(asHeight(1), eventsOf(1, 9)).ops, {
      sync: true,
    });
    store = rotten;
    const found = await damage();
    expect(found).toMatchObject({ code: 'STORE_CORRUPT', firstBadSequence: 5 });
    expect(found.cause).toBeInstanceOf(StoreError);
  });
});
