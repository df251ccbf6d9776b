/**
 * Keeps the local enclave running: launches it, launches it again with growing waits when it dies, and stands in for it
 * meanwhile with an `EnclaveUnavailable`. A new launch has new keys; the attestation keeper sees them and attests anew.
 */
import type { EnclaveDescription } from '@cloister/confidential';
import { type EnclavePort, EnclaveUnavailable } from '@cloister/validator';
import { messageOf } from '../process/errors.ts';

/** One run of an enclave. */
export interface EnclaveRun {
  readonly port: EnclavePort;
  /** Resolves when the enclave or its platform is gone, with what is known of the reason. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

export type LaunchEnclave = () => Promise<EnclaveRun>;

export type EnclaveState = 'starting' | 'running' | 'failed';

export interface EnclaveSupervisorOptions {
  readonly launch: LaunchEnclave;
  readonly backoffMsMax: number;
  readonly onState: (state: EnclaveState, detail: string) => void;
}

const BACKOFF_MS_FIRST = 250;
/** A run this long counts as a success: the next wait is short again. */
const STEADY_MS = 60_000;

export class EnclaveSupervisor {
  readonly #options: EnclaveSupervisorOptions;
  readonly port: EnclavePort;
  #current: EnclaveRun | undefined;
  #description: EnclaveDescription | undefined;
  #state: EnclaveState = 'starting';
  #detail = '';
  #restarts = 0;
  #stopped = false;
  #wakeUp: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(options: EnclaveSupervisorOptions) {
    this.#options = options;
    this.port = {
      describe: async () => {
        this.#description = await this.#live().describe();
        return this.#description;
      },
      attest: (request) => this.#call((port) => port.attest(request)),
      refresh: (request) => this.#call((port) => port.refresh(request)),
      accept: (request) => this.#call((port) => port.accept(request)),
      provisionModel: (request) => this.#call((port) => port.provisionModel(request)),
      runInference: (request) => this.#call((port) => port.runInference(request)),
    };
  }

  get state(): EnclaveState {
    return this.#state;
  }
  get detail(): string {
    return this.#detail;
  }
  get restarts(): number {
    return this.#restarts;
  }
  /** As last asked; undefined before the first launch succeeded. */
  get description(): EnclaveDescription | undefined {
    return this.#description;
  }

  async #call<T>(ask: (port: EnclavePort) => Promise<T>): Promise<T> {
    return ask(this.#live());
  }

  #live(): EnclavePort {
    if (this.#current !== undefined) return this.#current.port;
    throw new EnclaveUnavailable('ENCLAVE_GONE', `the enclave is not running: ${this.#detail || 'starting'}`);
  }

  start(): void {
    this.#running ??= this.#keepRunning();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wakeUp?.();
    await this.#current?.stop().catch(() => undefined);
    await this.#running;
  }

  #enter(state: EnclaveState, detail: string): void {
    this.#state = state;
    this.#detail = detail;
    this.#options.onState(state, detail);
  }

  async #keepRunning(): Promise<void> {
    let backoffMs = BACKOFF_MS_FIRST;
    for (let first = true; !this.#stopped; first = false) {
      if (!first) {
        await this.#wait(backoffMs);
        backoffMs = Math.min(2 * backoffMs, this.#options.backoffMsMax);
        if (this.#stopped) return;
        this.#restarts++;
      }
      const startedMs = performance.now();
      await this.#runOnce();
      if (performance.now() - startedMs > STEADY_MS) backoffMs = BACKOFF_MS_FIRST;
    }
  }

  async #runOnce(): Promise<void> {
    this.#enter('starting', '');
    try {
      const launched = await this.#options.launch();
      if (this.#stopped) return await launched.stop();
      this.#current = launched;
      this.#description = await launched.port.describe();
      this.#enter('running', '');
      const reason = await launched.exited;
      this.#current = undefined;
      if (!this.#stopped) this.#enter('failed', reason);
    } catch (error) {
      const dead = this.#current;
      this.#current = undefined;
      await dead?.stop().catch(() => undefined);
      if (!this.#stopped) this.#enter('failed', messageOf(error));
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
