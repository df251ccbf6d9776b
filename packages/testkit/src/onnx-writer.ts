/**
 * Just enough of the ONNX protobuf format to write a feed-forward network.
 * Source: onnx/onnx.proto (field numbers), protobuf wire format: tag = field << 3 | type, type 0 varint, 2 bytes.
 */
import { concatBytes, utf8 } from '@cloister/encoding';

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

/** A varint field, a bytes field, a text field, and a message of parts that are fields themselves. */
export const int = (field: number, value: number): Uint8Array => concatBytes(varint(field * 8), varint(value));
export const bytes = (field: number, value: Uint8Array): Uint8Array =>
  concatBytes(varint(field * 8 + 2), varint(value.length), value);
export const protoText = (field: number, value: string): Uint8Array => bytes(field, utf8(value));
export const message = (field: number, ...parts: readonly Uint8Array[]): Uint8Array =>
  bytes(field, concatBytes(...parts));

/** TensorProto.DataType and AttributeProto.AttributeType. */
const FLOAT = 1;
const INT_ATTRIBUTE = 2;

export interface FloatTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly integers?: Readonly<Record<string, number>>;
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly weights: readonly FloatTensor[];
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  readonly output: { readonly name: string; readonly shape: readonly number[] };
}

function value(field: number, { name, shape }: OnnxGraph['input']): Uint8Array {
  const dimensions = shape.map((size) => message(1, int(1, size)));
  return message(field, protoText(1, name), message(2, message(1, int(1, FLOAT), message(2, ...dimensions))));
}

function node({ operator, inputs, outputs, integers }: OnnxNode): Uint8Array {
  const attributes = Object.entries(integers ?? {}).map(([name, number]) =>
    message(5, protoText(1, name), int(3, number), int(20, INT_ATTRIBUTE)),
  );
  const names = [...inputs.map((name) => protoText(1, name)), ...outputs.map((name) => protoText(2, name))];
  return message(1, ...names, protoText(4, operator), ...attributes);
}

function weight({ name, shape, data }: FloatTensor): Uint8Array {
  const raw = new Uint8Array(data.length * 4);
  const view = new DataView(raw.buffer);
  for (const [i, number] of data.entries()) view.setFloat32(i * 4, number, true);
  return message(5, ...shape.map((size) => int(1, size)), int(2, FLOAT), protoText(8, name), bytes(9, raw));
}

/** A ModelProto of IR version 8 and operator set 17. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  return concatBytes(
    int(1, 8),
    protoText(2, 'cloister'),
    message(
      7,
      ...graph.nodes.map(node),
      protoText(2, graph.name),
      ...graph.weights.map(weight),
      value(11, graph.input),
      value(12, graph.output),
    ),
    message(8, protoText(1, ''), int(2, 17)),
  );
}
