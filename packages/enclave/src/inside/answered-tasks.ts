/**
 * Remembers which receipt this enclave gave for each task. Until it is started anew it gives no other.
 *
 * Results are large and soon dropped, so a host can have a task run again. The host also controls engines and time, so
 * the second run may end differently. Two signed outcomes of one task would look like a lie of the enclave. What is
 * kept here of a task is small. It is kept until after the task's deadline, when no proof opens the task any more.
 */
import { type Digest, equalBytes, type Height } from '@cloister/encoding';
import type { InferenceRequested } from '@cloister/ledger';

/** Tasks that are remembered: of more, the older half is given up for good, also those of it that never came to be run. */
export const ANSWERED_MAX = 131_072;

type AskedTask = Pick<InferenceRequested, 'task' | 'height' | 'deadlineMs'>;

interface Answered {
  readonly receiptDigest: Uint8Array;
  readonly height: Height;
  readonly deadlineMs: number;
}

export class AnsweredTasks {
  readonly #tasks = new Map<Digest, Answered>();
  readonly #tasksMax: number;
  /** Tasks that were asked for up to this height are not answered, unless they are remembered. */
  #givenUp = -1;

  constructor(tasksMax: number = ANSWERED_MAX) {
    this.#tasksMax = tasksMax;
  }

  get size(): number {
    return this.#tasks.size;
  }

  /** False for a task that may have been answered before, with what nobody remembers. */
  mayRun({ task, height }: AskedTask): boolean {
    return height > this.#givenUp || this.#tasks.has(task);
  }

  /**
   * Whether this receipt may leave: the first of its task, or the same as the first. `timeMs`: newest block time that was proven.
   */
  admits({ task, height, deadlineMs }: AskedTask, receiptDigest: Uint8Array, timeMs: number): boolean {
    const known = this.#tasks.get(task);
    if (known !== undefined) return equalBytes(known.receiptDigest, receiptDigest);
    if (height <= this.#givenUp) return false;
    if (this.#tasks.size >= this.#tasksMax) this.#makeRoom(timeMs);
    this.#tasks.set(task, { receiptDigest, height, deadlineMs });
    return true;
  }

  #makeRoom(timeMs: number): void {
    for (const [task, { deadlineMs }] of this.#tasks) if (deadlineMs < timeMs) this.#tasks.delete(task);
    const half = this.#tasksMax / 2;
    if (this.#tasks.size <= half) return;
    const heights = [...this.#tasks.values()].map(({ height }) => height).sort((a, b) => a - b);
    this.#givenUp = Math.max(this.#givenUp, heights[heights.length - half - 1] ?? -1);
    for (const [task, { height }] of this.#tasks) if (height <= this.#givenUp) this.#tasks.delete(task);
  }
}
