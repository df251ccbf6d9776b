/** The faces of the network adapter. It frames opaque bytes: what they mean is the business of the packages above and below it. */
import { type AccountId, CodedError, type Digest, type Offence, type ValidatorId } from '@cloister/encoding';

/** Protocols answered on one stream for each request. Strangers may use all but `blob` and `hold`. */
export type RequestProtocol = 'sync' | 'blob' | 'hold' | 'attest' | 'peers';

/** Lower leaves first: certificates 0, votes 1, proposals 2, everything else 3. */
export type Priority = 0 | 1 | 2 | 3;

export type NetworkErrorCode =
  | 'ADDRESS_INVALID'
  | 'LISTEN_FAILED'
  | 'DIAL_FAILED'
  | 'WRONG_CHAIN'
  | 'NOT_CONNECTED'
  | 'REQUEST_TIMEOUT'
  | 'REQUEST_TOO_LARGE'
  | 'RESPONSE_TOO_LARGE'
  | 'REQUEST_REFUSED'
  | 'REQUEST_FAILED'
  | 'MESSAGE_TOO_LARGE'
  | 'STOPPED';

/** The one error class of this package. */
export class NetworkError extends CodedError<NetworkErrorCode> {}

/**
 * A member's signed statement of where it is reached. It binds the libp2p identity, which the transport authenticates,
 * to the member's key. `sequence` grows; a lower one never replaces a higher.
 */
export type PeerRecord = {
  readonly member: AccountId;
  readonly peerId: string;
  /** Multiaddr strings without the trailing /p2p/ component. */
  readonly addresses: readonly string[];
  readonly sequence: number;
  /** The process that signed it: 16 bytes that it drew when it started. */
  readonly run: Uint8Array;
  /** The run whose record this one replaced, or zeros. A process that reads its own run here is not alone with its key. */
  readonly outbids: Uint8Array;
  /** Whether that process signed as a validator when it made the record. */
  readonly signs: boolean;
  /** 64 bytes, Ed25519 by the member's key. */
  readonly signature: Uint8Array;
  /** 64 bytes, Ed25519 by the libp2p identity that `peerId` names: nobody claims another's node. */
  readonly nodeSignature: Uint8Array;
};

/**
 * Who asks. `member` is set when the peer proved a member id, whether or not that id belongs to the members now. `group`: all
 * who come from the same address prefix, for allowances that a new name must not renew.
 */
export type Requester = {
  readonly peerId: string;
  readonly member: AccountId | undefined;
  readonly isMember: boolean;
  readonly group: string;
};

/** A peer was cut off: `peer` is the member's id, or the libp2p name of a stranger. */
export type CutOff = {
  readonly peer: string;
  readonly address: string | undefined;
  /** The one that was too many. */
  readonly offence: Offence;
  readonly forMs: number;
};

/** A record of the own member id, newer than the own one, that this process did not sign. */
export type TwinSeen = {
  readonly peerId: string;
  readonly addresses: readonly string[];
  /** It names this run, so it was signed since this process started. Without that it may be old, and made by a clock that was ahead. */
  readonly isFresh: boolean;
  readonly signs: boolean;
  /** When neither of two processes signs yet, one gives way: whether it is this one. Both processes find the same. */
  readonly yields: boolean;
};

export type BatchVerdict = 'accept' | 'reject' | 'ignore';

export type NetworkHandlers = {
  /** A frame on the direct stream of an authenticated member. A throw costs the peer its stream, nothing else. */
  onConsensus(from: ValidatorId, bytes: Uint8Array): void;
  /** A gossiped batch and who passed it on (a member's id, a stranger's libp2p name); the verdict decides forwarding and scoring. */
  onBatch(bytes: Uint8Array, from: string): Promise<BatchVerdict> | BatchVerdict;
  /** Answers a request; undefined or a rejection refuses it. */
  onRequest(
    protocol: Exclude<RequestProtocol, 'peers'>,
    requester: Requester,
    bytes: Uint8Array,
  ): Promise<Uint8Array | undefined>;
  /** A peer came or went: a member by its id (once, by however many nodes and connections), a stranger by its libp2p name. */
  onPeer(id: string, up: boolean, isMember: boolean): void;
  /** A peer was cut off for what it sent; for the log. */
  onCutOff?(cutOff: CutOff): void;
  /** The own key is in use elsewhere. Told once for each record. */
  onTwin?(twin: TwinSeen): void;
  /** A peer record could not be kept for the next start. */
  onRecordUnsaved?(error: unknown): void;
};

/** Where peer records are kept between runs. */
export type PeerRecordStore = {
  load(): Promise<readonly Uint8Array[]>;
  save(member: AccountId, record: Uint8Array): Promise<void>;
};

export type NetworkOptions = {
  readonly chainId: Digest;
  /** 32 bytes: the seed of the libp2p Ed25519 identity (not the member's key). */
  readonly nodeKeySeed: Uint8Array;
  /** The member's key, for its peer record; without it the node stays a stranger to others. */
  readonly member?: {
    readonly id: AccountId;
    sign(message: Uint8Array): Uint8Array;
    /** Whether this process signs votes now; told in its record. Without it: no. */
    signs?(): boolean;
  };
  /** Multiaddrs to listen on, for instance /ip4/127.0.0.1/tcp/0. */
  readonly listen: readonly string[];
  /** Extra multiaddrs under which others reach this node; announced in the peer record. */
  readonly announce?: readonly string[];
  /** Addresses dialled until connected: multiaddrs that end in /p2p/<peer id>. */
  readonly seeds?: readonly string[];
  readonly members: readonly AccountId[];
  /** Those of the members that have no vote; without it all have one. */
  readonly weightless?: readonly AccountId[];
  readonly handlers: NetworkHandlers;
  readonly records?: PeerRecordStore;
  readonly limits?: Partial<NetworkLimits>;
};

