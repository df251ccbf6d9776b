/**
 * Tensors between the Open Inference Protocol's bytes and onnxruntime's typed arrays.
 */
import type { Tensor as ProtocolTensor, TensorDatatype, TensorSpec } from '@cloister/confidential';
import type { Tensor as OrtTensor, TypedTensor } from 'onnxruntime-common';

/** onnxruntime's names of the types that the engine takes. */
type OrtType =
  | 'string'
  | 'float16'
  | 'float32'
  | 'float64'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool';

/** BF16 is missing: onnxruntime-node has no such tensors, and loads no model that takes or gives one. */
const ORT_TYPES: Readonly<Partial<Record<TensorDatatype, OrtType>>> = {
  BYTES: 'string',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  INT8: 'int8',
  UINT8: 'uint8',
  INT16: 'int16',
  UINT16: 'uint16',
  INT32: 'int32',
  UINT32: 'uint32',
  INT64: 'int64',
  UINT64: 'uint64',
  BOOL: 'bool',
};

/** The bits of a 16-bit float, see `loadRuntime`. */
const ARRAYS = {
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** Whether every tensor of a model is of a type that the engine takes. */
export function areSupported(specs: readonly TensorSpec[]): boolean {
  return specs.every(({ datatype }) => ORT_TYPES[datatype] !== undefined);
}

/** The protocol's name of an onnxruntime type, or undefined for one that the engine does not take. */
export function protocolDatatype(type: string): TensorDatatype | undefined {
  const entry = Object.entries(ORT_TYPES).find(([, ort]) => ort === type);
  return entry?.[0] as TensorDatatype | undefined;
}

const PREFIX_BYTES = 4;

/** The elements of a BYTES tensor, which `checkTensors` has found to be texts. */
function textsOf(data: Uint8Array): string[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const texts: string[] = [];
  for (let at = 0; at < data.length; ) {
    const from = at + PREFIX_BYTES;
    at = from + view.getUint32(at, true);
    texts.push(Buffer.from(data.buffer, data.byteOffset + from, at - from).toString('utf8'));
  }
  return texts;
}

function bytesOf(texts: readonly string[]): Uint8Array {
  const elements = texts.map((text) => Buffer.from(text, 'utf8'));
  const data = new Uint8Array(elements.reduce((sum, { length }) => sum + PREFIX_BYTES + length, 0));
  const view = new DataView(data.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.length, true);
    data.set(element, at + PREFIX_BYTES);
    at += PREFIX_BYTES + element.length;
  }
  return data;
}

/** An onnxruntime tensor over a copy of the bytes; undefined for a type that the engine does not take. */
export function toOrt(tensor: ProtocolTensor, construct: typeof OrtTensor): OrtTensor | undefined {
  const type = ORT_TYPES[tensor.datatype];
  if (type === undefined) return undefined;
  if (type === 'string') return new construct('string', textsOf(tensor.data), tensor.shape);
  // A copy of its own: aligned, and the session cannot reach the rest of the message.
  const bytes = tensor.data.slice();
  const array = new ARRAYS[type](bytes.buffer as ArrayBuffer);
  return new construct(type, array as never, tensor.shape) as TypedTensor<OrtType>;
}

/** The protocol's form of an output; undefined for a type that the engine does not give. */
export function fromOrt(name: string, tensor: OrtTensor): ProtocolTensor | undefined {
  const datatype = protocolDatatype(tensor.type);
  if (datatype === 'BYTES') return { name, datatype, shape: [...tensor.dims], data: bytesOf(tensor.data as string[]) };
  if (datatype === undefined || !ArrayBuffer.isView(tensor.data)) return undefined;
  const { buffer, byteOffset, byteLength } = tensor.data;
  return { name, datatype, shape: [...tensor.dims], data: new Uint8Array(buffer, byteOffset, byteLength).slice() };
}
