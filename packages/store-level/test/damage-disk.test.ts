/**
 * Damage done to the files of a real LevelDB: opening reports it, or everything reads back exactly.
 */
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@cloister/crypto';
import {
  EventLogDamaged,
  type LogHead,
  markForResync,
  type OpenOptions,
  type StoredEvent,
  StoreError,
} from '@cloister/event-log';
import { appendBlocks, openTestLog, readAll } from '@cloister/testkit/logs';
import { ClassicLevel } from 'classic-level';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLevelStore, scrubLevelFiles } from '../src/index.ts';

const SESSIONS = 3;
const BLOCKS_PER_SESSION = 120;

let root: string;
let chain: string;
let guard: string;
let head: LogHead;
let events: StoredEvent[];
const headAfter: LogHead[] = [];

/** Three runs of a node: LevelDB turns the log file of one into a table file at the next. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-damage-'));
  chain = join(root, 'chain');
  guard = join(root, 'guard');
  for (let session = 0; session < SESSIONS; session++) {
    const witness = await openLevelStore(join(root, 'guard-original'));
    const store = await openLevelStore(join(root, 'original'));
    const log = await openTestLog(store, { witness });
    await appendBlocks(log, session * BLOCKS_PER_SESSION + 1, (session + 1) * BLOCKS_PER_SESSION);
    headAfter.push(log.head);
    head = log.head;
    events = await readAll(log);
    await store.close();
    await witness.close();
    await cp(join(root, 'original'), join(root, `after-${session}`), { recursive: true });
  }
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

async function restore(from = 'original'): Promise<void> {
  await rm(chain, { recursive: true, force: true });
  await cp(join(root, from), chain, { recursive: true });
}
beforeEach(async () => {
  await rm(guard, { recursive: true, force: true });
  await cp(join(root, 'guard-original'), guard, { recursive: true });
  await restore();
});

const filesMatching = async (pattern: RegExp): Promise<string[]> => {
  const names = (await readdir(chain)).filter((name) => pattern.test(name)).sort();
  expect(names.length).toBeGreaterThan(0);
  return names.map((name) => join(chain, name));
};

/** Opens as a node does. The code of the damage; 'INTACT' after everything was compared with what was written. */
async function outcome(options: Partial<OpenOptions> & { readonly noWitness?: boolean } = {}): Promise<string> {
  const witness = await openLevelStore(guard);
  let store: Awaited<ReturnType<typeof openLevelStore>> | undefined;
  try {
    store = await openLevelStore(chain);
    const log = await openTestLog(store, { ...(options.noWitness === true ? {} : { witness }), ...options });
    expect(log.head).toEqual(head);
    expect(await readAll(log)).toEqual(events);
    const middle = Math.floor(head.count / 2);
    expect(await log.inclusion(middle, head.count)).not.toEqual([]);
    return 'INTACT';
  } catch (error) {
    if (error instanceof StoreError) {
      expect(error.code).toBe('STORE_CORRUPT');
      expect(error.message).toContain('cloister unsafe-reset --keep-keys');
      return error.code;
    }
    if (!(error instanceof EventLogDamaged)) throw error;
    expect(error.recovery).toContain('cloister unsafe-reset --keep-keys');
    return error.code;
  } finally {
    await store?.close();
    await witness.close();
  }
}

async function flip(file: string, offset: number, by: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[offset] = (bytes[offset] ?? 0) ^ by;
  await writeFile(file, bytes);
}

/**
 * Flips one byte at `trials` seeded places of the matching files, each on a fresh copy, and counts the outcomes.
 * `before`: what else happens before the node opens its databases.
 */
