/**
 * What an ONNX file may not contain, found before the runtime sees it: data in other files, operators of foreign libraries,
 * randomness.
 *
 * A small reader of the protobuf wire format that visits every occurrence of the fields that matter, at any depth: a parser
 * that merges repeated fields or takes the last one finds nothing that was not looked at here.
 * Source: onnx/onnx.proto of ONNX 1.19 (field numbers), protobuf encoding guide.
 */
import { equalBytes, fail, ok, parseUtf8, type Result, utf8 } from '@cloister/crypto';

export type OnnxRefusal =
  | 'ONNX_MALFORMED'
  | 'ONNX_TOO_DEEP'
  | 'ONNX_EXTERNAL_DATA'
  | 'ONNX_CUSTOM_OPERATOR'
  | 'ONNX_RANDOM_OPERATOR'
  | 'ONNX_TRAINING';

const DEPTH_MAX = 32;
/** A parser may drop the bits of a tag beyond these, and so read another field than the one that is written. */
const TAG_MAX = 0xffff_ffff;
/** By these bytes at offset 4 onnxruntime takes a file for one of its own format, which nothing here reads. */
const ORT_FORMAT: Uint8Array = utf8('ORTM');
const ORT_FORMAT_OFFSET = 4;
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

class Refusal extends Error {
  readonly code: OnnxRefusal;
  constructor(code: OnnxRefusal, detail?: string) {
    super(detail);
    this.code = code;
  }
}

/** A field of a message: its number and either its varint or its bytes; fixed-width values count for nothing here. */
interface Field {
  readonly number: number;
  readonly value: number | Uint8Array | undefined;
}

function* fieldsOf(message: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      const byte = message[at++];
      if (byte === undefined) throw new Refusal('ONNX_MALFORMED', 'varint');
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (byte < 0x80) return value;
    }
    throw new Refusal('ONNX_MALFORMED', 'varint');
  };
  const skip = (count: number): Uint8Array => {
    if (count > message.length - at) throw new Refusal('ONNX_MALFORMED', 'length');
    at += count;
    return message.subarray(at - count, at);
  };
  while (at < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    if (number === 0 || tag > TAG_MAX) throw new Refusal('ONNX_MALFORMED', 'field number');
    switch (tag % 8) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        yield { number, value: void skip(8) };
        break;
      case 2:
        yield { number, value: skip(varint()) };
        break;
      case 5:
        yield { number, value: void skip(4) };
        break;
      default:
        throw new Refusal('ONNX_MALFORMED', 'wire type');
    }
  }
}

type Visit = (message: Uint8Array, depth: number) => void;

/** Visits every message-valued field that has a visitor. */
function each(message: Uint8Array, depth: number, visitors: Readonly<Record<number, Visit>>): void {
  if (depth > DEPTH_MAX) throw new Refusal('ONNX_TOO_DEEP');
  for (const { number, value } of fieldsOf(message)) {
    if (value instanceof Uint8Array) visitors[number]?.(value, depth + 1);
  }
}

function textOf(bytes: Uint8Array): string {
  const text = parseUtf8(bytes);
  if (text === undefined) throw new Refusal('ONNX_MALFORMED', 'text');
  return text;
}

/** TensorProto: data_location 14, external_data 13. */
const tensor: Visit = (message) => {
  for (const { number, value } of fieldsOf(message)) {
    const external = number === 13 || (number === 14 && value !== 0);
    if (external) throw new Refusal('ONNX_EXTERNAL_DATA');
  }
};

/** SparseTensorProto: values 1, indices 2. */
const sparseTensor: Visit = (message, depth) => each(message, depth, { 1: tensor, 2: tensor });

/** Visitors of one model, which may define functions in domains of its own. */
function modelVisitors(ownDomains: ReadonlySet<string>): { readonly model: Visit } {
  const domain: Visit = (bytes) => {
    const name = textOf(bytes);
    if (!DOMAINS.has(name) && !ownDomains.has(name)) throw new Refusal('ONNX_CUSTOM_OPERATOR', name);
  };
  const operator: Visit = (bytes) => {
    const name = textOf(bytes);
    if (RANDOM_OPERATORS.has(name)) throw new Refusal('ONNX_RANDOM_OPERATOR', name);
    if (FOREIGN_OPERATORS.has(name)) throw new Refusal('ONNX_CUSTOM_OPERATOR', name);
  };
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
  const graph: Visit = (message, depth) => each(message, depth, { 1: node, 5: tensor, 15: sparseTensor });
  /** OperatorSetIdProto: domain 1. */
  const operatorSet: Visit = (message, depth) => each(message, depth, { 1: domain });
  /** FunctionProto: node 7, opset_import 9, attribute_proto 11. */
  const fn: Visit = (message, depth) => each(message, depth, { 7: node, 9: operatorSet, 11: attribute });
  const training: Visit = () => {
    throw new Refusal('ONNX_TRAINING');
  };
  /** ModelProto: graph 7, opset_import 8, training_info 20, functions 25. */
  return { model: (message, depth) => each(message, depth, { 7: graph, 8: operatorSet, 20: training, 25: fn }) };
}

/** Domains of the functions that the file itself defines (FunctionProto domain 10). */
function ownDomainsOf(message: Uint8Array): ReadonlySet<string> {
  const domains = new Set<string>();
  each(message, 0, { 25: (fn, depth) => each(fn, depth, { 10: (bytes) => domains.add(textOf(bytes)) }) });
  return domains;
}

/** Refuses a file that the enclave does not run. Never throws. */
export function screenOnnx(onnx: Uint8Array): Result<void, OnnxRefusal> {
  const format = onnx.subarray(ORT_FORMAT_OFFSET, ORT_FORMAT_OFFSET + ORT_FORMAT.length);
  if (equalBytes(format, ORT_FORMAT)) return fail('ONNX_MALFORMED', 'another format');
  try {
    modelVisitors(ownDomainsOf(onnx)).model(onnx, 0);
    return ok(undefined);
  } catch (error) {
    if (error instanceof Refusal) return fail(error.code, error.message);
    throw error;
  }
}
