/** `cloister start` and `cloister join`: run a node until it is told to stop. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, parseDigest } from '@cloister/encoding';
import { buildImage } from '@cloister/platform';
import { loadConfig } from '../../config/config.ts';
import { CONFIG_KEYS, CONFIG_OPTIONS, flagOf } from '../../config/config-options.ts';
import { NodeError } from '../../process/errors.ts';
import { type HomeLayout, homeLayout, initHome, readNodeKeys } from '../../process/home.ts';
import type { RunningNode } from '../../process/running-node.ts';
import {
  type CliCommand,
  type ExitCode,
  type Flag,
  type Invocation,
  type Output,
  positional,
  requiredFlag,
  UsageError,
} from '../command.ts';
import { removeRunFile, writeRunFile } from '../run-file.ts';

const CONFIG_FLAGS: { readonly [name: string]: Flag } = Object.fromEntries(
  CONFIG_KEYS.map((key) => [
    flagOf(key),
    { type: 'string', value: 'VALUE', about: CONFIG_OPTIONS[key].about } as const,
  ]),
);

/** Longest that a node drains after whoever started it is gone. */
const ORPHAN_MS_MAX = 30_000;

/**
 * Resolves at the first SIGINT, SIGTERM, or SIGHUP of a closed terminal; a second one ends the process at once. With a
 * lifeline it resolves too when standard input closes: whoever started this process is gone, and nobody else stops it.
 */
function stopRequested(hasLifeline: boolean): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: string): void => {
      if (asked) process.exit(1);
      asked = true;
      resolve(signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    process.on('SIGHUP', onSignal);
    if (!hasLifeline) return;
    // Writing to the streams of a process that is gone fails. That must not end the draining.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
    process.stdin.on('close', () => {
      setTimeout(() => process.exit(1), ORPHAN_MS_MAX).unref();
      if (!asked) onSignal('the process that started this node is gone');
    });
    process.stdin.resume();
  });
}

const LIFELINE: { readonly lifeline: Flag } = {
  lifeline: { type: 'boolean', about: 'Stop when standard input closes: for a program that runs this node.' },
};

/** Builds the image of this version into the home, unless one is there: it comes out the same on every machine. */
async function ensureImage({ enclave }: HomeLayout, output: Output): Promise<void> {
  const folder = join(enclave, 'image');
  if (existsSync(join(folder, 'manifest.json'))) return;
  // Built beside its place and renamed: an interrupted build leaves no half image behind.
  const beside = `${folder}.building`;
  await rm(beside, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
  const { measurement } = await buildImage(beside);
  await rename(beside, folder);
  output.note(`built the enclave image: measurement ${measurement}`);
}

async function run(
  invocation: Invocation,
  joining?: { readonly address: string; readonly genesis: Digest },
): Promise<ExitCode> {
  const { home, output } = invocation;
  const layout = homeLayout(home);
  const flags: Record<string, string | undefined> = {};
  for (const name of Object.keys(CONFIG_FLAGS)) {
    const value = invocation.flags[name];
    if (typeof value === 'string') flags[name] = value;
  }
  const { config } = await loadConfig({ file: layout.configFile, environment: process.env, flags });
  if (config['enclave.kind'] !== 'none' && config['enclave.image'] === '') await ensureImage(layout, output);
  const stop = stopRequested(invocation.flags.lifeline === true);
  // Its networking is two thirds of all modules; no other command waits until they are loaded.
  const { startNode } = await import('../../process/node.ts');
  const node: RunningNode = await startNode({
    layout,
    config,
    readSeeds: async () => (await loadConfig({ file: layout.configFile })).config['network.seeds'],
    ...(joining === undefined ? {} : { join: joining }),
  });
  await writeRunFile(home, { pid: process.pid, api: node.apiUrl ?? null, addresses: node.addresses });
  output.ofChain(node.simulated);
  output.result(
    {
      event: 'listening',
      id: node.id,
      chainId: node.chainId,
      api: node.apiUrl ?? null,
      addresses: [...node.addresses],
    },
    [
      `node    ${node.id}`,
      `genesis ${node.chainId}`,
      `API     ${node.apiUrl ?? 'off'}`,
      ...node.addresses.map((address) => `peers   ${address}`),
    ].join('\n'),
  );
  const ended = await Promise.race([stop, node.stopped]);
  await removeRunFile(home);
  if (typeof ended !== 'string') throw new NodeError('HALTED', `the node stopped: ${ended.code}: ${ended.detail}`);
  output.note(`${ended}: finishing what runs, then stopping; once more to stop at once`);
  await node.stop();
  return 0;
}

export const start: CliCommand = {
  name: 'start',
  summary: 'Run the node of this home until Ctrl-C.',
  usage: '[--home DIR] [--<option> VALUE…]',
  flags: { ...CONFIG_FLAGS, ...LIFELINE },
  positionals: { min: 0, max: 0 },
  chain: 'always',
  run: (invocation) => run(invocation),
};

export const joinNetwork: CliCommand = {
  name: 'join',
  summary: 'Join a network by one address and its genesis hash; makes the home when there is none, then runs.',
  usage: '<multiaddr> --genesis HASH [--home DIR] [--<option> VALUE…]',
  flags: {
    ...CONFIG_FLAGS,
    ...LIFELINE,
    genesis: { type: 'string', value: 'HASH', about: 'Genesis hash, from a source you trust.' },
  },
  positionals: { min: 1, max: 1 },
  chain: 'always',
  async run(invocation) {
    const genesis = parseDigest(requiredFlag(invocation, 'genesis'));
    if (genesis === undefined) throw new UsageError('--genesis is 64 lower-case hexadecimal digits');
    const directory = invocation.home;
    try {
      await readNodeKeys(homeLayout(directory));
    } catch (error) {
      if (!(error instanceof NodeError) || error.code !== 'HOME_MISSING') throw error;
      const place = directory === undefined ? {} : { directory };
      await initHome({ ...place, nodeKeySeed: randomBytes(32), validatorKeySeed: randomBytes(32) });
    }
    return run(invocation, { address: positional(invocation, 0), genesis });
  },
};
