/** Who was asked for its peer records, and the places of strangers: beyond them one has a moment to show that it is a member. */
import type { Connections } from './connections.ts';
import { PROBATION_MS } from './limits.ts';
import type { PeerBook } from './peer-book.ts';
import type { NetworkLimits } from './types.ts';

export class Introductions {
  readonly #connections: Connections;
  readonly #book: PeerBook;
  readonly #limits: NetworkLimits;
  readonly #ask: (peerId: string, timeoutMs: number, dialled: boolean) => Promise<void>;
  /** Connected peers whose records were asked for: answered, or still under way. */
  readonly #asked = new Set<string>();

  constructor(parts: {
    connections: Connections;
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
    for (const connection of this.#connections.all()) {
      const peerId = connection.remotePeer.toString();
      if (this.#asked.has(peerId)) continue;
      this.#asked.add(peerId);
      const { direction } = connection;
      const probation = direction === 'inbound' && !this.#book.isKnownPeer(peerId) && this.#strangersAreFull();
      this.#ask(peerId, probation ? PROBATION_MS : this.#limits.requestTimeoutMs, direction === 'outbound')
        .catch(() => this.#asked.delete(peerId))
        .finally(() => {
          if (probation && !this.#book.isKnownPeer(peerId) && this.#strangersAreFull()) {
            this.#connections.close(peerId, 'no room for strangers');
          }
        });
    }
  }

  /** Whether this peer has all the connections that it may have, or is a stranger while no place is left to prove itself in. */
  isFull(peerId: string): boolean {
    if (this.#connections.of(peerId).length >= this.#limits.connectionsPerPeerMax) return true;
    return !this.#book.isKnownPeer(peerId) && this.#connections.ofStrangers().length >= 2 * this.#limits.strangersMax;
  }

  #strangersAreFull(): boolean {
    return this.#connections.ofStrangers().length > this.#limits.strangersMax;
  }
}
