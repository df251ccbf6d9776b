/**
 * The engine process: keyless, killable, one for each model owner. Bundled into the image as `engine.mjs`.
 *
 * What is open in it stands in channel/descriptors.ts. Calls: `load` {model} with the ONNX file, `run` {model} with
 * encoded tensors. onnxruntime-node is loaded only after its telemetry was switched off.
 */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { TensorSpec } from '@cloister/confidential';
import { fail, type JsonValue, ok, type Result } from '@cloister/crypto';
import {
  ENGINE_BINDING_DESCRIPTOR,
  ENGINE_CHANNEL_DESCRIPTOR,
  ENGINE_LIBRARY_DESCRIPTOR,
  ENGINE_LIFELINE_DESCRIPTOR,
  ENGINE_STARTER_DESCRIPTOR,
} from '../channel/descriptors.ts';
import { ENGINE_MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { type Payload, partsOnly, RpcChannel } from '../channel/rpc.ts';
import { beginProgram } from '../process/begin-program.ts';
import { blockOnReads } from '../process/libc.ts';
import { Engine } from './engine.ts';
import { holdLifeline } from './lifeline.ts';
import { numericClassOf } from './numeric-class.ts';

const DESCRIPTORS = {
  starter: ENGINE_STARTER_DESCRIPTOR,
  given: [ENGINE_CHANNEL_DESCRIPTOR, ENGINE_LIFELINE_DESCRIPTOR, ENGINE_LIBRARY_DESCRIPTOR, ENGINE_BINDING_DESCRIPTOR],
} as const;
const LIMITS = { descriptors: 64, writesNothing: true } as const;
/**
 * Private memory beyond the image's limit: stacks of threads and reservations of the runtime, which count and are not
 * resident.
 */
const RESERVED_BYTES: number = 768 * 1024 * 1024;
/** What no model needs any more once onnxruntime is loaded and the lifeline is held. */
const DROPPED_PERMISSIONS = ['addon', 'worker', 'fs.read'];

/** A hostile model meets this limit when it asks for memory. The platform names the image's limit, in bytes, first. */
function memoryBytesMax(): number {
  return Number(process.argv[2]) + RESERVED_BYTES;
}

function modelName(head: JsonValue): string | undefined {
  return typeof head === 'string' ? head : undefined;
}

async function serve(): Promise<void> {
  blockOnReads(ENGINE_LIFELINE_DESCRIPTOR);
  const foreign = beginProgram(DESCRIPTORS, { ...LIMITS, memoryBytes: memoryBytesMax() });
  holdLifeline();
  // Read by the native library when it is loaded, through the process environment alone.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const engine = new Engine(await import('onnxruntime-node'));
  const numericClass = numericClassOf(readFileSync('/proc/cpuinfo', 'latin1'));
  for (const permission of DROPPED_PERMISSIONS) process.permission?.drop(permission);
  const specsJson = (list: readonly TensorSpec[]): JsonValue =>
    list.map((spec) => ({ ...spec, shape: [...spec.shape] }));

  async function onCall(method: string, { head, parts }: Payload): Promise<Result<Payload>> {
    if (foreign.length > 0) return fail('DESCRIPTORS_OPEN');
    const model = modelName(head);
    const [bytes] = parts;
    if (model === undefined || bytes === undefined) return fail('CALL_MALFORMED');
    if (method === 'load') {
      const loaded = await engine.load(model, bytes);
      if (!loaded.ok) return loaded;
      const { inputs, outputs } = loaded.value;
      return ok({ head: { numericClass, inputs: specsJson(inputs), outputs: specsJson(outputs) }, parts: [] });
    }
    if (method !== 'run') return fail('METHOD_UNKNOWN');
    const result = await engine.run(model, bytes);
    return result.ok ? ok(partsOnly(result.value)) : result;
  }

  const stream = new Socket({ fd: ENGINE_CHANNEL_DESCRIPTOR, readable: true, writable: true });
  new RpcChannel(stream, {
    messageBytesMax: ENGINE_MESSAGE_BYTES_MAX,
    onCall,
    onClose: () => process.kill(process.pid, 'SIGKILL'),
  });
}

await serve();
