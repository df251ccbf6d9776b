/** Checks the options, admits connections, and starts the adapter. */
import { assert } from '@cloister/encoding';
import { noCounts } from './counters.ts';
import { AcceptGate } from './gates/accept-gate.ts';
import { WorkBudgets } from './gates/budgets.ts';
import { GossipDoor } from './gates/gossip-door.ts';
import { PeerGate } from './gates/peer-gate.ts';
import { PeerConnections } from './host/connections.ts';
import { createHost } from './host/host.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { LibP2PNetwork } from './network.ts';
import { parseAddress } from './peers/addresses.ts';
import { PeerBook } from './peers/peer-book.ts';
import { batchTopic } from './streams/protocol-names.ts';
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
  const book = new PeerBook(options.chainId, options.members, options.records, options.weightless, options.member?.id);
  book.onUnsaved = (error) => options.handlers.onRecordUnsaved?.(error);
  const counters = noCounts();
  const budgets = new WorkBudgets(book, limits, counters);
  const gossips = (peerId: string): boolean => book.isVoter(peerId);
  const door = new GossipDoor(gossips);
  const gate = new PeerGate(book, counters, (cutOff) => options.handlers.onCutOff?.(cutOff));
  // Filled once the host exists; no connection comes before.
  let isFull: (peerId: string) => boolean = () => false;
  const host = await createHost({
    nodeKeySeed: options.nodeKeySeed,
    chainId: options.chainId,
    listen: options.listen,
    topic: batchTopic(options.chainId),
    memberCount: options.members.length,
    acceptGate: new AcceptGate(
      limits.arrivalsPerSecond,
      (prefix) => gate.isClosed(prefix),
      () => {
        counters.connectionsRefused += 1;
      },
    ),
    door,
    gossips,
    purse: (peerId, address) => budgets.sending(peerId, address),
    handledMs: () => budgets.handledMs,
    gater: {
      denyDialMultiaddr: () => false,
      denyDialPeer: (peer) => gate.isCutOff(peer.toString()),
      denyInboundConnection: async (connection) => {
        const arrives = await budgets.arrive(connection);
        if (!arrives) counters.connectionsRefused += 1;
        return !arrives;
      },
      denyInboundEncryptedConnection: (peer, { remoteAddr }) =>
        gate.refusesPeer(peer.toString(), remoteAddr) || isFull(peer.toString()),
    },
  });
  const connections = new PeerConnections(host, book);
  gate.attach(connections);
  const network = new LibP2PNetwork(options, { limits, host, book, gate, door, budgets, connections, counters, seeds });
  isFull = (peerId) => network.isFull(peerId);
  try {
    await network.start();
  } catch (cause) {
    await network.stop().catch(() => undefined);
    throw new NetworkError('LISTEN_FAILED', `cannot listen on ${options.listen.join(', ')}`, { cause });
  }
  return network;
}
