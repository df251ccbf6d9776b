/** The network of a node: libp2p below, the replica's shell, sync, blobs and challenges above. */
import type { AccountId, Digest } from '@cloister/encoding';
import type { OrderedStore } from '@cloister/event-log';
import type { LedgerState } from '@cloister/ledger';
import { type CutOff, createNetwork, type Network, type NetworkOptions, type TwinSeen } from '@cloister/network';
import { type ChainReader, serveSync } from '@cloister/replica';
import type { ChallengeDesk } from '../attest/challenge-desk.ts';
import type { BlobExchange } from '../blobs/blob-exchange.ts';
import type { HoldingDesk } from '../blobs/holding-desk.ts';
import type { Config } from '../config/config-options.ts';
import type { StoredKey } from '../process/key-file.ts';
import { createPeerRecordStore } from './peer-records.ts';
import type { ReplicaShell } from './replica-shell.ts';
import type { ShellNetwork } from './shell-ports.ts';

/** The parts that answer what comes in. They are set before the first peer can reach this node. */
export interface NetworkServices {
  readonly shell: ReplicaShell;
  readonly chain: ChainReader;
  readonly blobs: BlobExchange;
  readonly holdings: HoldingDesk;
  readonly desk: ChallengeDesk;
  readonly onPeer: (id: string, up: boolean, isMember: boolean) => void;
  readonly onCutOff: (cutOff: CutOff) => void;
  readonly onTwin: (twin: TwinSeen) => void;
  readonly onRecordUnsaved: (error: unknown) => void;
}

export interface NodeNetworkOptions {
  readonly chainId: Digest;
  readonly nodeKey: StoredKey;
  readonly member: NonNullable<NetworkOptions['member']>;
  readonly members: readonly AccountId[];
  /** Those of them that have no vote. */
  readonly weightless: readonly AccountId[];
  readonly seeds: readonly string[];
  readonly config: Config;
  readonly peers: OrderedStore;
  readonly services: () => NetworkServices;
}

/** Throws `NetworkError`. */
export function startNetwork(options: NodeNetworkOptions): Promise<Network> {
  const { chainId, nodeKey, member, members, weightless, seeds, config, services } = options;
  return createNetwork({
    chainId,
    nodeKeySeed: nodeKey.seed,
    member,
    members,
    weightless,
    seeds,
    listen: config['network.listen'],
    announce: config['network.announce'],
    records: createPeerRecordStore(options.peers),
    limits: { strangersMax: config['network.strangers_max'] },
    handlers: {
      onConsensus: (from, bytes) => services().shell.frame(from, bytes),
      onBatch: (bytes, from) => services().shell.batch(from, bytes),
      onPeer: (id, up, isMember) => services().onPeer(id, up, isMember),
      onCutOff: (cutOff) => services().onCutOff(cutOff),
      onTwin: (twin) => services().onTwin(twin),
      onRecordUnsaved: (error) => services().onRecordUnsaved(error),
      onRequest: (protocol, requester, bytes) => {
        const { shell, chain, blobs, holdings, desk } = services();
        switch (protocol) {
          case 'sync':
            return serveSync(chain, bytes, {
              submit: async (transaction) => {
                const taken = await shell.submit(transaction);
                return taken.ok ? '' : taken.code;
              },
            });
          case 'blob':
            return requester.member === undefined || !requester.isMember
              ? Promise.resolve(undefined)
              : blobs.answer(requester.member, bytes);
          case 'hold':
            return requester.member === undefined || !requester.isMember
              ? Promise.resolve(undefined)
              : holdings.answer(requester.member, bytes);
          case 'attest':
            // A new name costs a stranger nothing: all behind one address prefix share one allowance of quotes.
            return desk.answerPeer(requester.isMember && requester.member ? requester.member : requester.group, bytes);
        }
      },
    },
  });
}

/** The ledger's members as the network knows them. */
export function membersOf(state: LedgerState): { readonly all: AccountId[]; readonly weightless: AccountId[] } {
  const members = [...state.members.values()];
  return {
    all: members.map(({ id }) => id),
    weightless: members.flatMap(({ id, weight }) => (weight === 0 ? [id] : [])),
  };
}

/** Connected members other than this node. */
export function connectedMembers(network: Network, self: AccountId): AccountId[] {
  const members = network.peers().flatMap(({ member, isMember }) => (isMember && member !== undefined ? [member] : []));
  return [...new Set(members)].filter((member) => member !== self);
}

/** The network as the shell uses it; what a replica asks of its own node is answered from its own database. */
export function shellNetwork(network: () => Network, self: AccountId, chain: ChainReader): ShellNetwork {
  return {
    sendConsensus: (to, bytes, priority) => network().sendConsensus(to, bytes, priority),
    broadcastConsensus: (bytes, priority) => network().broadcastConsensus(bytes, priority),
    gossipBatch: (bytes) => network().gossipBatch(bytes),
    syncPeers: () => {
      const members = connectedMembers(network(), self);
      return members.length > 0
        ? members
        : network()
            .peers()
            .map(({ peerId }) => peerId);
    },
    blame: (peer, offence) => network().blame(peer, offence),
    request: (peer, bytes, options) =>
      peer === self ? serveSync(chain, bytes) : network().request(peer, 'sync', bytes, options),
  };
}
