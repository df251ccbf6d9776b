/** The folder of a testnet: one home for each validator, the keys of owner and tenant, the image, the genesis. */
import { randomBytes } from 'node:crypto';
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Platform } from '@cloister/attestation';
import type { AccountId, Digest, Measurement } from '@cloister/encoding';
import { buildImage, measureImage } from '@cloister/platform';
import { planGenesis } from '../commands/network/genesis.ts';
import { addAccountKey } from '../commands/process/keys.ts';
import { configToml } from '../config/config-file.ts';
import { NodeError } from '../process/errors.ts';
import { initHome } from '../process/home.ts';
import { simulatedMeasurements } from '../process/platforms.ts';

const MARKER = 'cloister-testnet.json';
const SCHEMA = 'cloister/testnet/v1';
/** Files that name a process: of the orchestrator, and of each validator, which outlives it by its draining. */
const HOLDERS = /^(cloister-testnet\.json|[^/]+\/run\.json)$/;

/** The process that uses this testnet's folder, if any. */
async function holderOf(path: string): Promise<number | undefined> {
  const files = await readdir(path, { recursive: true }).catch(() => []);
  for (const file of files.filter((name) => HOLDERS.test(name))) {
    const pid = pidIn(await readFile(join(path, file), 'utf8').catch(() => ''));
    if (pid !== undefined && pid !== process.pid && (await isCloister(pid))) return pid;
  }
  return undefined;
}

function pidIn(json: string): number | undefined {
  try {
    const { pid } = JSON.parse(json) as { readonly pid?: unknown };
    return typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a process lives that runs this program: after a crash its number may be another program's. */
async function isCloister(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  // Not every system has /proc: there, a living process counts.
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return words === undefined || /\b(testnet|start|join)\b/.test(words);
}

/** Validators of a testnet stand on these in turn, all of them SIMULATED. */
export const TESTNET_PLATFORMS: readonly [Platform, ...Platform[]] = ['sev-snp', 'tdx'];

export type TestnetValidator = {
  readonly name: string;
  readonly home: string;
  readonly id: AccountId;
  /** SIMULATED. */
  readonly platform: Platform;
};

export type TestnetLayout = {
  readonly folder: string;
  /** `measurement`: of the manifest; each platform's evidence shows its own (`simulatedMeasurements`). */
  readonly image: { readonly folder: string; readonly measurement: Measurement; readonly digest: Digest };
  readonly validators: readonly TestnetValidator[];
  /** Home that holds the account keys 'owner' and 'tenant' and a copy of the genesis. */
  readonly clientHome: string;
  readonly chainId: Digest;
};

/** Empties the folder of an earlier testnet; refuses one in use, and a folder that holds anything else. */
export async function claimFolder(folder: string): Promise<string> {
  const path = resolve(folder);
  const entries = await readdir(path).catch(() => []);
  if (entries.length > 0) {
    await access(join(path, MARKER)).catch((cause) => {
      throw new NodeError('HOME_NOT_EMPTY', `${path} is not empty and holds no testnet; choose another --dir`, {
        cause,
      });
    });
    const pid = await holderOf(path);
    if (pid !== undefined) {
      const advice = 'Stop it first, or choose another --dir.';
      throw new NodeError('FOLDER_IN_USE', `process ${pid} runs a testnet in ${path}. ${advice}`);
    }
    await rm(path, { recursive: true });
  }
  await mkdir(path, { recursive: true, mode: 0o700 });
  // Of two that start at once, one finds the marker of the other.
  await writeFile(join(path, MARKER), `${JSON.stringify({ schema: SCHEMA, pid: process.pid })}\n`, {
    flag: 'wx',
  }).catch((cause: unknown) => {
    throw new NodeError('FOLDER_IN_USE', `another testnet starts in ${path} at this moment`, { cause });
  });
  return path;
}

export async function buildTestnetImage(folder: string): Promise<TestnetLayout['image']> {
  const image = join(folder, 'image');
  await buildImage(image);
  const measured = await measureImage(image);
  return { folder: image, measurement: measured.measurement, digest: measured.image };
}

/** `platforms`: of the validators in turn. */
export async function makeLayout(
  folder: string,
  image: TestnetLayout['image'],
  count: number,
  ports: number | undefined,
  platforms: readonly [Platform, ...Platform[]] = ['sev-snp'],
): Promise<TestnetLayout> {
  const validators: TestnetValidator[] = [];
  for (let i = 0; i < count; i++) {
    const name = `validator-${i + 1}`;
    const platform = platforms[i % platforms.length] ?? platforms[0];
    const home = join(folder, name);
    const config = configToml({
      'node.name': name,
      'network.listen': [`/ip4/127.0.0.1/tcp/${ports === undefined ? 0 : ports + 2 * i}`],
      'api.port': ports === undefined ? 0 : ports + 2 * i + 1,
      'enclave.platform': platform,
      'enclave.image': image.folder,
    });
    const seeds = { nodeKeySeed: randomBytes(32), validatorKeySeed: randomBytes(32) };
    const { keys } = await initHome({ directory: home, configToml: config, ...seeds });
    validators.push({ name, home, id: keys.validator.id, platform });
  }
  const clientHome = join(folder, 'client');
  const owner = await addAccountKey(clientHome, 'owner');
  const tenant = await addAccountKey(clientHome, 'tenant');
  const { bytes, chainId } = planGenesis({
    name: 'testnet (SIMULATED)',
    timeMs: Date.now(),
    validators: validators.map(({ id, name }) => ({ id, name, weight: 1 })),
    accounts: [
      { id: owner.id, name: 'owner' },
      { id: tenant.id, name: 'tenant' },
    ],
    // On a testnet the model owner also governs, so that `set-measurement` can be tried.
    governance: { members: [owner.id], threshold: 1 },
    images: simulatedMeasurements(image.measurement, platforms).map((one) => ({
      ...one,
      image: image.digest,
      name: 'testnet image',
    })),
  });
  for (const home of [clientHome, ...validators.map((validator) => validator.home)]) {
    await mkdir(join(home, 'config'), { recursive: true, mode: 0o700 });
    await writeFile(join(home, 'config', 'genesis.json'), bytes, { mode: 0o600 });
  }
  return { folder, image, validators, clientHome, chainId };
}
