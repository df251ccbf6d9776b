/** The orchestrator: makes a network in one folder, starts its processes, does the main job, and stops everything cleanly. */
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Digest } from '@cloister/encoding';
import type { Output } from '../commands/command.ts';
import { NodeError } from '../process/errors.ts';
import { platformName, simulatedMeasurements } from '../process/platforms.ts';
import { awaitReady, compareRoots } from './agreement.ts';
import { buildTestnetImage, claimFolder, makeLayout, TESTNET_PLATFORMS, type TestnetLayout } from './layout.ts';
import { runMainJob } from './main-job.ts';
import { type NodeProcess, spawnNode } from './process.ts';
import { short, timedStep } from './render.ts';

export type TestnetOptions = {
  readonly once: boolean;
  readonly validators: number;
  readonly folder: string;
  readonly images: number;
  readonly ports?: number;
  readonly output: Output;
};

const READY_MS = 180_000;

/** Resolves at the first SIGINT, SIGTERM, or SIGHUP of a closed terminal. The second one leaves at once, taking the validators along. */
function interrupted(nodes: readonly NodeProcess[]): Promise<'interrupted'> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) {
        for (const node of nodes) node.kill('SIGKILL');
        process.exit(1);
      }
      asked = true;
      resolve('interrupted');
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    process.on('SIGHUP', onSignal);
    // A terminal that was closed takes no more words; the validators are stopped all the same.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  });
}

async function startAll(
  layout: TestnetLayout,
  nodes: NodeProcess[],
  ending: AbortSignal,
  output: Output,
): Promise<void> {
  for (const { name, home, platform } of layout.validators) {
    ending.throwIfAborted();
    const seeds = nodes[0]?.addresses ?? [];
    const words = ['start', ...(seeds.length === 0 ? [] : ['--network-seeds', seeds.join(',')])];
    const node = await spawnNode(home, words, ending);
    nodes.push(node);
    output.note(`  ${name}  ${platformName(platform, true).padEnd(17)}  process ${node.pid}  API ${node.api}`);
  }
}

async function awaitAllReady(layout: TestnetLayout, nodes: readonly NodeProcess[], output: Output): Promise<void> {
  await Promise.all(
    nodes.map(async (node, i) => {
      const { name = '', platform = TESTNET_PLATFORMS[0] } = layout.validators[i] ?? {};
      const ready = await awaitReady(node.api, READY_MS, () => undefined);
      if (!ready)
        throw new NodeError('STOPPED', `${name} is not ready after ${READY_MS / 1000} s; see ${node.api}/readyz`);
      output.note(`  ${name}  attested: its evidence of ${platformName(platform, true)} is accepted on the ledger`);
    }),
  );
}

function summary(layout: TestnetLayout, nodes: readonly NodeProcess[], model: Digest): string {
  const first = nodes[0];
  const home = relative(process.cwd(), layout.clientHome);
  return [
    '',
    'The network is up. Every platform in it is SIMULATED: no guarantee holds against anyone.',
    `genesis  ${layout.chainId}`,
    ...nodes.map((node, i) => {
      const { name = '', platform = TESTNET_PLATFORMS[0] } = layout.validators[i] ?? {};
      return `${name}  ${platformName(platform, true).padEnd(17)}  ${node.api}  ${node.addresses[0] ?? ''}`;
    }),
    '',
    'Next, in another terminal:',
    `  npx -y pnpm@12 cloister status --node ${first?.api ?? ''}`,
    `  npx -y pnpm@12 cloister events --type InferenceCompleted --node ${first?.api ?? ''}`,
    `  npx -y pnpm@12 cloister put notes hello world --key tenant --home ${home} --node ${first?.api ?? ''}`,
    `  npx -y pnpm@12 cloister join ${first?.addresses[0] ?? ''} --genesis ${layout.chainId} --home .joiner`,
    `The model is ${model}. Ctrl-C stops everything.`,
  ].join('\n');
}

/** @returns whether every answer equals the bare model's and every node agrees on the log's root. */
export async function runTestnet(options: TestnetOptions): Promise<boolean> {
  const { output } = options;
  const nodes: NodeProcess[] = [];
  const stop = interrupted(nodes);
  const ending = new AbortController();
  try {
    const done = work(options, nodes, ending.signal);
    // A signal during the work ends it; its failure then is only that the nodes are gone.
    done.catch(() => undefined);
    const agreed = await Promise.race([done, stop]);
    if (!options.once && agreed !== 'interrupted') await stop;
    return agreed === true;
  } finally {
    // One that is being started is told to stop too.
    ending.abort();
    if (nodes.length > 0) await timedStep(output, 'stopping', () => Promise.all(nodes.map((node) => node.stop())));
  }
}

async function work(options: TestnetOptions, nodes: NodeProcess[], ending: AbortSignal): Promise<boolean> {
  const { output } = options;
  output.note('Cloister testnet: SIMULATED trusted hardware, real everything else.');
  const folder = await claimFolder(options.folder);
  await mkdir(join(folder, 'receipts'), { recursive: true });
  const image = await timedStep(output, 'building and measuring the enclave image', () => buildTestnetImage(folder));
  const layout = await makeLayout(folder, image, options.validators, options.ports, TESTNET_PLATFORMS);
  for (const { platform, measurement } of simulatedMeasurements(image.measurement, TESTNET_PLATFORMS)) {
    output.note(`  measurement on ${platformName(platform, true)}: ${measurement}`);
  }
  output.note(`· genesis ${layout.chainId}, which allows the image on these platforms`);
  await timedStep(
    output,
    `starting ${options.validators} validators, each with its own platform and enclave process`,
    () => startAll(layout, nodes, ending, output),
  );
  await timedStep(output, 'waiting until every validator is attested', () => awaitAllReady(layout, nodes, output));
  const job = await runMainJob({ layout, api: nodes[0]?.api ?? '', images: options.images, output });
  const apis = nodes.map((node) => node.api);
  const { agreed, eventCount, roots } = await compareRoots(apis);
  output.result(
    { event: 'agreement', agreed, eventCount, roots: [...roots], answersEqualBareModel: job.equal, simulated: true },
    agreed
      ? `\nall ${nodes.length} nodes agree on the log: ${eventCount} events, root ${short(roots[0] ?? '')}…`
      : `\nthe nodes DISAGREE on the log: roots ${roots.join(', ')}`,
  );
  if (!options.once) {
    output.note(summary(layout, nodes, job.model));
    for (const [i, node] of nodes.entries()) {
      const { name = '', home = '' } = layout.validators[i] ?? {};
      void node.ended.then(({ code, signal }) =>
        output.note(`  ${name} ended (${signal ?? code}); its log is ${home}/node.log`),
      );
    }
  }
  return agreed && job.equal;
}
