/** The adapter in one: identity and peer exchange in the middle, consensus messages, gossip and requests around it. */
import { ed25519KeyPair } from '@cloister/crypto';
import type { AccountId, Offence, ValidatorId } from '@cloister/encoding';
import { Caller, dial, type RequestOptions } from './caller.ts';
import type { PeerConnections } from './host/connections.ts';
import type { Connection, GossipRouter } from './host/host.ts';
import { Liveness } from './host/liveness.ts';
import { PEER_LIST_BYTES_MAX } from './limits.ts';
import type { NetworkParts } from './network-parts.ts';
import { parseAddress } from './peers/addresses.ts';
import { Introductions } from './peers/introductions.ts';
import type { PeerBook } from './peers/peer-book.ts';
import { PeerExchange } from './peers/peer-exchange.ts';
import { Presence } from './peers/presence.ts';
import { Twins } from './peers/twins.ts';
import { ConsensusStreams } from './streams/consensus-streams.ts';
import { BatchGossip } from './streams/gossip.ts';
import { batchTopic, consensusProtocol, REQUEST_PROTOCOLS, requestProtocol } from './streams/protocol-names.ts';
import { RequestServer } from './streams/requests.ts';
import {
  type Network,
  type NetworkCounters,
  NetworkError,
  type NetworkOptions,
  type PeerInfo,
  type PeerRecord,
  type Priority,
  type RequestProtocol,
} from './types.ts';

export class LibP2PNetwork implements Network {
  readonly counters: NetworkCounters;
  readonly #options: NetworkOptions;
  readonly #parts: NetworkParts;
  readonly #book: PeerBook;
  readonly #connections: PeerConnections;
  readonly #gossip: BatchGossip;
  readonly #consensus: ConsensusStreams;
  readonly #server: RequestServer;
  readonly #caller: Caller;
  readonly #liveness: Liveness;
  readonly #exchange: PeerExchange;
  readonly #presence: Presence;
  readonly #introductions: Introductions;
  readonly #twins: Twins<Connection>;
  #stopped = false;