export type NetworkLimits = {
  /** Connections of strangers. Beyond it, as many again may come in to prove a membership and are closed when they do not. */
  readonly strangersMax: number;
  /** Connections of members without weight, so that places are left for validators. */
  readonly weightlessMax: number;
  /** Connections of one peer: simultaneous dials make two, and a half-dead one may linger beside its successor. */
  readonly connectionsPerPeerMax: number;
  /** Bytes of one frame on a consensus stream. */
  readonly consensusFrameBytesMax: number;
  /** Bytes queued for one peer before the least important leave. */
  readonly consensusQueueBytesMax: number;
  /** A queued frame older than this is dropped, not sent, because votes from a past partition are of no use. */
  readonly consensusAgeMsMax: number;
  /** Frames a second taken from one member's consensus streams (burst: three times that); what is beyond is dropped. */
  readonly consensusFramesPerSecond: number;
  readonly gossipBytesMax: number;
  /** Batches being judged at once; what is beyond is ignored, and found by sync. */
  readonly gossipJudgedMax: number;
  readonly requestBytesMax: number;
  readonly strangerRequestBytesMax: number;
  readonly responseBytesMax: number;
  /** Bytes of answers under way to all strangers together, who may read as slowly as they like. */
  readonly strangerAnswersBytesMax: number;
  /** Requests of one peer being answered at once. */
  readonly memberRequestsAtOnce: number;
  readonly strangerRequestsAtOnce: number;
  readonly requestTimeoutMs: number;
  readonly redialMs: number;
  /** Silence after which a connection is probed, and closed if the probe fails. */
  readonly silenceMs: number;
  /** How long a connection may lack gossip streams in both directions. */
  readonly gossipStreamsMs: number;
  /**
   * Processor time in milliseconds a second, each for all peers of a class together: for what validators send (without what
   * a whole frame costs above this package), for what is served to validators, for everything that members without weight
   * do, for everything that strangers do, and for handshakes of peers that nobody knows yet.
   */
  readonly validatorWorkMsPerSecond: number;
  readonly validatorServeMsPerSecond: number;
  readonly weightlessWorkMsPerSecond: number;
  readonly strangerWorkMsPerSecond: number;
  readonly arrivalWorkMsPerSecond: number;
  /** Connections a second of one address prefix that are looked at (burst: three times that). */
  readonly arrivalsPerSecond: number;
  /** Turns waited for at once in each of these classes. */
  readonly turnsWaitingMax: number;
  /** How long a request waits for its turn before it is refused. */
  readonly turnMsMax: number;
  /** Requests a second taken from a member and from a stranger (burst: three times that). */
  readonly memberRequestsPerSecond: number;
  readonly strangerRequestsPerSecond: number;
};

export type PeerInfo = {
  readonly peerId: string;
  readonly member: AccountId | undefined;
  readonly isMember: boolean;
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
};

/** Monotonic counters, for metrics. */
export type NetworkCounters = {
  consensusFramesSent: number;
  consensusFramesDropped: number;
  consensusFramesReceived: number;
  framesRefused: number;
  batchesPublished: number;
  batchesReceived: number;
  batchesRejected: number;
  requestsServed: number;
  requestsRefused: number;
  redials: number;
  closedSilent: number;
  closedDeaf: number;
  /** What peers sent that no honest peer sends. */
  offences: number;
  cutOffs: number;
  /** Records of the own member id, newer than the own one, that another process signed. */
  twinRecords: number;
  /** Connections refused because their peer or its address is cut off, or because too many arrive from one place. */
  connectionsRefused: number;
  /** Processor time spent for members without weight, for strangers, and for handshakes. */
  weightlessWorkMs: number;
  strangerWorkMs: number;
  arrivalWorkMs: number;
};

export type Network = {
  readonly peerId: string;
  readonly counters: Readonly<NetworkCounters>;
  /** Dialable multiaddrs with /p2p/<peer id>. */
  addresses(): string[];
  peers(): PeerInfo[];
  setMembers(members: readonly AccountId[], weightless?: readonly AccountId[]): void;
  /** `peer`, a member id or a libp2p peer id, sent what no honest peer sends. Enough of it cuts the peer off for a time. */
  blame(peer: string, offence: Offence): void;
  /** Dialled until connected, like the seeds of the start. @throws NetworkError ADDRESS_INVALID */
  addSeeds(addresses: readonly string[]): void;
  /** Dials a multiaddr that ends in /p2p/<peer id>, exchanges peer records and resolves with the peer's name. */
  connect(address: string): Promise<string>;
  sendConsensus(to: ValidatorId, bytes: Uint8Array, priority: Priority): void;
  broadcastConsensus(bytes: Uint8Array, priority: Priority): void;
  /** @throws NetworkError MESSAGE_TOO_LARGE */
  gossipBatch(bytes: Uint8Array): Promise<void>;
  /** `peer`: a member id or a libp2p peer id. @throws NetworkError */
  request(
    peer: string,
    protocol: RequestProtocol,
    bytes: Uint8Array,
    options?: { readonly timeoutMs?: number; readonly maxBytes?: number },
  ): Promise<Uint8Array>;
  stop(): Promise<void>;
};
