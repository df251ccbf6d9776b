/** How the commands of tenants and owners reach a node: its API, the trusted genesis hash, the caller's key. */
import { CloisterClient, createHttpApi, type NodeApi } from '@cloister/client';
import { type Digest, type JsonValue, parseDigest } from '@cloister/encoding';
import { NodeError } from '../../process/errors.ts';
import { homeLayout, readGenesis } from '../../process/home.ts';
import { type Flag, type Invocation, listFlag, type Output, requiredFlag, textFlag, UsageError } from '../command.ts';
import { accountKey } from '../process/keys.ts';
import { runningApi } from '../run-file.ts';

export const NODE_FLAG: { readonly node: Flag } = {
  node: { type: 'string', value: 'URL', about: 'HTTP API of a node; by default the one that runs in the home.' },
};

export const CLIENT_FLAGS: { readonly [name: string]: Flag } = {
  node: {
    type: 'string',
    multiple: true,
    value: 'URL',
    about: 'HTTP API of a node, may be repeated: the freshest head counts; by default the node of the home.',
  },
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

/** The node that a verb asks which needs one: the first that is named. */
export async function nodeUrl(invocation: Invocation): Promise<string> {
  const [first] = await nodeUrls(invocation);
  if (first === undefined) throw new UsageError('--node is empty');
  return first;
}

async function nodeUrls(invocation: Invocation): Promise<readonly string[]> {
  const one = textFlag(invocation, 'node');
  const named = one === undefined ? listFlag(invocation, 'node') : [one];
  return named.length > 0 ? named : [await runningApi(invocation.home)];
}

async function trustedGenesis(invocation: Invocation): Promise<Digest> {
  const given = textFlag(invocation, 'genesis');
  if (given === undefined) return (await readGenesis(homeLayout(invocation.home))).chainId;
  const digest = parseDigest(given);
  if (digest === undefined) throw new UsageError('--genesis is 64 lower-case hexadecimal digits');
  return digest;
}

/** A client that trusts the genesis hash alone, and the first node. Nodes that lag, lie or do not answer are told of, where several are named. */
export async function connectClient(invocation: Invocation): Promise<{ client: CloisterClient; api: NodeApi }> {
  const apis = (await nodeUrls(invocation)).map((baseUrl) => createHttpApi({ baseUrl }));
  const [api] = apis;
  if (api === undefined) throw new UsageError('--node is empty');
  const client = await CloisterClient.connect({
    api: apis,
    chainId: await trustedGenesis(invocation),
    keyPair: await accountKey(invocation.home, requiredFlag(invocation, 'key')),
    acceptSimulated: invocation.flags['accept-simulated'] === true,
    onNodeReport: ({ node, code, detail }) => invocation.output.note(`${node}: ${code} ${detail}`.trim()),
  });
  invocation.output.ofChain(client.simulated);
  return { client, api };
}

/** One JSON document of a node's API, which says of which kind its chain is. @throws NodeError API_FAILED */
export async function getJson(output: Pick<Output, 'ofChain'>, baseUrl: string, path: string): Promise<JsonValue> {
  let response: Response;
  try {
    response = await fetch(new URL(path, `${baseUrl}/`), { signal: AbortSignal.timeout(15_000) });
  } catch (cause) {
    throw new NodeError('API_FAILED', `${baseUrl} does not answer`, { cause });
  }
  const body = (await response.json().catch(() => null)) as JsonValue;
  if (response.ok) {
    // A node that does not say that its chain is real is not taken to say so.
    output.ofChain(response.headers.get('cloister-simulated') !== 'false');
    return body;
  }
  const { code = 'UNKNOWN', message = '' } = (body ?? {}) as { code?: string; message?: string };
  throw new NodeError('API_FAILED', `${path}: ${response.status} ${code} ${message}`.trim());
}

/** Pages of one list. */
const PAGES_MAX = 1_000;

/** All items of one of the API's lists, page after page. @throws NodeError API_FAILED */
export async function getList(
  output: Output,
  baseUrl: string,
  path: string,
  name: string,
): Promise<readonly JsonValue[]> {
  const items: JsonValue[] = [];
  let at = path;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = (await getJson(output, baseUrl, at)) as { readonly [member: string]: JsonValue } | null;
    const found = page?.[name];
    if (!Array.isArray(found)) throw new NodeError('API_FAILED', `${path} has no list of ${name}`);
    items.push(...(found as readonly JsonValue[]));
    const { next } = page ?? {};
    if (typeof next !== 'string') return items;
    at = `${path}?after=${encodeURIComponent(next)}`;
  }
  throw new NodeError('API_FAILED', `${path} has no end`);
}
