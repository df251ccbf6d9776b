import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@cloister/encoding';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndorsementStore, type KeptAnswer } from '../../src/attesters/index.ts';
import { AT_MS } from './vendor-services.ts';

let folder: string;
let directory: string;
let store: EndorsementStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-store-'));
  directory = join(folder, 'endorsements');
  store = new EndorsementStore(directory);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function kept(text: string): KeptAnswer {
  return { fetchedAtMs: AT_MS, headers: new Map([['issuer-chain', 'chain']]), body: utf8(text) };
}

const ADDRESS = 'https://a.example/x?y=1';

async function onlyFile(): Promise<string> {
  const [name = '', ...others] = await readdir(directory);
  expect(others).toEqual([]);
  return join(directory, name);
}

describe('the store of endorsements', () => {
  it('keeps answers over restarts, for their owner alone, and holds one for an address', async () => {
    expect(await store.read(ADDRESS)).toBeUndefined();
    await store.write(ADDRESS, kept('old'));
    await store.write(ADDRESS, kept('new'));
    await store.write('https://a.example/other', kept('other'));
    const again = new EndorsementStore(directory);
    expect(await again.read(ADDRESS)).toEqual(kept('new'));
    expect(await again.read('https://a.example/other')).toEqual(kept('other'));
    expect(await again.read('https://a.example/third')).toBeUndefined();
    const names = await readdir(directory);
    expect(names.length).toBeGreaterThan(0);
    expect(names.length).toBeLessThanOrEqual(2);
    const modes = await Promise.all([directory, join(directory, names[0] ?? '')].map((path) => stat(path)));
    expect(modes.map(({ mode }) => mode & 0o777)).toEqual([0o700, 0o600]);
  });

  it('takes a file that is cut off, spoilt, too long or of another address for none', async () => {
    await store.write(ADDRESS, kept('contents'));
    const file = await onlyFile();
    const bytes = await readFile(file);
    for (const length of [0, 10, bytes.length - 1]) {
      await writeFile(file, bytes.subarray(0, length));
      expect(await store.read(ADDRESS)).toBeUndefined();
    }
    for (let at = 0; at < bytes.length; at += 7) {
      await writeFile(file, bytes.with(at, (bytes[at] ?? 0) ^ 1));
      expect(await store.read(ADDRESS)).toBeUndefined();
    }
    await writeFile(file, Buffer.concat([bytes, Buffer.alloc(5 * 1024 * 1024)]));
    expect(await store.read(ADDRESS)).toBeUndefined();
    await writeFile(file, bytes);
    expect(await store.read(ADDRESS)).toEqual(kept('contents'));

    await store.write('https://a.example/other', kept('other'));
    const [other = ''] = (await readdir(directory)).filter((name) => !file.endsWith(name));
    await writeFile(file, await readFile(join(directory, other)));
    expect(await store.read(ADDRESS)).toBeUndefined();
  });

  it('replaces a spoilt file', async () => {
    await store.write(ADDRESS, kept('old'));
    await writeFile(await onlyFile(), 'spoilt');
    await store.write(ADDRESS, kept('new'));
    expect(await store.read(ADDRESS)).toEqual(kept('new'));
  });

  it('drops the oldest beyond its bound, and what killed writers left', async () => {
    const bounded = new EndorsementStore(directory, { entriesMax: 3 });
    const age = async (name: string, seconds: number): Promise<void> => utimes(join(directory, name), seconds, seconds);
    await bounded.write('https://a.example/0', kept('0'));
    const [oldest = ''] = await readdir(directory);
    await writeFile(join(directory, 'killed.answer.0123.partial'), 'half');
    await writeFile(join(directory, 'running.answer.4567.partial'), 'half');
    await writeFile(join(directory, 'notes.txt'), 'of somebody else');
    await age(oldest, 1000);
    await age('killed.answer.0123.partial', 2000);
    for (const index of [1, 2, 3]) await bounded.write(`https://a.example/${index}`, kept(String(index)));
    const left = await readdir(directory);
    expect(left.length).toBe(5);
    expect(left).toContain('notes.txt');
    expect(left).toContain('running.answer.4567.partial');
    expect(left).not.toContain('killed.answer.0123.partial');
    expect(await bounded.read('https://a.example/0')).toBeUndefined();
    for (const index of [1, 2, 3])
      expect(await bounded.read(`https://a.example/${index}`)).toEqual(kept(String(index)));
  });

  it('is shared by several at the same time', async () => {
    const others = Array.from({ length: 4 }, () => new EndorsementStore(directory, { entriesMax: 2 }));
    const texts = others.map((_, index) => String(index).repeat(20_000));
    await Promise.all(
      others.flatMap((other, index) => [
        other.write(ADDRESS, kept(texts[index] ?? '')),
        other.write(`https://a.example/${index}`, kept('x')),
      ]),
    );
    const read = await store.read(ADDRESS);
    // Whole, if it was not dropped meanwhile.
    if (read !== undefined) expect(texts).toContain(Buffer.from(read.body).toString());
    const names = await readdir(directory);
    expect(names.filter((name) => name.endsWith('.partial'))).toEqual([]);
    expect(names.length).toBeGreaterThan(0);
    expect(names.length).toBeLessThanOrEqual(2);
  });

  it('says that it cannot write', async () => {
    await writeFile(join(folder, 'file'), '');
    const blocked = new EndorsementStore(join(folder, 'file', 'endorsements'));
    await expect(blocked.write(ADDRESS, kept('x'))).rejects.toMatchObject({ code: 'STORE_IO' });
    expect(await blocked.read(ADDRESS)).toBeUndefined();
  });
});
