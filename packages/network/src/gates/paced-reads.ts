/**
 * Bytes that arrive on a connection reach its streams in small slices, each paid from the budget of its sender. While
 * the budget is empty the socket is not read, so that the sender's own buffers fill instead of memory here. Between
 * slices the event loop gets its turn: 64 KiB may hold five thousand stream openings.
 */
import { type MessageStream, type Stream, StreamMessageEvent } from '@libp2p/interface';
import type { Purse } from './budgets.ts';

const SLICE_BYTES: number = 8 * 1024;
/** Longest stretch of slices before others get the event loop. */
const STRETCH_MS = 8;
/**
 * What JavaScript cannot measure around the parsing, as measured from outside: decryption and copies for each byte, protocol
 * negotiation and bookkeeping, which run in later turns, for each stream that the peer opens.
 */
const MS_PER_BYTE: number = 20 / (1024 * 1024);
const MS_PER_STREAM = 1;
/** A connection that got no turn in this time is closed. */
const WAIT_MS_MAX = 30_000;

type Take = (event: Event) => void;

/** Stands between a connection and its multiplexer. */
export class PacedReads {
  readonly #connection: MessageStream;
  readonly #held: Uint8Array[] = [];
  #take: Take = () => undefined;
  /** Undefined until the connection has a name; nothing is charged before. */
  #purse: (() => Purse) | undefined;
  /** Time that handlers of whole messages took; they have bounds of their own. */
  #handledMs: () => number = () => 0;
  #streams = 0;
  #working = false;
  #paused = false;

  constructor(connection: MessageStream) {
    this.#connection = connection;
  }

  /** The listener to register in place of the multiplexer's own. */
  listener(take: Take): Take {
    this.#take = take;
    return (event) => {
      if (!(event instanceof StreamMessageEvent)) return take(event);
      this.#held.push(event.data.subarray());
      if (!this.#working) void this.#work();
    };
  }

  /** The connection is up, and this is who pays for it. */
  identify(purse: () => Purse, handledMs: () => number): void {
    this.#purse = purse;
    this.#handledMs = handledMs;
  }

  /** The peer opened a stream. */
  countStream(stream: Stream): void {
    if (stream.direction === 'inbound') this.#streams += 1;
  }

  async #work(): Promise<void> {
    this.#working = true;
    let startMs = performance.now();
    for (let slice = this.#next(); slice !== undefined; slice = this.#next()) {
      const purse = this.#purse?.();
      if (purse !== undefined && !purse.budget.tryTurn(purse.party, 0)) {
        this.#pause();
        if (!(await purse.budget.turn(purse.party, 0, WAIT_MS_MAX)))
          return this.#connection.abort(new Error('no turn'));
        startMs = performance.now();
      } else if (performance.now() - startMs > STRETCH_MS) {
        this.#pause();
        await new Promise(setImmediate);
        startMs = performance.now();
      }
      if (this.#connection.status !== 'open') return;
      this.#deliver(slice, purse);
    }
    this.#working = false;
    this.#resume();
  }

  #deliver(slice: Uint8Array, purse: Purse | undefined): void {
    const startMs = performance.now();
    const handledMs = this.#handledMs();
    this.#take(new StreamMessageEvent(slice));
    if (purse === undefined) return;
    const parsedMs = performance.now() - startMs - (this.#handledMs() - handledMs);
    const workMs = Math.max(0, parsedMs) + slice.length * MS_PER_BYTE + this.#streams * MS_PER_STREAM;
    this.#streams = 0;
    purse.budget.charge(purse.party, workMs);
  }

  #next(): Uint8Array | undefined {
    const [first] = this.#held;
    if (first === undefined) return undefined;
    if (first.length <= SLICE_BYTES) return this.#held.shift();
    this.#held[0] = first.subarray(SLICE_BYTES);
    return first.subarray(0, SLICE_BYTES);
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    try {
      this.#connection.pause();
    } catch {
      // The other side ends the connection: nothing more arrives.
    }
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    try {
      this.#connection.resume();
    } catch {
      // As above.
    }
  }
}
