/**
 * One key in two processes. A peer record is signed by the member's key; it names the run that signed it and the run whose
 * record it replaced, and the newest counts.
 *
 * Whoever learns of a newer record of a connected member shows it on every connection of that member, so that each of two
 * processes learns of the other. A process that meets a newer record of its own id signs one that is newer still: so it stays
 * reachable, and the other learns that it lives. Only the own key makes such a record, and only since this process started can
 * one name its run: neither a stranger nor an old record makes an honest node give way.
 */
import { type AccountId, compareBytes, equalBytes } from '@cloister/encoding';
import { PeerRateLimit } from '../gates/peer-rate-limit.ts';
import type { PeerRecord, TwinSeen } from '../types.ts';
import type { PeerBook } from './peer-book.ts';
import type { PeerExchange } from './peer-exchange.ts';

/** Two living twins answer each other without end, and each answer goes to all peers: so often and no more. */
const ANSWER_MS = 5_000;
/** Records a second of one member that are shown to it (burst: three times that). */
const SHOWN_PER_SECOND = 1;

/** A connection, as far as it matters here. */
type Link = { readonly remotePeer: { toString(): string } };

type TwinParts<L extends Link> = {
  readonly self: AccountId | undefined;
  readonly book: PeerBook;
  readonly exchange: PeerExchange;
  readonly connectionsOf: (peerId: string) => readonly L[];
  /** Shows a record to whoever is at the other end of a connection. */
  readonly show: (connection: L, record: PeerRecord) => void;
  /** Signs the own record anew and tells all. */
  readonly renew: () => void;
  readonly onTwin: (twin: TwinSeen) => void;
};

export class Twins<L extends Link> {
  readonly #parts: TwinParts<L>;
  readonly #shown = new PeerRateLimit();
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(parts: TwinParts<L>) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** A record was taken in place of an older one. */
  onNewer(record: PeerRecord): void {
    const { self, exchange } = this.#parts;
    if (this.#stopped) return;
    if (record.member !== self) this.#showToAll(record);
    // Before the own record is signed, what is newer is an earlier run of this node.
    else if (exchange.record.length > 0 && !exchange.isOwn(record)) this.#onTwin(record);
  }

  #onTwin({ peerId, addresses, run, outbids, signs }: PeerRecord): void {
    const { exchange, onTwin } = this.#parts;
    const isFresh = equalBytes(outbids, exchange.run);
    this.#answer();
    onTwin({ peerId, addresses, isFresh, signs, yields: compareBytes(exchange.run, run) > 0 });
  }

  #answer(): void {
    if (this.#timer !== undefined) return;
    const waitMs = this.#answeredAtMs + ANSWER_MS - performance.now();
    if (waitMs <= 0) {
      this.#answeredAtMs = performance.now();
      this.#parts.renew();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#answer();
    }, waitMs);
  }

  #showToAll(record: PeerRecord): void {
    const { book, connectionsOf, show } = this.#parts;
    const connections = book.peersOf(record.member).flatMap(connectionsOf);
    // Alone on its connection, a member has shown this record itself.
    const isAlone = connections.length < 2 && connections[0]?.remotePeer.toString() === record.peerId;
    if (isAlone || connections.length === 0 || !this.#shown.take(record.member, SHOWN_PER_SECOND, performance.now()))
      return;
    for (const connection of connections) show(connection, record);
  }
}
