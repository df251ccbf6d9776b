/** Every bound of the adapter in one place. */
import type { NetworkLimits } from './types.ts';

const MiB = 1024 * 1024;

export const DEFAULT_LIMITS: NetworkLimits = {
  strangersMax: 32,
  weightlessMax: 192,
  connectionsPerPeerMax: 4,
  consensusFrameBytesMax: MiB + 64 * 1024,
  consensusQueueBytesMax: 8 * MiB,
  consensusAgeMsMax: 10_000,
  consensusFramesPerSecond: 2_000,
  gossipBytesMax: 64 * 1024,
  gossipJudgedMax: 512,
  requestBytesMax: MiB,
  strangerRequestBytesMax: 64 * 1024,
  responseBytesMax: 16 * MiB,
  strangerAnswersBytesMax: 64 * MiB,
  memberRequestsAtOnce: 32,
  strangerRequestsAtOnce: 8,
  requestTimeoutMs: 15_000,
  redialMs: 1_000,
  silenceMs: 12_000,
  gossipStreamsMs: 3_000,
  validatorWorkMsPerSecond: 700,
  validatorServeMsPerSecond: 250,
  weightlessWorkMsPerSecond: 60,
  strangerWorkMsPerSecond: 36,
  arrivalWorkMsPerSecond: 30,
  arrivalsPerSecond: 20,
  turnsWaitingMax: 512,
  turnMsMax: 3_000,
  memberRequestsPerSecond: 400,
  strangerRequestsPerSecond: 30,
};

/** What gossipsub decodes at most; the same on every node, for one message above it leaves a pair of nodes deaf. */
export const GOSSIP_INBOUND_BYTES_MAX: number = 4 * MiB;
export const GOSSIP_OUTBOUND_BUFFER_BYTES_MAX: number = 16 * MiB;
/** Up to this many members everyone is connected to everyone, and publishing floods; beyond, a mesh of six. */
export const FLOOD_MEMBERS_MAX = 20;
export const PEER_RECORD_BYTES_MAX: number = 2 * 1024;
export const PEER_RECORDS_MAX = 256;
/** Addresses of an operator's that are dialled. */
export const SEEDS_MAX = 64;
/** A whole answer of the `peers` protocol. */
export const PEER_LIST_BYTES_MAX: number = PEER_RECORDS_MAX * (PEER_RECORD_BYTES_MAX + 4) + 2;
/** How long a handler may take over one request before its slot is given away. */
export const SERVE_MS_MAX = 60_000;
/** What an inbound handshake costs, with the introductions that follow it, as measured. */
export const HANDSHAKE_MS = 12;
/** Handshakes that may follow each other at once: a network of a hundred validators heals from a partition. */
export const ARRIVALS_BURST_MS: number = 100 * HANDSHAKE_MS;
/** Connections of one address prefix that wait for their handshake, and for how long. */
export const ARRIVALS_WAITING_MAX = 32;
export const ARRIVAL_WAIT_MS = 1_500;
/** A stranger beyond the cap has this long to show a member's record. */
export const PROBATION_MS = 3_000;
/** A stranger that asked for nothing for this long gives its place to another. */
export const IDLE_STRANGER_MS = 10_000;
