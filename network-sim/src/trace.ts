/**
 * The trace: everything observable of a run, folded into one hash, with the last lines kept for reading.
 */
import { hashBytes } from '@cloister/crypto';
import { toHex, utf8 } from '@cloister/encoding';

const LINES_KEPT = 400;

export class Trace {
  #state: Uint8Array = new Uint8Array(32);
  readonly #lines: string[] = [];
  #count = 0;

  add(line: string): void {
    this.#state = hashBytes('network-sim/trace', this.#state, utf8(line));
    this.#count++;
    this.#lines.push(line);
    if (this.#lines.length > 2 * LINES_KEPT) this.#lines.splice(0, LINES_KEPT);
  }

  get count(): number {
    return this.#count;
  }

  /** 64 hex characters; equal for equal runs. */
  get hash(): string {
    return toHex(this.#state);
  }

  /** The newest lines, oldest first. */
  tail(count: number): string[] {
    return this.#lines.slice(-count);
  }
}
