/**
 * A network of real processes for one test file: homes and genesis in a folder of its own, free ports, and an end that
 * leaves neither process nor folder behind, whatever the tests did.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Platform } from '@cloister/attestation';
import { simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import { CloisterClient, createHttpApi } from '@cloister/client';
import { type Ed25519KeyPair, ed25519KeyPair } from '@cloister/crypto';
import { asDigest, asMeasurement } from '@cloister/encoding';
import { makeGenesis, parseGenesis } from '@cloister/ledger';
import {
  accountKey,
  homeLayout,
  makeLayout,
  type NodeProcess,
  readNodeKeys,
  spawnNode,
  type TestnetLayout,
} from '@cloister/node/testnet';
import { afterAll } from 'vitest';
import { endCommands, MAIN } from './command-line.ts';
import { reach } from './node-api.ts';
import { descendantsOf, Sightings } from './processes.ts';

const sightings = new Sightings();
const folders: string[] = [];

/** Everything that this file started is ended and removed after its tests. To be called once, at the top of the file. */
export function cleanUpAfterwards(): void {
  afterAll(async () => {
    // Nodes that never came to listen were handed to nobody.
    for (const { pid, command } of descendantsOf(process.pid)) if (command.includes(MAIN)) sightings.note(pid);
    endCommands();
    sightings.kill();
    await sightings.gone();
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true, maxRetries: 5 })));
  });
}

export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cloister-test-'));
  folders.push(folder);
  return folder;
}

/** Stands in for an image on networks whose nodes run no enclave. */
const NO_IMAGE: TestnetLayout['image'] = {
  folder: '',
  measurement: asMeasurement('5e'.repeat(48)),
  digest: asDigest('5e'.repeat(32)),
};

export type NetworkOptions = {
  readonly validators: number;
  /** Absent: nodes without enclaves. */
  readonly image?: TestnetLayout['image'];
  /** Of the validators in turn; SEV-SNP when not given. */
  readonly platforms?: readonly [Platform, ...Platform[]];
  /** Ages of evidence in blocks, instead of the testnet's. */
  readonly ages?: {
    readonly maxAgeBlocks: number;
    readonly refreshWindowBlocks: number;
    readonly nonceWindowBlocks: number;
  };
  /** Flags of every `start`. */
  readonly flags?: readonly string[];
};

/** Ages are the network's choice and stand in the genesis, so another choice is another chain. */
async function withAges(layout: TestnetLayout, ages: NonNullable<NetworkOptions['ages']>): Promise<TestnetLayout> {
  const homes = [layout.clientHome, ...layout.validators.map(({ home }) => home)];
  const parsed = parseGenesis(await readFile(homeLayout(layout.clientHome).genesisFile));
  if (!parsed.ok) throw new Error(parsed.code);
  const made = makeGenesis({ ...parsed.value.genesis, appraisalPolicy: simulatedAppraisalPolicy(ages) });
  if (!made.ok) throw new Error(made.code);
  for (const home of homes) await writeFile(homeLayout(home).genesisFile, made.value.bytes);
  return { ...layout, chainId: made.value.chainId };
}

/** Starts a node; one that ends before it listens takes the last lines of its log into the error. */
async function spawn(home: string, words: readonly string[]): Promise<NodeProcess> {
  try {
    return await spawnNode(home, words);
  } catch (cause) {
    const log = await readFile(join(home, 'node.log'), 'utf8').catch(() => '');
    throw new Error(`cloister ${words.join(' ')}: ${log.slice(-2_000)}`, { cause });
  }
}

export class Network {
  readonly layout: TestnetLayout;
  readonly #flags: readonly string[];
  readonly #nodes = new Map<number, NodeProcess>();

  private constructor(layout: TestnetLayout, flags: readonly string[]) {
    this.layout = layout;
    this.#flags = flags;
  }

