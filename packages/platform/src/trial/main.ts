/**
 * The child of a trial: loads one ONNX file in the enclave's engine, and runs it, on the owner's machine.
 *
 * Nothing in it is secret from the owner who started it, so it passes on the runtime's own messages. The file comes by
 * standard input; the process lives no longer than its parent, and gets no more memory than an engine of the enclave.
 */
import { writeSync } from 'node:fs';
import {
  checkFinite,
  decodeTensors,
  encodeTensors,
  INPUT_BYTES_MAX,
  type ModelSignature,
  matchTensors,
  signatureDifferences,
} from '@cloister/confidential';
import { Engine, loadRuntime } from '@cloister/enclave';
import { limitProcess, shieldProcess } from '@cloister/enclave/process';
import { feedBytes, filled, staticInputs } from './feeds.ts';
import { TRIAL_DESCRIPTOR, type TrialFeed, type TrialLine, type TrialOrder } from './trial-words.ts';

const MODEL = 'trial';
const WORDS_MAX = 1_000;
const NEWLINE = 0x0a;

function say(line: TrialLine): void {
  writeSync(TRIAL_DESCRIPTOR, `${JSON.stringify(line)}\n`);
}

/** The order, the file and the owner's tensors, each into one buffer. */
async function readOrder(): Promise<{
  readonly order: TrialOrder;
  readonly onnx: Uint8Array;
  readonly tensors: Uint8Array;
}> {
  let head: Buffer = Buffer.alloc(0);
  let order: TrialOrder | undefined;
  let all = new Uint8Array(0);
  let at = 0;
  const take = (bytes: Uint8Array): void => {
    all.set(bytes, at);
    at += bytes.length;
  };
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    if (order !== undefined) {
      take(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(NEWLINE);
    if (end < 0) continue;
    order = JSON.parse(head.subarray(0, end).toString('utf8')) as TrialOrder;
    limitProcess({ memoryBytes: order.memoryBytesMax });
    all = new Uint8Array(order.onnxBytes + order.tensorBytes);
    take(head.subarray(end + 1));
  }
  if (order === undefined || at !== all.length) throw new Error('the parent went away');
  return { order, onnx: all.subarray(0, order.onnxBytes), tensors: all.subarray(order.onnxBytes) };
}

/** Whether the run gave what the manifest promises. */
async function run(engine: Engine, feed: TrialFeed, tensors: Uint8Array, manifest: ModelSignature): Promise<boolean> {
  const refused = (code: Extract<TrialLine, { step: 'not-run' }>['code'], detail?: string): false => {
    say({ step: 'not-run', feed, code, detail });
    return false;
  };
  const output = await engine.run(MODEL, tensors);
  if (!output.ok) return refused(output.code, output.detail);
  const decoded = decodeTensors(output.value);
  if (!decoded.ok) return refused('OUTPUT_UNSUPPORTED', decoded.code);
  const fits = matchTensors(decoded.value, manifest.outputs);
  if (!fits.ok) return refused('OUTPUT_MISMATCH', [fits.code, fits.detail].filter(Boolean).join(' '));
  const finite = checkFinite(decoded.value);
  if (!finite.ok) return refused('OUTPUT_NOT_FINITE', finite.detail);
  say({ step: 'ran', feed });
  return true;
}

async function runAll(
  engine: Engine,
  file: ModelSignature,
  manifest: ModelSignature,
  given: Uint8Array,
): Promise<void> {
  if (given.length > 0) {
    await run(engine, 'given', given, manifest);
    return;
  }
  const inputs = staticInputs(file, manifest);
  if (inputs === undefined || feedBytes(inputs) > INPUT_BYTES_MAX) return;
  for (const feed of ['zeros', 'ones'] as const) {
    if (await run(engine, feed, encodeTensors(filled(inputs, feed)), manifest)) return;
  }
}

async function serve(): Promise<void> {
  shieldProcess();
  const { order, onnx, tensors } = await readOrder();
  const tells = (error: unknown): string => String(error instanceof Error ? error.message : error).slice(0, WORDS_MAX);
  const engine = new Engine(await loadRuntime(), tells);
  const loaded = await engine.load(MODEL, onnx);
  if (!loaded.ok) return say({ step: 'refused', code: loaded.code, detail: loaded.detail });
  say({ step: 'loaded', ...loaded.value });
  // The parent reports the differences. A run would only report them again, less clearly.
  if (signatureDifferences(loaded.value, order.signature).length === 0) {
    await runAll(engine, loaded.value, order.signature, tensors);
  }
  say({ step: 'done' });
}

await serve();
// The runtime may leave threads behind that nobody waits for.
process.exit(0);
