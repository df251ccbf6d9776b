/** One long-lived outbound stream to one member: priority queue in front, one write for each turn of the event loop. */

import type { Stream } from '../host/host.ts';
import type { NetworkCounters, NetworkLimits, Priority } from '../types.ts';
import { frameBytes } from './framing.ts';
import { SendQueue } from './send-queue.ts';

/** Bytes joined into one write at most, so that a certificate never waits behind a long one. */
const WRITE_BYTES = 64 * 1024;
/** The pause after a stream that failed to open or died young; doubled each time up to the maximum. */
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 5_000;

export class ConsensusLink {
  readonly #open: () => Promise<Stream>;
  readonly #greeting: () => Uint8Array;
  readonly #limits: NetworkLimits;
  readonly #counters: NetworkCounters;
  readonly #queue: SendQueue;
  #stream: Stream | undefined;
  #opening = false;
  #scheduled = false;
  #closed = false;
  #pauseMs = 0;
  #openedAtMs = 0;
  #notBeforeMs = 0;
  #pause: NodeJS.Timeout | undefined;

  /** `greeting`: the first frame of every new stream, this node's signed peer record. */
  constructor(
    open: () => Promise<Stream>,
    greeting: () => Uint8Array,
    limits: NetworkLimits,
    counters: NetworkCounters,
  ) {
    this.#open = open;
    this.#greeting = greeting;
    this.#limits = limits;
    this.#counters = counters;
    this.#queue = new SendQueue(limits.consensusQueueBytesMax, limits.consensusAgeMsMax);
  }

  /** Queues a frame. One above the receiver's bound would cost the stream: it is dropped and counted here. */
  send(bytes: Uint8Array, priority: Priority): void {
    if (this.#closed) return;
    if (bytes.length > this.#limits.consensusFrameBytesMax || bytes.length === 0) {
      this.#counters.consensusFramesDropped += 1;
      return;
    }
    this.#counters.consensusFramesDropped += this.#queue.push(bytes, priority, performance.now());
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#queue.clear();
    this.#stream?.abort(new Error('link closed'));
    this.#stream = undefined;
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closed) return;
    const stream = this.#stream;
    if (stream === undefined) {
      void this.#reopen();
      return;
    }
    try {
      while (!this.#queue.isEmpty && !stream.writableNeedsDrain) {
        const { frames, stale } = this.#queue.take(WRITE_BYTES, performance.now());
        this.#counters.consensusFramesDropped += stale;
        if (frames.length === 0) continue;
        this.#counters.consensusFramesSent += frames.length;
        stream.send(frameBytes(frames));
      }
    } catch (error) {
      this.#lost(stream, error);
    }
  }

  /** Opens a stream when something waits. After a failure what is queued waits for the next send, or for a new link. */
  async #reopen(): Promise<void> {
    if (this.#opening || this.#pause !== undefined) return;
    const monotonicMs = performance.now();
    this.#counters.consensusFramesDropped += this.#queue.dropStale(monotonicMs);
    if (this.#queue.isEmpty) return;
    if (monotonicMs < this.#notBeforeMs) {
      this.#pause = setTimeout(
        () => {
          this.#pause = undefined;
          this.#flush();
        },
        Math.min(this.#notBeforeMs - monotonicMs, PAUSE_MS_MAX),
      );
      return;
    }
    this.#opening = true;
    try {
      const stream = await this.#open();
      if (this.#closed) {
        stream.abort(new Error('link closed'));
        return;
      }
      stream.maxWriteBufferLength = this.#limits.consensusQueueBytesMax;
      stream.addEventListener('drain', () => this.#schedule());
      stream.addEventListener('close', () => this.#lost(stream, undefined));
      stream.send(frameBytes([this.#greeting()]));
      this.#stream = stream;
      this.#openedAtMs = performance.now();
    } catch {
      this.#penalise();
    } finally {
      this.#opening = false;
    }
    if (this.#stream !== undefined) this.#schedule();
  }

  #lost(stream: Stream, error: unknown): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    if (error !== undefined) stream.abort(error instanceof Error ? error : new Error('write failed'));
    if (performance.now() - this.#openedAtMs > PAUSE_MS_MAX) this.#pauseMs = 0;
    else this.#penalise();
    if (!this.#queue.isEmpty) this.#schedule();
  }

  #penalise(): void {
    this.#pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, 2 * this.#pauseMs));
    this.#notBeforeMs = performance.now() + this.#pauseMs;
  }
}
