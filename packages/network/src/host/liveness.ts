/**
 * Keeps every known member connected and notices connections that are dead in all but name: a redial loop with jitter,
 * a probe after silence (only while this process itself is not starved), and a watchdog for connections without gossip streams.
 */
import { peerIdFromString } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';
import { SEEDS_MAX } from '../limits.ts';
import { dialableAddresses, peerOf } from '../peers/addresses.ts';
import type { PeerBook } from '../peers/peer-book.ts';
import type { NetworkCounters, NetworkLimits } from '../types.ts';
import type { Connection, GossipRouter, Host } from './host.ts';

export class Liveness {
  readonly #host: Host;
  readonly #router: GossipRouter;
  readonly #book: PeerBook;
  readonly #limits: NetworkLimits;
  readonly #counters: NetworkCounters;
  #seeds: readonly Multiaddr[];
  readonly #isCutOff: (peerId: string) => boolean;
  readonly #gossipsWith: (peerId: string) => boolean;
  readonly #onTurn: () => void;
  readonly #dialling = new Set<string>();
  readonly #heardAtMs = new Map<string, number>();
  readonly #deafSinceMs = new Map<string, number>();
  readonly #probing = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #lastTurnMs = 0;
  #starvedAtMs = 0;

  constructor(parts: {
    host: Host;
    router: GossipRouter;
    book: PeerBook;
    limits: NetworkLimits;
    counters: NetworkCounters;
    seeds: readonly Multiaddr[];
    isCutOff: (peerId: string) => boolean;
    /** Whether gossip streams are due between this node and a peer. */
    gossipsWith: (peerId: string) => boolean;
    /** Called once a turn, with the redial. */
    onTurn: () => void;
  }) {
    this.#host = parts.host;
    this.#router = parts.router;
    this.#book = parts.book;
    this.#limits = parts.limits;
    this.#counters = parts.counters;
    this.#seeds = parts.seeds;
    this.#isCutOff = parts.isCutOff;
    this.#gossipsWith = parts.gossipsWith;
    this.#onTurn = parts.onTurn;
  }

  start(): void {
    this.#lastTurnMs = performance.now();
    this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Further addresses to dial until connected; of too many the newest. */
  addSeeds(addresses: readonly Multiaddr[]): void {
    const known = new Set(this.#seeds.map(String));
    this.#seeds = [...this.#seeds, ...addresses.filter((address) => !known.has(String(address)))].slice(-SEEDS_MAX);
  }

  /** Anything at all arrived from this peer. */
  heard(peerId: string): void {
    this.#heardAtMs.set(peerId, performance.now());
  }

  forget(peerId: string): void {
    this.#heardAtMs.delete(peerId);
    this.#deafSinceMs.delete(peerId);
  }

  #turn(): void {
    if (this.#stopped) return;
    const monotonicMs = performance.now();
    // A late turn means this process was starved: silence then says nothing about the peer.
    const starved = this.#isLate(monotonicMs);
    this.#lastTurnMs = monotonicMs;
    this.#redial();
    this.#onTurn();
    if (starved) {
      this.#starvedAtMs = monotonicMs;
      for (const peerId of this.#heardAtMs.keys()) this.#heardAtMs.set(peerId, monotonicMs);
      this.#deafSinceMs.clear();
    } else {
      this.#watch(monotonicMs);
    }
    const jitterMs = Math.random() * this.#limits.redialMs * 0.5;
    this.#timer = setTimeout(() => this.#turn(), this.#limits.redialMs + jitterMs);
  }

  #isLate(monotonicMs: number): boolean {
    return monotonicMs - this.#lastTurnMs > 2 * this.#limits.redialMs + 500;
  }

  #redial(): void {
    const connected = new Set(this.#host.getConnections().map((connection) => connection.remotePeer.toString()));
    const self = this.#host.peerId.toString();
    // A record may be older than a seed: a network that was down as a whole comes back at new addresses.
    const known = new Map<string, Multiaddr[]>();
    for (const seed of this.#seeds) {
      const peerId = peerOf(seed);
      if (peerId !== undefined) known.set(peerId, [...(known.get(peerId) ?? []), seed]);
    }
    for (const { peerId, addresses } of this.#book.records()) {
      known.set(peerId, [...(known.get(peerId) ?? []), ...dialableAddresses(addresses, peerId)]);
    }
    for (const [peerId, addresses] of known) {
      if (peerId !== self && !connected.has(peerId) && !this.#isCutOff(peerId)) this.#dial(peerId, addresses);
    }
  }

  #dial(peerId: string, addresses: readonly Multiaddr[]): void {
    if (addresses.length === 0 || this.#dialling.has(peerId)) return;
    this.#dialling.add(peerId);
    this.#counters.redials += 1;
    this.#host
      .dial([...addresses], { signal: AbortSignal.timeout(10_000) })
      .catch(() => undefined)
      .finally(() => this.#dialling.delete(peerId));
  }

  #watch(monotonicMs: number): void {
    for (const connection of this.#host.getConnections()) {
      const peerId = connection.remotePeer.toString();
      if (!this.#book.isKnownPeer(peerId) || connection.status !== 'open') continue;
      this.#watchGossip(connection, peerId, monotonicMs);
      const heard = this.#heardAtMs.get(peerId) ?? monotonicMs;
      this.#heardAtMs.set(peerId, heard);
      if (monotonicMs - heard > this.#limits.silenceMs && !this.#probing.has(peerId))
        void this.#probe(connection, peerId);
    }
  }

  #watchGossip(connection: Connection, peerId: string, monotonicMs: number): void {
    const streams = this.#router;
    if (!this.#gossipsWith(peerId) || (streams.streamsInbound.has(peerId) && streams.streamsOutbound.has(peerId))) {
      this.#deafSinceMs.delete(peerId);
      return;
    }
    const since = this.#deafSinceMs.get(peerId) ?? monotonicMs;
    this.#deafSinceMs.set(peerId, since);
    if (monotonicMs - since < this.#limits.gossipStreamsMs) return;
    this.#deafSinceMs.delete(peerId);
    this.#counters.closedDeaf += 1;
    connection.abort(new Error('no gossip streams'));
  }

  async #probe(connection: Connection, peerId: string): Promise<void> {
    this.#probing.add(peerId);
    const startMs = performance.now();
    try {
      await this.#host.services.ping.ping(peerIdFromString(peerId), {
        signal: AbortSignal.timeout(this.#limits.silenceMs),
      });
      this.heard(peerId);
    } catch {
      // While this process was starved the answer may have come and not been read: the next turns probe again.
      if (this.#starvedAtMs >= startMs || this.#isLate(performance.now())) return;
      this.#counters.closedSilent += 1;
      connection.abort(new Error('silent'));
    } finally {
      this.#probing.delete(peerId);
    }
  }
}
