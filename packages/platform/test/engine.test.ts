/**
 * The engine program of the image as a process of its own, and the classes that its results belong to.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeTensors, type Tensor } from '@cloister/confidential';
import { hash } from '@cloister/crypto';
import type { Digest } from '@cloister/encoding';
import { endlessModel } from '@cloister/testkit/endless-model';
import { digitsFile, gone, unwrap } from '@cloister/testkit/launched';
import { encodeOnnx } from '@cloister/testkit/onnx-writer';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { callBy } from '../../enclave/src/channel/call-table.ts';
import { RpcChannel } from '../../enclave/src/channel/rpc.ts';
import { ENGINE_CALLS } from '../../enclave/src/engine/engine-calls.ts';
import { ModelFiles } from '../../enclave/src/engine/model-files.ts';
import { numericClassOf } from '../../enclave/src/engine/numeric-class.ts';
import { keepOnExec } from '../../enclave/src/process/libc.ts';
import { openDescriptors } from '../../enclave/src/process/open-descriptors.ts';
import { buildImage } from '../src/index.ts';

const MEBIBYTE: number = 1024 * 1024;
let home: string;
let scratch: string;
let children: ChildProcess[];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'cloister-home-'));
  scratch = await mkdtemp(join(tmpdir(), 'cloister-engine-test-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(home, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

/** Everything that telemetry could write goes below `home`. CI is not set: it would silence telemetry by itself. */
function telemetryEnvironment(): NodeJS.ProcessEnv {
  return { HOME: home, TMPDIR: home };
}

function start(program: readonly string[], stdio: ('ignore' | 'pipe' | number)[]): ChildProcess {
  const child = spawn(process.execPath, program, { env: telemetryEnvironment(), stdio });
  children.push(child);
  return child;
}

/** The image's engine, with the descriptors that its platform gives it. */
async function startEngine(...more: number[]): Promise<ChildProcess> {
  // Whatever this test's own process inherited does not go on from here.
  for (const { descriptor } of openDescriptors()) if (descriptor > 2) keepOnExec(descriptor, false);
  const image = await mkdtemp(join(scratch, 'image-'));
  await buildImage(image);
  const files = ['engine.mjs', 'native/libonnxruntime.so.1', 'native/onnxruntime_binding.node'];
  const [program = -1, ...native] = files.map((name) => openSync(join(image, name), 'r'));
  const flags = ['--no-warnings', '--input-type=module', '-', String(1024 * MEBIBYTE)];
  const engine = start(flags, [program, 'ignore', 'ignore', 'pipe', 'pipe', ...native, 'ignore', ...more]);
  for (const descriptor of [program, ...native]) closeSync(descriptor);
  return engine;
}

const [DIGITS, ENDLESS, PRODUCT] = [hash('digits'), hash('endless'), hash('product')];
const input: Tensor = { name: 'image', datatype: 'FP32', shape: [1, 784], data: new Uint8Array(784 * 4) };

async function load(channel: RpcChannel, model: Digest, onnx: Uint8Array): Promise<void> {
  const transfer = '0';
  unwrap(await callBy(ENGINE_CALLS, channel, 'load-begin', { transfer, bytes: onnx.length }));
  for (const piece of [onnx.subarray(0, 100), onnx.subarray(100)]) {
    unwrap(await callBy(ENGINE_CALLS, channel, 'load-piece', { transfer, piece }));
  }
  unwrap(await callBy(ENGINE_CALLS, channel, 'load-end', { transfer, model }));
}

it('takes as many bytes of a file as were announced, and loads nothing less', () => {
  const files = new ModelFiles();
  const piece = new Uint8Array(3);
  expect(files.append('0', piece)).toMatchObject({ code: 'MODEL_NOT_LOADED' });
  expect(files.begin('0', -1)).toMatchObject({ code: 'MODEL_TOO_LARGE' });
  expect(files.begin('0', 5)).toMatchObject({ ok: true });
  expect(files.append('0', piece)).toMatchObject({ ok: true });
  expect(files.append('0', piece)).toMatchObject({ code: 'MODEL_TOO_LARGE' });
  expect(files.end('0')).toMatchObject({ code: 'MODEL_NOT_LOADED' });
});

/** y = x · W, in so many columns. */
function productModel(columns: number): Uint8Array {
  const input = { name: 'image', shape: [1, 784] };
  const data = Float32Array.from({ length: 784 * columns }, (_, i) => (i % 251) / 251);
  const weights = [{ name: 'w', shape: [784, columns], data }];
  const nodes = [{ operator: 'MatMul', inputs: ['image', 'w'], outputs: ['y'] }];
  return encodeOnnx({ name: 'product', nodes, weights, input, output: { name: 'y', shape: [1, columns] } });
}

