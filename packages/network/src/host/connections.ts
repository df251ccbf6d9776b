/** The open connections, by the names of their peers. */
import { peerIdFromString } from '@libp2p/peer-id';
import { groupOf } from '../gates/budgets.ts';
import { SHARED_ADDRESS } from '../peers/addresses.ts';
import type { PeerBook } from '../peers/peer-book.ts';
import type { PeerInfo } from '../types.ts';
import type { Connection, Host } from './host.ts';

export class PeerConnections {
  readonly #host: Host;
  readonly #book: PeerBook;

  constructor(host: Host, book: PeerBook) {
    this.#host = host;
    this.#book = book;
  }

  get self(): string {
    return this.#host.peerId.toString();
  }

  all(): Connection[] {
    return this.#host.getConnections();
  }

  /** Those to one peer; none for a name that is no libp2p name. */
  of(peerId: string): Connection[] {
    try {
      return this.#host.getConnections(peerIdFromString(peerId));
    } catch {
      return [];
    }
  }

  openTo(peerId: string): Connection | undefined {
    return this.of(peerId).find((connection) => connection.status === 'open');
  }

  /** Where a peer comes from, for allowances that are shared. */
  groupOf(peerId: string): string {
    const [connection] = this.of(peerId);
    return connection === undefined ? SHARED_ADDRESS : groupOf(connection.remoteAddr);
  }

  ofStrangers(): Connection[] {
    return this.all().filter((connection) => !this.#book.isKnownPeer(connection.remotePeer.toString()));
  }

  /** Those of members without a vote. */
  ofWeightless(): Connection[] {
    return this.all().filter(({ remotePeer }) => {
      const peerId = remotePeer.toString();
      return this.#book.isKnownPeer(peerId) && !this.#book.isVoter(peerId);
    });
  }

  close(peerId: string, why: string): void {
    for (const connection of this.of(peerId)) connection.abort(new Error(why));
  }

  peers(): PeerInfo[] {
    const seen = new Map<string, PeerInfo>();
    for (const connection of this.all()) {
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
}
