/** `cloister testnet` as a user runs it: the main job with real sealed inferences, and an end that leaves nothing behind. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseReceipt } from '@cloister/confidential';
import { awaitReady, homeLayout } from '@cloister/node/testnet';
import { openLevelStore } from '@cloister/store-level';
import { describe, expect, it } from 'vitest';
import { type Running, startCommand } from './command-line.ts';
import { cleanUpAfterwards, makeFolder } from './harness.ts';
import { processesNaming } from './processes.ts';

cleanUpAfterwards();

function count(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length;
}

/** That neither a process nor a lock of a database is left. */
async function expectNothingLeft(run: Running, folder: string, validators: number): Promise<void> {
  const commands = run.seen.all.map(({ command }) => command);
  const part = (text: string): number => commands.filter((command) => command.includes(text)).length;
  expect(part('main.ts start')).toBeGreaterThanOrEqual(validators);
  expect(part('platform/src/process/main.ts')).toBeGreaterThanOrEqual(validators);
  expect(part('enclave.mjs')).toBeGreaterThanOrEqual(validators);
  await run.seen.gone(5_000);
  for (let i = 1; i <= validators; i++) {
    const { chain, signGuard } = homeLayout(join(folder, `validator-${i}`));
    for (const path of [chain, signGuard]) await (await openLevelStore(path)).close();
  }
}

describe('testnet', () => {
  it('--once does the main job on four validators and exits 0, leaving nothing running', async () => {
    const folder = join(await makeFolder(), 'net');
    const run = startCommand(['testnet', '--once', '--dir', folder, '--images', '2'], await makeFolder());
    const { code, stdout, stderr } = await run.ended;
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toContain('SIMULATED');
    expect(count(stdout, /answer +\d/g)).toBe(2);
    expect(count(stdout, /bare model +gives exactly the same ten probabilities/g)).toBe(2);
    for (const [i, platform] of ['SEV-SNP', 'TDX', 'SEV-SNP', 'TDX'].entries()) {
      expect(stdout).toContain(`validator-${i + 1}  attested: its evidence of SIMULATED ${platform} is accepted`);
    }
    // One platform for the first image; for the last one both, whose answers agreed.
    expect(count(stdout, /^ .* (measurement +)?[0-9a-f]{12}… SIMULATED (SEV-SNP|TDX)$/gm)).toBe(3);
    expect(count(stdout, /model asks +2 executors on at least 2 platforms, 2 of them equal/g)).toBe(1);
    expect(stdout).toMatch(/asked +validator-\d on SIMULATED/);
    expect(stdout).toMatch(/█|▀|▄/);
    expect(stdout).toContain('all 4 nodes agree on the log');
    const receipts = await readdir(join(folder, 'receipts'));
    // One executor for the first image, two for the last.
    expect(receipts.length).toBe(3);
    for (const name of receipts) {
      const receipt = parseReceipt(await readFile(join(folder, 'receipts', name)));
      expect(receipt).toMatchObject({ ok: true, value: { statement: { simulated: true } } });
    }
    await expectNothingLeft(run, folder, 4);
  });

  it('stays up until Ctrl-C, which stops everything cleanly', async () => {
    const folder = join(await makeFolder(), 'net');
    const words = ['testnet', '--validators', '2', '--dir', folder, '--images', '1'];
    const run = startCommand(words, await makeFolder());
    await run.printed(/Ctrl-C stops everything/);
    const api = /validator-1 {2}SIMULATED SEV-SNP {2}(http:\S+)/.exec(run.output())?.[1] ?? '';
    // A node that was busy may have to catch up first.
    expect(await awaitReady(api, 60_000, () => undefined)).toBe(true);
    run.kill('SIGINT');
    const { code, stdout, stderr } = await run.ended;
    expect(code, stdout + stderr).toBe(0);
    await expectNothingLeft(run, folder, 2);
  });

  // SIGHUP is what a closed terminal sends. SIGKILL leaves the orchestrator no time: its children notice that it is gone.
  it.each([
    ['SIGINT', 1],
    ['SIGHUP', 1],
    ['SIGKILL', null],
  ] as const)('takes every child along in the middle of its work by %s', async (signal, exitCode) => {
    const folder = join(await makeFolder(), 'net');
    const run = startCommand(['testnet', '--validators', '2', '--dir', folder], await makeFolder());
    await run.printed(/validator-2 {2}SIMULATED TDX +process/);
    expect(run.seen.running().filter(({ command }) => command.includes('main.ts start'))).toHaveLength(2);
    run.kill(signal);
    expect((await run.ended).code).toBe(exitCode);
    await run.seen.gone();
    // Nor one that was born after the last look.
    expect(processesNaming(folder)).toEqual([]);
    // They came to an orderly end: whoever closes a database takes back its word that it holds it.
    const names = await readdir(folder, { recursive: true });
    expect(names.filter((name) => name.endsWith('CURRENT')).length).toBeGreaterThan(2);
    expect(names.filter((name) => name.endsWith('.pid'))).toEqual([]);
  });
});
