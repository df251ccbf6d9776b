/**
 * Remembers which peers were asked for their peer records, and counts the places of strangers. A stranger beyond them
 * has a moment to show that it is a member.
 */
import type { Connection } from '@libp2p/interface';
import { groupOf } from '../gates/budgets.ts';
import type { PeerConnections } from '../host/connections.ts';
import { IDLE_STRANGER_MS, PROBATION_MS } from '../limits.ts';
import type { NetworkLimits } from '../types.ts';
import type { PeerBook } from './peer-book.ts';

export class Introductions {
  readonly #connections: PeerConnections;
  readonly #book: PeerBook;
  readonly #limits: NetworkLimits;
  readonly #ask: (peerId: string, timeoutMs: number, dialled: boolean) => Promise<void>;
  /** Connected peers whose records were asked for: answered, or still under way. */
  readonly #asked = new Set<string>();
  /** When a connected peer last asked for anything. */
  readonly #usedAtMs = new Map<string, number>();

  constructor(parts: {
    connections: PeerConnections;
    book: PeerBook;
    limits: NetworkLimits;
    /** Asks a peer for its records, showing the own one. */
    ask: (peerId: string, timeoutMs: number, dialled: boolean) => Promise<void>;
  }) {
    this.#connections = parts.connections;
    this.#book = parts.book;
    this.#limits = parts.limits;
    this.#ask = parts.ask;
  }

  /** The peer is here, or asked for something. */
  used(peerId: string): void {
    this.#usedAtMs.set(peerId, performance.now());
  }

  asked(peerId: string): void {
    this.#asked.add(peerId);
  }

  forget(peerId: string): void {
    this.#usedAtMs.delete(peerId);
    this.#asked.delete(peerId);
  }

  askAgain(peerId: string): void {
    this.#asked.delete(peerId);
  }

  forgetAll(): void {
    this.#asked.clear();
  }

  /** Asks every connected peer that was not asked yet; an exchange that failed is repeated the next time. */
  askAll(): void {
    for (const connection of this.#connections.all()) {
      const peerId = connection.remotePeer.toString();
      if (this.#asked.has(peerId)) continue;
      this.#asked.add(peerId);
      const { direction } = connection;
      const probation = direction === 'inbound' && !this.#book.isKnownPeer(peerId) && this.#strangersAreFull();
      this.#ask(peerId, probation ? PROBATION_MS : this.#limits.requestTimeoutMs, direction === 'outbound')
        .catch(() => this.#asked.delete(peerId))
        .finally(() => {
          if (probation && !this.#book.isKnownPeer(peerId) && this.#strangersAreFull()) this.#makeRoom(peerId);
        });
    }
  }

  /** Whether this peer has all the connections that it may have, or is a stranger while no place is left to prove itself in. */
  isFull(peerId: string): boolean {
    if (this.#connections.of(peerId).length >= this.#limits.connectionsPerPeerMax) return true;
    if (this.#book.isVoter(peerId)) return false;
    if (this.#book.isKnownPeer(peerId)) return this.#connections.ofWeightless().length >= this.#limits.weightlessMax;
    return this.#connections.ofStrangers().length >= 2 * this.#limits.strangersMax;
  }

  /**
   * One stranger has to go. Whoever holds a place and asks for nothing goes first, so that places cannot be kept from joiners by
   * holding them; then one of the address prefix that holds the most; else the newcomer itself.
   */
  #makeRoom(newcomer: string): void {
    const others = this.#connections
      .ofStrangers()
      .filter((connection) => connection.remotePeer.toString() !== newcomer);
    const idleSince = ({ remotePeer }: Connection): number => this.#usedAtMs.get(remotePeer.toString()) ?? 0;
    const [idlest] = others.toSorted((a, b) => idleSince(a) - idleSince(b));
    if (idlest !== undefined && performance.now() - idleSince(idlest) > IDLE_STRANGER_MS) {
      this.#connections.close(idlest.remotePeer.toString(), 'idle');
      return;
    }
    const groups = Map.groupBy(others, ({ remoteAddr }) => groupOf(remoteAddr));
    const [largest = []] = [...groups.values()].toSorted((a, b) => b.length - a.length);
    const [arrived] = this.#connections.of(newcomer);
    const own = arrived === undefined ? 0 : 1 + (groups.get(groupOf(arrived.remoteAddr))?.length ?? 0);
    const leaving = largest.length > own ? largest[0]?.remotePeer.toString() : newcomer;
    this.#connections.close(leaving ?? newcomer, 'no room for strangers');
  }

  #strangersAreFull(): boolean {
    return this.#connections.ofStrangers().length > this.#limits.strangersMax;
  }
}