async function flips(
  pattern: RegExp,
  trials: number,
  before: () => Promise<void> = async () => undefined,
): Promise<Map<string, number>> {
  const random = new SeededRandom(`flips ${pattern.source}`);
  const outcomes = new Map<string, number>();
  for (let trial = 0; trial < trials; trial++) {
    await restore();
    const files = await filesMatching(pattern);
    const file = files[random.below(files.length)] ?? '';
    const { size } = await stat(file);
    await flip(file, random.below(size), 1 + random.below(255));
    await before();
    const code = await outcome();
    outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
  }
  return outcomes;
}

describe('a database without damage', () => {
  it('is intact', async () => {
    expect(await outcome()).toBe('INTACT');
    expect(await outcome({ verify: 'full', guardHead: { count: head.count, hash: head.hash } })).toBe('INTACT');
  });
});

describe('a flipped byte', () => {
  it('in the log file is found and named', async () => {
    const outcomes = await flips(/\.log$/, 100);
    expect(outcomes.get('STORE_CORRUPT')).toBeGreaterThan(95);
    // The rest hit the last record.
    expect([...outcomes.keys()].filter((code) => code !== 'STORE_CORRUPT')).toEqual(['LOG_BEHIND_SIGN_GUARD']);
    const [file = ''] = await filesMatching(/\.log$/);
    await restore();
    await flip(file, 1000, 1);
    await expect(openLevelStore(chain)).rejects.toThrow(`file ${file}: the record at`);
  });
  it('in the last record of the log file: not told from a torn write, but the guard knows', async () => {
    const [file = ''] = await filesMatching(/\.log$/);
    await flip(file, (await stat(file)).size - 10, 1);
    expect(await outcome()).toBe('LOG_BEHIND_SIGN_GUARD');
  });
  it('in the log file, where LevelDB was let drop batches in silence first', async () => {
    const outcomes = await flips(/\.log$/, 60, async () => {
      const database = new ClassicLevel(chain);
      await database.open();
      await database.close();
    });
    expect(outcomes.get('INTACT')).toBeUndefined();
    expect(outcomes.get('LOG_BEHIND_SIGN_GUARD')).toBeGreaterThan(0);
    expect(outcomes.get('EVENT_MISSING')).toBeGreaterThan(0);
  });
  it('in a table file', async () => {
    const outcomes = await flips(/\.ldb$/, 150);
    // The footer's padding is the only place where a flip changes nothing.
    expect(outcomes.get('STORE_CORRUPT')).toBeGreaterThan(145);
    expect([...outcomes.keys()].filter((code) => code !== 'STORE_CORRUPT' && code !== 'INTACT')).toEqual([]);
  });
  it("in a table file beyond what opening checks is the file scrubber's to find", async () => {
    const files = await filesMatching(/\.ldb$/);
    const file = files[0] ?? '';
    await flip(file, 1234, 1);
    const store = await openLevelStore(chain, { checkedBytesMax: 1 });
    const reports = [];
    for await (const report of scrubLevelFiles(chain)) if (report !== undefined) reports.push(report);
    expect(reports).toEqual([expect.stringContaining(`file ${file}: the block at 0 does not match its checksum`)]);
    await store.close();
    await restore();
    for await (const report of scrubLevelFiles(chain)) expect(report).toBeUndefined();
  });
  it('in CURRENT or a manifest', async () => {
    const outcomes = await flips(/^(CURRENT|MANIFEST-.*)$/, 30);
    expect([...outcomes.keys()]).toEqual(['STORE_CORRUPT']);
  });
});

describe('a file that is gone', () => {
  it.each(['\\.log$', '\\.ldb$', '^CURRENT$', '^MANIFEST-'])('matching %s', async (pattern) => {
    const names = (await filesMatching(new RegExp(pattern))).length;
    for (let n = 0; n < names; n++) {
      await restore();
      const file = (await filesMatching(new RegExp(pattern)))[n] ?? '';
      await rm(file);
      expect(await outcome()).toBe('STORE_CORRUPT');
    }
  });
  it('all of them, or the directory itself: an empty database and a guard that remembers', async () => {
    for (const file of await filesMatching(/./)) await rm(file);
    expect(await outcome()).toBe('LOG_BEHIND_SIGN_GUARD');
    await rm(chain, { recursive: true });
    expect(await outcome()).toBe('LOG_BEHIND_SIGN_GUARD');
  });
  it('a log file emptied rather than deleted', async () => {
    for (const file of await filesMatching(/\.log$/)) await truncate(file, 0);
    expect(await outcome()).toBe('LOG_BEHIND_SIGN_GUARD');
  });
});

