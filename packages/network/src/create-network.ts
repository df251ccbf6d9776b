/** Checks the options, admits connections, and starts the adapter. */
import { assert } from '@cloister/crypto';
import { parseAddress } from './addresses.ts';
import { createHost } from './host.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { countStrangers, LibP2PNetwork } from './network.ts';
import { PeerBook } from './peer-book.ts';
import { batchTopic } from './protocol-names.ts';
import { type Network, NetworkError, type NetworkLimits, type NetworkOptions } from './types.ts';

/**
 * Starts a network adapter; when it resolves the node listens and dials its seeds.
 * @throws NetworkError ADDRESS_INVALID for a seed or a listening address that is none, LISTEN_FAILED when the system
 * refuses the address.
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  assert(options.nodeKeySeed.length === 32, 'nodeKeySeed: 32 bytes');
  const limits: NetworkLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const seeds = (options.seeds ?? []).map(parseAddress);
  options.listen.forEach(parseAddress);
  const book = new PeerBook(options.chainId, options.members, options.records);
  const isKnownPeer = (peerId: string): boolean => book.isKnownPeer(peerId);
  // Filled once the host exists; no connection comes before.
  let isFull: (peerId: string) => boolean = () => false;
  const host = await createHost({
    nodeKeySeed: options.nodeKeySeed,
    chainId: options.chainId,
    listen: options.listen,
    topic: batchTopic(options.chainId),
    memberCount: options.members.length,
    isKnownPeer,
    gater: { denyDialMultiaddr: () => false, denyInboundEncryptedConnection: (peer) => isFull(peer.toString()) },
  });
  isFull = (peerId) => {
    const same = host.getConnections().filter((c) => c.remotePeer.toString() === peerId).length;
    if (same >= limits.connectionsPerPeerMax) return true;
    return !isKnownPeer(peerId) && countStrangers(host, book) >= 2 * limits.strangersMax;
  };
  const network = new LibP2PNetwork(options, limits, host, book, seeds);
  try {
    await network.start();
  } catch (cause) {
    await network.stop().catch(() => undefined);
    throw new NetworkError('LISTEN_FAILED', `cannot listen on ${options.listen.join(', ')}`, { cause });
  }
  return network;
}
