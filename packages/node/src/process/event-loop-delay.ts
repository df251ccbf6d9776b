/**
 * How late the event loop of the node's main thread comes to its work. Votes wait as long as the loop is held, so that one
 * input that holds it delays consensus: the operator sees it here.
 */

const SAMPLE_MS = 20;
/** A stall: no input may hold the loop longer. */
export const LOOP_STALL_MS = 50;
const WINDOW_MS = 10_000;

export class EventLoopDelay {
  readonly #nowMs: () => number;
  readonly #timer: NodeJS.Timeout;
  #expectedMs: number;
  #windowStartMs: number;
  /** Longest lateness of the window before, and of the running one. */
  #previousMs = 0;
  #currentMs = 0;
  /** Samples that came later than LOOP_STALL_MS, since the start. */
  stalls = 0;

  /** `nowMs` is a monotonic clock. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#windowStartMs = nowMs();
    this.#expectedMs = this.#windowStartMs + SAMPLE_MS;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#timer.unref();
  }

  /** Longest lateness of the last 10 to 20 seconds, in milliseconds. */
  get longestMs(): number {
    return Math.max(this.#previousMs, this.#currentMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const nowMs = this.#nowMs();
    const lateMs = Math.max(0, nowMs - this.#expectedMs);
    this.#expectedMs = nowMs + SAMPLE_MS;
    if (nowMs - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#previousMs = this.#currentMs;
      this.#currentMs = 0;
    }
    this.#currentMs = Math.max(this.#currentMs, lateMs);
    if (lateMs > LOOP_STALL_MS) this.stalls++;
  }
}

let watch: EventLoopDelay | undefined;

/** The watch over this process: nodes that share a process share its loop. It holds nothing up and needs no end. */
export function watchEventLoop(): EventLoopDelay {
  watch ??= new EventLoopDelay(() => performance.now());
  return watch;
}
