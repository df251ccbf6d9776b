/**
 * What the engine does: loads ONNX models and runs them, one request a run.
 *
 * No key and no other tenant's data is ever here. Two requests are never put into one run: a hostile model could mix
 * their rows. Session options are fixed, since results depend on them.
 */
import {
  checkTensors,
  decodeTensors,
  encodeTensors,
  type ModelSignature,
  type OnnxRefusal,
  screenOnnx,
  type Tensor,
  type TensorSpec,
} from '@cloister/confidential';
import { fail, ok, type Result } from '@cloister/encoding';
import type * as Ort from 'onnxruntime-common';
import { fromOrt, protocolDatatype, toOrt } from './datatypes.ts';
import type { ModelFileCode } from './model-files.ts';

/**
 * Single-threaded and sequential, so that sums are always added in the same order; and no format but the one that was
 * screened, whatever the file looks like.
 */
const SESSION_OPTIONS: Ort.InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  executionMode: 'sequential',
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  logSeverityLevel: 4,
  extra: { session: { load_model_format: 'ONNX' } },
};

export type EngineCode =
  /** Something of another process is open in this one. */
  | 'DESCRIPTORS_OPEN'
  | OnnxRefusal
  | ModelFileCode
  | 'MODEL_LOAD_FAILED'
  | 'MODEL_UNSUPPORTED_TYPE'
  | 'TENSORS_MALFORMED'
  | 'RUN_FAILED'
  | 'OUTPUT_UNSUPPORTED'
  | 'OUTPUT_TOO_LARGE';

/**
 * onnxruntime for Node, which must not be loaded in another way. It knows no Float16Array: the binding sees one as empty.
 * Where there is none, it takes and gives 16-bit floats as their bits.
 */
export async function loadRuntime(): Promise<typeof Ort> {
  Reflect.deleteProperty(globalThis, 'Float16Array');
  // Read by the native library when it is loaded, through the process environment alone.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  return import('onnxruntime-node');
}

function specs(metadata: readonly Ort.InferenceSession.ValueMetadata[]): TensorSpec[] | undefined {
  const list: TensorSpec[] = [];
  for (const value of metadata) {
    const datatype = value.isTensor ? protocolDatatype(value.type) : undefined;
    if (!value.isTensor || datatype === undefined) return undefined;
    const shape = value.shape.map((dimension) => (typeof dimension === 'number' ? dimension : -1));
    list.push({ name: value.name, datatype, shape });
  }
  return list;
}

/** What of the runtime's words is passed on. They may quote the input, so that an enclave passes on none. */
export type TellsOf = (error: unknown) => string | undefined;

/** Sessions by model id. */
export class Engine {
  readonly #ort: typeof Ort;
  readonly #tells: TellsOf;
  readonly #sessions = new Map<string, Ort.InferenceSession>();

  constructor(ort: typeof Ort, tells: TellsOf = () => undefined) {
    this.#ort = ort;
    this.#tells = tells;
  }

  /**
   * Screens an ONNX file and loads it under a name; a name loaded twice is the later file. Of a symbolic dimension the
   * answer says -1.
   */
  async load(model: string, onnx: Uint8Array): Promise<Result<ModelSignature, EngineCode>> {
    const screened = screenOnnx(onnx);
    // Its detail quotes the file, which is secret.
    if (!screened.ok) return fail(screened.code);
    let session: Ort.InferenceSession;
    try {
      session = await this.#ort.InferenceSession.create(onnx, SESSION_OPTIONS);
    } catch (error) {
      return fail('MODEL_LOAD_FAILED', this.#tells(error));
    }
    const inputs = specs(session.inputMetadata);
    const outputs = specs(session.outputMetadata);
    if (inputs === undefined || outputs === undefined) return fail('MODEL_UNSUPPORTED_TYPE');
    await this.unload(model);
    this.#sessions.set(model, session);
    return ok({ inputs, outputs });
  }

  /** Gives back what a model takes. */
  async unload(model: string): Promise<void> {
    const session = this.#sessions.get(model);
    this.#sessions.delete(model);
    await session?.release();
  }

  /** Runs one request: encoded tensors in, encoded tensors out, in the order of the model's outputs. */
  async run(model: string, tensorBytes: Uint8Array): Promise<Result<Uint8Array, EngineCode>> {
    const session = this.#sessions.get(model);
    if (session === undefined) return fail('MODEL_NOT_LOADED');
    const tensors = decodeTensors(tensorBytes);
    if (!tensors.ok) return fail('TENSORS_MALFORMED', tensors.code);
    const feeds: Record<string, Ort.Tensor> = {};
    for (const tensor of tensors.value) {
      const feed = toOrt(tensor, this.#ort.Tensor);
      if (feed === undefined) return fail('MODEL_UNSUPPORTED_TYPE');
      feeds[tensor.name] = feed;
    }
    let results: Ort.InferenceSession.OnnxValueMapType;
    try {
      results = await session.run(feeds);
    } catch (error) {
      return fail('RUN_FAILED', this.#tells(error));
    }
    const outputs: Tensor[] = [];
    for (const name of session.outputNames) {
      const result = results[name];
      const output = result === undefined ? undefined : fromOrt(name, result as Ort.Tensor);
      if (output === undefined) return fail('OUTPUT_UNSUPPORTED');
      outputs.push(output);
    }
    const checked = checkTensors(outputs);
    if (checked.ok) return ok(encodeTensors(outputs));
    return fail(checked.code === 'TENSORS_TOO_LARGE' ? 'OUTPUT_TOO_LARGE' : 'OUTPUT_UNSUPPORTED');
  }
}
