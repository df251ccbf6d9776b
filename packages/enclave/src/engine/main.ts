/**
 * The engine process: keyless, killable, one for each model owner. Bundled into the image as `engine.cjs`.
 *
 * Descriptor 3 is the channel to the vault and 0 the lifeline. Calls: `load` {model} with the ONNX file, `run` {model} with
 * encoded tensors. onnxruntime-node is loaded only after its telemetry was switched off.
 */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { TensorSpec } from '@cloister/confidential';
import { fail, type JsonValue, ok, type Result } from '@cloister/crypto';
import { ENGINE_MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { type Payload, partsOnly, RpcChannel } from '../channel/rpc.ts';
import { Engine } from './engine.ts';
import { holdLifeline, isLifelineThread, watchLifeline } from './lifeline.ts';
import { numericClassOf } from './numeric-class.ts';

const CHANNEL_DESCRIPTOR = 3;

function modelName(head: JsonValue): string | undefined {
  return typeof head === 'string' ? head : undefined;
}

async function serve(): Promise<void> {
  // Read by the native library when it is loaded, through the process environment alone.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const engine = new Engine(await import('onnxruntime-node'));
  const numericClass = numericClassOf(readFileSync('/proc/cpuinfo', 'latin1'));
  const specsJson = (list: readonly TensorSpec[]): JsonValue =>
    list.map((spec) => ({ ...spec, shape: [...spec.shape] }));

  async function onCall(method: string, { head, parts }: Payload): Promise<Result<Payload>> {
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

  const stream = new Socket({ fd: CHANNEL_DESCRIPTOR, readable: true, writable: true });
  new RpcChannel(stream, {
    messageBytesMax: ENGINE_MESSAGE_BYTES_MAX,
    onCall,
    onClose: () => process.kill(process.pid, 'SIGKILL'),
  });
}

if (isLifelineThread()) watchLifeline();
else {
  holdLifeline(import.meta.filename);
  await serve();
}
