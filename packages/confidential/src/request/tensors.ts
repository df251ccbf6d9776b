/**
 * Tensors of the Open Inference Protocol (v2) and their one binary form.
 *
 * Encoding: version u8 = 1, count u8, then per tensor: name (str), datatype u8, rank u8, each dimension u32, data (var).
 * Data is little-endian and row-major, as in the protocol's binary extension; `BYTES` elements are a u32 little-endian
 * length and that many bytes each, which are UTF-8 without NUL: the engine's strings hold nothing else, and would silently
 * change what they do not hold. A tensor whose data does not fill its shape exactly is refused.
 */
import { assert, ByteWriter, DecodeError, decodeWith, fail, ok, type Result, utf8 } from '@cloister/encoding';
import { isTextAt } from '../model/text-bytes.ts';

/** Bounds of what is encoded and decoded. */
export const TENSOR_LIMITS: {
  readonly count: number;
  readonly rank: number;
  readonly nameBytes: number;
  readonly dimension: number;
  readonly totalBytes: number;
} = { count: 64, rank: 8, nameBytes: 256, dimension: 2 ** 31 - 1, totalBytes: 32 * 1024 * 1024 };

/** Bytes of all tensors of a request; an output may have as many as `TENSOR_LIMITS` says. */
export const INPUT_BYTES_MAX: number = 16 * 1024 * 1024;

/** Datatype names of the Open Inference Protocol. */
export type TensorDatatype =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'FP32'
  | 'FP64'
  | 'BF16'
  | 'BYTES';

/** Bytes per element; 0 for `BYTES`, whose elements carry their lengths. The order is the wire code. */
const ELEMENT_BYTES: Readonly<Record<TensorDatatype, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  BF16: 2,
  BYTES: 0,
};

export const TENSOR_DATATYPES: readonly TensorDatatype[] = Object.keys(ELEMENT_BYTES) as TensorDatatype[];

export interface Tensor {
  readonly name: string;
  readonly datatype: TensorDatatype;
  /** Dimensions; empty for a scalar. */
  readonly shape: readonly number[];
  /** Little-endian, row-major. */
  readonly data: Uint8Array;
}

/** What a model declares of an input or output; a dimension of -1 is any. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: TensorDatatype;
  readonly shape: readonly number[];
}

export type TensorErrorCode =
  | 'TENSOR_COUNT'
  | 'TENSOR_NAME'
  | 'TENSOR_NAME_DUPLICATE'
  | 'TENSOR_DATATYPE'
  | 'TENSOR_SHAPE'
  | 'TENSOR_DATA_LENGTH'
  | 'TENSOR_DATA_VALUE'
  | 'TENSORS_TOO_LARGE';

export type TensorMatchCode =
  | 'TENSOR_MISSING'
  | 'TENSOR_UNEXPECTED'
  | 'TENSOR_DATATYPE_DIFFERS'
  | 'TENSOR_SHAPE_DIFFERS';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses.
const CONTROL: RegExp = /[\u0000-\u001f\u007f]/;

/** Whether `name` can name a tensor: 1 to 256 bytes of well-formed text without control characters. */
export function isTensorName(name: string): boolean {
  return name.length > 0 && name.isWellFormed() && !CONTROL.test(name) && utf8(name).length <= TENSOR_LIMITS.nameBytes;
}

/** Elements of a shape, or undefined when a dimension or the product is out of bounds. */
function elementCount(shape: readonly number[]): number | undefined {
  if (shape.length > TENSOR_LIMITS.rank) return undefined;
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isInteger(dimension) || dimension < 0 || dimension > TENSOR_LIMITS.dimension) return undefined;
    count *= dimension;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/** Whether `data` is exactly `count` length-prefixed elements, and whether each of them is a text. */
function readElements(data: Uint8Array, count: number): 'texts' | 'other-bytes' | 'other-length' {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  let texts = true;
  for (let i = 0; i < count; i++) {
    if (at + 4 > data.length) return 'other-length';
    const from = at + 4;
    at = from + view.getUint32(at, true);
    if (at > data.length) return 'other-length';
    texts &&= isTextAt(data, from, at);
  }
  if (at !== data.length) return 'other-length';
  return texts ? 'texts' : 'other-bytes';
}

function checkTensor(tensor: Tensor): Result<void, TensorErrorCode> {
  if (!isTensorName(tensor.name)) return fail('TENSOR_NAME');
  if (!Object.hasOwn(ELEMENT_BYTES, tensor.datatype)) return fail('TENSOR_DATATYPE', tensor.name);
  const count = elementCount(tensor.shape);
  if (count === undefined) return fail('TENSOR_SHAPE', tensor.name);
  const size = ELEMENT_BYTES[tensor.datatype];
  if (size === 0) {
    const elements = readElements(tensor.data, count);
    if (elements === 'other-bytes') return fail('TENSOR_DATA_VALUE', tensor.name);
    return elements === 'texts' ? ok(undefined) : fail('TENSOR_DATA_LENGTH', tensor.name);
  }
  if (tensor.data.length !== count * size) return fail('TENSOR_DATA_LENGTH', tensor.name);
  if (tensor.datatype === 'BOOL' && tensor.data.some((byte) => byte > 1)) return fail('TENSOR_DATA_VALUE', tensor.name);
  return ok(undefined);
}

