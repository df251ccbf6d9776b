/**
 * The engine process: keyless, killable, one for each model. Bundled into the image as `engine.mjs`.
 *
 * What is open in it stands in channel/descriptors.ts. Calls: `load-begin`, `load-piece`,
 * `load-end` and `load-cancel` {transfer, model, bytes} for an ONNX file in pieces; `run` {model} with encoded tensors; `unload`
 * {model}.
 */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import type { TensorSpec } from '@cloister/confidential';
import { fail, type JsonValue, ok, type Result } from '@cloister/encoding';
import {
  ENGINE_BINDING_DESCRIPTOR,
  ENGINE_CHANNEL_DESCRIPTOR,
  ENGINE_LIBRARY_DESCRIPTOR,
  ENGINE_LIFELINE_DESCRIPTOR,
  ENGINE_STARTER_DESCRIPTOR,
} from '../channel/descriptors.ts';
import { MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { type CallHandler, headOnly, type Payload, partsOnly, RpcChannel } from '../channel/rpc.ts';
import { beginProgram } from '../process/begin-program.ts';
import { blockOnReads } from '../process/libc.ts';
import { Engine, loadRuntime } from './engine.ts';
import { holdLifeline } from './lifeline.ts';
import { ModelFiles } from './model-files.ts';
import { numericClassOf } from './numeric-class.ts';
import { ENGINE_RESERVED_BYTES } from './reserved-bytes.ts';

const DESCRIPTORS = {
  starter: ENGINE_STARTER_DESCRIPTOR,
  given: [ENGINE_CHANNEL_DESCRIPTOR, ENGINE_LIFELINE_DESCRIPTOR, ENGINE_LIBRARY_DESCRIPTOR, ENGINE_BINDING_DESCRIPTOR],
} as const;
const LIMITS = { descriptors: 64, writesNothing: true } as const;
/** What no model needs any more once onnxruntime is loaded and the lifeline is held. */
const DROPPED_PERMISSIONS = ['addon', 'worker', 'fs.read'];

/** A hostile model meets this limit when it asks for memory. The platform names the image's limit, in bytes, first. */
function memoryBytesMax(): number {
  return Number(process.argv[2]) + ENGINE_RESERVED_BYTES;
}

/** What a call says in its head. */
interface Words {
  readonly model: string;
  /** Names one transfer of a file. */
  readonly transfer: string;
  readonly bytes: number;
}

function wordsOf(head: JsonValue): Words | undefined {
  if (typeof head !== 'object' || head === null || Array.isArray(head)) return undefined;
  const { model = '', transfer = '', bytes = 0 } = head as { readonly [name: string]: JsonValue };
  const isMeant = typeof model === 'string' && typeof transfer === 'string' && typeof bytes === 'number';
  return isMeant ? { model, transfer, bytes } : undefined;
}

function specsJson(list: readonly TensorSpec[]): JsonValue {
  return list.map((spec) => ({ ...spec, shape: [...spec.shape] }));
}

/** Answers the vault's calls. */
function callsOf(engine: Engine, numericClass: string): CallHandler {
  const files = new ModelFiles();
  const nothing = (result: Result<void>): Result<Payload> => (result.ok ? ok(partsOnly()) : result);

  async function load({ model, transfer }: Words): Promise<Result<Payload>> {
    const file = files.end(transfer);
    if (!file.ok) return file;
    const loaded = await engine.load(model, file.value);
    // The session has what it needs; of the file nothing stays.
    file.value.fill(0);
    if (!loaded.ok) return loaded;
    const { inputs, outputs } = loaded.value;
    return ok(headOnly({ numericClass, inputs: specsJson(inputs), outputs: specsJson(outputs) }));
  }

  return async (method, { head, parts }) => {
    const words = wordsOf(head);
    const [bytes = new Uint8Array(0)] = parts;
    if (words === undefined) return fail('CALL_MALFORMED');
    switch (method) {
      case 'load-begin':
        return nothing(files.begin(words.transfer, words.bytes));
      case 'load-piece':
        return nothing(files.append(words.transfer, bytes));
      case 'load-end':
        return load(words);
      case 'load-cancel':
        files.end(words.transfer);
        return ok(partsOnly());
      case 'unload':
        await engine.unload(words.model);
        return ok(partsOnly());
      case 'run': {
        const result = await engine.run(words.model, bytes);
        bytes.fill(0);
        return result.ok ? ok(partsOnly(result.value)) : result;
      }
      default:
        return fail('METHOD_UNKNOWN');
    }
  };
}

/** Below the vault and the validator: a model that never ends must not take the processor from votes. */
const NICENESS = 10;

async function serve(): Promise<void> {
  setPriority(NICENESS);
  blockOnReads(ENGINE_LIFELINE_DESCRIPTOR);
  const foreign = beginProgram(DESCRIPTORS, { ...LIMITS, memoryBytes: memoryBytesMax() });
  holdLifeline();
  const engine = new Engine(await loadRuntime());
  const numericClass = numericClassOf(readFileSync('/proc/cpuinfo', 'latin1'));
  for (const permission of DROPPED_PERMISSIONS) process.permission?.drop(permission);
  const calls = callsOf(engine, numericClass);
  const stream = new Socket({ fd: ENGINE_CHANNEL_DESCRIPTOR, readable: true, writable: true });
  new RpcChannel(stream, {
    messageBytesMax: MESSAGE_BYTES_MAX,
    onCall: async (method, call) => (foreign.length > 0 ? fail('DESCRIPTORS_OPEN') : calls(method, call)),
    erases: true,
    onClose: () => process.kill(process.pid, 'SIGKILL'),
  });
}

await serve();
