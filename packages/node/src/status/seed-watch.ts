/**
 * While no validator is connected, the addresses in the config file are read again: if its only address leads nowhere,
 * or to a peer that hides the network, the operator adds another address and need not restart the node.
 */
import { messageOf } from '../process/errors.ts';
import type { Log } from '../process/log-lines.ts';

const LOOK_MS = 10_000;

export interface SeedWatchOptions {
  /** Whether no validator is connected, though there are others. */
  readonly isLost: () => boolean;
  /** The addresses as they stand in the config file now. */
  readonly read: () => Promise<readonly string[]>;
  readonly add: (seeds: readonly string[]) => void;
  readonly log: Log;
}

export class SeedWatch {
  readonly #options: SeedWatchOptions;
  #timer: ReturnType<typeof setInterval> | undefined;
  #known: string | undefined;

  constructor(options: SeedWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async look(): Promise<void> {
    const { isLost, read, add, log } = this.#options;
    if (!isLost()) return;
    try {
      const seeds = await read();
      const now = seeds.join(',');
      if (now === this.#known) return;
      this.#known = now;
      add(seeds);
      log('warn', 'no-validator-connected', { seeds: now });
    } catch (error) {
      log('warn', 'seeds-unreadable', { error: messageOf(error) });
    }
  }
}