/** Whether tensors can be encoded: names unique, shapes filled exactly, bounds kept. */
export function checkTensors(tensors: readonly Tensor[]): Result<void, TensorErrorCode> {
  if (tensors.length === 0 || tensors.length > TENSOR_LIMITS.count) return fail('TENSOR_COUNT');
  let total = 0;
  const names = new Set<string>();
  for (const tensor of tensors) {
    const checked = checkTensor(tensor);
    if (!checked.ok) return checked;
    if (names.has(tensor.name)) return fail('TENSOR_NAME_DUPLICATE', tensor.name);
    names.add(tensor.name);
    total += tensor.data.length;
  }
  return total > TENSOR_LIMITS.totalBytes ? fail('TENSORS_TOO_LARGE') : ok(undefined);
}

/** Bytes of an element and the bits of its exponent, all of them set in infinities and NaNs, from its highest bytes. */
const FLOATS: Readonly<Partial<Record<TensorDatatype, { readonly size: number; readonly exponent: number }>>> = {
  FP16: { size: 2, exponent: 0x7c00 },
  BF16: { size: 2, exponent: 0x7f80 },
  FP32: { size: 4, exponent: 0x7f80 },
  FP64: { size: 8, exponent: 0x7ff0 },
};

/** Whether every number is one: an infinity or a NaN in an input is a mistake that a model answers with noise. */
export function checkFinite(tensors: readonly Tensor[]): Result<void, 'TENSOR_NOT_FINITE'> {
  for (const { name, datatype, data } of tensors) {
    const float = FLOATS[datatype];
    if (float === undefined) continue;
    for (let at = float.size - 2; at < data.length; at += float.size) {
      const high = (data[at] ?? 0) | ((data[at + 1] ?? 0) << 8);
      if ((high & float.exponent) === float.exponent) return fail('TENSOR_NOT_FINITE', name);
    }
  }
  return ok(undefined);
}

/** Whether a request may hold these tensors: what `checkTensors` asks, within the bytes of an input. */
export function checkInputs(tensors: readonly Tensor[]): Result<void, TensorErrorCode> {
  const checked = checkTensors(tensors);
  if (!checked.ok) return checked;
  const total = tensors.reduce((sum, { data }) => sum + data.length, 0);
  return total > INPUT_BYTES_MAX ? fail('TENSORS_TOO_LARGE') : ok(undefined);
}

/** The binary form. Tensors that `checkTensors` refuses are a bug of the caller. */
export function encodeTensors(tensors: readonly Tensor[]): Uint8Array {
  const checked = checkTensors(tensors);
  assert(checked.ok, `encodeTensors: ${checked.ok ? '' : checked.code}`);
  const writer = new ByteWriter(64 + tensors.reduce((sum, tensor) => sum + tensor.data.length + 64, 0));
  writer.u8(1).u8(tensors.length);
  for (const tensor of tensors) {
    writer.str(tensor.name).u8(TENSOR_DATATYPES.indexOf(tensor.datatype)).u8(tensor.shape.length);
    for (const dimension of tensor.shape) writer.u32(dimension);
    writer.var(tensor.data);
  }
  return writer.finish();
}

/** The tensors in `bytes`; every byte string has at most one reading, and each reading encodes to it again. */
export function decodeTensors(bytes: Uint8Array): Result<Tensor[], 'MALFORMED' | TensorErrorCode> {
  const decoded = decodeWith(bytes, (reader): Tensor[] => {
    if (reader.u8() !== 1) throw new DecodeError('unknown version');
    const count = reader.u8();
    return Array.from({ length: count }, () => {
      const name = reader.str(TENSOR_LIMITS.nameBytes);
      const datatype = TENSOR_DATATYPES[reader.u8()];
      if (datatype === undefined) throw new DecodeError('unknown datatype');
      const rank = reader.u8();
      const shape = Array.from({ length: rank }, () => reader.u32());
      return { name, datatype, shape, data: reader.var(TENSOR_LIMITS.totalBytes) };
    });
  });
  if (!decoded.ok) return decoded;
  const checked = checkTensors(decoded.value);
  return checked.ok ? decoded : checked;
}

/** Whether tensors are what a model declares: the same names, each once, in any order, of its datatype and shape. */
export function matchTensors(tensors: readonly Tensor[], specs: readonly TensorSpec[]): Result<void, TensorMatchCode> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  for (const spec of specs) {
    const tensor = byName.get(spec.name);
    if (tensor === undefined) return fail('TENSOR_MISSING', spec.name);
    if (tensor.datatype !== spec.datatype) return fail('TENSOR_DATATYPE_DIFFERS', spec.name);
    const fits =
      tensor.shape.length === spec.shape.length &&
      spec.shape.every((dimension, i) => dimension === -1 || dimension === tensor.shape[i]);
    if (!fits) return fail('TENSOR_SHAPE_DIFFERS', spec.name);
  }
  return tensors.length === specs.length && byName.size === specs.length ? ok(undefined) : fail('TENSOR_UNEXPECTED');
}
