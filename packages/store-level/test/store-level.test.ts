import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describeStore } from '@cloister/testkit/store-contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLevelReader, openLevelStore } from '../src/store-level.ts';

let root: string;
let next = 0;
const newDirectory = (): string => join(root, `db-${next++}`);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-store-'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

describeStore('LevelStore', () => openLevelStore(newDirectory()));

describe('LevelStore', () => {
  const one = Uint8Array.of(1);

  it('keeps what it holds from one opening to the next', async () => {
    const directory = newDirectory();
    const store = await openLevelStore(directory);
    await store.batch([{ type: 'put', key: one, value: one }], { sync: true });
    await store.close();
    const reopened = await openLevelStore(directory);
    expect(await reopened.get(one)).toEqual(one);
    await reopened.close();
  });

  it('refuses a second opening and names the holder', async () => {
    const directory = newDirectory();
    const store = await openLevelStore(directory);
    const refusal = openLevelStore(directory);
    await expect(refusal).rejects.toMatchObject({ name: 'StoreError', code: 'STORE_LOCKED' });
    await expect(refusal).rejects.toThrow(`this process itself (${process.pid})`);
    await store.close();
    await expect(access(`${directory}.pid`)).rejects.toThrow();
  });

  it('names another process that holds it, and opens once that one was killed', async () => {
    const directory = newDirectory();
    const module = new URL('../src/store-level.ts', import.meta.url).href;
    const script = `const { openLevelStore } = await import(${JSON.stringify(module)});
      await openLevelStore(${JSON.stringify(directory)});
      process.stdout.write('open'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      const refusal = openLevelStore(directory);
      await expect(refusal).rejects.toMatchObject({ code: 'STORE_LOCKED' });
      await expect(refusal).rejects.toThrow(`in use by process ${child.pid}`);
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    await access(`${directory}.pid`);
    const store = await openLevelStore(directory);
    await expect(openLevelStore(directory)).rejects.toThrow('this process itself');
    await store.close();
  });

  it('does not believe a pid file that names nobody', async () => {
    const directory = newDirectory();
    const store = await openLevelStore(directory);
    for (const text of ['', 'no number\n', '-1\n', `${2 ** 22 + 1}\n`]) {
      await writeFile(`${directory}.pid`, text);
      await expect(openLevelStore(directory)).rejects.toThrow('another process (it left no valid pid file)');
    }
    await store.close();
  });

  it.each(['CURRENT', /^MANIFEST-/, /\.log$/, /\.ldb$/])('refuses a directory without its %s', async (name) => {
    const directory = newDirectory();
    for (let opening = 0; opening < 2; opening++) {
      const store = await openLevelStore(directory);
      await store.batch([{ type: 'put', key: one, value: one }], { sync: true });
      await store.close();
    }
    const files = (await readdir(directory)).filter((file) =>
      name instanceof RegExp ? name.test(file) : file === name,
    );
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) await rm(join(directory, file));
    const opening = openLevelStore(directory);
    await expect(opening).rejects.toMatchObject({ name: 'StoreError', code: 'STORE_CORRUPT' });
    await expect(opening).rejects.toThrow('cloister unsafe-reset --keep-keys');
  });

  it('reports a directory that cannot be made', async () => {
    const file = newDirectory();
    await writeFile(file, 'a file');
    await expect(openLevelStore(join(file, 'db'))).rejects.toMatchObject({ name: 'StoreError', code: 'STORE_IO' });
  });
});

describe('a database that threads share', () => {
  const entry = (n: number): { type: 'put'; key: Uint8Array; value: Uint8Array } => ({
    type: 'put',
    key: Uint8Array.of(n >> 8, n & 255),
    value: new Uint8Array(2_000),
  });

  it('is read by another thread, and outlives a reader that is ended in the middle of its work', async () => {
    const directory = newDirectory();
    const store = await openLevelStore(directory, { shared: true });
    await store.batch(
      Array.from({ length: 500 }, (_, n) => entry(n)),
      { sync: true },
    );
    for (let round = 0; round < 3; round++) {
      const reader = new Worker(new URL('reading-thread.ts', import.meta.url), { workerData: directory });
      const [first] = (await once(reader, 'message')) as [Uint8Array];
      expect(first).toEqual(entry(499 + round).key);
      await store.batch([entry(500 + round)], { sync: true });
      for (;;) {
        const [last] = (await once(reader, 'message')) as [Uint8Array];
        if (Buffer.compare(last, entry(500 + round).key) === 0) break;
      }
      await reader.terminate();
    }
    expect(await store.get(entry(502).key)).toHaveLength(2_000);
    await store.close();
    await (await openLevelReader(directory)).close();
  });

  it('is not read by a thread when it was not opened for that', async () => {
    const directory = newDirectory();
    const store = await openLevelStore(directory);
    await expect(openLevelReader(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await store.close();
  });
});
