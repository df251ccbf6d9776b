/** Tensors as JSON in the Open Inference Protocol's form: {name, datatype, shape, data}. */
import { readFile } from 'node:fs/promises';
import { TENSOR_DATATYPES, type Tensor, type TensorDatatype } from '@cloister/confidential';
import { type JsonValue, parseJson, utf8 } from '@cloister/encoding';
import { anyJson, array, count, member, oneOf, openObject, parseShape, text } from '@cloister/encoding/shape';
import { UsageError } from '../command.ts';

type Codec = {
  readonly bytes: number;
  write(view: DataView, at: number, value: number): void;
  read(view: DataView, at: number): number;
};

const BFLOAT_SHIFT = 16;

/** To the nearest, and of two equally near ones to the even one. */
function bfloatOf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> BFLOAT_SHIFT) & 1)) >>> BFLOAT_SHIFT) & 0xffff;
}

const CODECS: Readonly<Record<Exclude<TensorDatatype, 'BYTES'>, Codec>> = {
  BOOL: { bytes: 1, write: (v, at, x) => v.setUint8(at, x), read: (v, at) => v.getUint8(at) },
  UINT8: { bytes: 1, write: (v, at, x) => v.setUint8(at, x), read: (v, at) => v.getUint8(at) },
  UINT16: { bytes: 2, write: (v, at, x) => v.setUint16(at, x, true), read: (v, at) => v.getUint16(at, true) },
  UINT32: { bytes: 4, write: (v, at, x) => v.setUint32(at, x, true), read: (v, at) => v.getUint32(at, true) },
  UINT64: {
    bytes: 8,
    write: (v, at, x) => v.setBigUint64(at, BigInt(x), true),
    read: (v, at) => Number(v.getBigUint64(at, true)),
  },
  INT8: { bytes: 1, write: (v, at, x) => v.setInt8(at, x), read: (v, at) => v.getInt8(at) },
  INT16: { bytes: 2, write: (v, at, x) => v.setInt16(at, x, true), read: (v, at) => v.getInt16(at, true) },
  INT32: { bytes: 4, write: (v, at, x) => v.setInt32(at, x, true), read: (v, at) => v.getInt32(at, true) },
  INT64: {
    bytes: 8,
    write: (v, at, x) => v.setBigInt64(at, BigInt(x), true),
    read: (v, at) => Number(v.getBigInt64(at, true)),
  },
  FP16: { bytes: 2, write: (v, at, x) => v.setFloat16(at, x, true), read: (v, at) => v.getFloat16(at, true) },
  BF16: {
    bytes: 2,
    write: (v, at, x) => v.setUint16(at, bfloatOf(x), true),
    read: (v, at) => new Float32Array(Uint32Array.of(v.getUint16(at, true) << BFLOAT_SHIFT).buffer)[0] ?? 0,
  },
  FP32: { bytes: 4, write: (v, at, x) => v.setFloat32(at, x, true), read: (v, at) => v.getFloat32(at, true) },
  FP64: { bytes: 8, write: (v, at, x) => v.setFloat64(at, x, true), read: (v, at) => v.getFloat64(at, true) },
};
const NAME_CHARACTERS_MAX = 1_024;
const INPUTS_MAX = 1_024;
const DIMENSIONS_MAX = 8;
const ELEMENTS_MAX: number = 1 << 26;
const PREFIX_BYTES = 4;
/** Numbers take more room in JSON than in a tensor. */
const FILE_BYTES_MAX: number = 256 * 1024 * 1024;

function isNumeric(datatype: string): datatype is keyof typeof CODECS {
  return Object.hasOwn(CODECS, datatype);
}

function numbersOf(name: string, codec: Codec, data: readonly JsonValue[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(data.length * codec.bytes));
  for (const [i, item] of data.entries()) {
    if (typeof item !== 'number' && typeof item !== 'boolean') throw new UsageError(`data of ${name} must be numbers`);
    try {
      codec.write(view, i * codec.bytes, Number(item));
    } catch {
      throw new UsageError(`data of ${name}: ${item} is no integer`);
    }
  }
  return new Uint8Array(view.buffer);
}

function textsOf(name: string, data: readonly JsonValue[]): Uint8Array {
  const elements = data.map((item) => {
    if (typeof item !== 'string') throw new UsageError(`data of ${name} must be texts`);
    return utf8(item);
  });
  const bytes = new Uint8Array(elements.reduce((sum, { length }) => sum + PREFIX_BYTES + length, 0));
  let at = 0;
  for (const element of elements) {
    new DataView(bytes.buffer).setUint32(at, element.length, true);
    bytes.set(element, at + PREFIX_BYTES);
    at += PREFIX_BYTES + element.length;
  }
  return bytes;
}

/** What the file says; members that the protocol has beside these are passed over. */
const inputsShape = member(
  'inputs',
  array(
    openObject({
      name: text(NAME_CHARACTERS_MAX),
      datatype: oneOf(TENSOR_DATATYPES),
      shape: array(count(), { max: DIMENSIONS_MAX }),
      data: array(anyJson, { max: ELEMENTS_MAX }),
    }),
    { max: INPUTS_MAX },
  ),
);

/** @throws UsageError for what is not {inputs: [{name, datatype, shape, data}]}. */
function tensorsFromJson(value: JsonValue): Tensor[] {
  const read = parseShape(inputsShape, value, 'input');
  if (!read.ok) throw new UsageError(`${read.detail} in {"inputs": [{name, datatype, shape, data}]}`);
  return read.value.map(({ name, datatype, shape, data }): Tensor => {
    const flat = data.flat(DIMENSIONS_MAX);
    const bytes = isNumeric(datatype) ? numbersOf(name, CODECS[datatype], flat) : textsOf(name, flat);
    return { name, datatype, shape, data: bytes };
  });
}

/** Tensors in a file. @throws UsageError */
export async function readTensors(path: string): Promise<Tensor[]> {
  const parsed = parseJson(await readFile(path), { maxBytes: FILE_BYTES_MAX, maxDepth: 16 });
  if (!parsed.ok) throw new UsageError(`${path}: ${parsed.code}`);
  return tensorsFromJson(parsed.value);
}

/** The elements of a tensor in row order. */
function elementsOf({ datatype, data }: Tensor): (number | string)[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (isNumeric(datatype)) {
    const codec = CODECS[datatype];
    return Array.from({ length: data.length / codec.bytes }, (_, i) => codec.read(view, i * codec.bytes));
  }
  const texts: string[] = [];
  for (let at = 0; at < data.length; ) {
    const from = at + PREFIX_BYTES;
    at = from + view.getUint32(at, true);
    texts.push(new TextDecoder().decode(data.subarray(from, at)));
  }
  return texts;
}

/** The numbers of a tensor of numbers in row order. */
export function tensorNumbers(tensor: Tensor): number[] {
  return elementsOf(tensor).map(Number);
}

export function tensorToJson(tensor: Tensor): JsonValue {
  const { name, datatype, shape } = tensor;
  return { name, datatype, shape: [...shape], data: elementsOf(tensor) };
}
