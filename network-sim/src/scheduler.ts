/**
 * Virtual time: a queue of events in order of (instant, insertion), run one at a time.
 *
 * Handlers may be asynchronous; each is awaited before the next event is taken, so a run is a function of its seed.
 */

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void | Promise<void>;
}

/** A binary min-heap by (atMs, order). */
export class Scheduler {
  readonly #heap: Scheduled[] = [];
  #order = 0;
  #nowMs: number;
  #stopped = false;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` after `delayMs` of virtual time. */
  after(delayMs: number, run: () => void | Promise<void>): void {
    const item: Scheduled = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#heap.push(item);
    let at = this.#heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfBefore(at, parent)) break;
      at = parent;
    }
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const a = this.#heap[child];
    const b = this.#heap[parent];
    if (a === undefined || b === undefined || !before(a, b)) return false;
    this.#heap[child] = b;
    this.#heap[parent] = a;
    return true;
  }

  #pop(): Scheduled | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined || this.#heap.length === 0) return first;
    this.#heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const right = left + 1;
      let smallest = at;
      for (const child of [left, right]) {
        const a = this.#heap[child];
        const b = this.#heap[smallest];
        if (a !== undefined && b !== undefined && before(a, b)) smallest = child;
      }
      if (smallest === at) return first;
      this.#swapIfBefore(smallest, at);
      at = smallest;
    }
  }

  /** Takes no further event. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs until stopped, out of events, or past `untilMs`. */
  async run(untilMs: number): Promise<'stopped' | 'idle' | 'timeout'> {
    while (!this.#stopped) {
      const next = this.#pop();
      if (next === undefined) return 'idle';
      if (next.atMs > untilMs) return 'timeout';
      this.#nowMs = next.atMs;
      const running = next.run();
      if (running !== undefined) await running;
    }
    return 'stopped';
  }
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
