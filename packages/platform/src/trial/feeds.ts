/** Tensors for a run before there is any real input. */
import type { ModelSignature, Tensor, TensorDatatype, TensorSpec } from '@cloister/confidential';
import { utf8 } from '@cloister/encoding';

const ANY = -1;

/** One element that says 1, little-endian. */
const ONES: Readonly<Record<TensorDatatype, readonly number[]>> = {
  BOOL: [1],
  UINT8: [1],
  UINT16: [1, 0],
  UINT32: [1, 0, 0, 0],
  UINT64: [1, 0, 0, 0, 0, 0, 0, 0],
  INT8: [1],
  INT16: [1, 0],
  INT32: [1, 0, 0, 0],
  INT64: [1, 0, 0, 0, 0, 0, 0, 0],
  FP16: [0, 0x3c],
  FP32: [0, 0, 0x80, 0x3f],
  FP64: [0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
  BF16: [0x80, 0x3f],
  BYTES: [1, 0, 0, 0, ...utf8('1')],
};
/** Elements of BYTES carry their lengths. */
const ZEROS: Readonly<Partial<Record<TensorDatatype, readonly number[]>>> = { BYTES: [1, 0, 0, 0, ...utf8('0')] };

/** What a model's inputs are when both sides are put together, or undefined while a dimension is open. */
export function staticInputs(file: ModelSignature, manifest: ModelSignature): readonly TensorSpec[] | undefined {
  const inputs = manifest.inputs.map(({ name, datatype, shape }): TensorSpec => {
    const declared = file.inputs.find((spec) => spec.name === name);
    return { name, datatype, shape: shape.map((size, i) => (size === ANY ? (declared?.shape[i] ?? ANY) : size)) };
  });
  return inputs.some(({ shape }) => shape.includes(ANY)) ? undefined : inputs;
}

/** Bytes of such tensors; their shapes must be static. */
export function feedBytes(specs: readonly TensorSpec[]): number {
  return specs.reduce((sum, { datatype, shape }) => sum + ONES[datatype].length * elements(shape), 0);
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function filled(specs: readonly TensorSpec[], feed: 'zeros' | 'ones'): Tensor[] {
  return specs.map(({ name, datatype, shape }) => {
    const one = ONES[datatype];
    const element = Uint8Array.from(feed === 'ones' ? one : (ZEROS[datatype] ?? one.map(() => 0)));
    const data = new Uint8Array(elements(shape) * element.length);
    for (let at = 0; at < data.length; at += element.length) data.set(element, at);
    return { name, datatype, shape, data };
  });
}
