import type { Offence } from '@cloister/encoding';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerConnections } from '../host/connections.ts';
import { prefixOf } from '../peers/addresses.ts';
import type { PeerBook } from '../peers/peer-book.ts';
import type { CutOff, NetworkCounters } from '../types.ts';
import { type Identity, PeerReputation } from './peer-reputation.ts';

export class PeerGate {
  readonly #book: PeerBook;
  readonly #counters: NetworkCounters;
  readonly #onCutOff: (cutOff: CutOff) => void;
  readonly #reputation = new PeerReputation(() => performance.now());
  #connections: PeerConnections | undefined;

  constructor(book: PeerBook, counters: NetworkCounters, onCutOff: (cutOff: CutOff) => void) {
    this.#book = book;
    this.#counters = counters;
    this.#onCutOff = onCutOff;
  }

  /** The host asks this gate about connections, so that the gate exists first. */
  attach(connections: PeerConnections): void {
    this.#connections = connections;
  }

  /** `peer`: a member's id or a libp2p name. */
  blame(peer: string, offence: Offence): void {
    const peerId = this.#book.peerOf(peer) ?? peer;
    if (this.#connections === undefined || peerId === this.#connections.self) return;
    this.#counters.offences += 1;
    const [connection] = this.#connections.of(peerId);
    const { key, prefix } = this.#identityOf(peerId, connection?.remoteAddr);
    // A member that is not connected is named by its id, which then is the key itself.
    const forMs = this.#reputation.blame({ key: peerId === peer ? key : peer, prefix }, offence);
    if (forMs > 0) {
      this.#counters.cutOffs += 1;
      this.#onCutOff({ peer: key, address: connection?.remoteAddr.toString(), offence, forMs });
      this.#close(peerId);
    }
    if (this.#reputation.isPrefixCutOff(prefix)) this.#closePrefix(prefix);
  }

  /** Whether nothing is to be read from this peer. */
  isCutOff(peerId: string): boolean {
    return this.#reputation.isCutOff(this.#identityOf(peerId, undefined).key);
  }

  /** A peer showed who it is: closes its connections when that is somebody cut off. */
  proved(peerId: string): void {
    this.#reputation.merge(peerId, this.#identityOf(peerId, undefined).key);
    if (this.isCutOff(peerId)) this.#close(peerId);
  }

  /** Before any handshake. A member may stand behind the address of an offender, so that its prefix stays open to it. */
  isClosed(prefix: string | undefined): boolean {
    return this.#reputation.isPrefixCutOff(prefix) && !this.#book.announcesFrom(prefix);
  }

  /** After the handshake, when the libp2p name is proven. */
  refusesPeer(peerId: string, address: Multiaddr): boolean {
    const { key, prefix } = this.#identityOf(peerId, address);
    const closed = !this.#book.isKnownPeer(peerId) && this.#reputation.isPrefixCutOff(prefix);
    if (!closed && !this.#reputation.isCutOff(key)) return false;
    this.#counters.connectionsRefused += 1;
    return true;
  }

  #identityOf(peerId: string, address: Multiaddr | undefined): Identity {
    const member = this.#book.isKnownPeer(peerId) ? this.#book.accountOf(peerId) : undefined;
    // A validator cannot change its name, so the prefix of its address is not charged for what it does.
    const hasWeight = member !== undefined && this.#book.hasWeight(member);
    return { key: member ?? peerId, prefix: hasWeight || address === undefined ? undefined : prefixOf(address) };
  }

  #close(peerId: string): void {
    this.#connections?.close(peerId, 'cut off');
  }

  #closePrefix(prefix: string | undefined): void {
    for (const connection of this.#connections?.ofStrangers() ?? []) {
      if (prefixOf(connection.remoteAddr) === prefix) connection.abort(new Error('cut off'));
    }
  }
}
