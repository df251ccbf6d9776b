/**
 * kill -9 at any moment: the next opening finds no damage, and everything that was committed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SeededRandom } from '@cloister/crypto';
import { openTestLog, readAll } from '@cloister/testkit/logs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openLevelStore } from '../src/store-level.ts';

const program = join(import.meta.dirname, 'append-until-killed.ts');
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-kill-'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

/** Runs the program until it has printed `commits` counts, kills it, and returns the last one printed. */
async function runAndKill(chain: string, guard: string, payloadBytes: number, commits: number): Promise<number> {
  const child = spawn(process.execPath, [program, chain, guard, String(payloadBytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let last = 0;
  let left = commits;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (--left === 0) child.kill('SIGKILL');
  }
  await exited;
  expect(left).toBeLessThanOrEqual(0);
  return last;
}

it.each([
  ['small events', 200],
  ['events that keep compaction busy', 60_000],
])('%s', async (name, payloadBytes) => {
  const chain = join(root, name, 'chain');
  const guard = join(root, name, 'guard');
  const random = new SeededRandom(name);
  for (let round = 0; round < Number(process.env.KILL_ROUNDS ?? 3); round++) {
    const committed = await runAndKill(chain, guard, payloadBytes, 10 + random.below(60));
    const store = await openLevelStore(chain);
    const witness = await openLevelStore(guard);
    const log = await openTestLog(store, { witness, verify: 'full' });
    expect(log.head.count).toBeGreaterThanOrEqual(committed);
    expect(await readAll(log)).toHaveLength(log.head.count);
    await store.close();
    await witness.close();
  }
});