/** Memory of its own that an engine takes once it has loaded a model. */
async function memoryWith(onnx: Uint8Array): Promise<number> {
  const engine = await startEngine();
  const channel = new RpcChannel(engine.stdio[3] as unknown as Socket, { messageBytesMax: 1 << 24 });
  const transfer = '0';
  unwrap(await callBy(ENGINE_CALLS, channel, 'load-begin', { transfer, bytes: onnx.length }));
  for (let at = 0; at < onnx.length; at += MEBIBYTE) {
    const piece = onnx.subarray(at, at + MEBIBYTE);
    unwrap(await callBy(ENGINE_CALLS, channel, 'load-piece', { transfer, piece }));
  }
  unwrap(await callBy(ENGINE_CALLS, channel, 'load-end', { transfer, model: PRODUCT }));
  const status = await readFile(`/proc/${engine.pid}/status`, 'latin1');
  channel.close();
  await gone(engine.pid ?? 0);
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

it('takes no more memory for a model than 1.2 times its size: no piece and no file of it stays', async () => {
  const [small, large] = [productModel(1), productModel(16_000)];
  const more = (await memoryWith(large)) - (await memoryWith(small));
  expect(more / large.length).toBeGreaterThan(0.9);
  expect(more / large.length).toBeLessThanOrEqual(1.2);
});

it('writes no telemetry, where onnxruntime left alone does, and gets no memory beyond its limit', async () => {
  const engine = await startEngine();
  const channel = new RpcChannel(engine.stdio[3] as unknown as Socket, { messageBytesMax: 1 << 24 });
  const onnx = new Uint8Array(await readFile(digitsFile));
  await load(channel, DIGITS, onnx);
  unwrap(await callBy(ENGINE_CALLS, channel, 'run', { model: DIGITS, input: encodeTensors([input]) }));
  expect(await readdir(home, { recursive: true })).toEqual([]);
  // It was started with a gibibyte, and reserves less than another.
  const beyond = { transfer: '1', bytes: 2048 * MEBIBYTE };
  expect(await callBy(ENGINE_CALLS, channel, 'load-begin', beyond)).toMatchObject({ code: 'MODEL_TOO_LARGE' });

  expect(await channel.call('run', { head: { model: DIGITS }, parts: [] })).toMatchObject({ code: 'CALL_MALFORMED' });
  // The channel's end is the engine's.
  channel.close();
  await gone(engine.pid ?? 0);

  const ort = createRequire(import.meta.url).resolve('onnxruntime-node');
  const alone = start(
    ['-e', `require(${JSON.stringify(ort)}).InferenceSession.create(${JSON.stringify(digitsFile)})`],
    ['ignore', 'ignore', 'ignore'],
  );
  await new Promise((resolve) => alone.on('exit', resolve));
  expect((await readdir(home, { recursive: true })).some((path) => path.endsWith('onnxruntime.db'))).toBe(true);
});

it('takes no model while something is open that it was not given', async () => {
  const database = openSync(join(scratch, 'database'), 'a+');
  const engine = await startEngine(database);
  const channel = new RpcChannel(engine.stdio[3] as unknown as Socket, { messageBytesMax: 1 << 24 });
  const begun = await callBy(ENGINE_CALLS, channel, 'load-begin', { transfer: '0', bytes: 1 });
  expect(begun).toMatchObject({ code: 'DESCRIPTORS_OPEN' });
  closeSync(database);
});

it('dies with its lifeline, even in the middle of a run', async () => {
  const engine = await startEngine();
  const channel = new RpcChannel(engine.stdio[3] as unknown as Socket, { messageBytesMax: 1 << 24 });
  await load(channel, ENDLESS, endlessModel());
  const ended = callBy(ENGINE_CALLS, channel, 'run', { model: ENDLESS, input: encodeTensors([input]) }).catch(
    (error: unknown) => error,
  );
  const lifeline = engine.stdio[4];
  lifeline?.destroy();
  await gone(engine.pid ?? 0);
  expect(await ended).toMatchObject({ code: 'CHANNEL_CLOSED' });
});

it.each([
  ['avx2 fma', 'avx2'],
  ['avx2 fma avx_vnni', 'avx2-vnni'],
  ['avx2 fma avx512f avx512bw avx512dq avx512vl', 'avx512'],
  ['avx2 fma avx512f avx512bw avx512dq avx512vl avx512_vnni', 'avx512-vnni'],
  ['avx2 fma avx512f', 'avx2'],
  ['sse2', 'x86-64'],
  ['', 'x86-64'],
])('puts a processor with "%s" into the class %s', (flags, expected) => {
  expect(numericClassOf(`processor\t: 0\nflags\t\t: fpu ${flags}\nbugs\t\t: avx512f\n`)).toBe(expected);
});
