/**
 * Secret keys on disk: JSON with the seed and what it is for, mode 0600, refused when group or others can read it.
 */
import { open } from 'node:fs/promises';
import { ed25519KeyPair } from '@cloister/crypto';
import { type AccountId, accountFromBytes, asAccountId, parseHex, parseJson, toHex } from '@cloister/encoding';
import { writeFileAtomic } from './atomic-file.ts';
import { NodeError } from './errors.ts';

export type KeyPurpose = 'node' | 'validator' | 'account';

export interface StoredKey {
  readonly purpose: KeyPurpose;
  /** Ed25519, 32 bytes. */
  readonly seed: Uint8Array;
  /** The public key. */
  readonly id: AccountId;
}

const KEY_BYTES_MAX = 4096;
const OTHERS = 0o077;

function schemaOf(purpose: KeyPurpose): string {
  return `cloister/${purpose}-key/v1`;
}

/** The public key of a seed. */
export function idOfSeed(seed: Uint8Array): AccountId {
  return accountFromBytes(ed25519KeyPair(seed).publicKey);
}

/** Writes a key for this user alone. */
export async function writeKeyFile(path: string, purpose: KeyPurpose, seed: Uint8Array): Promise<StoredKey> {
  const id = idOfSeed(seed);
  const json = { schema: schemaOf(purpose), id, seed: toHex(seed) };
  await writeFileAtomic(path, `${JSON.stringify(json, null, 2)}\n`);
  return { purpose, seed, id };
}

/** Reads through one descriptor, so that what is checked is what is read. */
async function readPrivate(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { mode, size } = await file.stat();
    if ((mode & OTHERS) !== 0) {
      const bits = (mode & 0o777).toString(8).padStart(4, '0');
      const advice = `Run: chmod 600 '${path}'. If others may have read it, replace the key.`;
      throw new NodeError('KEY_READABLE_BY_OTHERS', `${path} has mode ${bits}: others can use it. ${advice}`);
    }
    if (size > KEY_BYTES_MAX) throw new NodeError('KEY_MALFORMED', `${path} is ${size} bytes long`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** Throws `NodeError`: KEY_MISSING, KEY_READABLE_BY_OTHERS, KEY_MALFORMED. */
export async function readKeyFile(path: string, purpose: KeyPurpose): Promise<StoredKey> {
  let bytes: Uint8Array;
  try {
    bytes = await readPrivate(path);
  } catch (error) {
    if (error instanceof NodeError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (missing) throw new NodeError('KEY_MISSING', `there is no key at ${path}`, { cause: error });
    throw new NodeError('HOME_IO', `cannot read the key ${path}`, { cause: error });
  }
  const parsed = parseJson(bytes, { maxBytes: KEY_BYTES_MAX, maxDepth: 2 });
  const fields = parsed.ok ? (parsed.value as { [key: string]: unknown } | null) : null;
  const seed = typeof fields?.seed === 'string' ? parseHex(fields.seed) : undefined;
  if (fields?.schema !== schemaOf(purpose) || seed?.length !== 32) {
    throw new NodeError('KEY_MALFORMED', `${path} is not a ${purpose} key (${schemaOf(purpose)})`);
  }
  const id = idOfSeed(seed);
  if (fields.id !== id) throw new NodeError('KEY_MALFORMED', `${path}: the id does not belong to the seed`);
  return { purpose, seed, id: asAccountId(id) };
}
