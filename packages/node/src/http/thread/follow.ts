/** How far the chain is, for the readers of one thread: the newest position, and a call when it moves. */
import type { ApiPosition } from './worker-messages.ts';

export class Follow {
  #position: ApiPosition;
  readonly #listeners = new Set<() => void>();

  constructor(position: ApiPosition) {
    this.#position = position;
  }

  get position(): ApiPosition {
    return this.#position;
  }

  moved(position: ApiPosition): void {
    this.#position = position;
    for (const listener of this.#listeners) listener();
  }

  /** The result ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
