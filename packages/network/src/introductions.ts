/** Who was asked for its peer records, and the places of strangers: beyond them one has a moment to show that it is a member. */
import type { Connection, Host } from './host.ts';
import { PROBATION_MS } from './limits.ts';
import type { PeerBook } from './peer-book.ts';
import type { NetworkLimits } from './types.ts';

export class Introductions {
  readonly #host: Host;
  readonly #book: PeerBook;
  readonly #limits: NetworkLimits;
  readonly #ask: (peerId: string, timeoutMs: number, dialled: boolean) => Promise<void>;
  /** Connected peers whose records were asked for: answered, or still under way. */
  readonly #asked = new Set<string>();

  constructor(parts: {
    host: Host;
    book: PeerBook;
    limits: NetworkLimits;
    /** Asks a peer for its records, showing the own one. */
    ask: (peerId: string, timeoutMs: number, dialled: boolean) => Promise<void>;
  }) {
    this.#host = parts.host;
    this.#book = parts.book;
    this.#limits = parts.limits;
    this.#ask = parts.ask;
  }

  asked(peerId: string): void {
    this.#asked.add(peerId);
  }

  forget(peerId: string): void {
    this.#asked.delete(peerId);
  }

  forgetAll(): void {
    this.#asked.clear();
  }

  /** Asks every connected peer that was not asked yet; an exchange that failed is repeated the next time. */
  askAll(): void {
    for (const connection of this.#host.getConnections()) {
      const peerId = connection.remotePeer.toString();
      if (this.#asked.has(peerId)) continue;
      this.#asked.add(peerId);
      const { direction } = connection;
      const probation = direction === 'inbound' && !this.#book.isKnownPeer(peerId) && this.#strangersAreFull();
      this.#ask(peerId, probation ? PROBATION_MS : this.#limits.requestTimeoutMs, direction === 'outbound')
        .catch(() => this.#asked.delete(peerId))
        .finally(() => {
          if (probation && !this.#book.isKnownPeer(peerId) && this.#strangersAreFull()) this.#close(peerId);
        });
    }
  }

  /** Whether this peer has all the connections that it may have, or is a stranger while no place is left to prove itself in. */
  isFull(peerId: string): boolean {
    if (this.#connectionsOf(peerId).length >= this.#limits.connectionsPerPeerMax) return true;
    return !this.#book.isKnownPeer(peerId) && this.#strangers() >= 2 * this.#limits.strangersMax;
  }

  #strangersAreFull(): boolean {
    return this.#strangers() > this.#limits.strangersMax;
  }

  /** Connections of peers that are no members. */
  #strangers(): number {
    return this.#host.getConnections().filter((c) => !this.#book.isKnownPeer(c.remotePeer.toString())).length;
  }

  #connectionsOf(peerId: string): Connection[] {
    return this.#host.getConnections().filter((c) => c.remotePeer.toString() === peerId);
  }

  #close(peerId: string): void {
    for (const connection of this.#connectionsOf(peerId)) connection.abort(new Error('no room for strangers'));
  }
}
