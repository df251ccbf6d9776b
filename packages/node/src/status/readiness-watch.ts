/** Looks at a node's readiness now and then: a change is a line in the log. Also keeps the free space of its disk. */
import { statfs } from 'node:fs/promises';
import type { Readiness } from '../http/thread/node-questions.ts';
import type { Log } from '../process/log-lines.ts';

const LOOK_MS = 1_000;
const DISK_MS = 10_000;

export interface ReadinessWatchOptions {
  readonly directory: string;
  readonly readiness: () => Readiness;
  readonly waitsFor: () => readonly string[];
  readonly log: Log;
}

export class ReadinessWatch {
  readonly #options: ReadinessWatchOptions;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #last: string | undefined;
  /** Undefined until the first look, and when the file system does not tell. */
  freeBytes: number | undefined;

  constructor(options: ReadinessWatchOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#measure();
    this.#timers.push(
      setInterval(() => this.look(), LOOK_MS),
      setInterval(() => void this.#measure(), DISK_MS),
    );
    for (const timer of this.#timers) timer.unref();
  }

  stop(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  async #measure(): Promise<void> {
    const disk = await statfs(this.#options.directory).catch(() => undefined);
    this.freeBytes = disk === undefined ? undefined : disk.bavail * disk.bsize;
  }

  look(): void {
    const { readiness, waitsFor, log } = this.#options;
    const { ready, reasons } = readiness();
    const now = reasons.join(',');
    if (now === this.#last) return;
    this.#last = now;
    if (ready) log('info', 'ready', {});
    else log('warn', 'not-ready', { reasons: now, waits: waitsFor().join(' ') });
  }
}
