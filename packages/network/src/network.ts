/** The adapter in one: identity and peer exchange in the middle, votes, gossip and requests around it. */
import { type AccountId, ed25519KeyPair, type ValidatorId } from '@cloister/crypto';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';
import { parseAddress, peerOf } from './addresses.ts';
import { BatchGossip } from './gossip.ts';
import type { Connection, GossipRouter, Host } from './host.ts';
import { Introductions } from './introductions.ts';
import { PEER_LIST_BYTES_MAX } from './limits.ts';
import { Liveness } from './liveness.ts';
import type { PeerBook } from './peer-book.ts';
import { PeerExchange } from './peer-exchange.ts';
import type { PeerGate } from './peer-gate.ts';
import { Presence } from './presence.ts';
import { batchTopic, REQUEST_PROTOCOLS, requestProtocol, voteProtocol } from './protocol-names.ts';
import { RequestServer, sendRequest } from './requests.ts';
import {
  type Network,
  type NetworkCounters,
  NetworkError,
  type NetworkLimits,
  type NetworkOptions,
  type Offence,
  type PeerInfo,
  type Priority,
  type RequestProtocol,
} from './types.ts';
import { Votes } from './votes.ts';

export class LibP2PNetwork implements Network {
  readonly counters: NetworkCounters;
  readonly #options: NetworkOptions;
  readonly #limits: NetworkLimits;
  readonly #host: Host;
  readonly #book: PeerBook;
  readonly #gate: PeerGate;
  readonly #gossip: BatchGossip;
  readonly #votes: Votes;
  readonly #server: RequestServer;
  readonly #liveness: Liveness;
  readonly #exchange: PeerExchange;
  readonly #presence: Presence;
  readonly #introductions: Introductions;
  #stopped = false;

