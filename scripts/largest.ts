/**
 * The largest model, input and output that the documents promise, from publishing to the answer on one real node, and how much
 * memory each process took for it. `npx -y pnpm@12 largest`
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytes, int, message, protoText } from '@cloister/testkit/onnx-writer';
import { CloisterClient, createHttpApi } from '../packages/client/src/index.ts';
import { INPUT_BYTES_MAX, MODEL_BYTES_MAX, TENSOR_LIMITS, type Tensor } from '../packages/confidential/src/index.ts';
import { assert, concatBytes } from '../packages/encoding/src/index.ts';
import {
  accountKey,
  awaitReady,
  buildTestnetImage,
  makeLayout,
  spawnNode,
} from '../packages/node/src/testnet/index.ts';
import { tryModel } from '../packages/platform/src/index.ts';

const MEBIBYTE: number = 1024 * 1024;
const READY_MS = 180_000;
const WAIT_MS = 300_000;
/** Floats of the input beside an index of 8 bytes. */
const INPUT_FLOATS: number = (INPUT_BYTES_MAX - 8) / 4;
const FLOAT = 1;
const INT64 = 7;

function value(field: number, name: string, type: number, size: number): Uint8Array {
  const shape = message(2, message(1, int(1, size)));
  return message(field, protoText(1, name), message(2, message(1, int(1, type), shape)));
}

function node(operator: string, inputs: readonly string[], output: string): Uint8Array {
  const axis = operator === 'Concat' ? [message(5, protoText(1, 'axis'), int(3, 0), int(20, 2))] : [];
  return message(1, ...inputs.map((name) => protoText(1, name)), protoText(2, output), protoText(4, operator), ...axis);
}

/** y = (x ‖ x) + w[at], where w has so many floats that the runtime cannot do without. */
function modelOf(weights: number): Uint8Array {
  const raw = new Uint8Array(weights * 4);
  // The last one is 1.
  raw.set([0, 0, 0x80, 0x3f], raw.length - 4);
  const graph = message(
    7,
    node('Gather', ['w', 'at'], 'one'),
    node('Concat', ['x', 'x'], 'twice'),
    node('Add', ['twice', 'one'], 'y'),
    protoText(2, 'largest'),
    message(5, int(1, weights), int(2, FLOAT), protoText(8, 'w'), bytes(9, raw)),
    value(11, 'x', FLOAT, INPUT_FLOATS),
    value(11, 'at', INT64, 1),
    value(12, 'y', FLOAT, 2 * INPUT_FLOATS),
  );
  return concatBytes(int(1, 8), graph, message(8, protoText(1, ''), int(2, 17)));
}

/** The peak of resident memory of a process and those that it started, by name. */
async function peaks(root: number): Promise<readonly string[]> {
  const found: string[] = [];
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    const parent = /^\d+ \(.*\) \S (\d+)/s.exec(stat)?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const descends = (pid: number): boolean => pid === root || (parents.has(pid) && descends(parents.get(pid) ?? 0));
  for (const pid of [...parents.keys()].filter(descends)) {
    const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
    const words = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
    const peak = Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
    found.push(
      `${peak.toFixed(0)} MiB  ${pid === root ? 'validator' : words.split('\0').filter(Boolean).slice(-1)[0]}`,
    );
  }
  return found;
}

function say(words: string): void {
  process.stdout.write(`${(performance.now() / 1000).toFixed(1).padStart(6)} s  ${words}\n`);
}

async function run(folder: string): Promise<void> {
  say('SIMULATED: one validator, one enclave on a simulated platform');
  const layout = await makeLayout(folder, await buildTestnetImage(folder), 1, undefined);
  const [validator] = layout.validators;
  assert(validator !== undefined, 'one validator');
  const running = await spawnNode(validator.home, ['start']);
  try {
    assert(await awaitReady(running.api, READY_MS, () => undefined), 'the node gets ready');
    const clientOf = async (name: string): Promise<CloisterClient> => {
      const api = createHttpApi({ baseUrl: running.api });
      const keyPair = await accountKey(layout.clientHome, name);
      return CloisterClient.connect({ api, chainId: layout.chainId, keyPair, acceptSimulated: true });
    };
    const [owner, tenant] = [await clientOf('owner'), await clientOf('tenant')];
    say(`the node is ready: ${(await peaks(running.pid)).join(', ')}`);
    let onnx = modelOf(Math.floor(MODEL_BYTES_MAX / 4) - 1024);
    assert(onnx.length <= MODEL_BYTES_MAX && onnx.length > MODEL_BYTES_MAX - 8192, 'the largest file, nearly');
    const prepared = await owner.prepareModel(
      {
        onnx,
        name: 'largest',
        version: '1',
        inputs: [
          { name: 'x', datatype: 'FP32', shape: [INPUT_FLOATS] },
          { name: 'at', datatype: 'INT64', shape: [1] },
        ],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [2 * INPUT_FLOATS] }],
        engine: { name: 'onnxruntime-node', version: '1.30.0' },
        releasePolicy: { images: [layout.image.digest], platforms: [validator.platform], mayReplicate: false },
        executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
      },
      { tryModel },
    );
    say(`tried (${prepared.ran ? 'run' : 'not run'}) and sealed: ${(onnx.length / MEBIBYTE).toFixed(2)} MiB`);
    onnx = new Uint8Array(0);
    await owner.publishModel(prepared, { timeoutMs: WAIT_MS });
    say('published');
    const { model, modelKey } = prepared;
    await owner.grantModelKey({ model, modelKey, node: validator.id }, { timeoutMs: WAIT_MS });
    say('granted');
    const at = Math.floor(MODEL_BYTES_MAX / 4) - 1024 - 1;
    const inputs: Tensor[] = [
      { name: 'x', datatype: 'FP32', shape: [INPUT_FLOATS], data: new Uint8Array(INPUT_FLOATS * 4) },
      { name: 'at', datatype: 'INT64', shape: [1], data: new Uint8Array(BigInt64Array.of(BigInt(at)).buffer) },
    ];
    for (const round of ['first', 'second']) {
      const startMs = performance.now();
      const { outcome } = await tenant.infer({ model, inputs, executors: [validator.id] }, { timeoutMs: WAIT_MS });
      assert(outcome.status === 'completed', JSON.stringify(outcome).slice(0, 200));
      const [y] = outcome.tensors;
      assert(
        y !== undefined && new Float32Array(y.data.slice(-4).buffer)[0] === 1,
        'the last number is the last weight',
      );
      const tookS = ((performance.now() - startMs) / 1000).toFixed(1);
      say(`${round} answer after ${tookS} s: ${y.data.length} of at most ${TENSOR_LIMITS.totalBytes} bytes`);
      // Also lets this process see which connections ended while it was busy opening the answer.
      say(`peaks:\n          ${(await peaks(running.pid)).join('\n          ')}`);
    }
  } finally {
    await running.stop();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'cloister-largest-'));
try {
  await run(folder);
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
