import { readFileSync } from 'node:fs';
import { concatBytes, utf8 } from '@cloister/encoding';
import { bytes, encodeOnnx, int, message, protoText } from '@cloister/testkit/onnx-writer';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { screenOnnx } from '../src/index.ts';

const digits = new Uint8Array(readFileSync(new URL('../../node/models/digits.onnx', import.meta.url)));
const graph = (...parts: Uint8Array[]): Uint8Array => message(7, ...parts);
const node = (operator: string, ...parts: Uint8Array[]): Uint8Array => message(1, protoText(4, operator), ...parts);
/** So many empty metadata entries. */
const MANY = 1_000_000;
const bytesOf = (count: number): Uint8Array =>
  Uint8Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 14 * 8 + 2 : 0));
/** A subgraph as the attribute of a node, so many times over. */
const nested = (depth: number, inner: Uint8Array): Uint8Array =>
  depth === 0 ? inner : node('If', message(5, protoText(1, 'then_branch'), message(6, nested(depth - 1, inner))));

it('takes the model of the project', () => {
  expect(screenOnnx(digits)).toEqual({ ok: true, value: undefined });
});

it.each<[string, Uint8Array, string]>([
  ['an initializer in another file', graph(message(5, int(14, 1))), 'ONNX_EXTERNAL_DATA'],
  ['the name of another file alone', graph(message(5, message(13, protoText(1, 'location')))), 'ONNX_EXTERNAL_DATA'],
  ['external data in an attribute', graph(node('Constant', message(5, message(5, int(14, 1))))), 'ONNX_EXTERNAL_DATA'],
  ['external data in a sparse initializer', graph(message(15, message(1, int(14, 1)))), 'ONNX_EXTERNAL_DATA'],
  ['a location given twice, the last one harmless', graph(message(5, int(14, 1), int(14, 0))), 'ONNX_EXTERNAL_DATA'],
  ['a foreign operator domain', graph(node('Relu', protoText(7, 'evil.ops'))), 'ONNX_CUSTOM_OPERATOR'],
  ['a foreign operator set', message(8, protoText(1, 'evil.ops')), 'ONNX_CUSTOM_OPERATOR'],
  ['a compiled blob', graph(node('EPContext', protoText(7, 'com.microsoft'))), 'ONNX_CUSTOM_OPERATOR'],
  ['a random operator', graph(node('RandomNormal')), 'ONNX_RANDOM_OPERATOR'],
  ['a random operator in a subgraph', graph(nested(3, node('Multinomial'))), 'ONNX_RANDOM_OPERATOR'],
  [
    'a random operator in a function',
    message(25, protoText(10, 'own'), message(7, protoText(4, 'Bernoulli'))),
    'ONNX_RANDOM_OPERATOR',
  ],
  [
    'dropout in training',
    graph(node('Dropout', protoText(1, 'x'), protoText(1, 'ratio'), protoText(1, 'training'))),
    'ONNX_RANDOM_OPERATOR',
  ],
  ['training information', message(20), 'ONNX_TRAINING'],
  ['subgraphs without end', graph(nested(20, node('Relu'))), 'ONNX_TOO_DEEP'],
  [
    'a second graph merged into the first',
    concatBytes(graph(node('Relu')), graph(node('RandomUniform'))),
    'ONNX_RANDOM_OPERATOR',
  ],
  ['fields without number', concatBytes(graph(), bytesOf(MANY)), 'ONNX_TOO_MANY_FIELDS'],
  ['a text', utf8('A text that says that it is a model.'), 'ONNX_TEXT'],
  ['the text form of protobuf', utf8('ir_version: 8\ngraph {\n  name: "digits"\n}\n'), 'ONNX_TEXT'],
  ['JSON', utf8(JSON.stringify({ irVersion: '8', graph: { name: 'digits', node: [] } })), 'ONNX_TEXT'],
  // ':' is the tag of a graph and the tabulator a length: a parser of protobuf finds a graph here.
  ['a text that reads as a graph', utf8(':\vr\t.........'), 'ONNX_TEXT'],
  ['no graph at all', int(1, 8), 'ONNX_MALFORMED'],
  ['a length beyond the file', Uint8Array.of(7 * 8 + 2, 100, 1), 'ONNX_MALFORMED'],
  // Protobuf's own parser drops the fifth byte's high bits and reads field 7, the graph.
  [
    'a tag beyond 32 bits',
    concatBytes(Uint8Array.of(0xba, 0x80, 0x80, 0x80, 0x10), graph(node('RandomNormal')).subarray(1)),
    'ONNX_MALFORMED',
  ],
  ['a file of another format', concatBytes(int(1, 8), protoText(2, 'ORTM')), 'ONNX_MALFORMED'],
  ['a group', concatBytes(int(1, 8), Uint8Array.of(7 * 8 + 3)), 'ONNX_MALFORMED'],
])('refuses %s', (_, onnx, code) => {
  expect(screenOnnx(onnx)).toMatchObject({ ok: false, code });
});

it('takes functions of the file itself and dropout as it is at inference', () => {
  const own = message(25, protoText(10, 'own'), message(7, protoText(4, 'Relu')));
  expect(
    screenOnnx(concatBytes(own, graph(node('MyRelu', protoText(7, 'own')), node('Dropout', protoText(1, 'x'))))),
  ).toMatchObject({
    ok: true,
  });
});

it('never throws, whatever the bytes', () => {
  const small = encodeOnnx({
    name: 'small',
    nodes: [{ operator: 'Relu', inputs: ['x'], outputs: ['y'], integers: { axis: 1 } }],
    weights: [{ name: 'w', shape: [2], data: Float32Array.of(1, 2) }],
    input: { name: 'x', shape: [1] },
    output: { name: 'y', shape: [1] },
  });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (random) => void screenOnnx(random)));
  fc.assert(
    fc.property(fc.nat(small.length - 1), fc.nat(255), (at, value) => {
      const mutated = small.slice();
      mutated[at] = value;
      screenOnnx(mutated);
      screenOnnx(graph(bytes(1, mutated)));
    }),
  );
});
