/** The model of the tests: it doubles every number. */
import type { Tensor } from '@cloister/confidential';
import { IMAGE } from '@cloister/testkit/fake-chain';
import { encodeOnnx } from '@cloister/testkit/onnx-writer';
import type { ModelDescription } from '../src/index.ts';

export const floats = (values: readonly number[]): Tensor => ({
  name: 'input',
  datatype: 'FP32',
  shape: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
});
export const description: ModelDescription = {
  onnx: encodeOnnx({
    name: 'doubling',
    nodes: [{ operator: 'Add', inputs: ['input', 'input'], outputs: ['output'] }],
    weights: [],
    input: { name: 'input', shape: [2] },
    output: { name: 'output', shape: [2] },
  }),
  name: 'doubling',
  version: '1',
  inputs: [{ name: 'input', datatype: 'FP32', shape: [-1] }],
  outputs: [{ name: 'output', datatype: 'FP32', shape: [-1] }],
  engine: { name: 'doubling', version: '1' },
  releasePolicy: { images: [IMAGE], platforms: ['sev-snp'], mayReplicate: false },
  executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
};
