/**
 * What is wrong with an input or a model, on one validator with a real (simulated-platform) enclave: its tenant learns of it
 * at once, with its reason, and the enclave is asked once. The client refuses most of it before anything is sent; here it
 * is one that does not look.
 */
import { join } from 'node:path';
import { CloisterClient, createHttpApi, type InferenceResult } from '@cloister/client';
import type { Tensor, TensorSpec } from '@cloister/confidential';
import { concatBytes, toHex, utf8 } from '@cloister/encoding';
import { buildImage, type LaunchedEnclave, launchEnclave, measureImage } from '@cloister/platform';
import { endlessModel } from '@cloister/testkit/endless-model';
import { bytes, int, message, protoText } from '@cloister/testkit/onnx-writer';
import { ELEMENT, type ElementType, oneOperator } from '@cloister/testkit/typed-onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../src/process/atomic-file.ts';
import type { RunningNode } from '../src/process/running-node.ts';
import { makeHome, sampleGenesis, seedOf, startQuietly, TENANT, temporaryFolder, untilBlock } from './samples.ts';

const RUN_MS_MAX = 4_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let node: RunningNode;
let client: CloisterClient;
let image: Awaited<ReturnType<typeof measureImage>>;
let launched: LaunchedEnclave;
/** Methods of the enclave that were called. */
const calls: string[] = [];
let models = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
  await buildImage(join(folder.path, 'image'), { limits: { runMsMax: RUN_MS_MAX } });
  image = await measureImage(join(folder.path, 'image'));
  const genesis = sampleGenesis(1, [{ platform: 'sev-snp', name: 'enclave', ...image }]);
  const layout = await makeHome(folder.path, 0, genesis);
  const deviceSeedFile = join(layout.enclave, 'device_seed');
  await writeFileAtomic(deviceSeedFile, toHex(seedOf('device')));
  const launch = async () => {
    launched = await launchEnclave({
      imageDirectory: join(folder.path, 'image'),
      label: join(layout.enclave, 'run'),
      machine: { kind: 'simulated', deviceSeedFile, platform: 'sev-snp', product: 'Genoa' },
      genesis: genesis.bytes,
      nodeId: genesis.genesis.validators[0]?.id ?? TENANT.id,
      bubblewrap: [],
    });
    const { port } = launched;
    for (const method of ['provisionModel', 'runInference'] as const) {
      const call = port[method].bind(port) as (request: never) => Promise<unknown>;
      Object.assign(port, {
        [method]: (request: never) => {
          calls.push(method);
          return call(request);
        },
      });
    }
    return { port, exited: launched.exited.then(() => 'ended'), stop: () => launched.stop() };
  };
  node = await startQuietly(layout, {}, { launch });
  await untilBlock(node, () => node.context.state().attestations.has(node.id));
  const api = createHttpApi({ baseUrl: node.apiUrl ?? '' });
  client = await CloisterClient.connect({ api, chainId: genesis.chainId, keyPair: TENANT, acceptSimulated: true });
}, 120_000);

afterAll(async () => {
  await node?.stop();
  await folder.remove();
}, 60_000);

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const spec = (name: string, datatype: TensorSpec['datatype'], ...shape: number[]): TensorSpec => ({
  name,
  datatype,
  shape,
});

