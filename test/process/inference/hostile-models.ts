/**
 * Models of an owner who means harm, and one that only takes its time. All of them are well-formed, and take an image of [1, 784].
 */
import { concatBytes } from '@cloister/encoding';
import { bytes, int, message, protoText } from '@cloister/testkit/onnx-writer';

const [FLOAT, INT64, BOOL] = [1, 7, 9];
const GRAPH_ATTRIBUTE = 5;

/** A tensor's name and element type; of the shape [1, 784] unless it changes. */
function value(field: number, name: string, element: number, shape?: readonly number[]): Uint8Array {
  const dimensions = shape?.map((size) => message(1, int(1, size))) ?? [];
  const shaped = shape === undefined ? [] : [message(2, ...dimensions)];
  return message(field, protoText(1, name), message(2, message(1, int(1, element), ...shaped)));
}

function int64(name: string, number: bigint): Uint8Array {
  return message(5, int(2, INT64), protoText(8, name), bytes(9, new Uint8Array(BigInt64Array.of(number).buffer)));
}

function float(name: string, number: number): Uint8Array {
  return message(5, int(2, FLOAT), protoText(8, name), bytes(9, new Uint8Array(Float32Array.of(number).buffer)));
}

function node(operator: string, inputs: readonly string[], output: string, ...attributes: Uint8Array[]): Uint8Array {
  const names = [...inputs.map((name) => protoText(1, name)), protoText(2, output)];
  return message(1, ...names, protoText(4, operator), ...attributes);
}

/** `trips` times over `step`, a node from `x` to `next`. */
function loop(trips: string, from: string, to: string, step: Uint8Array, shape?: readonly number[]): Uint8Array {
  const body = message(
    6,
    node('Identity', ['go'], 'go_on'),
    step,
    protoText(2, `body of ${to}`),
    value(11, 'i', INT64, []),
    value(11, 'go', BOOL, []),
    value(11, 'x', FLOAT, shape),
    value(12, 'go_on', BOOL, []),
    value(12, 'next', FLOAT, shape),
  );
  return node('Loop', [trips, 'start', from], to, message(5, protoText(1, 'body'), body, int(20, GRAPH_ATTRIBUTE)));
}

const SHAPE = [1, 784];

function model(nodes: readonly Uint8Array[], initializers: readonly Uint8Array[], padding = 0): Uint8Array {
  const start = message(5, int(2, BOOL), protoText(8, 'start'), bytes(9, Uint8Array.of(1)));
  const UINT8 = 2;
  const pad = message(5, int(1, padding), int(2, UINT8), protoText(8, 'padding'), bytes(9, new Uint8Array(padding)));
  return concatBytes(
    int(1, 8),
    message(
      7,
      ...nodes,
      protoText(2, 'hostile'),
      start,
      ...(padding === 0 ? [] : [pad]),
      ...initializers,
      value(11, 'image', FLOAT, SHAPE),
      value(12, 'probabilities', FLOAT, SHAPE),
    ),
    message(8, protoText(1, ''), int(2, 17)),
  );
}

const step = node('Add', ['x', 'image'], 'next');

/** So many additions, one after another: a run takes its time and no memory. */
export function loopingModel(trips: bigint): Uint8Array {
  return model([loop('trips', 'image', 'probabilities', step, SHAPE)], [int64('trips', trips)]);
}

export const endlessModel: Uint8Array = loopingModel(1n << 62n);

const AXIS_0 = message(5, protoText(1, 'axis'), int(3, 0), int(20, 2));
const doubling = node('Concat', ['x', 'x'], 'next', AXIS_0);

/** Doubles its memory until it is given no more. */
export const greedyModel: Uint8Array = model(
  [
    loop('trips', 'image', 'grown', doubling),
    node('ReduceMax', ['grown'], 'most'),
    node('Add', ['image', 'most'], 'probabilities'),
  ],
  [int64('trips', 40n)],
);

/** Takes more memory than the image allows and keeps it while it runs without end: its engine is killed. */
export const hoardingModel: Uint8Array = model(
  [
    loop('doublings', 'image', 'grown', doubling),
    node('ReduceMax', ['grown'], 'most'),
    node('Add', ['image', 'most'], 'more'),
    loop('trips', 'more', 'sum', step, SHAPE),
    node('ReduceMax', ['grown'], 'again'),
    node('Add', ['sum', 'again'], 'probabilities'),
  ],
  [int64('doublings', 18n), int64('trips', 1n << 62n)],
);

/** Answers with infinities and with what is no number. */
export const nonFiniteModel: Uint8Array = model([node('Div', ['image', 'zero'], 'probabilities')], [float('zero', 0)]);

/** Harmless, and as large as one likes: loaded for what it pushes out. */
export function paddedModel(padding: number): Uint8Array {
  return model([node('Identity', ['image'], 'probabilities')], [], padding);
}
