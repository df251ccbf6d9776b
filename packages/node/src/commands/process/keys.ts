/** `cloister keys …`: the accounts of tenants and model owners, kept under <home>/keys. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ed25519KeyPair, ed25519KeyPair } from '@cloister/crypto';
import { makePrivateFolder } from '../../process/atomic-file.ts';
import { NodeError } from '../../process/errors.ts';
import { homeLayout } from '../../process/home.ts';
import { readKeyFile, type StoredKey, writeKeyFile } from '../../process/key-file.ts';
import { type CliCommand, positional, UsageError } from '../command.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

function keysFolder(home: string | undefined): string {
  return join(homeLayout(home).root, 'keys');
}

function pathOf(home: string | undefined, name: string): string {
  if (!NAME.test(name)) throw new UsageError(`a key's name is lower-case letters, digits and dashes: '${name}'`);
  return join(keysFolder(home), `${name}.json`);
}

/** The account key of this name, or at this path when it looks like one. */
export async function accountKey(home: string | undefined, name: string): Promise<Ed25519KeyPair> {
  const path = name.includes('/') || name.endsWith('.json') ? name : pathOf(home, name);
  return ed25519KeyPair((await readKeyFile(path, 'account')).seed);
}

/** Makes an account key; refuses to overwrite one. */
export async function addAccountKey(home: string | undefined, name: string): Promise<StoredKey> {
  const path = pathOf(home, name);
  await makePrivateFolder(keysFolder(home));
  const existing = await readKeyFile(path, 'account').catch((error: unknown) => {
    if (error instanceof NodeError && error.code === 'KEY_MISSING') return undefined;
    throw error;
  });
  if (existing !== undefined) throw new NodeError('HOME_NOT_EMPTY', `${path} exists already; nothing was changed`);
  return writeKeyFile(path, 'account', randomBytes(32));
}

export const keysAdd: CliCommand = {
  name: 'keys add',
  summary: 'Make an account key for a tenant or a model owner.',
  usage: '<name>',
  flags: {},
  positionals: { min: 1, max: 1 },
  chain: 'never',
  async run(invocation) {
    const name = positional(invocation, 0);
    const { id } = await addAccountKey(invocation.home, name);
    invocation.output.result({ name, id }, `${name} ${id}`);
    return 0;
  },
};

export const keysShow: CliCommand = {
  name: 'keys show',
  summary: 'Print the public key of an account key.',
  usage: '<name>',
  flags: {},
  positionals: { min: 1, max: 1 },
  chain: 'never',
  async run(invocation) {
    const name = positional(invocation, 0);
    const { id } = await accountKey(invocation.home, name);
    invocation.output.result({ name, id }, id);
    return 0;
  },
};

export const keysList: CliCommand = {
  name: 'keys list',
  summary: 'List the account keys of this home.',
  usage: '',
  flags: {},
  positionals: { min: 0, max: 0 },
  chain: 'never',
  async run({ home, output }) {
    const files = await readdir(keysFolder(home)).catch(() => []);
    const names = files.filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5));
    const keys = await Promise.all(names.sort().map(async (name) => ({ name, id: (await accountKey(home, name)).id })));
    output.result(
      keys,
      keys.length === 0 ? 'no keys' : keys.map(({ name, id }) => `${name.padEnd(16)} ${id}`).join('\n'),
    );
    return 0;
  },
};
