/** The folder of a testnet: one testnet at a time, and never over something else. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimFolder } from '../../src/testnet/layout.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-folder-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A living process whose command line has this word. */
async function processNamed(word: string): Promise<{ readonly pid: number; end(): Promise<void> }> {
  const child = spawn(process.execPath, ['-e', 'console.log(1); setTimeout(() => {}, 60000)', word], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
  return {
    pid: child.pid ?? 0,
    end: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

describe('a testnet folder', () => {
  it('is refused while the orchestrator or a validator of it lives, and taken over afterwards', async () => {
    const folder = await claimFolder(join(root, 'net'));
    for (const file of ['cloister-testnet.json', 'validator-1/run.json']) {
      const holder = await processNamed('testnet');
      await mkdir(join(folder, 'validator-1'), { recursive: true });
      await writeFile(join(folder, file), JSON.stringify({ pid: holder.pid }));
      await expect(claimFolder(folder)).rejects.toMatchObject({ code: 'FOLDER_IN_USE' });
      await holder.end();
      await expect(claimFolder(folder)).resolves.toBe(folder);
    }
  });

  it('is not held by another program that got the number of a process that is gone', async () => {
    const folder = await claimFolder(join(root, 'net'));
    const other = await processNamed('something-else');
    await writeFile(join(folder, 'cloister-testnet.json'), JSON.stringify({ pid: other.pid }));
    await expect(claimFolder(folder)).resolves.toBe(folder);
    await other.end();
  });

  it('is claimed by one of two that start at once', async () => {
    const claims = await Promise.allSettled([claimFolder(join(root, 'net')), claimFolder(join(root, 'net'))]);
    expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});
