/**
 * The exchange of signed peer records: each side shows its own record when a connection opens and answers with what it knows
 * of members. Strangers' lists cost signature checks, so that only the first record of one counts, unless it was dialled.
 */
import { randomBytes } from 'node:crypto';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { equalBytes } from '@cloister/encoding';
import type { NetworkOptions, PeerRecord } from '../types.ts';
import type { PeerBook } from './peer-book.ts';
import {
  decodePeerRecords,
  encodePeerRecord,
  encodePeerRecords,
  NO_RUN,
  RUN_BYTES,
  signPeerRecord,
} from './peer-record.ts';

export class PeerExchange {
  readonly #options: NetworkOptions;
  readonly #book: PeerBook;
  readonly #nodeKey: Ed25519KeyPair;
  readonly #peerId: string;
  /** Tells the records of this process from those of any other with the same keys. */
  readonly run: Uint8Array = Uint8Array.from(randomBytes(RUN_BYTES));
  #record: Uint8Array = new Uint8Array(0);

  constructor(options: NetworkOptions, book: PeerBook, nodeKey: Ed25519KeyPair, peerId: string) {
    this.#options = options;
    this.#book = book;
    this.#nodeKey = nodeKey;
    this.#peerId = peerId;
  }

  /** This node's encoded record; empty for a node without a member's key. */
  get record(): Uint8Array {
    return this.#record;
  }

  /** Whether a record of the own member id was made by this process. */
  isOwn(record: PeerRecord): boolean {
    return equalBytes(record.run, this.run);
  }

  /**
   * The sequence is the clock, or one above what is known when the clock is behind: new addresses replace the old ones. The
   * record names the run that it replaces, which so learns that another process signs with its key.
   */
  sign(listening: readonly string[]): void {
    const { member, chainId, announce } = this.#options;
    if (member === undefined) return;
    const known = this.#book.recordOf(member.id);
    const fields = {
      member: member.id,
      peerId: this.#peerId,
      addresses: [...(announce ?? []), ...listening].map((address) => address.replace(/\/p2p\/[^/]+$/, '')),
      sequence: Math.max(Date.now(), (known?.sequence ?? 0) + 1),
      run: this.run,
      outbids: known === undefined || this.isOwn(known) ? NO_RUN : known.run,
      signs: member.signs?.() ?? false,
    };
    const record = signPeerRecord(
      chainId,
      fields,
      (message) => member.sign(message),
      (message) => this.#nodeKey.sign(message),
    );
    this.#record = encodePeerRecord(record);
    this.#book.learn(this.#record, this.#peerId);
  }

  /** What this node says when it asks: who it is, and at times what it holds of the one that it asks. */
  request(theirs?: PeerRecord): Uint8Array {
    const own = this.#record.length > 0 ? [this.#record] : [];
    return encodePeerRecords(theirs === undefined ? own : [...own, encodePeerRecord(theirs)]);
  }

  /** What it answers: who it is, and the members that it knows. */
  answer(): Uint8Array {
    const others = this.#book.records().filter((record) => record.peerId !== this.#peerId);
    const own = this.#record.length > 0 ? [this.#record] : [];
    return encodePeerRecords([...own, ...others.map(encodePeerRecord)]);
  }

  /** Takes a list that `peerId` sent. @returns false when it is malformed. */
  learn(bytes: Uint8Array, peerId: string, dialled: boolean): boolean {
    const records = decodePeerRecords(bytes);
    if (!records.ok) return false;
    for (const record of records.value) {
      this.#book.learn(record, peerId);
      if (!dialled && !this.#book.isKnownPeer(peerId)) break;
    }
    return true;
  }
}
