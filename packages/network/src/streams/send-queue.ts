/** What waits for one peer: four priorities, bounded in bytes, with stale frames dropped instead of sent. */
import type { Priority } from '../types.ts';

type Waiting = { readonly bytes: Uint8Array; readonly atMs: number };

/** What a waiting frame costs beside its bytes, so that a bound in bytes also bounds the number of small frames. */
const FRAME_COST = 64;

export class SendQueue {
  readonly #bytesMax: number;
  readonly #ageMsMax: number;
  readonly #lanes: Waiting[][] = [[], [], [], []];
  #bytes = 0;

  constructor(bytesMax: number, ageMsMax: number) {
    this.#bytesMax = bytesMax;
    this.#ageMsMax = ageMsMax;
  }

  /** Bytes that wait, each frame with its overhead. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#lanes.every((lane) => lane.length === 0);
  }

  /** Queues a frame; @returns how many frames left unsent to make room (the new one among them if nothing less important was there). */
  push(bytes: Uint8Array, priority: Priority, monotonicMs: number): number {
    if (bytes.length + FRAME_COST > this.#bytesMax) return 1;
    this.#lanes[priority]?.push({ bytes, atMs: monotonicMs });
    this.#bytes += bytes.length + FRAME_COST;
    let dropped = 0;
    for (let lane = 3; lane >= 0 && this.#bytes > this.#bytesMax; lane--) {
      const waiting = this.#lanes[lane] ?? [];
      while (waiting.length > 0 && this.#bytes > this.#bytesMax) {
        this.#shift(waiting);
        dropped += 1;
      }
    }
    return dropped;
  }

  /** Takes the most important frames, up to `bytesMax` but at least one, leaving out the stale. */
  take(bytesMax: number, monotonicMs: number): { frames: Uint8Array[]; stale: number } {
    const frames: Uint8Array[] = [];
    const stale = this.dropStale(monotonicMs);
    let size = 0;
    for (const lane of this.#lanes) {
      while (lane[0] !== undefined && (frames.length === 0 || size + lane[0].bytes.length <= bytesMax)) {
        const next = this.#shift(lane);
        if (next === undefined) break;
        frames.push(next.bytes);
        size += next.bytes.length;
      }
    }
    return { frames, stale };
  }

  /** Drops what waited too long; @returns how many frames that were. */
  dropStale(monotonicMs: number): number {
    let stale = 0;
    for (const lane of this.#lanes) {
      while (lane[0] !== undefined && monotonicMs - lane[0].atMs > this.#ageMsMax) {
        this.#shift(lane);
        stale += 1;
      }
    }
    return stale;
  }

  clear(): void {
    for (const lane of this.#lanes) lane.length = 0;
    this.#bytes = 0;
  }

  #shift(lane: Waiting[]): Waiting | undefined {
    const next = lane.shift();
    if (next !== undefined) this.#bytes -= next.bytes.length + FRAME_COST;
    return next;
  }
}