describe('what a crash leaves beside the database', () => {
  it('a table half written, a log no longer needed: no damage', async () => {
    await writeFile(join(chain, '000099.ldb'), 'half a table');
    await writeFile(join(chain, '000001.log'), 'x'.repeat(100_000));
    await writeFile(join(chain, '000098.dbtmp'), 'MANIFEST');
    expect(await outcome()).toBe('INTACT');
  });
  it('a last record of the log cut, garbled or zeros, which no sync had covered: no damage', async () => {
    const [file = ''] = await filesMatching(/\.log$/);
    const bytes = await readFile(file);
    const header = Uint8Array.of(1, 2, 3, 4, 30, 0, 1);
    for (const tail of [
      header.subarray(0, 5),
      header,
      new Uint8Array(90_000),
      new Uint8Array([...header, ...new Uint8Array(30)]),
    ]) {
      await restore();
      await writeFile(file, Buffer.concat([bytes, tail]));
      expect(await outcome()).toBe('INTACT');
    }
  });
});

describe('a truncated tail', () => {
  it('of the log file, by any length: an intact but shorter log', async () => {
    const random = new SeededRandom('truncate log');
    for (let trial = 0; trial < 40; trial++) {
      await restore();
      const file = (await filesMatching(/\.log$/)).at(-1) ?? '';
      const { size } = await stat(file);
      await truncate(file, trial === 0 ? size - 1 : random.below(size));
      expect(await outcome()).toBe('LOG_BEHIND_SIGN_GUARD');
    }
  });
  it('of a table file', async () => {
    const random = new SeededRandom('truncate table');
    for (let trial = 0; trial < 20; trial++) {
      await restore();
      const files = await filesMatching(/\.ldb$/);
      const file = files[random.below(files.length)] ?? '';
      await truncate(file, random.below((await stat(file)).size));
      expect(await outcome()).toBe('STORE_CORRUPT');
    }
  });
});

describe('an older copy', () => {
  it('is behind the sign guard, by its records as by its witness', async () => {
    const guardHead = { count: head.count, hash: head.hash };
    for (let session = 0; session < SESSIONS - 1; session++) {
      await restore(`after-${session}`);
      expect(await outcome()).toBe('LOG_BEHIND_SIGN_GUARD');
      await restore(`after-${session}`);
      expect(await outcome({ noWitness: true, guardHead })).toBe('LOG_BEHIND_SIGN_GUARD');
    }
  });
  it('cannot be told from a whole log without a memory outside of it', async () => {
    await restore('after-0');
    const store = await openLevelStore(chain);
    expect((await openTestLog(store)).head).toEqual(headAfter[0]);
    await store.close();
  });
});

describe('recovery', () => {
  it('fills the log again beside the same guard; until then the target is set', async () => {
    for (const file of await filesMatching(/\.log$/)) await truncate(file, 100);
    expect(await outcome()).toBe('LOG_BEHIND_SIGN_GUARD');
    await rm(chain, { recursive: true });
    const witness = await openLevelStore(guard);
    const store = await openLevelStore(chain);
    await markForResync(store);
    const log = await openTestLog(store, { witness });
    expect(log.resyncTarget).toEqual({ count: head.count, hash: head.hash });
    await appendBlocks(log, 1, SESSIONS * BLOCKS_PER_SESSION);
    expect(log.resyncTarget).toBeUndefined();
    await store.close();
    await witness.close();
    expect(await outcome()).toBe('INTACT');
  });
});
