/** Tensors as JSON in the Open Inference Protocol's form: {name, datatype, shape, data}. */
import type { Tensor } from '@cloister/confidential';
import type { JsonValue } from '@cloister/crypto';
import { UsageError } from './command.ts';

type Codec = {
  readonly bytes: number;
  write(view: DataView, at: number, value: number): void;
  read(view: DataView, at: number): number;
};

const CODECS: { readonly [datatype: string]: Codec } = {
  FP32: { bytes: 4, write: (v, at, x) => v.setFloat32(at, x, true), read: (v, at) => v.getFloat32(at, true) },
  FP64: { bytes: 8, write: (v, at, x) => v.setFloat64(at, x, true), read: (v, at) => v.getFloat64(at, true) },
  INT64: {
    bytes: 8,
    write: (v, at, x) => v.setBigInt64(at, BigInt(x), true),
    read: (v, at) => Number(v.getBigInt64(at, true)),
  },
  INT32: { bytes: 4, write: (v, at, x) => v.setInt32(at, x, true), read: (v, at) => v.getInt32(at, true) },
  UINT8: { bytes: 1, write: (v, at, x) => v.setUint8(at, x), read: (v, at) => v.getUint8(at) },
};

/** @throws UsageError for what is not {inputs: [{name, datatype, shape, data}]}. */
export function tensorsFromJson(value: JsonValue): Tensor[] {
  const inputs = (value as { inputs?: JsonValue } | null)?.inputs;
  if (!Array.isArray(inputs)) throw new UsageError('the input must be {"inputs": [{name, datatype, shape, data}]}');
  return inputs.map((input) => {
    const { name, datatype, shape, data } = (input ?? {}) as { [key: string]: JsonValue };
    const codec = CODECS[String(datatype)];
    const flat = Array.isArray(data) ? data.flat(8) : undefined;
    if (typeof name !== 'string' || codec === undefined || !Array.isArray(shape) || flat === undefined) {
      throw new UsageError(`an input needs name, shape, data and a datatype among ${Object.keys(CODECS).join(', ')}`);
    }
    const view = new DataView(new ArrayBuffer(flat.length * codec.bytes));
    flat.forEach((item, i) => {
      if (typeof item !== 'number') throw new UsageError(`data of ${name} must be numbers`);
      codec.write(view, i * codec.bytes, item);
    });
    return { name, datatype: String(datatype), shape: shape.map(Number), data: new Uint8Array(view.buffer) } as Tensor;
  });
}

/** The numbers of a tensor in row order. */
export function tensorNumbers(tensor: Tensor): number[] {
  const codec = CODECS[tensor.datatype];
  if (codec === undefined) return [...tensor.data];
  const view = new DataView(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  return Array.from({ length: tensor.data.length / codec.bytes }, (_, i) => codec.read(view, i * codec.bytes));
}

export function tensorToJson(tensor: Tensor): JsonValue {
  const { name, datatype, shape } = tensor;
  return { name, datatype, shape: [...shape], data: tensorNumbers(tensor) };
}
