/** How the commands of tenants and owners reach a node: its API, the trusted genesis hash, the caller's key. */
import { CloisterClient, createHttpApi, type NodeApi } from '@cloister/client';
import { type Digest, type JsonValue, parseDigest } from '@cloister/crypto';
import { NodeError } from '../errors.ts';
import { homeLayout, readGenesis } from '../home.ts';
import { type Flag, type Invocation, requiredFlag, textFlag, UsageError } from './command.ts';
import { accountKey } from './keys.ts';
import { runningApi } from './run-file.ts';

export const NODE_FLAG: { readonly node: Flag } = {
  node: { type: 'string', value: 'URL', about: 'HTTP API of a node; by default the one that runs in the home.' },
};

export const CLIENT_FLAGS: { readonly [name: string]: Flag } = {
  ...NODE_FLAG,
  key: { type: 'string', value: 'NAME', about: "Account key: a name of 'keys list', or a file." },
  genesis: {
    type: 'string',
    value: 'HASH',
    about: 'Genesis hash that you trust; by default that of the genesis in the home.',
  },
  'accept-simulated': {
    type: 'boolean',
    about: 'Go on although the platforms are SIMULATED: no guarantee holds then.',
  },
};

export async function nodeUrl(invocation: Invocation): Promise<string> {
  return textFlag(invocation, 'node') ?? runningApi(invocation.home);
}

async function trustedGenesis(invocation: Invocation): Promise<Digest> {
  const given = textFlag(invocation, 'genesis');
  if (given === undefined) return (await readGenesis(homeLayout(invocation.home))).chainId;
  const digest = parseDigest(given);
  if (digest === undefined) throw new UsageError('--genesis is 64 lower-case hexadecimal digits');
  return digest;
}

/** A client that trusts the genesis hash alone. */
export async function connectClient(invocation: Invocation): Promise<{ client: CloisterClient; api: NodeApi }> {
  const api = createHttpApi({ baseUrl: await nodeUrl(invocation) });
  const client = await CloisterClient.connect({
    api,
    chainId: await trustedGenesis(invocation),
    keyPair: await accountKey(invocation.home, requiredFlag(invocation, 'key')),
    acceptSimulated: invocation.flags['accept-simulated'] === true,
  });
  return { client, api };
}

/** One JSON document of a node's API. @throws NodeError API_FAILED */
export async function getJson(baseUrl: string, path: string): Promise<JsonValue> {
  let response: Response;
  try {
    response = await fetch(new URL(path, `${baseUrl}/`), { signal: AbortSignal.timeout(15_000) });
  } catch (cause) {
    throw new NodeError('API_FAILED', `${baseUrl} does not answer`, { cause });
  }
  const body = (await response.json().catch(() => null)) as JsonValue;
  if (response.ok) return body;
  const { code = 'UNKNOWN', message = '' } = (body ?? {}) as { code?: string; message?: string };
  throw new NodeError('API_FAILED', `${path}: ${response.status} ${code} ${message}`.trim());
}
