/** Knows the peers: verified peer records, the binding of libp2p names to member ids, and the current members. */
import type { AccountId, Digest } from '@cloister/encoding';
import { PEER_RECORDS_MAX } from '../limits.ts';
import type { PeerRecord, PeerRecordStore } from '../types.ts';
import { dialableAddresses, prefixOf } from './addresses.ts';
import { encodePeerRecord, parsePeerRecord, verifyPeerRecord } from './peer-record.ts';

export class PeerBook {
  readonly #chainId: Digest;
  readonly #self: AccountId | undefined;
  readonly #store: PeerRecordStore | undefined;
  #members: ReadonlySet<AccountId>;
  #weightless: ReadonlySet<AccountId>;
  /** The newest record of each member. */
  readonly #records = new Map<AccountId, PeerRecord>();
  /** libp2p names bound by a record that both keys signed; of ids that are no members only while they are connected. */
  readonly #accounts = new Map<string, AccountId>();
  readonly #peers = new Map<string, string>();
  /**
   * The node that a member was moved from, as long as it stays connected: one for each member. A key that runs in two places
   * is heard from both, so that each learns of the other, and the real one is not silenced by a copy that was started later.
   */
  readonly #former = new Map<AccountId, PeerRecord>();
  readonly #connected = new Set<string>();
  /** Told of each record that is verified and newer than what was known of its member. */
  onNewer: ((record: PeerRecord) => void) | undefined;
  /** A record could not be kept. */
  onUnsaved: ((error: unknown) => void) | undefined;
  /** Read once for each record, since whoever is cut off may ask as often as it connects. */
  readonly #prefixes = new WeakMap<PeerRecord, ReadonlySet<string | undefined>>();

  constructor(
    chainId: Digest,
    members: readonly AccountId[],
    store: PeerRecordStore | undefined,
    weightless: readonly AccountId[] = [],
    self?: AccountId,
  ) {
    this.#self = self;
    this.#chainId = chainId;
    this.#members = new Set(members);
    this.#weightless = new Set(weightless);
    this.#store = store;
  }

