/**
 * Engines as the vault uses them: one process for each model, killed when it hangs, replaced when it is gone.
 *
 * A model may be hostile. Its engine holds nothing of other models, those of its own owner included. Whatever it does
 * to its process (an endless loop, endless memory, a crash) costs other models only the processor time of one run. A
 * model that repeats it is not run for growing times.
 *
 * The vault keeps no weights. They pass through it in pieces into the engine and are lost with the engine. To run the
 * model again, its ciphertext must be brought again.
 */
import { BoundedMap, type Digest, fail, mapResult, ok, type Result } from '@cloister/encoding';
import { callBy } from '../channel/call-table.ts';
import { MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { RpcChannel } from '../channel/rpc.ts';
import type { EngineCode } from '../engine/engine.ts';
import { ENGINE_CALLS, type EngineCalls, type EngineModel } from '../engine/engine-calls.ts';
import type { EngineLauncher } from './platform-link.ts';

/** Why an engine gave no result. */
export type EngineFailure = EngineCode | 'ENGINE_TIMEOUT' | 'ENGINE_CRASHED' | 'ENGINE_NOT_STARTED' | 'MODEL_SUSPENDED';

/** Codes that a sound engine gives. A model that took its engine over could put what it saw into any other word. */
const ENGINE_CODES: Readonly<Record<EngineCode, true>> = {
  DESCRIPTORS_OPEN: true,
  MODEL_NOT_LOADED: true,
  MODEL_TOO_LARGE: true,
  ONNX_TEXT: true,
  ONNX_MALFORMED: true,
  ONNX_TOO_DEEP: true,
  ONNX_TOO_MANY_FIELDS: true,
  ONNX_EXTERNAL_DATA: true,
  ONNX_CUSTOM_OPERATOR: true,
  ONNX_RANDOM_OPERATOR: true,
  ONNX_TRAINING: true,
  MODEL_LOAD_FAILED: true,
  MODEL_UNSUPPORTED_TYPE: true,
  TENSORS_MALFORMED: true,
  RUN_FAILED: true,
  OUTPUT_UNSUPPORTED: true,
  OUTPUT_TOO_LARGE: true,
};

interface RunningEngine {
  readonly engine: number;
  readonly channel: RpcChannel;
  /** Models that it holds. */
  readonly loaded: Set<Digest>;
}

/** How long a model is not run that cost its engine: this after the first time, doubled with each further one. */
export const SUSPENSION_MS_FIRST = 1_000;
export const SUSPENSION_MS_MAX: number = 5 * 60_000;
/** Models whose losses are remembered; the one that lost its engine longest ago makes room. */
const SUSPENSIONS_MAX = 1_024;

/** Models that cost their engines, and until when they are not run. */
export class Suspensions {
  readonly #nowMs: () => number;
  readonly #models = new BoundedMap<Digest, { readonly losses: number; readonly untilMs: number }>(SUSPENSIONS_MAX);

  /** `nowMs`: milliseconds that never go back. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  has(model: Digest): boolean {
    return this.#nowMs() < (this.#models.get(model)?.untilMs ?? 0);
  }

  lost(model: Digest): void {
    const losses = (this.#models.get(model)?.losses ?? 0) + 1;
    const pauseMs = Math.min(SUSPENSION_MS_FIRST * 2 ** (losses - 1), SUSPENSION_MS_MAX);
    this.#models.set(model, { losses, untilMs: this.#nowMs() + pauseMs });
  }

  /** A run came to its end. */
  clear(model: Digest): void {
    this.#models.delete(model);
  }
}

/** The engine of one model. Calls run one after another. */
export class ModelEngine {
  readonly #launcher: EngineLauncher;
  readonly #timeoutMs: number;
  readonly #model: Digest;
  readonly #suspensions: Suspensions;
  #calls = 0;
  #retired = false;
  #running: RunningEngine | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** `timeoutMs`: a load or run that takes longer is killed with its process. */
  constructor(launcher: EngineLauncher, timeoutMs: number, model: Digest, suspensions: Suspensions) {
    this.#launcher = launcher;
    this.#timeoutMs = timeoutMs;
    this.#model = model;
    this.#suspensions = suspensions;
  }

  /** Whether it holds a model now. */
  has(model: Digest): boolean {
    return this.#running?.loaded.has(model) === true;
  }

  /** Whether nobody waits for an answer of it. */
  get isIdle(): boolean {
    return this.#calls === 0;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Announces an ONNX file of so many bytes, which comes in pieces. `transfer` is a name that was not used before. */
  async beginLoad(transfer: string, bytes: number): Promise<Result<void, EngineFailure>> {
    if (this.#suspensions.has(this.#model)) return fail('MODEL_SUSPENDED');
    return this.#enter('load-begin', { transfer, bytes });
  }

  loadPiece(transfer: string, piece: Uint8Array): Promise<Result<void, EngineFailure>> {
    return this.#enter('load-piece', { transfer, piece });
  }

  async cancelLoad(transfer: string): Promise<void> {
    if (this.isRunning) await this.#enter('load-cancel', { transfer });
  }

  /** Screens and loads the file whose pieces came. */
  endLoad(transfer: string, model: Digest): Promise<Result<EngineModel, EngineFailure>> {
    return this.#enqueue(async () => {
      const running = this.#running;
      if (running === undefined) return fail('MODEL_NOT_LOADED');
      const loaded = await this.#call(running, 'load-end', { transfer, model });
      if (loaded.ok) running.loaded.add(model);
      return loaded;
    });
  }

  /**
   * Gives back what a model takes; with the last one the process goes. It waits for the runs that were asked for before: a tenant's run
   * must not end because somebody else's model needs the room.
   */
  unload(model: Digest): Promise<void> {
    return this.#enqueue(async () => {
      const running = this.#running;
      if (running?.loaded.delete(model) !== true) return;
      if (running.loaded.size === 0) this.stop();
      else await this.#call(running, 'unload', { model });
    });
  }

  /** Encoded tensors in, encoded tensors out. */
  run(model: Digest, input: Uint8Array): Promise<Result<Uint8Array, EngineFailure>> {
    return this.#enqueue(async () => {
      if (!this.has(model) || this.#running === undefined) return fail('MODEL_NOT_LOADED');
      if (this.#suspensions.has(this.#model)) return fail('MODEL_SUSPENDED');
      const result = await this.#call(this.#running, 'run', { model, input });
      if (result.ok) this.#suspensions.clear(this.#model);
      return mapResult(result, ({ output }) => output);
    });
  }

  /** Ends the process, with all that it holds. */
  stop(): void {
    this.#running?.channel.close();
  }

  /** Ends it for good. A file that is still on its way must not start a process that nobody counts, and nobody would end. */
  retire(): void {
    this.#retired = true;
    this.stop();
  }

  /** A call on a file's way in, which may be what starts the engine. */
  #enter<Name extends 'load-begin' | 'load-piece' | 'load-cancel'>(
    name: Name,
    argument: EngineCalls[Name]['argument'],
  ): Promise<Result<void, EngineFailure>> {
    return this.#enqueue(async () => {
      const started = await this.#start();
      if (!started.ok) return started;
      return mapResult(await this.#call(started.value, name, argument), () => undefined);
    });
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    this.#calls++;
    const turn = this.#queue.then(task).finally(() => this.#calls--);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** The running engine, or a new one that holds nothing. */
  async #start(): Promise<Result<RunningEngine, EngineFailure>> {
    if (this.#running !== undefined) return ok(this.#running);
    if (this.#retired) return fail('ENGINE_NOT_STARTED');
    try {
      const { engine, stream } = await this.#launcher.startEngine();
      const channel = new RpcChannel(stream, {
        messageBytesMax: MESSAGE_BYTES_MAX,
        erases: true,
        onClose: () => this.#discard(engine),
      });
      this.#running = { engine, channel, loaded: new Set() };
      return ok(this.#running);
    } catch {
      return fail('ENGINE_NOT_STARTED');
    }
  }

  #discard(engine: number): void {
    if (this.#running?.engine === engine) this.#running = undefined;
    this.#launcher.stopEngine(engine);
  }

  async #call<Name extends keyof EngineCalls>(
    { channel }: RunningEngine,
    name: Name,
    argument: EngineCalls[Name]['argument'],
  ): Promise<Result<EngineCalls[Name]['answer'], EngineFailure>> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'timeout'>((resolve) => {
      timer = setTimeout(resolve, this.#timeoutMs, 'timeout');
    });
    try {
      const answer = await Promise.race([callBy(ENGINE_CALLS, channel, name, argument), timeout]);
      if (answer === 'timeout') {
        channel.close();
        this.#suspensions.lost(this.#model);
        return fail('ENGINE_TIMEOUT');
      }
      if (answer.ok) return answer;
      // The engine's own words stay here: they may quote the input.
      return fail(Object.hasOwn(ENGINE_CODES, answer.code) ? (answer.code as EngineCode) : 'ENGINE_CRASHED');
    } catch {
      // It is gone, or answers what no sound engine does: its model has taken it over.
      channel.close();
      this.#suspensions.lost(this.#model);
      return fail('ENGINE_CRASHED');
    } finally {
      clearTimeout(timer);
    }
  }
}
