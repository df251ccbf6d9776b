/**
 * Checks in the background what opening did not check: database files first, then the log, in small steps with pauses,
 * so that it disturbs nothing.
 */
import { type EventLog, EventLogDamaged, RESYNC_ADVICE } from '@cloister/event-log';
import { scrubLevelFiles } from '@cloister/store-level';

const PAUSE_MS = 200;
const FIRST_PAUSE_MS = 10_000;
/** From the end of one run to the start of the next. */
const INTERVAL_MS = 24 * 3_600_000;

export interface LogScrubOptions {
  readonly log: EventLog;
  readonly directory: string;
  /** The log is damaged: the node must stop. */
  readonly onDamage: (error: EventLogDamaged) => void;
  readonly onError: (error: unknown) => void;
}

export class LogScrub {
  readonly #options: LogScrubOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: LogScrubOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let pauseMs = FIRST_PAUSE_MS; await this.#pause(pauseMs); pauseMs = INTERVAL_MS) {
      try {
        for await (const damage of scrubLevelFiles(this.#options.directory)) {
          if (damage !== undefined)
            throw new EventLogDamaged('STORE_CORRUPT', undefined, `${damage}. ${RESYNC_ADVICE}`);
          if (!(await this.#pause(PAUSE_MS))) return;
        }
        for await (const _ of this.#options.log.scrub()) if (!(await this.#pause(PAUSE_MS))) return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof EventLogDamaged) return this.#options.onDamage(error);
        this.#options.onError(error);
      }
    }
  }

  /** False when it is time to stop. */
  #pause(ms: number): Promise<boolean> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(false);
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve(!signal.aborted);
      };
      const timer = setTimeout(done, ms);
      timer.unref();
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
