/** The model run directly on the tenant's machine: what every sealed answer must equal. */
import { readFile } from 'node:fs/promises';
import { DIGIT_PIXELS } from '../digits/split.ts';

/** Where the trained digits model lies in this package. */
export const DIGITS_MODEL: URL = new URL('../../models/digits.onnx', import.meta.url);

export type BareModel = { run(image: Float32Array): Promise<Float32Array> };

export async function loadBareModel(): Promise<BareModel> {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(await readFile(DIGITS_MODEL), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
  const [input, output] = [session.inputNames[0] ?? '', session.outputNames[0] ?? ''];
  return {
    async run(image) {
      const results = await session.run({ [input]: new Tensor('float32', image, [1, DIGIT_PIXELS]) });
      return results[output]?.data as Float32Array;
    },
  };
}
