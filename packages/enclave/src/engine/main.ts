/**
 * The engine process: keyless, killable, one for each model. Bundled into the image as `engine.mjs`.
 *
 * What is open in it stands in channel/descriptors.ts, the calls that it answers in engine-calls.ts.
 */
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { fail, mapResult, ok } from '@cloister/encoding';
import { answersTo, nothing } from '../channel/call-table.ts';
import {
  ENGINE_BINDING_DESCRIPTOR,
  ENGINE_CHANNEL_DESCRIPTOR,
  ENGINE_LIBRARY_DESCRIPTOR,
  ENGINE_LIFELINE_DESCRIPTOR,
  ENGINE_STARTER_DESCRIPTOR,
} from '../channel/descriptors.ts';
import { erase } from '../channel/frames.ts';
import { MESSAGE_BYTES_MAX } from '../channel/limits.ts';
import { type CallHandler, RpcChannel } from '../channel/rpc.ts';
import { beginProgram } from '../process/begin-program.ts';
import { blockOnReads } from '../process/libc.ts';
import { Engine, loadRuntime } from './engine.ts';
import { ENGINE_CALLS } from './engine-calls.ts';
import { holdLifeline } from './lifeline.ts';
import { ModelFiles } from './model-files.ts';
import { type NumericClass, numericClassOf } from './numeric-class.ts';
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

/** Answers the vault's calls. */
function callsOf(engine: Engine, numericClass: NumericClass): CallHandler {
  const files = new ModelFiles();
  return answersTo(ENGINE_CALLS, {
    'load-begin': ({ transfer, bytes }) => mapResult(files.begin(transfer, bytes), nothing),
    'load-piece': ({ transfer, piece }) => mapResult(files.append(transfer, piece), nothing),
    'load-end': async ({ transfer, model }) => {
      const file = files.end(transfer);
      if (!file.ok) return file;
      const loaded = await engine.load(model, file.value);
      // The session has what it needs; of the file nothing stays.
      erase(file.value);
      return mapResult(loaded, ({ inputs, outputs }) => ({ numericClass, inputs, outputs }));
    },
    'load-cancel': ({ transfer }) => {
      files.end(transfer);
      return ok({});
    },
    unload: async ({ model }) => {
      await engine.unload(model);
      return ok({});
    },
    run: async ({ model, input }) => {
      const result = await engine.run(model, input);
      input.fill(0);
      return mapResult(result, (output) => ({ output }));
    },
  });
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
