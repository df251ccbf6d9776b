/** A sealed inference from request to verified answer, beside the same model run directly in this process. */
import { readFile } from 'node:fs/promises';
import { CloisterClient, createHttpApi } from '../../packages/client/src/index.ts';
import { assert, type Digest } from '../../packages/encoding/src/index.ts';
import { DIGIT_PIXELS, DIGITS_MODEL, digitsSplit, loadBareModel } from '../../packages/node/src/testnet/index.ts';
import { tryModel } from '../../packages/platform/src/index.ts';
import { type Figure, percentile, type Report } from './figures.ts';
import type { FourNodes } from './four-nodes.ts';

const PART = 'inference';
const BARE_WARM_UP = 50;
const BARE_TIMES = 1_000;

async function clientOf({ layout, apis }: FourNodes, keyPair: FourNodes['keys']['owner']): Promise<CloisterClient> {
  const api = createHttpApi({ baseUrl: apis[0] ?? '' });
  // A benchmark of simulated platforms, which says SIMULATED beside its figures.
  return CloisterClient.connect({ api, chainId: layout.chainId, keyPair, acceptSimulated: true });
}

async function publish(network: FourNodes, owner: CloisterClient): Promise<Digest> {
  const { layout } = network;
  const prepared = await owner.prepareModel(
    {
      onnx: await readFile(DIGITS_MODEL),
      name: 'digits',
      version: '1',
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, DIGIT_PIXELS] }],
      outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10] }],
      engine: { name: 'onnxruntime-node', version: '1.30.0' },
      releasePolicy: { images: [layout.image.digest], platforms: ['sev-snp'], mayReplicate: false },
      executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
    },
    { tryModel },
  );
  await owner.publishModel(prepared);
  for (const { id } of layout.validators) {
    await owner.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: id });
  }
  return prepared.model;
}

async function bareTimes(images: readonly Float32Array[]): Promise<number[]> {
  const bare = await loadBareModel();
  const times: number[] = [];
  for (let i = 0; i < BARE_WARM_UP + BARE_TIMES; i++) {
    const startMs = performance.now();
    await bare.run(images[i % images.length] ?? new Float32Array(DIGIT_PIXELS));
    if (i >= BARE_WARM_UP) times.push(performance.now() - startMs);
  }
  return times;
}

/** One after the other, each executor in turn; the first round of four is the warm-up. */
export async function inferenceFigures(
  network: FourNodes,
  options: { readonly inferences: number; readonly report: Report },
): Promise<Figure[]> {
  const { report, inferences } = options;
  const [owner, tenant] = [await clientOf(network, network.keys.owner), await clientOf(network, network.keys.tenant)];
  report('inference: publishing the digits model and granting its key to four enclaves');
  const model = await publish(network, owner);
  const executors = network.layout.validators.map(({ id }) => id);
  const images = digitsSplit().held.map(({ image }) => image);
  const times: number[] = [];
  const warmUp = executors.length;
  for (let i = 0; i < warmUp + inferences; i++) {
    if (i === warmUp) report(`inference: ${inferences} sealed round trips`);
    const image = images[i % images.length] ?? new Float32Array(DIGIT_PIXELS);
    const data = new Uint8Array(image.buffer, image.byteOffset, image.byteLength);
    const startMs = performance.now();
    const { outcome } = await tenant.infer({
      model,
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, DIGIT_PIXELS], data }],
      executors: executors.slice(i % executors.length, (i % executors.length) + 1),
      threshold: 1,
    });
    assert(outcome.status === 'completed', 'the inference completes');
    if (i >= warmUp) times.push(performance.now() - startMs);
  }
  report(`inference: ${BARE_TIMES} runs of the same model in this process`);
  const bare = await bareTimes(images);
  const figure = (name: string, value: number): Figure => ({ part: PART, name, value, unit: 'ms' });
  return [
    figure('sealed round trip p50, one executor (SIMULATED)', percentile(times, 0.5)),
    figure('sealed round trip p99, one executor (SIMULATED)', percentile(times, 0.99)),
    figure('same model directly in onnxruntime-node, p50', percentile(bare, 0.5)),
    figure('same model directly in onnxruntime-node, p99', percentile(bare, 0.99)),
  ];
}
