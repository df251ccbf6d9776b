/** The libp2p node underneath: transports, encryption, gossip and the settings that experience asked for (see docs/decisions/0001). */
import { createHash } from 'node:crypto';
import type { BlockList } from 'node:net';
import type { Digest } from '@cloister/encoding';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import {
  type GossipSub,
  type GossipSubComponents,
  gossipsub,
  StrictNoSign,
  type TopicValidatorResult,
} from '@libp2p/gossipsub';
import { type Identify, identify } from '@libp2p/identify';
import type { Connection, ConnectionGater, Libp2p, Stream, StreamMuxer } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { type Ping, ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import type { Purse } from '../gates/budgets.ts';
import type { GossipDoor } from '../gates/gossip-door.ts';
import type { PacedReads } from '../gates/paced-reads.ts';
import { FLOOD_MEMBERS_MAX, GOSSIP_INBOUND_BYTES_MAX, GOSSIP_OUTBOUND_BUFFER_BYTES_MAX } from '../limits.ts';
import { steadyYamux } from './steady-yamux.ts';

/** The exported GossipSub type leaves these out. */
export type GossipRouter = GossipSub & {
  reportMessageValidationResult(messageId: string, source: string, verdict: TopicValidatorResult): void;
  getScore(peerId: string): number;
  readonly streamsInbound: ReadonlyMap<string, unknown>;
  readonly streamsOutbound: ReadonlyMap<string, unknown>;
};

export type Host = Libp2p<{ gossip: GossipSub; identify: Identify; ping: Ping }>;
export type { Connection, Stream };

export type HostOptions = {
  readonly nodeKeySeed: Uint8Array;
  readonly chainId: Digest;
  readonly listen: readonly string[];
  readonly topic: string;
  readonly memberCount: number;
  readonly gater: ConnectionGater;
  /** Asked about each connection before there is a socket. */
  readonly acceptGate: BlockList;
  /** The peers that gossip. No other peer gets batches or is listened to. */
  readonly door: GossipDoor;
  readonly gossips: (peerId: string) => boolean;
  /** A connection is up: what arrives on it is paid from this purse. */
  readonly purse: (peerId: string, address: Multiaddr) => Purse;
  readonly handledMs: () => number;
};

/** What one message of gossipsub's may carry; the defaults are thousands of each. */
const RPC_LIMITS = {
  maxSubscriptions: 16,
  maxMessages: 1_024,
  maxIhaveMessageIDs: 5_000,
  maxIwantMessageIDs: 1_024,
  maxIdontwantMessageIDs: 64,
  maxControlMessages: 64,
  maxPeerInfos: 0,
};

/** Below gossipsub's publish threshold (−50): not sent to; above its graylist threshold (−80): subscriptions still count. */
const STRANGER_SCORE = -60;

/**
 * Chosen once, at the start, from the members of that moment: gossipsub fixes its degrees when it is made. A network that
 * grows past the bound goes on flooding on nodes that run since before, which costs them bandwidth and nothing else;
 * D = 0 floods to everyone and repairs by IHAVE: the cheapest while all members are connected to each other.
 */
function meshDegrees(memberCount: number): { D: number; Dlo: number; Dhi: number; Dscore: number; Dout: number } {
  if (memberCount <= FLOOD_MEMBERS_MAX) return { D: 0, Dlo: 0, Dhi: 0, Dscore: 0, Dout: 0 };
  return { D: 6, Dlo: 4, Dhi: 12, Dscore: 4, Dout: 2 };
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one literal of settings, each with its reason.
export async function createHost(options: HostOptions): Promise<Host> {
  // A connection and its multiplexer have one list of streams, which is what tells them to belong together.
  const muxers = new WeakMap<readonly Stream[], { readonly muxer: StreamMuxer; readonly reads: PacedReads }>();
  const listenOpts = { noDelay: true, blockList: options.acceptGate };
  const host = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', options.nodeKeySeed),
    start: false,
    addresses: { listen: [...options.listen] },
    transports: [tcp({ listenOpts })],
    // TLS costs about half of Noise's CPU below 16 KiB: offered first.
    connectionEncrypters: [tls(), noise()],
    // The default of 1,000 streams for each connection is a stranger's memory bill at this node.
    streamMuxers: [
      steadyYamux({ maxInboundStreams: 256 }, (muxer, reads) => muxers.set(muxer.streams, { muxer, reads })),
    ],
    connectionGater: options.gater,
    // The default monitor aborts healthy links on a busy machine and nothing redials; liveness.ts watches instead.
    connectionMonitor: { enabled: false, abortConnectionOnPingFailure: false },
    connectionManager: {
      maxConnections: 512,
      // The accept gate limits connections of one prefix, budgets.ts handshakes: these two only bound what waits.
      inboundConnectionThreshold: 1_000,
      maxIncomingPendingConnections: 1_024,
      // Raw connections that never finish their handshake give their place back soon.
      inboundUpgradeTimeout: 5_000,
      reconnectRetries: 0,
      dialTimeout: 10_000,
    },
    services: {
      identify: identify(),
      ping: ping(),
      gossip: ({ privateKey, peerId, peerStore, registrar, connectionManager, logger }: GossipSubComponents) =>
        gossipsub({
          globalSignaturePolicy: StrictNoSign,
          msgIdFn: (message) => createHash('sha256').update(message.data).digest().subarray(0, 20),
          asyncValidation: true,
          fallbackToFloodsub: false,
          floodPublish: true,
          batchPublish: true,
          emitSelf: false,
          allowPublishToZeroTopicPeers: true,
          ignoreDuplicatePublishError: true,
          allowedTopics: [options.topic],
          maxInboundDataLength: GOSSIP_INBOUND_BYTES_MAX,
          maxOutboundBufferSize: GOSSIP_OUTBOUND_BUFFER_BYTES_MAX,
          // Validators subscribe to one topic and name a few messages at a time.
          decodeRpcLimits: RPC_LIMITS,
          maxInboundStreams: 2,
          // A batch arrives from its author alone: announcing "do not want" costs more than it saves.
          idontwantMinDataSize: 1 << 30,
          ...meshDegrees(options.memberCount),
          scoreParams: {
            // Several validators behind one address are lawful (a testnet, a site).
            IPColocationFactorWeight: 0,
            appSpecificScore: (peerId) => (options.gossips(peerId) ? 0 : STRANGER_SCORE),
            appSpecificWeight: 1,
            topics: {
              [options.topic]: {
                topicWeight: 1,
                timeInMeshWeight: 0,
                timeInMeshQuantum: 1_000,
                timeInMeshCap: 10,
                firstMessageDeliveriesWeight: 0.5,
                firstMessageDeliveriesDecay: 0.9,
                firstMessageDeliveriesCap: 100,
                meshMessageDeliveriesWeight: 0,
                meshMessageDeliveriesDecay: 0.5,
                meshMessageDeliveriesCap: 10,
                meshMessageDeliveriesThreshold: 1,
                meshMessageDeliveriesWindow: 10,
                meshMessageDeliveriesActivation: 1_000,
                meshFailurePenaltyWeight: 0,
                meshFailurePenaltyDecay: 0.5,
                invalidMessageDeliveriesWeight: -10,
                invalidMessageDeliveriesDecay: 0.95,
              },
            },
          },
        })({ privateKey, peerId, peerStore, registrar: options.door.guard(registrar), connectionManager, logger }),
    },
  });
  host.addEventListener('connection:open', ({ detail: connection }) => {
    const made = muxers.get(connection.streams);
    if (made === undefined) return;
    const peerId = connection.remotePeer.toString();
    made.reads.identify(() => options.purse(peerId, connection.remoteAddr), options.handledMs);
    made.muxer.addEventListener('stream', ({ detail: stream }) => made.reads.countStream(stream));
  });
  return host;
}