  async load(): Promise<void> {
    for (const bytes of (await this.#store?.load()) ?? []) this.learn(bytes);
  }

  /** `connected`: libp2p names whose binding outlives the membership, for they are still here, as strangers. */
  setMembers(
    members: readonly AccountId[],
    connected: ReadonlySet<string>,
    weightless: readonly AccountId[] = [],
  ): void {
    this.#members = new Set(members);
    this.#weightless = new Set(weightless);
    for (const id of this.#records.keys()) if (!this.#members.has(id)) this.#records.delete(id);
    for (const peerId of [...this.#accounts.keys()]) if (!connected.has(peerId)) this.forget(peerId);
  }

  isMember(id: AccountId): boolean {
    return this.#members.has(id);
  }

  /** Whether this node itself is a member. */
  get isOwnMember(): boolean {
    return this.#self !== undefined && this.#members.has(this.#self);
  }

  /** Whether this node itself is a validator. */
  get isValidator(): boolean {
    return this.#self !== undefined && this.hasWeight(this.#self);
  }

  /** A member with a vote. */
  hasWeight(id: AccountId): boolean {
    return this.#members.has(id) && !this.#weightless.has(id);
  }

  /** Whether a member says that it is reached at an address of this prefix. */
  announcesFrom(prefix: string | undefined): boolean {
    for (const record of this.#records.values()) {
      let prefixes = this.#prefixes.get(record);
      if (prefixes === undefined) {
        prefixes = new Set(dialableAddresses(record.addresses, record.peerId).map(prefixOf));
        this.#prefixes.set(record, prefixes);
      }
      if (prefixes.has(prefix)) return true;
    }
    return false;
  }

  /** The id that this libp2p name proved, member of the moment or not. */
  accountOf(peerId: string): AccountId | undefined {
    return this.#accounts.get(peerId);
  }

  /** The node of a member id; undefined for any other name. */
  peerOf(id: string): string | undefined {
    return this.#peers.get(id);
  }

  /** The node of an id, and the one before it while that is connected. */
  peersOf(id: AccountId): string[] {
    return [this.#peers.get(id), this.#former.get(id)?.peerId].filter((peerId) => peerId !== undefined);
  }

  recordOf(id: AccountId): PeerRecord | undefined {
    return this.#records.get(id);
  }

  isKnownPeer(peerId: string): boolean {
    const id = this.#accounts.get(peerId);
    return id !== undefined && this.#members.has(id);
  }

  /** A peer that proved to be a member with a vote. */
  isVoter(peerId: string): boolean {
    const id = this.#accounts.get(peerId);
    return id !== undefined && this.hasWeight(id);
  }

  connected(peerId: string): void {
    this.#connected.add(peerId);
  }

  /**
   * The peer is gone: the binding of an id that is no member goes with it. A member whose newest node is gone is at its
   * former one again, if that is still here.
   */
  forget(peerId: string): void {
    this.#connected.delete(peerId);
    const id = this.#accounts.get(peerId);
    if (id === undefined) return;
    const former = this.#former.get(id);
    if (!this.#members.has(id) || former?.peerId === peerId) {
      this.#unbind(peerId);
    } else if (former !== undefined && this.#peers.get(id) === peerId) {
      this.#former.delete(id);
      this.#records.set(id, former);
      this.#bind(former.peerId, id);
    }
  }

  /** Records of members, for the exchange and for redialling. */
  records(): readonly PeerRecord[] {
    return [...this.#records.values()];
  }

  /**
   * Takes an encoded record. Records of members are kept, the newest of each; one of anybody else counts only for the
   * connection that it names (`from`), so that nobody fills the book. @returns the record that holds for this member and
   * node, or undefined when the signatures fail or a newer record names another node.
   */
  learn(bytes: Uint8Array, from?: string): PeerRecord | undefined {
    const parsed = parsePeerRecord(bytes);
    if (!parsed.ok) return undefined;
    const record = parsed.value;
    const isMember = this.#members.has(record.member);
    if (!isMember && record.peerId !== from) return undefined;
    const known = this.#records.get(record.member);
    if (known !== undefined && known.sequence >= record.sequence) {
      // Nothing new, nothing to verify: the binding of the newer record stands.
      if (known.peerId === record.peerId) return known;
      const former = this.#former.get(record.member);
      return former?.peerId === record.peerId ? former : undefined;
    }
    if (!verifyPeerRecord(this.#chainId, record).ok) return undefined;
    if (isMember && known === undefined && this.#records.size >= PEER_RECORDS_MAX) return undefined;
    if (isMember && known !== undefined) this.#keepFormer(known, record);
    this.#bind(record.peerId, record.member);
    if (isMember) {
      this.#records.set(record.member, record);
      this.#store?.save(record.member, encodePeerRecord(record)).catch((error: unknown) => this.onUnsaved?.(error));
      this.onNewer?.(record);
    }
    return record;
  }

  #keepFormer(known: PeerRecord, record: PeerRecord): void {
    const before = this.#former.get(record.member);
    if (known.peerId === record.peerId) return;
    if (before !== undefined && before.peerId !== record.peerId) this.#unbind(before.peerId);
    this.#former.delete(record.member);
    if (this.#connected.has(known.peerId)) this.#former.set(record.member, known);
  }

  #bind(peerId: string, id: AccountId): void {
    const formerPeer = this.#peers.get(id);
    const isKept = this.#former.get(id)?.peerId === formerPeer;
    if (formerPeer !== undefined && formerPeer !== peerId && !isKept) this.#unbind(formerPeer);
    this.#unbind(peerId);
    this.#accounts.set(peerId, id);
    this.#peers.set(id, peerId);
  }

  #unbind(peerId: string): void {
    const id = this.#accounts.get(peerId);
    this.#accounts.delete(peerId);
    if (id === undefined) return;
    if (this.#peers.get(id) === peerId) this.#peers.delete(id);
    if (this.#former.get(id)?.peerId === peerId) this.#former.delete(id);
  }
}