  constructor(options: NetworkOptions, parts: NetworkParts) {
    const { limits, host, book, gate, budgets, connections, seeds } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#book = book;
    this.#connections = connections;
    this.counters = parts.counters;
    const { handlers, chainId } = options;
    const router = host.services.gossip as GossipRouter;
    this.#exchange = new PeerExchange(options, book, ed25519KeyPair(options.nodeKeySeed), host.peerId.toString());
    this.#caller = new Caller({
      chainId,
      limits,
      book,
      connections,
      heard: (peerId) => this.#liveness.heard(peerId),
    });
    this.#introductions = new Introductions({
      connections,
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
      gossipsWith: (peerId) => book.isVoter(peerId) && book.isValidator,
      onTurn: () => this.#askAll(),
    });
    this.#twins = new Twins({
      self: options.member?.id,
      book,
      exchange: this.#exchange,
      connectionsOf: (peerId) => connections.of(peerId).filter(({ status }) => status === 'open'),
      show: (connection, record) => this.#show(connection, record),
      renew: () => this.#introduce(),
      onTwin: (twin) => {
        this.counters.twinRecords += 1;
        handlers.onTwin?.(twin);
      },
    });
    book.onNewer = (record) => this.#twins.onNewer(record);
    const onBatch: typeof handlers.onBatch = (bytes, source) =>
      handlers.onBatch(bytes, book.accountOf(source) ?? source);
    this.#gossip = new BatchGossip(router, batchTopic(chainId), limits, this.counters, { ...handlers, onBatch });
    this.#consensus = new ConsensusStreams({
      host,
      protocol: consensusProtocol(chainId),
      book,
      handlers,
      heard: (peerId) => this.#liveness.heard(peerId),
      limits,
      counters: this.counters,
      greeting: () => this.#exchange.record,
      mayVote: () => book.isValidator,
      budgets,
      proved: (peerId) => this.#announce(peerId),
      isCutOff: (peerId) => gate.isCutOff(peerId),
    });
    this.#server = new RequestServer({
      limits,
      counters: this.counters,
      serve: (protocol, peerId, bytes) => this.#serve(protocol, peerId, bytes),
      isMember: (peerId) => book.isKnownPeer(peerId),
      purse: (peerId, address) => budgets.asking(peerId, address),
      flooded: (peerId) => gate.blame(peerId, 'FLOOD'),
    });
  }

  /** Whether a connection of this peer, whose name is proven, finds no place. */
  isFull(peerId: string): boolean {
    return this.#introductions.isFull(peerId);
  }

  get peerId(): string {
    return this.#parts.host.peerId.toString();
  }

  async start(): Promise<void> {
    await this.#book.load();
    await this.#consensus.start();
    for (const protocol of REQUEST_PROTOCOLS) {
      await this.#server.register(this.#parts.host, protocol, requestProtocol(this.#options.chainId, protocol));
    }
    this.#parts.host.addEventListener('peer:connect', (event) => this.#onConnect(event.detail.toString()));
    this.#parts.host.addEventListener('peer:disconnect', (event) => this.#onDisconnect(event.detail.toString()));
    await this.#parts.host.start();
    this.#introduce();
    this.#gossip.start();
    this.#liveness.start();
  }

  addresses(): string[] {
    return this.#parts.host.getMultiaddrs().map(String);
  }

  peers(): PeerInfo[] {
    return this.#connections.peers();
  }

  setMembers(members: readonly AccountId[], weightless: readonly AccountId[] = []): void {
    const before = new Set(this.#book.records().map(({ member }) => member));
    this.#book.setMembers(members, new Set(this.peers().map(({ peerId }) => peerId)), weightless);
    // A connected stranger that just became a member is told apart from now on, and its record is wanted.
    for (const { peerId, member } of this.peers()) {
      this.#announce(peerId);
      if (member === undefined || !before.has(member)) this.#introductions.askAgain(peerId);
    }
    this.#askAll();
  }

  blame(peer: string, offence: Offence): void {
    if (!this.#stopped) this.#parts.gate.blame(peer, offence);
  }

  addSeeds(addresses: readonly string[]): void {
    this.#liveness.addSeeds(addresses.map(parseAddress));
  }

  async connect(address: string): Promise<string> {
    const { host, limits } = this.#parts;
    const peerId = await dial(host, address, limits.requestTimeoutMs);
    try {
      await this.#ask(peerId, limits.requestTimeoutMs, true);
    } catch (cause) {
      throw new NetworkError('WRONG_CHAIN', `${peerId} does not serve this chain`, { cause });
    }
    return this.#book.accountOf(peerId) ?? peerId;
  }

  sendConsensus(to: ValidatorId, bytes: Uint8Array, priority: Priority): void {
    this.#consensus.send(to, bytes, priority);
  }

  broadcastConsensus(bytes: Uint8Array, priority: Priority): void {
    this.#consensus.broadcast(bytes, priority);
  }

  async gossipBatch(bytes: Uint8Array): Promise<void> {
    await this.#gossip.publish(bytes);
  }

  async request(
    peer: string,
    protocol: RequestProtocol,
    bytes: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Uint8Array> {
    if (this.#stopped) throw new NetworkError('STOPPED', 'stopped');
    return this.#caller.request(peer, protocol, bytes, options);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#liveness.stop();
    this.#consensus.stop();
    this.#twins.stop();
    this.#parts.budgets.stop();
    await this.#parts.host.stop();
  }

  #onConnect(peerId: string): void {
    this.#book.connected(peerId);
    this.#liveness.heard(peerId);
    this.#introductions.used(peerId);
    this.#announce(peerId);
    this.#askAll();
  }

  #onDisconnect(peerId: string): void {
    this.#consensus.drop(peerId);
    this.#parts.door.forget(peerId);
    this.#liveness.forget(peerId);
    this.#book.forget(peerId);
    this.#introductions.forget(peerId);
    this.#presence.down(peerId);
  }

  /** Tells who is up; a peer that proves itself changes its name from the libp2p one to the member's. */
  #announce(peerId: string): void {
    this.#parts.gate.proved(peerId);
    if (this.#connections.openTo(peerId) === undefined) return;
    this.#parts.door.proved(peerId);
    const account = this.#book.isKnownPeer(peerId) ? this.#book.accountOf(peerId) : undefined;
    if (account !== undefined)
      for (const connection of this.#connections.of(peerId)) this.#parts.budgets.welcome(connection);
    this.#presence.up(peerId, account ?? peerId, account !== undefined);
  }

  /** A record may also move a member from one connected node to another: its new node is told first, so that it stays up. */
  #learn(bytes: Uint8Array, peerId: string, dialled: boolean): boolean {
    if (!this.#exchange.learn(bytes, peerId, dialled)) return false;
    this.#announce(peerId);
    const membersFirst = this.peers().sort((a, b) => Number(b.isMember) - Number(a.isMember));
    for (const peer of membersFirst) this.#announce(peer.peerId);
    return true;
  }

  /** Signs the own record and shows it to all. */
  #introduce(): void {
    this.#exchange.sign(this.addresses());
    // Whoever was quick enough to connect before the record was signed asked in vain.
    this.#introductions.forgetAll();
    this.#askAll();
  }

  /** A newer record of the peer's id, on a connection that may lead to another process than the one that signed it. */
  #show(connection: Connection, record: PeerRecord): void {
    const peerId = connection.remotePeer.toString();
    this.#caller
      .show(connection, this.#exchange.request(record))
      .then((answer) => this.#learn(answer, peerId, false))
      .catch(() => undefined);
  }

  #askAll(): void {
    if (!this.#stopped) this.#introductions.askAll();
  }

  async #ask(peerId: string, timeoutMs: number, dialled: boolean): Promise<void> {
    const options = { timeoutMs, maxBytes: PEER_LIST_BYTES_MAX };
    const answer = await this.request(peerId, 'peers', this.#exchange.request(), options);
    if (this.#connections.openTo(peerId) !== undefined) this.#introductions.asked(peerId);
    this.#learn(answer, peerId, dialled);
  }

  async #serve(protocol: RequestProtocol, peerId: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    this.#liveness.heard(peerId);
    if (protocol === 'peers') {
      if (!this.#learn(bytes, peerId, false)) return undefined;
      this.counters.requestsServed += 1;
      return this.#exchange.answer();
    }
    this.#introductions.used(peerId);
    const isMember = this.#book.isKnownPeer(peerId);
    if ((protocol === 'blob' || protocol === 'hold') && !isMember) return undefined;
    const member = this.#book.accountOf(peerId);
    const requester = { peerId, member, isMember, group: this.#connections.groupOf(peerId) };
    const answer = await this.#options.handlers.onRequest(protocol, requester, bytes);
    this.counters.requestsServed += answer === undefined ? 0 : 1;
    return answer;
  }
}
