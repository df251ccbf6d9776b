/** Checks the options, admits connections, and starts the adapter. */
import { assert } from '@cloister/crypto';
import { parseAddress } from './addresses.ts';
import { noCounts } from './counters.ts';
import { createHost } from './host.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { LibP2PNetwork } from './network.ts';
import { PeerBook } from './peer-book.ts';
import { PeerGate } from './peer-gate.ts';
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
  const book = new PeerBook(options.chainId, options.members, options.records, options.weightless);
  const counters = noCounts();
  const gate = new PeerGate(book, counters, (cutOff) => options.handlers.onCutOff?.(cutOff));
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
    gater: {
      denyDialMultiaddr: () => false,
      denyDialPeer: (peer) => gate.isCutOff(peer.toString()),
      denyInboundConnection: ({ remoteAddr }) => gate.refusesAddress(remoteAddr),
      denyInboundEncryptedConnection: (peer, { remoteAddr }) =>
        gate.refusesPeer(peer.toString(), remoteAddr) || isFull(peer.toString()),
    },
  });
  gate.attach(host);
  const network = new LibP2PNetwork(options, { limits, host, book, gate, counters, seeds });
  isFull = (peerId) => network.isFull(peerId);
  try {
    await network.start();
  } catch (cause) {
    await network.stop().catch(() => undefined);
    throw new NetworkError('LISTEN_FAILED', `cannot listen on ${options.listen.join(', ')}`, { cause });
  }
  return network;
}
