/**
 * Serves a bounded number of requests at a time, and clients by turns: a client with many waiting requests is served
 * one of them for each request of another.
 */
import { ApiError } from '../api-error.ts';

export interface FairGateOptions {
  readonly slots: number;
  readonly slotsPerClient: number;
  readonly waitingPerClientMax: number;
  readonly waitingMax: number;
}

interface ClientQueue {
  running: number;
  readonly waiting: (() => void)[];
}

export class FairGate {
  readonly #options: FairGateOptions;
  /** Clients with something running or waiting, the next one first. */
  readonly #clients = new Map<string, ClientQueue>();
  #running = 0;
  #waiting = 0;

  constructor(options: FairGateOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Runs `work` when its turn comes. Throws `ApiError` when too many wait: 429 of this client, 503 of all. */
  async run<T>(client: string, work: () => Promise<T>): Promise<T> {
    await this.#enter(client);
    try {
      return await work();
    } finally {
      this.#leave(client);
    }
  }

  async #enter(client: string): Promise<void> {
    const { slots, slotsPerClient, waitingPerClientMax, waitingMax } = this.#options;
    const queue = this.#clients.get(client) ?? { running: 0, waiting: [] };
    this.#clients.set(client, queue);
    if (this.#running < slots && queue.running < slotsPerClient && queue.waiting.length === 0) {
      this.#running++;
      queue.running++;
      return;
    }
    if (queue.waiting.length >= waitingPerClientMax) throw new ApiError(429, 'RATE_LIMITED', 'too many at a time');
    if (this.#waiting >= waitingMax) {
      if (queue.running === 0 && queue.waiting.length === 0) this.#clients.delete(client);
      throw new ApiError(503, 'BUSY', 'too many requests wait');
    }
    this.#waiting++;
    await new Promise<void>((resolve) => queue.waiting.push(resolve));
  }

  #leave(client: string): void {
    this.#running--;
    const left = this.#clients.get(client);
    if (left !== undefined) {
      left.running--;
      if (left.running === 0 && left.waiting.length === 0) this.#clients.delete(client);
    }
    this.#admit();
  }

  #admit(): void {
    for (const [client, queue] of this.#clients) {
      if (this.#running >= this.#options.slots) return;
      if (queue.running >= this.#options.slotsPerClient) continue;
      const next = queue.waiting.shift();
      if (next === undefined) continue;
      this.#waiting--;
      this.#running++;
      queue.running++;
      // Behind the others until its next turn.
      this.#clients.delete(client);
      this.#clients.set(client, queue);
      next();
    }
  }
}
