/** Genesis, homes and nodes for tests: real databases in a temporary folder, real sockets on free ports. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SIMULATED_ANCHORS } from '@cloister/attestation';
import { simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import { type Ed25519KeyPair, ed25519KeyPair, sha256 } from '@cloister/crypto';
import { asHeight, type Digest, type Height, toHex, utf8 } from '@cloister/encoding';
import {
  DEFAULT_PARAMS,
  GENESIS_SCHEMA,
  type GenesisReferenceValue,
  makeGenesis,
  type ParsedGenesis,
  signTransaction,
  type Transaction,
} from '@cloister/ledger';
import { loadConfig } from '../src/config/config.ts';
import type { ConfigValue } from '../src/config/config-options.ts';
import { type HomeLayout, initHome } from '../src/process/home.ts';
import type { Log } from '../src/process/log-lines.ts';
import { startNode } from '../src/process/node.ts';
import type { RunningNode, StartOptions } from '../src/process/running-node.ts';

export function seedOf(name: string): Uint8Array {
  return sha256(utf8(name));
}

export const TENANT: Ed25519KeyPair = ed25519KeyPair(seedOf('tenant'));

function byId<T extends { readonly id: string }>(values: readonly T[]): T[] {
  return [...values].sort((a, b) => (a.id < b.id ? -1 : 1));
}

export function sampleGenesis(
  validators: number,
  referenceValues: readonly GenesisReferenceValue[] = [],
): ParsedGenesis {
  const ids = Array.from({ length: validators }, (_, i) => ({ id: ed25519KeyPair(seedOf(`validator ${i}`)).id, i }));
  const made = makeGenesis({
    schema: GENESIS_SCHEMA,
    name: 'node tests',
    timeMs: 1_700_000_000_000,
    params: DEFAULT_PARAMS,
    validators: byId(ids.map(({ id, i }) => ({ id, name: `validator-${i}`, weight: 1 }))),
    accounts: [{ id: TENANT.id, name: 'tenant' }],
    governance: { members: [TENANT.id], threshold: 1 },
    trustAnchors: SIMULATED_ANCHORS,
    referenceValues,
    appraisalPolicy: simulatedAppraisalPolicy({ maxAgeBlocks: 1_000, refreshWindowBlocks: 100, nonceWindowBlocks: 64 }),
  });
  if (!made.ok) throw new Error(`${made.code} ${made.detail ?? ''}`);
  return made.value;
}

let nonce = 0;
/** A signed put-record of the tenant. */
export function putRecord(
  chainId: Digest,
  height: number,
  key: string,
  value: string,
  namespace = 'notes',
): Transaction {
  const signed = signTransaction(TENANT, {
    chainId,
    sender: TENANT.id,
    nonce: toHex(seedOf(`nonce ${nonce++} ${process.pid}`).subarray(0, 16)),
    expiryHeight: asHeight(height + 100) as Height,
    kind: 'put-record',
    payload: { namespace, key, value },
  });
  if (!signed.ok) throw new Error(signed.code);
  return signed.value;
}

export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'cloister-node-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export async function makeHome(folder: string, index: number, genesis?: ParsedGenesis): Promise<HomeLayout> {
  const { layout } = await initHome({
    directory: join(folder, `node-${index}`),
    nodeKeySeed: seedOf(`node ${index}`),
    validatorKeySeed: seedOf(`validator ${index}`),
    ...(genesis === undefined ? {} : { genesis: genesis.bytes }),
  });
  return layout;
}

export const silent: Log = () => undefined;

/** Starts a node without enclave on free ports; short idle blocks. */
export async function startQuietly(
  layout: HomeLayout,
  flags: { readonly [name: string]: ConfigValue } = {},
  more: Partial<StartOptions> = {},
): Promise<RunningNode> {
  const { config } = await loadConfig({
    file: layout.configFile,
    flags: {
      'enclave.kind': 'none',
      'api.port': 0,
      'network.listen': ['/ip4/127.0.0.1/tcp/0'],
      'consensus.idle_interval_ms': 100,
      'consensus.view_timeout_ms': 1_000,
      ...flags,
    },
  });
  return startNode({ layout, config, log: silent, ...more });
}

/** Resolves when the condition holds, looked at after each committed block of the node. */
export function untilBlock(node: RunningNode, holds: () => boolean): Promise<void> {
  if (holds()) return Promise.resolve();
  return new Promise((resolve) => {
    const unsubscribe = node.context.bus.subscribe(() => {
      if (!holds()) return;
      unsubscribe();
      resolve();
    });
  });
}
