/** Lets asynchronous parts wait for the next committed block without polling. */
export class BlockSignal {
  #waiters: (() => void)[] = [];

  /** Resolves at the next `announce`. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** A block was committed, or the node stops: wakes everyone who waits now. */
  announce(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