  constructor(
    options: NetworkOptions,
    parts: {
      readonly limits: NetworkLimits;
      readonly host: Host;
      readonly book: PeerBook;
      readonly gate: PeerGate;
      readonly counters: NetworkCounters;
      readonly seeds: readonly Multiaddr[];
    },
  ) {
    const { limits, host, book, gate, seeds } = parts;
    this.#options = options;
    this.#limits = limits;
    this.#host = host;
    this.#book = book;
    this.#gate = gate;
    this.counters = parts.counters;
    const router = host.services.gossip as GossipRouter;
    const { handlers, chainId } = options;
    this.#exchange = new PeerExchange(options, book, ed25519KeyPair(options.nodeKeySeed), host.peerId.toString());
    this.#introductions = new Introductions({
      host,
      book,
      limits,
      ask: (peerId, timeoutMs, dialled) => this.#ask(peerId, timeoutMs, dialled),
    });
    this.#presence = new Presence((id, up, isMember) => {
      if (!this.#stopped) handlers.onPeer(id, up, isMember);
    });
    this.#liveness = new Liveness({
      host,
      router,
      book,
      limits,
      counters: this.counters,
      seeds,
      isCutOff: (peerId) => gate.isCutOff(peerId),
      // An exchange that failed, on a busy machine for instance, is repeated until it is answered.
      onTurn: () => this.#askAll(),
    });
    const named = {
      ...handlers,
      onVote: (from: ValidatorId, bytes: Uint8Array): void => {
        const peerId = book.peerOf(from);
        if (peerId !== undefined) this.#liveness.heard(peerId);
        handlers.onVote(from, bytes);
      },
      onBatch: (bytes: Uint8Array, source: string) => handlers.onBatch(bytes, book.accountOf(source) ?? source),
    };
    this.#gossip = new BatchGossip(router, batchTopic(chainId), limits, this.counters, named);
    this.#votes = new Votes({
      host,
      protocol: voteProtocol(chainId),
      book,
      handlers: named,
      limits,
      counters: this.counters,
      greeting: () => this.#exchange.record,
      proved: (peerId) => this.#announce(peerId),
      isCutOff: (peerId) => gate.isCutOff(peerId),
    });
    this.#server = new RequestServer({
      limits,
      serve: (protocol, peerId, bytes) => this.#serve(protocol, peerId, bytes),
      isMember: (peerId) => book.isKnownPeer(peerId),
      refused: () => {
        this.counters.requestsRefused += 1;
      },
    });
  }

  /** Whether a connection of this peer, whose name is proven, finds no place. */
  isFull(peerId: string): boolean {
    return this.#introductions.isFull(peerId);
  }

  get peerId(): string {
    return this.#host.peerId.toString();
  }

  async start(): Promise<void> {
    await this.#book.load();
    await this.#votes.start();
    for (const protocol of REQUEST_PROTOCOLS) {
      await this.#server.register(this.#host, protocol, requestProtocol(this.#options.chainId, protocol));
    }
    this.#host.addEventListener('peer:connect', (event) => this.#onConnect(event.detail.toString()));
    this.#host.addEventListener('peer:disconnect', (event) => this.#onDisconnect(event.detail.toString()));
    await this.#host.start();
    this.#exchange.sign(this.addresses());
    // Whoever was quick enough to connect before the record was signed asked in vain.
    this.#introductions.forgetAll();
    this.#askAll();
    this.#gossip.start();
    this.#liveness.start();
  }

  addresses(): string[] {
    return this.#host.getMultiaddrs().map((address) => address.toString());
  }

  peers(): PeerInfo[] {
    const seen = new Map<string, PeerInfo>();
    for (const connection of this.#host.getConnections()) {
      const peerId = connection.remotePeer.toString();
      const member = this.#book.accountOf(peerId);
      seen.set(peerId, {
        peerId,
        member,
        isMember: member !== undefined && this.#book.isMember(member),
        address: connection.remoteAddr.toString(),
        direction: connection.direction,
      });
    }
    return [...seen.values()];
  }

  setMembers(members: readonly AccountId[], weightless: readonly AccountId[] = []): void {
    const before = new Set(this.#book.records().map((record) => record.member));
    this.#book.setMembers(members, new Set(this.peers().map((peer) => peer.peerId)), weightless);
    // A connected stranger that just became a member is told apart from now on, and its record is wanted.
    for (const { peerId, member } of this.peers()) {
      this.#announce(peerId);
      if (member === undefined || !before.has(member)) this.#introductions.forget(peerId);
    }
    this.#askAll();
  }

  blame(peer: string, offence: Offence): void {
    if (!this.#stopped) this.#gate.blame(peer, offence);
  }

  async connect(address: string): Promise<string> {
    const target = parseAddress(address);
    if (peerOf(target) === undefined) {
      throw new NetworkError('ADDRESS_INVALID', `${address} must end in /p2p/<peer id>`);
    }
    let peerId: string;
    try {
      const connection = await this.#host.dial(target, { signal: AbortSignal.timeout(this.#limits.requestTimeoutMs) });
      peerId = connection.remotePeer.toString();
    } catch (cause) {
      throw new NetworkError('DIAL_FAILED', `${address} cannot be reached`, { cause });
    }
    try {
      await this.#ask(peerId, this.#limits.requestTimeoutMs, true);
    } catch (cause) {
      throw new NetworkError('WRONG_CHAIN', `${peerId} does not serve this chain`, { cause });
    }
    return this.#book.accountOf(peerId) ?? peerId;
  }

  sendVote(to: ValidatorId, bytes: Uint8Array, priority: Priority): void {
    this.#votes.send(to, bytes, priority);
  }

  broadcastVote(bytes: Uint8Array, priority: Priority): void {
    this.#votes.broadcast(bytes, priority);
  }

  async gossipBatch(bytes: Uint8Array): Promise<void> {
    await this.#gossip.publish(bytes);
  }

  async request(
    peer: string,
    protocol: RequestProtocol,
    bytes: Uint8Array,
    options: { readonly timeoutMs?: number; readonly maxBytes?: number } = {},
  ): Promise<Uint8Array> {
    if (this.#stopped) throw new NetworkError('STOPPED', 'the network is stopped');
    if (bytes.length > this.#limits.requestBytesMax) throw new NetworkError('REQUEST_TOO_LARGE', protocol);
    const peerId = this.#book.peerOf(peer as AccountId) ?? peer;
    const connection = this.#connectionTo(peerId);
    if (connection === undefined) throw new NetworkError('NOT_CONNECTED', `no connection to ${peer}`);
    const timeoutMs = options.timeoutMs ?? this.#limits.requestTimeoutMs;
    const name = requestProtocol(this.#options.chainId, protocol);
    const answer = await sendRequest(
      connection,
      name,
      bytes,
      timeoutMs,
      options.maxBytes ?? this.#limits.responseBytesMax,
    );
    this.#liveness.heard(peerId);
    return answer;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#liveness.stop();
    this.#votes.stop();
    await this.#host.stop();
  }

  #connectionTo(peerId: string): Connection | undefined {
    try {
      return this.#host.getConnections(peerIdFromString(peerId)).find((connection) => connection.status === 'open');
    } catch {
      return undefined;
    }
  }

  #onConnect(peerId: string): void {
    this.#liveness.heard(peerId);
    this.#announce(peerId);
    this.#askAll();
  }

  #onDisconnect(peerId: string): void {
    this.#votes.drop(peerId);
    this.#server.forget(peerId);
    this.#liveness.forget(peerId);
    this.#book.forget(peerId);
    this.#introductions.forget(peerId);
    this.#presence.down(peerId);
  }

  /** Tells who is up; a peer that proves itself changes its name from the libp2p one to the member's. */
  #announce(peerId: string): void {
    this.#gate.proved(peerId);
    if (this.#connectionTo(peerId) === undefined) return;
    const account = this.#book.isKnownPeer(peerId) ? this.#book.accountOf(peerId) : undefined;
    this.#presence.up(peerId, account ?? peerId, account !== undefined);
  }

  /** A record may also move a member from one connected node to another: its new node is told first, so that it stays up. */
  #learn(bytes: Uint8Array, peerId: string, dialled: boolean): boolean {
    if (!this.#exchange.learn(bytes, peerId, dialled)) return false;
    this.#announce(peerId);
    for (const peer of this.peers().sort((a, b) => Number(b.isMember) - Number(a.isMember)))
      this.#announce(peer.peerId);
    return true;
  }

  #askAll(): void {
    if (!this.#stopped) this.#introductions.askAll();
  }

  /** Asks a peer for its records, showing the own one. @throws NetworkError */
  async #ask(peerId: string, timeoutMs: number, dialled: boolean): Promise<void> {
    const options = { timeoutMs, maxBytes: PEER_LIST_BYTES_MAX };
    const answer = await this.request(peerId, 'peers', this.#exchange.request(), options);
    if (this.#connectionTo(peerId) !== undefined) this.#introductions.asked(peerId);
    this.#learn(answer, peerId, dialled);
  }

  async #serve(protocol: RequestProtocol, peerId: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    this.#liveness.heard(peerId);
    if (protocol === 'peers') {
      if (!this.#learn(bytes, peerId, false)) return undefined;
      this.counters.requestsServed += 1;
      return this.#exchange.answer();
    }
    const isMember = this.#book.isKnownPeer(peerId);
    if (protocol === 'blob' && !isMember) return undefined;
    const requester = { peerId, member: this.#book.accountOf(peerId), isMember };
    const answer = await this.#options.handlers.onRequest(protocol, requester, bytes);
    if (answer !== undefined) this.counters.requestsServed += 1;
    return answer;
  }
}
