/** ONNX models of one operator over tensors of any type. */
import { concatBytes } from '@cloister/encoding';
import { int, message, protoText } from './onnx-writer.ts';

/** TensorProto.DataType. */
export const ELEMENT = { FP32: 1, INT64: 7, BYTES: 8, BOOL: 9, FP16: 10, FP64: 11, BF16: 16 } as const;
export type ElementType = keyof typeof ELEMENT;

export interface TypedValue {
  readonly name: string;
  readonly type: ElementType;
  /** A number, or a name for a dimension that is open. */
  readonly shape: readonly (number | string)[];
}

export interface OneOperator {
  readonly operator: string;
  readonly input: TypedValue;
  readonly output: TypedValue;
  /** Inputs of the operator; the input alone unless given. */
  readonly from?: readonly string[];
  readonly attributes?: readonly Uint8Array[];
  /** Fields of the graph beside. */
  readonly more?: readonly Uint8Array[];
}

export const intAttribute = (name: string, value: number): Uint8Array =>
  message(5, protoText(1, name), int(3, value), int(20, 2));

function valueInfo(field: number, { name, type, shape }: TypedValue): Uint8Array {
  const dimensions = shape.map((size) => message(1, typeof size === 'number' ? int(1, size) : protoText(2, size)));
  return message(field, protoText(1, name), message(2, message(1, int(1, ELEMENT[type]), message(2, ...dimensions))));
}

export function oneOperator({ operator, input, output, from, attributes = [], more = [] }: OneOperator): Uint8Array {
  const node = message(
    1,
    ...(from ?? [input.name]).map((name) => protoText(1, name)),
    protoText(2, output.name),
    protoText(4, operator),
    ...attributes,
  );
  const graph = message(7, node, protoText(2, 'one'), ...more, valueInfo(11, input), valueInfo(12, output));
  return concatBytes(int(1, 8), graph, message(8, protoText(1, ''), int(2, 17)));
}
