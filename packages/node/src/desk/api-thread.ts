/**
 * Runs the API in a thread of its own, so that nothing that a client sends is parsed, verified or answered in the
 * thread that votes. The memory of the API's thread is bounded. If it ends for any reason, the node goes on and starts
 * it again, after a longer wait each time.
 */
import { Worker } from 'node:worker_threads';
import type { EventLog } from '@cloister/event-log';
import type { ApiPosition, FromApi, ToApi, WorkerSetup } from '../http/thread/worker-messages.ts';
import { compileCacheEnvironment } from '../process/compile-cache.ts';
import { codeOf, messageOf, NodeError } from '../process/errors.ts';
import type { Log } from '../process/log-lines.ts';
import type { NodeContext } from '../process/node-context.ts';
import type { NodeDesk } from './node-desk.ts';
import { QuestionServer } from './question-server.ts';

export interface ApiThreadOptions {
  readonly setup: Omit<WorkerSetup, 'position'>;
  readonly context: NodeContext;
  readonly log: Pick<EventLog, 'head'>;
  readonly desk: NodeDesk;
  readonly report: Log;
  readonly monotonicMs: () => number;
  /** In place of the API's own program. */
  readonly program?: URL;
}

const FIRST_RESTART_MS = 250;
const LAST_RESTART_MS = 30_000;
/** A thread that lived this long begins anew with short waits. */
const HEALTHY_MS = 60_000;
/** Longest wait for running requests when the node stops. */
const CLOSE_MS = 10_000;
const HEAP_MB = 256;

const PROGRAM = new URL(
  import.meta.filename.endsWith('.ts') ? '../http/thread/worker.ts' : '../http/thread/worker.js',
  import.meta.url,
);

export class ApiThread {
  readonly #options: ApiThreadOptions;
  #worker: Worker | undefined;
  #port: number;
  #restartMs: number = FIRST_RESTART_MS;
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  #unsubscribe: (() => void) | undefined;
  #posting = false;
  #closing = false;
  restarts = 0;

  constructor(options: ApiThreadOptions) {
    this.#options = options;
    this.#port = options.setup.options.port;
  }

  /** The address as http://host:port. Throws `NodeError` API_ADDRESS_IN_USE or API_FAILED. */
  async start(): Promise<string> {
    const { bus } = this.#options.context;
    const url = await this.#spawn();
    this.#port = Number(new URL(url).port);
    this.#unsubscribe = bus.subscribe(() => {
      this.#post({ type: 'position', position: this.#position() });
      if (this.#posting) return;
      this.#posting = true;
      void this.#postIndexed();
    });
    return url;
  }

  /**
   * Once more when the index has the block too, for those who look for one type of event; and again for blocks that came
   * meanwhile, whose events would stay hidden until the next block.
   */
  async #postIndexed(): Promise<void> {
    const { context, log } = this.#options;
    let count: number;
    do {
      count = log.head.count;
      await context.index.settled();
      this.#post({ type: 'position', position: this.#position() });
    } while (log.head.count !== count);
    this.#posting = false;
  }

  #position(): ApiPosition {
    const { context, log } = this.#options;
    const { height } = context.state();
    return { head: log.head, indexed: context.index.count, height, provableHeight: context.provableHeight() };
  }

  #post(message: ToApi): void {
    this.#worker?.postMessage(message);
  }

  /** Resolves when the thread listens. */
  #spawn(): Promise<string> {
    const { setup, desk, report, monotonicMs } = this.#options;
    const workerData: WorkerSetup = {
      ...setup,
      options: { ...setup.options, port: this.#port },
      position: this.#position(),
    };
    // Nothing of the environment is the API's business.
    const worker = new Worker(this.#options.program ?? PROGRAM, {
      workerData,
      env: { ...compileCacheEnvironment() },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: 16 },
    });
    this.#worker = worker;
    const startedMs = monotonicMs();
    const server = new QuestionServer({
      questions: desk,
      answer: (answer) => worker.postMessage({ type: 'answer', answer } satisfies ToApi),
      monotonicMs,
      onError: (error) => report('error', 'api', { error: messageOf(error) }),
    });
    return new Promise((resolve, reject) => {
      let failure: { readonly code: string; readonly message: string } | undefined;
      worker.on('message', (message: FromApi) => {
        if (message.type === 'ask') server.take(message.ask);
        else if (message.type === 'listening') resolve(message.url);
        else if (message.type === 'failed') failure = message;
        else report('error', 'api', { error: message.message });
      });
      worker.on('error', (error) => {
        failure = { code: codeOf(error), message: messageOf(error) };
      });
      worker.on('exit', () => {
        const code = failure?.code === 'API_ADDRESS_IN_USE' ? 'API_ADDRESS_IN_USE' : 'API_FAILED';
        reject(new NodeError(code, failure?.message ?? 'the API ended'));
        if (this.#worker === worker) this.#ended(failure, monotonicMs() - startedMs);
      });
    });
  }

  #ended(failure: { readonly code: string; readonly message: string } | undefined, livedMs: number): void {
    const { desk, report } = this.#options;
    this.#worker = undefined;
    const onError = (error: unknown): void => report('error', 'api', { error: messageOf(error) });
    void desk.abandonUploads().catch(onError);
    // A first start that fails is the caller's to tell.
    if (this.#closing || this.#unsubscribe === undefined) return;
    if (livedMs >= HEALTHY_MS) this.#restartMs = FIRST_RESTART_MS;
    const afterMs = this.#restartMs;
    this.#restartMs = Math.min(LAST_RESTART_MS, 2 * afterMs);
    report('error', 'api-ended', { code: failure?.code, error: failure?.message, restartMs: afterMs });
    this.#restartTimer = setTimeout(() => {
      this.restarts++;
      this.#spawn().catch(() => undefined);
    }, afterMs);
  }

  /** Ends streams, lets running requests finish, and ends the thread. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#unsubscribe?.();
    clearTimeout(this.#restartTimer);
    const worker = this.#worker;
    if (worker !== undefined) {
      const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
      this.#post({ type: 'close' });
      const timer = setTimeout(() => void worker.terminate(), CLOSE_MS);
      await ended;
      clearTimeout(timer);
    }
    await this.#options.desk.close();
  }
}
