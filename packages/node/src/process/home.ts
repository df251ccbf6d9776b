/**
 * The home of a node: where everything lies, who may read it, and how it is first made.
 *
 *     config/{config.toml, genesis.json, node_key.json, validator_key.json}
 *     data/{chain, sign-guard, index, peers, blobs}  enclave/  snapshots/
 *
 * Folders are 0700 and files 0600. The sign guard is never copied, restored or removed by anything in here.
 */
import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type AccountId, asEpoch, asValidatorId, asView } from '@cloister/encoding';
import { MAX_GENESIS_BYTES, type ParsedGenesis, parseGenesis } from '@cloister/ledger';
import { guardMarkOp } from '@cloister/replica';
import { openLevelStore } from '@cloister/store-level';
import { DEFAULT_CONFIG_TOML } from '../config/config-file.ts';
import { makePrivateFolder, writeFileAtomic } from './atomic-file.ts';
import { NodeError } from './errors.ts';
import { readKeyFile, type StoredKey, writeKeyFile } from './key-file.ts';

export interface HomeLayout {
  readonly root: string;
  readonly configFile: string;
  readonly genesisFile: string;
  readonly nodeKeyFile: string;
  readonly validatorKeyFile: string;
  readonly chain: string;
  readonly signGuard: string;
  /** Derived from the log and rebuilt from it: what the API looks events and transactions up in. */
  readonly index: string;
  readonly peers: string;
  readonly blobs: string;
  /** Which responses this node has said to hold. */
  readonly promises: string;
  readonly enclave: string;
  readonly snapshots: string;
}

/** `directory`, or ~/.cloister. */
export function homeLayout(directory?: string): HomeLayout {
  const root = resolve(directory ?? join(homedir(), '.cloister'));
  const data = join(root, 'data');
  return {
    root,
    configFile: join(root, 'config', 'config.toml'),
    genesisFile: join(root, 'config', 'genesis.json'),
    nodeKeyFile: join(root, 'config', 'node_key.json'),
    validatorKeyFile: join(root, 'config', 'validator_key.json'),
    chain: join(data, 'chain'),
    signGuard: join(data, 'sign-guard'),
    index: join(data, 'index'),
    peers: join(data, 'peers'),
    blobs: join(data, 'blobs'),
    promises: join(data, 'promises'),
    enclave: join(root, 'enclave'),
    snapshots: join(root, 'snapshots'),
  };
}

export interface NodeKeys {
  /** The libp2p identity. */
  readonly node: StoredKey;
  /** The member's account: signs votes, batches and transactions. */
  readonly validator: StoredKey;
}

export interface NewHome {
  readonly directory?: string;
  /** 32 random bytes each; `initHome` draws nothing by itself. */
  readonly nodeKeySeed: Uint8Array;
  readonly validatorKeySeed: Uint8Array;
  readonly configToml?: string;
  /** Exact bytes; checked. */
  readonly genesis?: Uint8Array;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Makes a home. Refuses (HOME_NOT_EMPTY) where one is: keys are never overwritten. */
export async function initHome(options: NewHome): Promise<{ readonly layout: HomeLayout; readonly keys: NodeKeys }> {
  const layout = homeLayout(options.directory);
  for (const path of [layout.validatorKeyFile, layout.nodeKeyFile, layout.configFile]) {
    if (await exists(path)) throw new NodeError('HOME_NOT_EMPTY', `${path} exists already; nothing was changed`);
  }
  try {
    for (const folder of ['', 'config', 'data', 'enclave', 'snapshots']) {
      await makePrivateFolder(join(layout.root, folder));
    }
    await makePrivateFolder(layout.blobs);
    await writeFileAtomic(layout.configFile, options.configToml ?? DEFAULT_CONFIG_TOML);
    const node = await writeKeyFile(layout.nodeKeyFile, 'node', options.nodeKeySeed);
    const validator = await writeKeyFile(layout.validatorKeyFile, 'validator', options.validatorKeySeed);
    await markGuard(layout, validator.id);
    if (options.genesis !== undefined) await writeGenesis(layout, options.genesis);
    return { layout, keys: { node, validator } };
  } catch (error) {
    if (error instanceof NodeError) throw error;
    throw new NodeError('HOME_IO', `cannot make the home ${layout.root}`, { cause: error });
  }
}

/** Writes into the sign guard, which is made by this, that it is as old as the key: nothing was signed without it. */
async function markGuard(layout: HomeLayout, id: AccountId): Promise<void> {
  const guard = await openLevelStore(layout.signGuard);
  try {
    const mark = guardMarkOp({ validator: asValidatorId(id), floor: { epoch: asEpoch(0), view: asView(0) } });
    await guard.batch([mark], { sync: true });
  } finally {
    await guard.close();
  }
}

/** Throws `NodeError`: KEY_MISSING, KEY_READABLE_BY_OTHERS, KEY_MALFORMED. */
export async function readNodeKeys(layout: HomeLayout): Promise<NodeKeys> {
  if (!(await exists(layout.validatorKeyFile))) {
    throw new NodeError('HOME_MISSING', `${layout.root} is not a home (no validator key). Run: cloister init`);
  }
  return {
    node: await readKeyFile(layout.nodeKeyFile, 'node'),
    validator: await readKeyFile(layout.validatorKeyFile, 'validator'),
  };
}

/** The folders that a start needs; an older home may lack some. */
export async function ensureFolders(layout: HomeLayout): Promise<void> {
  for (const folder of [layout.blobs, layout.enclave, layout.snapshots]) await makePrivateFolder(folder);
}

/** Throws `NodeError` GENESIS_MISSING or GENESIS_INVALID. */
export async function readGenesis(layout: HomeLayout): Promise<ParsedGenesis> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(layout.genesisFile);
  } catch (error) {
    const advice = 'Run: cloister join <multiaddr> --genesis <hash>, or put the network’s genesis.json there.';
    throw new NodeError('GENESIS_MISSING', `there is no genesis at ${layout.genesisFile}. ${advice}`, { cause: error });
  }
  return checkGenesis(bytes, layout.genesisFile);
}

function checkGenesis(bytes: Uint8Array, where: string): ParsedGenesis {
  const parsed = parseGenesis(bytes);
  if (parsed.ok) return parsed.value;
  const detail = parsed.detail === undefined ? '' : `: ${parsed.detail}`;
  const size = bytes.length > MAX_GENESIS_BYTES ? ` (${bytes.length} bytes)` : '';
  throw new NodeError('GENESIS_INVALID', `${where}${size} is not a genesis: ${parsed.code}${detail}`);
}

/** Checks and keeps the exact bytes of a genesis. */
export async function writeGenesis(layout: HomeLayout, bytes: Uint8Array): Promise<ParsedGenesis> {
  const parsed = checkGenesis(bytes, 'what was handed over');
  await makePrivateFolder(join(layout.root, 'config'));
  await writeFileAtomic(layout.genesisFile, bytes);
  return parsed;
}
