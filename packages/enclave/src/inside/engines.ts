/**
 * Engines as the vault uses them: one process for each model owner, killed when it hangs, replaced when it is gone.
 */
import type { TensorSpec } from '@cloister/confidential';
import { type AccountId, type Digest, fail, type JsonValue, ok, type Result } from '@cloister/crypto';
import { ENGINE_MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { type Payload, RpcChannel } from '../channel/rpc.ts';
import type { EngineCode } from '../engine/engine.ts';
import { NUMERIC_CLASSES, type NumericClass } from '../engine/numeric-class.ts';
import type { EngineLauncher } from './platform-link.ts';

/** Why an engine gave no result. None of these says anything about the request: no receipt follows. */
export type EngineFailure = EngineCode | 'ENGINE_TIMEOUT' | 'ENGINE_CRASHED' | 'ENGINE_NOT_STARTED';

/** What an engine says of a model that it loaded. */
export interface EngineModel {
  readonly numericClass: NumericClass;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** Codes that a sound engine gives. A model that took its engine over could put what it saw into any other word. */
const ENGINE_CODES: Readonly<Record<EngineCode, true>> = {
  DESCRIPTORS_OPEN: true,
  MODEL_NOT_LOADED: true,
  MODEL_LOAD_FAILED: true,
  MODEL_UNSUPPORTED_TYPE: true,
  TENSORS_MALFORMED: true,
  RUN_FAILED: true,
  OUTPUT_UNSUPPORTED: true,
};

interface RunningEngine {
  readonly engine: number;
  readonly channel: RpcChannel;
}

/** The engine of one model owner. Calls run one after another. */
export class OwnerEngine {
  readonly #launcher: EngineLauncher;
  readonly #timeoutMs: number;
  readonly #models = new Map<Digest, Uint8Array>();
  #running: RunningEngine | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** `timeoutMs`: a load or run that takes longer is killed with its process. */
  constructor(launcher: EngineLauncher, timeoutMs: number) {
    this.#launcher = launcher;
    this.#timeoutMs = timeoutMs;
  }

  load(model: Digest, onnx: Uint8Array): Promise<Result<EngineModel, EngineFailure>> {
    return this.#enqueue(async () => {
      const started = await this.#start();
      if (!started.ok) return started;
      const loaded = await this.#call(started.value, 'load', { head: model, parts: [onnx] });
      if (!loaded.ok) return loaded;
      const described = loaded.value.head as unknown as EngineModel;
      // It goes into public receipts: nothing but a class may stand there.
      if (!NUMERIC_CLASSES.includes(described.numericClass)) return fail('ENGINE_CRASHED');
      this.#models.set(model, onnx);
      return ok(described);
    });
  }

  /** Encoded tensors in, encoded tensors out. */
  run(model: Digest, tensorBytes: Uint8Array): Promise<Result<Uint8Array, EngineFailure>> {
    return this.#enqueue(async () => {
      const started = await this.#start();
      if (!started.ok) return started;
      const result = await this.#call(started.value, 'run', { head: model, parts: [tensorBytes] });
      if (!result.ok) return result;
      const [output] = result.value.parts;
      return output === undefined ? fail('ENGINE_CRASHED') : ok(output);
    });
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(task);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** The running engine, or a new one with every model of this owner. */
  async #start(): Promise<Result<RunningEngine, EngineFailure>> {
    if (this.#running !== undefined) return ok(this.#running);
    let started: RunningEngine;
    try {
      const { engine, stream } = await this.#launcher.startEngine();
      const channel = new RpcChannel(stream, {
        messageBytesMax: ENGINE_MESSAGE_BYTES_MAX,
        onClose: () => this.#discard(engine),
      });
      started = { engine, channel };
    } catch {
      return fail('ENGINE_NOT_STARTED');
    }
    this.#running = started;
    for (const [model, onnx] of this.#models) {
      const loaded = await this.#call(started, 'load', { head: model satisfies JsonValue, parts: [onnx] });
      if (!loaded.ok) return loaded;
    }
    return ok(started);
  }

  #discard(engine: number): void {
    if (this.#running?.engine === engine) this.#running = undefined;
    this.#launcher.stopEngine(engine);
  }

  async #call(running: RunningEngine, method: string, payload: Payload): Promise<Result<Payload, EngineFailure>> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'timeout'>((resolve) => {
      timer = setTimeout(resolve, this.#timeoutMs, 'timeout');
    });
    try {
      const answer = await Promise.race([running.channel.call(method, payload), timeout]);
      if (answer === 'timeout') {
        this.#discard(running.engine);
        running.channel.close();
        return fail('ENGINE_TIMEOUT');
      }
      if (answer.ok) return answer;
      // The engine's own words stay here: they may quote the input.
      return fail(Object.hasOwn(ENGINE_CODES, answer.code) ? (answer.code as EngineCode) : 'ENGINE_CRASHED');
    } catch {
      return fail('ENGINE_CRASHED');
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The engines of all owners. */
export class EnginePool {
  readonly #launcher: EngineLauncher;
  readonly #timeoutMs: number;
  readonly #engines = new Map<AccountId, OwnerEngine>();

  constructor(launcher: EngineLauncher, timeoutMs: number) {
    this.#launcher = launcher;
    this.#timeoutMs = timeoutMs;
  }

  of(owner: AccountId): OwnerEngine {
    const engine = this.#engines.get(owner) ?? new OwnerEngine(this.#launcher, this.#timeoutMs);
    this.#engines.set(owner, engine);
    return engine;
  }
}
