/** Damage to a validator's chain database: found on start, said in words, and mended from the peers. */
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { homeLayout } from '@cloister/node/testnet';
import { openLevelStore } from '@cloister/store-level';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, runCommand } from './command-line.ts';
import { cleanUpAfterwards, copyOf, makeFolder, Network } from './harness.ts';
import { blockAt, eventsOf, expectAgreement, reach, statusOf } from './node-api.ts';
import { settle, signFor } from './transactions.ts';
import { eventually } from './wait.ts';

cleanUpAfterwards();
const VICTIM = 3;
let network: Network;
let chain: string;
/** The chain as it was when the victim stopped cleanly. */
let whole: string;
/** The chain of some time before. */
let older: string;

async function putSome(count: number): Promise<void> {
  const tenant = await network.accountKey('tenant');
  const { height } = await statusOf(network.api(0));
  for (let i = 0; i < count; i++) {
    const payload = { namespace: 'storage', key: `k-${height}-${i}`, value: 'x'.repeat(500) };
    const transaction = await signFor(network, 0, tenant, 'put-record', payload);
    expect(await settle(network.api(0), transaction)).toMatchObject({ fate: 'COMMITTED' });
  }
}

async function filesOf(extension: string): Promise<{ readonly path: string; readonly size: number }[]> {
  const names = (await readdir(chain)).filter((name) => name.endsWith(extension));
  const files = await Promise.all(
    names.map(async (name) => ({ path: join(chain, name), size: (await stat(join(chain, name))).size })),
  );
  return files.filter(({ size }) => size > 0).sort((a, b) => b.size - a.size);
}

/** The largest file that holds entries: a table, or the log when nothing was compacted yet. */
async function largest(): Promise<{ readonly path: string; readonly size: number }> {
  const [file] = [...(await filesOf('.ldb')), ...(await filesOf('.log'))].sort((a, b) => b.size - a.size);
  if (file === undefined) throw new Error(`no data in ${chain}`);
  return file;
}

async function restore(from: string): Promise<void> {
  await rm(chain, { recursive: true, force: true });
  await cp(from, chain, { recursive: true });
}

/** Starts the victim, which must refuse with exit code 1; what it said. */
async function refusalToStart(): Promise<{ readonly code: string; readonly message: string }> {
  const words = [...network.words(), '--home', network.validator(VICTIM).home, '--output', 'json'];
  const ended = await runCommand(words, await makeFolder());
  expect(ended.code, ended.stdout + ended.stderr).toBe(1);
  return errorOf(ended);
}

beforeAll(async () => {
  network = await Network.make({ validators: 4 });
  await network.startAll();
  chain = homeLayout(network.validator(VICTIM).home).chain;
  await putSome(5);
  await network.stop(VICTIM);
  older = await copyOf(chain);
  await network.start(VICTIM);
  await putSome(20);
  await reach(network.api(VICTIM), (await statusOf(network.api(0))).height);
  await network.stop(VICTIM);
  whole = await copyOf(chain);
});

describe('a stopped validator whose chain database', () => {
  afterEach(() => restore(whole));

  it('has one flipped byte refuses to start and says how to recover', async () => {
    const { path, size } = await largest();
    const bytes = await readFile(path);
    const at = Math.floor(size / 2);
    bytes[at] = (bytes[at] ?? 0) ^ 0x01;
    await writeFile(path, bytes);
    const { code, message } = await refusalToStart();
    expect(code).toMatch(
      /^(STORE_CORRUPT|EVENT_CHECKSUM|EVENT_CHAIN_BROKEN|MERKLE_MISMATCH|LOG_TRUNCATED|HEAD_CHECKSUM)$/,
    );
    expect(message).toContain('unsafe-reset --keep-keys');
  });

  it('has one byte of an event changed by way of the database refuses to start and says how to recover', async () => {
    const store = await openLevelStore(chain);
    for await (const [key, value] of store.range({})) {
      const at = Buffer.from(value).indexOf('"value":"xxx');
      if (at < 0 || !Buffer.from(value).includes('RecordPut')) continue;
      const changed = Uint8Array.from(value);
      changed[at + 10] = 'y'.charCodeAt(0);
      await store.batch([{ type: 'put', key, value: changed }], { sync: true });
      break;
    }
    await store.close();
    const { code, message } = await refusalToStart();
    expect(code).toBe('EVENT_CHECKSUM');
    expect(message).toContain('unsafe-reset --keep-keys');
  });

  it('has a file less refuses to start and says how to recover', async () => {
    const { path } = await largest();
    await rm(path);
    const { code, message } = await refusalToStart();
    expect(code).toMatch(
      /^(STORE_CORRUPT|EVENT_MISSING|LOG_TRUNCATED|HEAD_MISSING|LOG_BEHIND_SIGN_GUARD|MERKLE_MISMATCH)$/,
    );
    expect(message).toContain('unsafe-reset --keep-keys');
  });

  it('has a truncated tail refuses to start and says how to recover', async () => {
    const { path, size } = await largest();
    await truncate(path, Math.floor(size / 2));
    const { code, message } = await refusalToStart();
    expect(code).toMatch(/^(STORE_CORRUPT|EVENT_MISSING|LOG_TRUNCATED|HEAD_MISSING|LOG_BEHIND_SIGN_GUARD)$/);
    expect(message).toContain('unsafe-reset --keep-keys');
  });

  it('is older than the sign guard refuses to start: it could sign twice', async () => {
    await restore(older);
    const { code, message } = await refusalToStart();
    expect(code).toBe('LOG_BEHIND_SIGN_GUARD');
    expect(message).toContain('unsafe-reset --keep-keys');
  });

  it('is whole starts: nothing else was wrong', async () => {
    await network.start(VICTIM);
    await reach(network.api(VICTIM), (await statusOf(network.api(0))).height);
    const words = [...network.words(), '--home', network.validator(VICTIM).home, '--output', 'json'];
    const second = errorOf(await runCommand(words, await makeFolder()));
    expect(second.code).toBe('STORE_LOCKED');
    expect(second.message).toContain(`${network.node(VICTIM).pid}`);
    await network.stop(VICTIM);
    whole = await copyOf(chain);
  });
});

describe('unsafe-reset --keep-keys', () => {
  it('brings a damaged validator back from its peers; it signs again by itself', async () => {
    await truncate((await largest()).path, 100);
    await refusalToStart();
    const { home, id } = network.validator(VICTIM);
    const reset = await runCommand(['unsafe-reset', '--keep-keys', '--home', home], await makeFolder());
    expect(reset.code, reset.stderr).toBe(0);
    await network.start(VICTIM);
    await reach(network.api(VICTIM), (await statusOf(network.api(0))).height);
    await expectAgreement(network.apis);
    const puts = await eventsOf(network.api(0), 'RecordPut');
    // The index of types follows the log, and may still be at work on what was just fetched.
    const fetched = await eventually('its records to be indexed', async () => {
      const found = await eventsOf(network.api(VICTIM), 'RecordPut');
      return found.length >= puts.length ? found : undefined;
    });
    expect(fetched).toEqual(puts);
    let next = (await statusOf(network.api(0))).height + 1;
    await eventually('a block that it proposed', async () => {
      const now = (await statusOf(network.api(0))).height;
      for (; next <= now; next++) if ((await blockAt(network.api(0), next)).proposer === id) return true;
      return undefined;
    });
    await expectAgreement(network.apis);
  });
});
