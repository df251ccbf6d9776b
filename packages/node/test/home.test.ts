import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '@cloister/encoding';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../src/process/atomic-file.ts';
import { homeLayout, initHome, readGenesis, readNodeKeys, writeGenesis } from '../src/process/home.ts';
import { idOfSeed, readKeyFile } from '../src/process/key-file.ts';
import { makeHome, sampleGenesis, seedOf, startQuietly, temporaryFolder } from './samples.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

describe('a home', () => {
  it('is made for this user alone', async () => {
    const layout = await makeHome(folder.path, 0, sampleGenesis(1));
    for (const path of [
      layout.root,
      join(layout.root, 'config'),
      join(layout.root, 'data'),
      layout.blobs,
      layout.enclave,
    ]) {
      expect([path, await modeOf(path)]).toEqual([path, 0o700]);
    }
    for (const path of [layout.nodeKeyFile, layout.validatorKeyFile, layout.configFile, layout.genesisFile]) {
      expect([path, await modeOf(path)]).toEqual([path, 0o600]);
    }
    const keys = await readNodeKeys(layout);
    expect(keys.validator.id).toBe(idOfSeed(seedOf('validator 0')));
    expect(toHex(keys.node.seed)).toBe(toHex(seedOf('node 0')));
    expect((await readGenesis(layout)).chainId).toBe(sampleGenesis(1).chainId);
  });

  it('is never made over another', async () => {
    await makeHome(folder.path, 0);
    const again = { directory: join(folder.path, 'node-0'), nodeKeySeed: seedOf('a'), validatorKeySeed: seedOf('b') };
    await expect(initHome(again)).rejects.toMatchObject({ code: 'HOME_NOT_EMPTY' });
    expect((await readNodeKeys(homeLayout(again.directory))).validator.id).toBe(idOfSeed(seedOf('validator 0')));
  });

  it.each([0o640, 0o604, 0o644, 0o660, 0o610])('refuses to start on a key of mode %o', async (mode) => {
    const layout = await makeHome(folder.path, 0, sampleGenesis(1));
    await chmod(layout.validatorKeyFile, mode);
    await expect(startQuietly(layout)).rejects.toMatchObject({
      code: 'KEY_READABLE_BY_OTHERS',
      message: expect.stringContaining('chmod 600'),
    });
    // Nothing was opened: a home has a sign guard from its beginning, and a chain only once it was started.
    expect(await readdir(join(layout.root, 'data'))).not.toContain('chain');
  });

  it('refuses keys that are damaged, of another purpose, or of another id', async () => {
    const layout = await makeHome(folder.path, 0);
    await expect(readKeyFile(layout.nodeKeyFile, 'validator')).rejects.toMatchObject({ code: 'KEY_MALFORMED' });
    const text = await readFile(layout.nodeKeyFile, 'utf8');
    for (const damaged of ['', '{}', 'null', '[]', text.slice(0, -9), text.replace(/"seed": "../, '"seed": "00')]) {
      await writeFile(layout.nodeKeyFile, damaged, { mode: 0o600 });
      await expect(readKeyFile(layout.nodeKeyFile, 'node')).rejects.toMatchObject({ code: 'KEY_MALFORMED' });
    }
    await expect(readKeyFile(join(folder.path, 'none'), 'node')).rejects.toMatchObject({ code: 'KEY_MISSING' });
    await expect(readNodeKeys(homeLayout(join(folder.path, 'nowhere')))).rejects.toMatchObject({
      code: 'HOME_MISSING',
    });
  });

  it('refuses a genesis that is none', async () => {
    const layout = await makeHome(folder.path, 0);
    await expect(readGenesis(layout)).rejects.toMatchObject({ code: 'GENESIS_MISSING' });
    await expect(writeGenesis(layout, new TextEncoder().encode('{}'))).rejects.toMatchObject({
      code: 'GENESIS_INVALID',
    });
    await expect(startQuietly(layout)).rejects.toMatchObject({ code: 'GENESIS_MISSING' });
  });

  it('replaces files whole and leaves no others', async () => {
    const path = join(folder.path, 'file');
    await writeFileAtomic(path, 'one');
    await writeFileAtomic(path, 'two');
    expect(await readFile(path, 'utf8')).toBe('two');
    await expect(writeFileAtomic(folder.path, 'over a folder')).rejects.toThrow();
    expect(await readdir(folder.path)).toEqual(['file']);
  });
});
