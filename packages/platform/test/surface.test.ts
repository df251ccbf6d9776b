/**
 * What is open in platform, vault and engine when the process that launches them has files open that everything it starts
 * inherits, as a validator has its databases.
 */
import { existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Chain } from '@cloister/testkit/chain';
import {
  admit,
  gone,
  grant,
  type PublishedModel,
  provision,
  publish,
  unwrap,
  Workshop,
} from '@cloister/testkit/launched';
import { descendants, OWN_MAPPING, OWN_TARGET, surfaceOf } from '@cloister/testkit/surface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keepOnExec } from '../../enclave/src/process/libc.ts';
import { foreignDescriptors } from '../../enclave/src/process/open-descriptors.ts';
import type { LaunchedEnclave } from '../src/index.ts';

const BUBBLEWRAP = '/usr/bin/bwrap';
/** Only root looks into a shielded process. */
const isRoot = process.getuid?.() === 0;
/** Beyond what Node.js closes of its own accord. */
const LEAKED_FILES = 24;

let workshop: Workshop;

beforeAll(async () => {
  workshop = await Workshop.open();
  for (let i = 0; i < LEAKED_FILES; i++) {
    keepOnExec(openSync(join(workshop.directory, `database-${i}`), 'a+'), true);
  }
}, 60_000);
afterAll(() => workshop.close());

/** Platform, vault and one engine with a model, each with the processes of its sandbox. */
async function launchAll(bubblewrap: string[]): Promise<{ enclave: LaunchedEnclave; pids: number[] }> {
  const chain = new Chain(workshop.built);
  const enclave = await workshop.launch(chain, { bubblewrap });
  await admit(chain, enclave.port);
  const model: PublishedModel = await publish(chain, workshop.built.image);
  await grant(chain, model);
  unwrap(await provision(chain, enclave.port, model));
  return { enclave, pids: [enclave.pids.platform, ...(await descendants(enclave.pids.platform))] };
}

/** Open sockets of each process: one more would be a port. */
function countSockets(pids: readonly number[]): Promise<number[]> {
  return Promise.all(
    pids.map(async (pid) => (await surfaceOf(pid)).descriptors.filter((to) => to.startsWith('socket:')).length),
  );
}

async function expectNothingForeign(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    const surface = await surfaceOf(pid);
    expect(surface.descriptors.filter((target) => !OWN_TARGET.test(target))).toEqual([]);
    expect(surface.mapped.filter((path) => !OWN_MAPPING.test(path))).toEqual([]);
    expect(surface.environment.filter((name) => !/^(NODE_CHANNEL_\w+|PWD)$/.test(name))).toEqual([]);
    expect(surface).toMatchObject({ workingFolder: '/', coreBytesMax: '0' });
  }
}

describe.each([
  ['without a sandbox', []],
  ['under bubblewrap', [BUBBLEWRAP]],
])('platform, vault and engine %s', (_, bubblewrap) => {
  it.skipIf(bubblewrap.length > 0 && !existsSync(BUBBLEWRAP))(
    'hold nothing of whoever launched them, start no debugger, and die together',
    async ({ skip }) => {
      const { enclave, pids } = await launchAll(bubblewrap);
      skip(bubblewrap.length > 0 && !enclave.isolated, 'unprivileged namespaces are off');
      expect(pids.length).toBeGreaterThanOrEqual(3);
      if (isRoot) await expectNothingForeign(pids);
      else await expect(surfaceOf(enclave.pids.platform)).rejects.toMatchObject({ code: 'EACCES' });
      // Under bubblewrap the outer processes are its own.
      if (isRoot && bubblewrap.length === 0) {
        const [vault, engine] = await Promise.all(pids.slice(1).map(surfaceOf));
        expect(vault).toMatchObject({ fileBytesMax: '0', descriptorsMax: '256' });
        expect(engine).toMatchObject({ fileBytesMax: '0', descriptorsMax: '64' });
      }
      const before = isRoot ? await countSockets(pids) : [];
      // Bubblewrap itself, which is not Node.js, ends by this signal.
      for (const pid of bubblewrap.length > 0 ? [enclave.pids.platform] : pids) process.kill(pid, 'SIGUSR1');
      expect((await enclave.port.describe()).models).toHaveLength(1);
      expect(await enclave.pids.engines()).toHaveLength(1);
      if (isRoot) expect(await countSockets(pids)).toEqual(before);
      // Stopped processes do not see that a channel was closed.
      for (const pid of pids.slice(1)) process.kill(pid, 'SIGSTOP');
      process.kill(enclave.pids.platform, 'SIGKILL');
      await enclave.exited;
      await Promise.all(pids.map(gone));
    },
  );
});

it('tells what a process was not given from what Node.js opens for itself', () => {
  const open = [
    { descriptor: 0, target: '/memfd:enclave.mjs (deleted)' },
    { descriptor: 3, target: 'socket:[1]' },
    { descriptor: 4, target: 'socket:[2]' },
    { descriptor: 5, target: 'anon_inode:[eventpoll]' },
    { descriptor: 6, target: 'pipe:[3]' },
    { descriptor: 7, target: 'pipe:[3]' },
    { descriptor: 8, target: 'pipe:[4]' },
    { descriptor: 9, target: '/home/node/data/sign-guard/000005.log' },
    { descriptor: 10, target: '/dev/null' },
    { descriptor: 11, target: 'anon_inode:[perf_event]' },
  ];
  expect(foreignDescriptors(open, [3]).map(({ descriptor }) => descriptor)).toEqual([4, 8, 9, 11]);
});
