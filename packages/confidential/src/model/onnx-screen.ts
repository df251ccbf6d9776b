/**
 * Finds what an ONNX file may not contain before the runtime sees the file: data in other files, operators of foreign
 * libraries, randomness. The owner's client asks before it seals a file, and the engine asks again before it loads one.
 *
 * A small reader of the protobuf wire format that visits every occurrence of the fields that matter, at any depth: a
 * parser that merges repeated fields or takes the last one finds nothing that was not looked at here. Source:
 * onnx/onnx.proto of ONNX 1.19 (field numbers), protobuf encoding guide.
 */
import { equalBytes, fail, ok, parseUtf8, type Result, utf8 } from '@cloister/encoding';

export type OnnxRefusal =
  /** A text: JSON, or the text form of protobuf. */
  | 'ONNX_TEXT'
  | 'ONNX_MALFORMED'
  | 'ONNX_TOO_DEEP'
  | 'ONNX_TOO_MANY_FIELDS'
  | 'ONNX_EXTERNAL_DATA'
  | 'ONNX_CUSTOM_OPERATOR'
  | 'ONNX_RANDOM_OPERATOR'
  | 'ONNX_TRAINING';

const DEPTH_MAX = 32;
/** In the whole file: a node with its attributes has about fifteen. */
const FIELDS_MAX = 1_000_000;
/** A parser may drop the bits of a tag beyond these, and so read another field than the one that is written. */
const TAG_MAX = 0xffff_ffff;
/** By these bytes at offset 4 onnxruntime takes a file for one of its own format, which nothing here reads. */
const ORT_FORMAT: Uint8Array = utf8('ORTM');
const ORT_FORMAT_OFFSET = 4;
/** The number of bytes that are enough to recognise a text. A binary model has control characters and lengths there. */
const TEXT_BYTES = 4096;
/** Operator sets that onnxruntime brings itself. */
const DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']);
/** Draw randomness, now or in training mode. */
const RANDOM_OPERATORS: ReadonlySet<string> = new Set([
  'Bernoulli',
  'BiasDropout',
  'BitmaskBiasDropout',
  'BitmaskDropout',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Sampling',
]);
/** Reach outside the runtime: compiled blobs in files, other interpreters. */
const FOREIGN_OPERATORS: ReadonlySet<string> = new Set([
  'EPContext',
  'ExternalOp',
  'PythonOp',
  'PythonOpGrad',
  'TorchEmbedding',
]);
/** Since operator set 12 a third input switches Dropout to training. */
const DROPOUT_INFERENCE_INPUTS = 2;

/** Ends the recursive screen early. Never leaves this file: `screenOnnx` turns it into a result. */
class Refusal extends Error {
  readonly code: OnnxRefusal;
  constructor(code: OnnxRefusal, detail?: string) {
    super(detail);
    this.code = code;
  }
}

/** Fields looked at so far, in the whole file. */
interface Count {
  fields: number;
}

/** A field: its number, its varint (undefined when it holds bytes), and where its bytes begin and end. */
type OnField = (number: number, value: number | undefined, from: number, to: number) => void;

/** A place in a message. */
interface Cursor {
  readonly message: Uint8Array;
  at: number;
}

