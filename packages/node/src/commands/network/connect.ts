/** How the commands of tenants and owners reach a node: its API, the trusted genesis hash, the caller's key. */
import { CloisterClient, createHttpApi, type NodeApi, OperatorApi, type Told } from '@cloister/client';
import { type Digest, parseDigest } from '@cloister/encoding';
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

/** How long an operator waits for one answer. */
const API_MS = 15_000;

/** The node that a verb asks which needs one: the first that is named. */
async function nodeUrl(invocation: Invocation): Promise<string> {
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

/** A node's API for the verbs of operators. */
export async function operatorApi(invocation: Invocation): Promise<OperatorApi> {
  return new OperatorApi({ baseUrl: await nodeUrl(invocation), timeoutMs: API_MS });
}

/** What an answer says, after the output was told of which kind its chain is. */
export function said<T>(output: Output, told: Told<T>): T {
  output.ofChain(told.simulated);
  return told.value;
}
