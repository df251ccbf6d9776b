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
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RpcChannel } from '../src/channel/rpc.ts';
import { numericClassOf } from '../src/engine/numeric-class.ts';
import { buildImage } from '../src/index.ts';
import { keepOnExec } from '../src/process/libc.ts';
import { openDescriptors } from '../src/process/open-descriptors.ts';
import { endlessModel } from './endless-model.ts';
import { digitsFile, gone, unwrap } from './launched.ts';

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
  const image = join(scratch, 'image');
  await buildImage(image);
  const files = ['engine.mjs', 'native/libonnxruntime.so.1', 'native/onnxruntime_binding.node'];
  const [program = -1, ...native] = files.map((name) => openSync(join(image, name), 'r'));
  const flags = ['--no-warnings', '--input-type=module', '-', String(1024 * MEBIBYTE)];
  const engine = start(flags, [program, 'ignore', 'ignore', 'pipe', 'pipe', ...native, 'ignore', ...more]);
  for (const descriptor of [program, ...native]) closeSync(descriptor);
  return engine;
}

const input: Tensor = { name: 'image', datatype: 'FP32', shape: [1, 784], data: new Uint8Array(784 * 4) };

it('writes no telemetry, where onnxruntime left alone does', async () => {
  const engine = await startEngine();
  const channel = new RpcChannel(engine.stdio[3] as unknown as Socket, { messageBytesMax: 1 << 24 });
  const onnx = new Uint8Array(await readFile(digitsFile));
  unwrap(await channel.call('load', { head: 'digits', parts: [onnx] }));
  unwrap(await channel.call('run', { head: 'digits', parts: [encodeTensors([input])] }));
  expect(await readdir(home, { recursive: true })).toEqual([]);

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
  const onnx = new Uint8Array(await readFile(digitsFile));
  expect(await channel.call('load', { head: 'digits', parts: [onnx] })).toMatchObject({ code: 'DESCRIPTORS_OPEN' });
  closeSync(database);
});

it('dies with its lifeline, even in the middle of a run', async () => {
  const engine = await startEngine();
  const channel = new RpcChannel(engine.stdio[3] as unknown as Socket, { messageBytesMax: 1 << 24 });
  unwrap(await channel.call('load', { head: 'endless', parts: [endlessModel()] }));
  const ended = channel
    .call('run', { head: 'endless', parts: [encodeTensors([input])] })
    .catch((error: unknown) => error);
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