interface Sample {
  readonly onnx: Uint8Array;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** y = operator(x) over two elements. */
function plain(operator: string, type: ElementType = 'FP32'): Sample {
  const value = { type, shape: [2] } as const;
  const onnx = oneOperator({ operator, input: { name: 'x', ...value }, output: { name: 'y', ...value } });
  return { onnx, inputs: [spec('x', type, 2)], outputs: [spec('y', type, 2)] };
}

/** Published unseen, as by an owner who does not try it, and granted. */
async function publish(sample: Sample): Promise<InferenceOf> {
  const name = `model ${models++}`;
  const prepared = await client.prepareModel(
    {
      ...sample,
      name: name.replace(' ', '-'),
      version: '1',
      engine: { name: 'onnxruntime-node', version: '1.30.0' },
      releasePolicy: { images: [image.image], platforms: ['sev-snp'], mayReplicate: false },
      executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
    },
    { tryModel: 'screen-only' },
  );
  await client.publishModel(prepared);
  const { model, modelKey } = prepared;
  await client.grantModelKey({ model, modelKey, node: node.id });
  calls.splice(0);
  return (lawful, sent = lawful) => {
    let asked = 0;
    // The client looks at it twice before it seals it.
    const request = {
      model,
      executors: [node.id],
      get inputs() {
        return asked++ < 2 ? lawful : sent;
      },
    };
    return client.infer(request);
  };
}

type InferenceOf = (lawful: readonly Tensor[], sent?: readonly Tensor[]) => Promise<InferenceResult>;

const x: Tensor = { ...spec('x', 'FP32', 2), data: floats(1, 2) };

describe('an input that the model does not take', { timeout: 60_000 }, () => {
  let infer: InferenceOf;
  beforeAll(async () => {
    infer = await publish(plain('Relu'));
  }, 60_000);

  it.each<[string, readonly Tensor[], string]>([
    ['of a wrong name', [{ ...x, name: 'z' }], 'TENSOR_MISSING'],
    ['of a wrong shape', [{ ...x, shape: [1, 2] }], 'TENSOR_SHAPE_DIFFERS'],
    ['of a wrong type', [{ ...x, datatype: 'INT32' }], 'TENSOR_DATATYPE_DIFFERS'],
    ['one too many', [x, { ...x, name: 'z' }], 'TENSOR_UNEXPECTED'],
    ['that is no number', [{ ...x, data: floats(1, Number.NaN) }], 'TENSOR_NOT_FINITE'],
  ])('is refused by the enclave: %s', async (_, sent, code) => {
    calls.splice(0);
    expect((await infer([x], sent)).outcome).toMatchObject({ status: 'refused', code });
    expect(calls.filter((call) => call === 'runInference')).toHaveLength(1);
  });

  it('is refused before it is sent when it is oversized', async () => {
    const large: Tensor = { ...x, shape: [4 * 1024 * 1024 + 1], data: new Uint8Array(16 * 1024 * 1024 + 4) };
    await expect(infer([x], [large])).rejects.toMatchObject({ code: 'INPUT_INVALID', detail: 'TENSORS_TOO_LARGE' });
  });
});

describe('a model', { timeout: 60_000 }, () => {
  it.each<[string, Sample, string]>([
    ['with an operator that the engine does not have', plain('NoSuchOperator'), 'MODEL_LOAD_FAILED'],
    ['of BF16, which the engine does not have', plain('Identity', 'BF16'), 'MODEL_UNSUPPORTED_TYPE'],
    [
      'with another output than its manifest',
      { ...plain('Relu'), outputs: [spec('z', 'FP32', 2)] },
      'MODEL_SIGNATURE_MISMATCH',
    ],
  ])('%s is refused once', async (_, sample, code) => {
    const infer = await publish(sample);
    const datatype = sample.inputs[0]?.datatype ?? 'FP32';
    const input = { ...x, datatype, data: x.data.subarray(0, datatype === 'BF16' ? 4 : 8) };
    await expect(infer([input])).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      reasons: [{ from: 'node', code: 'MODEL_REFUSED', detail: code }],
    });
    expect(calls).toEqual(['provisionModel']);
  });

  it('whose output is larger than an output may be says so', async () => {
    const shape = message(5, int(1, 1), int(2, ELEMENT.INT64), protoText(8, 'to'), bytes(9, int64(9 * 1024 * 1024)));
    const [input, output] = [
      { name: 'x', type: 'FP32', shape: [1] },
      { name: 'y', type: 'FP32', shape: ['n'] },
    ] as const;
    const onnx = oneOperator({ operator: 'Expand', input, output, from: ['x', 'to'], more: [shape] });
    const infer = await publish({ onnx, inputs: [spec('x', 'FP32', 1)], outputs: [spec('y', 'FP32', -1)] });
    const one: Tensor = { ...spec('x', 'FP32', 1), data: floats(1) };
    await expect(infer([one])).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      reasons: [{ from: 'enclave', code: 'OUTPUT_TOO_LARGE' }],
    });
    expect(calls).toEqual(['provisionModel', 'runInference']);
  });

  const endless: Sample = {
    onnx: endlessModel(),
    inputs: [spec('image', 'FP32', 1, 784)],
    outputs: [spec('probabilities', 'FP32', 1, 784)],
  };
  const digit: Tensor = { ...spec('image', 'FP32', 1, 784), data: new Uint8Array(784 * 4) };

  it('that does not come back is ended, and says so', async () => {
    const infer = await publish(endless);
    await expect(infer([digit])).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      reasons: [{ from: 'enclave', code: 'ENGINE_TIMEOUT' }],
    });
    expect(calls).toEqual(['provisionModel', 'runInference']);
  });

  it('whose engine dies says so', async () => {
    const infer = await publish(endless);
    const before = new Set(await launched.pids.engines());
    const failed = infer([digit]);
    let started: number | undefined;
    // It is there before it runs: the load takes its part of the time, and a kill is as good then.
    while (started === undefined || !calls.includes('runInference')) {
      started = (await launched.pids.engines()).find((pid) => !before.has(pid));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    process.kill(started, 'SIGKILL');
    await expect(failed).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      reasons: [{ from: 'enclave', code: 'ENGINE_CRASHED' }],
    });
    expect(calls).toEqual(['provisionModel', 'runInference']);
  });
});

describe('tensors of other types', { timeout: 60_000 }, () => {
  const half = new Uint8Array(Uint16Array.of(0x3c00, 0xc000).buffer);
  const texts = concatBytes(...['hi', 'ü€😀'].flatMap((one) => [Uint8Array.of(utf8(one).length, 0, 0, 0), utf8(one)]));

  it.each<[string, ElementType, Uint8Array]>([
    ['16-bit floats', 'FP16', half],
    ['texts', 'BYTES', texts],
  ])('come and go: %s', async (_, datatype, data) => {
    const infer = await publish(plain('Identity', datatype));
    const { outcome } = await infer([{ name: 'x', datatype: datatype as Tensor['datatype'], shape: [2], data }]);
    expect(outcome).toEqual({ status: 'completed', tensors: [{ name: 'y', datatype, shape: [2], data }] });
  });
});

function int64(value: number): Uint8Array {
  return new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
}
