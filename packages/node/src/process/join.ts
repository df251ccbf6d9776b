/**
 * Joins a network by one address and the genesis hash. The peer at the address serves the genesis, which is believed
 * only because its hash is the chain id. From there every certificate up to the tip is checked.
 */
import { type Digest, parseHex } from '@cloister/encoding';
import { chainIdOf, MAX_GENESIS_BYTES, type ParsedGenesis } from '@cloister/ledger';
import { createNetwork } from '@cloister/network';
import { decodeSyncResponse, encodeSyncRequest } from '@cloister/replica';
import { messageOf, NodeError } from './errors.ts';
import { type HomeLayout, readGenesis, writeGenesis } from './home.ts';

export interface JoinTarget {
  /** A multiaddr that ends in /p2p/<peer id>. */
  readonly address: string;
  /** The genesis hash, from a source that is trusted. */
  readonly genesis: Digest;
}

const FETCH_TIMEOUT_MS = 15_000;

function mismatch(what: string, expected: Digest, found: Digest): NodeError {
  return new NodeError('GENESIS_MISMATCH', `${what} has the hash ${found}, not ${expected}`);
}

/** The home's genesis if it has one (of this hash), else the one fetched, checked and kept. Throws `NodeError`. */
export async function obtainGenesis(
  layout: HomeLayout,
  target: JoinTarget,
  nodeKeySeed: Uint8Array,
): Promise<ParsedGenesis> {
  try {
    const held = await readGenesis(layout);
    if (held.chainId !== target.genesis) throw mismatch(layout.genesisFile, target.genesis, held.chainId);
    return held;
  } catch (error) {
    if (!(error instanceof NodeError) || error.code !== 'GENESIS_MISSING') throw error;
  }
  const bytes = await fetchGenesis(target, nodeKeySeed);
  const found = chainIdOf(bytes);
  if (found !== target.genesis) throw mismatch(`the genesis that ${target.address} served`, target.genesis, found);
  return writeGenesis(layout, bytes);
}

async function fetchGenesis({ address, genesis }: JoinTarget, nodeKeySeed: Uint8Array): Promise<Uint8Array> {
  if (parseHex(genesis, 32) === undefined)
    throw new NodeError('JOIN_FAILED', 'the genesis hash is not 32 bytes of hex');
  try {
    const network = await createNetwork({
      chainId: genesis,
      nodeKeySeed,
      listen: [],
      members: [],
      handlers: {
        onConsensus: () => undefined,
        onBatch: () => 'ignore',
        onRequest: () => Promise.resolve(undefined),
        onPeer: () => undefined,
      },
    });
    try {
      const peer = await network.connect(address);
      const answer = await network.request(peer, 'sync', encodeSyncRequest({ type: 'genesis' }), {
        timeoutMs: FETCH_TIMEOUT_MS,
        maxBytes: MAX_GENESIS_BYTES + 64,
      });
      const response = decodeSyncResponse(answer);
      if (response.ok && response.value.type === 'genesis') return response.value.bytes;
      throw new NodeError('JOIN_FAILED', `${address} did not serve a genesis`);
    } finally {
      await network.stop();
    }
  } catch (error) {
    if (error instanceof NodeError) throw error;
    throw new NodeError('JOIN_FAILED', `cannot get the genesis from ${address}: ${messageOf(error)}`, { cause: error });
  }
}
