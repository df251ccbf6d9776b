/** The API of a node over a ledger of four validators on four platforms, which listens on a free port. */
import type { Digest } from '@cloister/encoding';
import { BLOCK_MS, v0 } from '@cloister/testkit';
import { type MixedChain, mixedChain } from '@cloister/testkit/platforms';
import type { ApiContext } from '../../src/http/api-context.ts';
import { type ApiServer, createApiServer } from '../../src/http/server.ts';
import { API_OPTIONS, fakeNode } from './fake-context.ts';

export interface NetworkApi extends MixedChain {
  readonly url: string;
  /** Only so many of the newest blocks are there; all of them when not set. */
  blocksKept: number;
  close(): Promise<void>;
}

export async function networkApi(): Promise<NetworkApi> {
  const mixed = mixedChain();
  const { chain } = mixed;
  const fake = await fakeNode(chain);
  let server: ApiServer | undefined;
  const api: NetworkApi = {
    ...mixed,
    url: '',
    blocksKept: Number.MAX_SAFE_INTEGER,
    close: async () => {
      await server?.close();
      await fake.remove();
    },
  };
  const executed = async (height: number): Promise<object | undefined> =>
    height <= chain.height - api.blocksKept
      ? undefined
      : { hash: chain.hashAt(height), timeMs: chain.state.timeMs - (chain.height - height) * BLOCK_MS };
  const status = () => ({
    chainId: chain.genesis.chainId,
    height: chain.height,
    blockTimeMs: chain.state.timeMs,
    eventCount: chain.log.length,
    eventRoot: chain.genesis.chainId,
    ready: true,
    reasons: [],
    waitsFor: [],
    missing: [],
  });
  Object.assign(fake.node, { self: v0.id, status });
  const context: ApiContext = {
    ...fake.context,
    chain: {
      genesisBytes: chain.genesis.bytes,
      executed,
      block: async (_: Digest) => ({ header: {}, body: { batches: [] } }),
    } as never,
  };
  server = createApiServer(context, {
    ...API_OPTIONS,
    onError: (error) => {
      throw error;
    },
  });
  return Object.assign(api, { url: await server.listen() });
}