function varint(cursor: Cursor): number {
  const { message } = cursor;
  const first = message[cursor.at];
  if (first !== undefined && first < 0x80) {
    cursor.at++;
    return first;
  }
  let value = 0;
  for (let scale = 1, i = 0; i < 10; i++, scale *= 0x80) {
    const byte = message[cursor.at++];
    if (byte === undefined) throw new Refusal('ONNX_MALFORMED', 'varint');
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
  throw new Refusal('ONNX_MALFORMED', 'varint');
}

function skip(cursor: Cursor, count: number): void {
  if (count > cursor.message.length - cursor.at) throw new Refusal('ONNX_MALFORMED', 'length');
  cursor.at += count;
}

/**
 * Every field of a message; fixed-width values count for nothing here. The walk is plain, and makes no object for a field:
 * a million of them cost some milliseconds.
 */
function fieldsOf(message: Uint8Array, count: Count, onField: OnField): void {
  const cursor: Cursor = { message, at: 0 };
  while (cursor.at < message.length) {
    if (++count.fields > FIELDS_MAX) throw new Refusal('ONNX_TOO_MANY_FIELDS');
    const tag = varint(cursor);
    const number = tag >>> 3;
    if (number === 0 || tag > TAG_MAX) throw new Refusal('ONNX_MALFORMED', 'field number');
    switch (tag & 7) {
      case 0:
        onField(number, varint(cursor), 0, 0);
        break;
      case 1:
        skip(cursor, 8);
        break;
      case 2: {
        const length = varint(cursor);
        skip(cursor, length);
        onField(number, undefined, cursor.at - length, cursor.at);
        break;
      }
      case 5:
        skip(cursor, 4);
        break;
      default:
        throw new Refusal('ONNX_MALFORMED', 'wire type');
    }
  }
}

type Visit = (message: Uint8Array, depth: number) => void;

function textOf(bytes: Uint8Array): string {
  const text = parseUtf8(bytes);
  if (text === undefined) throw new Refusal('ONNX_MALFORMED', 'text');
  return text;
}

/** Visitors of one model, which may define functions in domains of its own. */
function modelVisitors(
  count: Count,
  ownDomains: () => ReadonlySet<string>,
): { readonly model: Visit; readonly hasGraph: () => boolean } {
  const { each } = walker(count);
  let graphs = 0;
  let own: ReadonlySet<string> | undefined;
  const domain: Visit = (bytes) => {
    const name = textOf(bytes);
    if (DOMAINS.has(name)) return;
    own ??= ownDomains();
    if (!own.has(name)) throw new Refusal('ONNX_CUSTOM_OPERATOR', name);
  };
  const operator: Visit = (bytes) => {
    const name = textOf(bytes);
    if (RANDOM_OPERATORS.has(name)) throw new Refusal('ONNX_RANDOM_OPERATOR', name);
    if (FOREIGN_OPERATORS.has(name)) throw new Refusal('ONNX_CUSTOM_OPERATOR', name);
  };
  /** TensorProto: data_location 14, external_data 13. */
  const tensor: Visit = (message) => {
    fieldsOf(message, count, (number, value) => {
      if (number === 13 || (number === 14 && value !== 0)) throw new Refusal('ONNX_EXTERNAL_DATA');
    });
  };
  /** SparseTensorProto: values 1, indices 2. */
  const sparseTensor: Visit = (message, depth) => each(message, depth, { 1: tensor, 2: tensor });
  /** AttributeProto: t 5, g 6, tensors 10, graphs 11, sparse_tensor 22, sparse_tensors 23. */
  const attribute: Visit = (message, depth) =>
    each(message, depth, { 5: tensor, 6: graph, 10: tensor, 11: graph, 22: sparseTensor, 23: sparseTensor });
  /** NodeProto: input 1, op_type 4, attribute 5, domain 7. */
  const node: Visit = (message, depth) => {
    let inputs = 0;
    let isDropout = false;
    each(message, depth, {
      1: () => inputs++,
      4: (bytes, below) => {
        operator(bytes, below);
        isDropout ||= textOf(bytes) === 'Dropout';
      },
      5: attribute,
      7: domain,
    });
    if (isDropout && inputs > DROPOUT_INFERENCE_INPUTS)
      throw new Refusal('ONNX_RANDOM_OPERATOR', 'Dropout in training');
  };
  /** GraphProto: node 1, initializer 5, sparse_initializer 15. */
  const graph: Visit = (message, depth) => {
    graphs++;
    each(message, depth, { 1: node, 5: tensor, 15: sparseTensor });
  };
  /** OperatorSetIdProto: domain 1. */
  const operatorSet: Visit = (message, depth) => each(message, depth, { 1: domain });
  /** FunctionProto: node 7, opset_import 9, attribute_proto 11. */
  const fn: Visit = (message, depth) => each(message, depth, { 7: node, 9: operatorSet, 11: attribute });
  const training: Visit = () => {
    throw new Refusal('ONNX_TRAINING');
  };
  return {
    /** ModelProto: graph 7, opset_import 8, training_info 20, functions 25. */
    model: (message, depth) => each(message, depth, { 7: graph, 8: operatorSet, 20: training, 25: fn }),
    hasGraph: () => graphs > 0,
  };
}

function walker(count: Count): {
  /** Visits every message-valued field that has a visitor. */
  readonly each: (message: Uint8Array, depth: number, visitors: Readonly<Record<number, Visit>>) => void;
} {
  return {
    each(message, depth, visitors) {
      if (depth > DEPTH_MAX) throw new Refusal('ONNX_TOO_DEEP');
      fieldsOf(message, count, (number, value, from, to) => {
        if (value === undefined) visitors[number]?.(message.subarray(from, to), depth + 1);
      });
    },
  };
}

/** Domains of the functions that the file itself defines (FunctionProto domain 10). */
function ownDomainsOf(message: Uint8Array, count: Count): ReadonlySet<string> {
  const { each } = walker(count);
  const domains = new Set<string>();
  each(message, 0, { 25: (fn, depth) => each(fn, depth, { 10: (bytes) => domains.add(textOf(bytes)) }) });
  return domains;
}

/** Whether a file begins as only texts do: nothing but printable characters and white space. */
function isText(file: Uint8Array): boolean {
  const start = file.subarray(0, TEXT_BYTES);
  return start.length > 0 && start.every((byte) => (byte >= 0x20 ? byte !== 0x7f : byte >= 0x09 && byte <= 0x0d));
}

/** Refuses a file that the enclave does not run. Never throws; its time is bounded whatever the file is. */
export function screenOnnx(onnx: Uint8Array): Result<void, OnnxRefusal> {
  const format = onnx.subarray(ORT_FORMAT_OFFSET, ORT_FORMAT_OFFSET + ORT_FORMAT.length);
  if (equalBytes(format, ORT_FORMAT)) return fail('ONNX_MALFORMED', 'another format');
  if (isText(onnx)) return fail('ONNX_TEXT', 'a text is no model; an ONNX model is a binary protobuf');
  try {
    const { model, hasGraph } = modelVisitors({ fields: 0 }, () => ownDomainsOf(onnx, { fields: 0 }));
    model(onnx, 0);
    return hasGraph() ? ok(undefined) : fail('ONNX_MALFORMED', 'no graph');
  } catch (error) {
    if (error instanceof Refusal) return fail(error.code, error.message);
    throw error;
  }
}