  /** Makes homes, keys and genesis; starts nothing. */
  static async make({ validators, image, platforms, ages, flags = [] }: NetworkOptions): Promise<Network> {
    const layout = await makeLayout(await makeFolder(), image ?? NO_IMAGE, validators, undefined, platforms);
    const always = ['--consensus-idle-interval-ms', '200', '--attestation-challenge-interval-s', '2'];
    const all = [...always, ...(image === undefined ? ['--enclave-kind', 'none'] : []), ...flags];
    return new Network(ages === undefined ? layout : await withAges(layout, ages), all);
  }

  get size(): number {
    return this.layout.validators.length;
  }

  validator(index: number): TestnetLayout['validators'][number] {
    const found = this.layout.validators[index];
    if (found === undefined) throw new Error(`there is no validator ${index}`);
    return found;
  }

  node(index: number): NodeProcess {
    const found = this.#nodes.get(index);
    if (found === undefined) throw new Error(`validator ${index} does not run`);
    return found;
  }

  api(index: number): string {
    return this.node(index).api;
  }

  /** The APIs of all nodes that run. */
  get apis(): readonly string[] {
    return [...this.#nodes.values()].map(({ api }) => api);
  }

  /** What `start` is given, the home aside. */
  words(extra: readonly string[] = []): string[] {
    const seeds = [...this.#nodes.values()].flatMap(({ addresses }) => addresses);
    return ['start', ...(seeds.length === 0 ? [] : ['--network-seeds', seeds.join(',')]), ...this.#flags, ...extra];
  }

  /** Starts a validator; the nodes that run are its seeds. A later flag wins over an earlier one. */
  async start(index: number, extra: readonly string[] = []): Promise<NodeProcess> {
    const node = await spawn(this.validator(index).home, this.words(extra));
    this.#nodes.set(index, node);
    sightings.note(node.pid);
    return node;
  }

  /** Starts all that do not run, and resolves once each has executed blocks. */
  async startAll(): Promise<void> {
    for (let index = 0; index < this.size; index++) if (!this.#nodes.has(index)) await this.start(index);
    await Promise.all(this.apis.map((api) => reach(api, 1)));
  }

  /** A node outside the validator set, in a home of its own. */
  async join(home: string, words: readonly string[]): Promise<NodeProcess> {
    const node = await spawn(home, words);
    sightings.note(node.pid);
    return node;
  }

  /** SIGKILL, to all of these in one go. Resolves when they are gone, the platforms and enclaves that they ran included. */
  async kill(...indices: readonly number[]): Promise<void> {
    const ended = indices.map((index) => this.node(index));
    const families = new Sightings();
    for (const { pid } of ended) families.note(pid);
    for (const { pid } of ended) sightings.note(pid);
    for (const node of ended) node.kill('SIGKILL');
    await Promise.all(ended.map((node) => node.ended));
    for (const index of indices) this.#nodes.delete(index);
    await families.gone();
  }

  async stop(index: number): Promise<void> {
    const node = this.node(index);
    sightings.note(node.pid);
    await node.stop();
    this.#nodes.delete(index);
  }

  /** The key with which a validator signs its transactions. */
  async validatorKey(index: number): Promise<Ed25519KeyPair> {
    const { validator } = await readNodeKeys(homeLayout(this.validator(index).home));
    return ed25519KeyPair(validator.seed);
  }

  accountKey(name: 'owner' | 'tenant'): Promise<Ed25519KeyPair> {
    return accountKey(this.layout.clientHome, name);
  }

  /** The SDK over a node, trusting the genesis hash alone. */
  async client(name: 'owner' | 'tenant', index: number): Promise<CloisterClient> {
    return CloisterClient.connect({
      api: createHttpApi({ baseUrl: this.api(index) }),
      chainId: this.layout.chainId,
      keyPair: await this.accountKey(name),
      acceptSimulated: true,
    });
  }
}

/** A copy of a folder in a folder of its own. */
export async function copyOf(folder: string): Promise<string> {
  const copy = join(await makeFolder(), 'copy');
  await cp(folder, copy, { recursive: true });
  return copy;
}
