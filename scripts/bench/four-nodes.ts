/** Four real validators as four processes on loopback, each with its platform and enclave process, in a folder of its own. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ed25519KeyPair } from '../../packages/crypto/src/index.ts';
import {
  accountKey,
  awaitReady,
  buildTestnetImage,
  compareRoots,
  makeLayout,
  type NodeProcess,
  spawnNode,
  type TestnetLayout,
} from '../../packages/node/src/testnet/index.ts';
import type { Report } from './figures.ts';

const VALIDATORS = 4;
const READY_MS = 180_000;

export type FourNodes = {
  readonly layout: TestnetLayout;
  readonly nodes: readonly NodeProcess[];
  readonly apis: readonly string[];
  /** Accounts that the genesis knows. */
  readonly keys: { readonly owner: Ed25519KeyPair; readonly tenant: Ed25519KeyPair };
};

/** The last lines of each node's log, for a run that went wrong. */
async function logTails(layout: TestnetLayout): Promise<string> {
  const tails = layout.validators.map(async ({ name, home }) => {
    const text = await readFile(join(home, 'node.log'), 'utf8').catch(() => '');
    return `${name}:\n${text.split('\n').slice(-8).join('\n')}`;
  });
  return (await Promise.all(tails)).join('\n');
}

/** Starts the network, hands it to `work`, checks that all nodes agree on the log, and leaves nothing behind. */
export async function withFourNodes<T>(report: Report, work: (network: FourNodes) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'cloister-bench-'));
  const nodes: NodeProcess[] = [];
  const interrupt = (): void => {
    for (const node of nodes) node.kill('SIGTERM');
    process.exitCode = 130;
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    report('network: building the enclave image, starting four validators');
    const layout = await makeLayout(folder, await buildTestnetImage(folder), VALIDATORS, undefined);
    for (const { home } of layout.validators) {
      const seeds = nodes[0]?.addresses ?? [];
      nodes.push(await spawnNode(home, ['start', ...(seeds.length === 0 ? [] : ['--network-seeds', seeds.join(',')])]));
    }
    const apis = nodes.map(({ api }) => api);
    const ready = await Promise.all(apis.map((api) => awaitReady(api, READY_MS, () => undefined)));
    if (ready.includes(false)) throw new Error(`a validator did not get ready\n${await logTails(layout)}`);
    const [owner, tenant] = await Promise.all(['owner', 'tenant'].map((name) => accountKey(layout.clientHome, name)));
    if (owner === undefined || tenant === undefined) throw new Error('the testnet has no account keys');
    const result = await work({ layout, nodes, apis, keys: { owner, tenant } });
    const { agreed, eventCount } = await compareRoots(apis);
    if (!agreed) throw new Error('the nodes disagree on the log');
    report(`network: all four agree on ${eventCount} events; stopping`);
    return result;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
