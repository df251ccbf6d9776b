/** A model on the owner's machine before it is sealed: loaded, compared and run in a process that may die. */
import { readFile } from 'node:fs/promises';
import type { TensorSpec } from '@cloister/confidential';
import { endlessModel } from '@cloister/testkit/endless-model';
import { digitsFile } from '@cloister/testkit/launched';
import { bytes, int, message, protoText } from '@cloister/testkit/onnx-writer';
import { ELEMENT, type ElementType, intAttribute, oneOperator, type TypedValue } from '@cloister/testkit/typed-onnx';
import { describe, expect, it } from 'vitest';
import { type TrialSubject, tryModel } from '../src/index.ts';

const ENGINE = { name: 'onnxruntime-node', version: '1.30.0' };

function specOf({ name, type, shape }: TypedValue): TensorSpec {
  return { name, datatype: type, shape: shape.map((size) => (typeof size === 'number' ? size : -1)) };
}

function subject(
  operator: string,
  [from, to]: readonly [ElementType, ElementType],
  shape: TypedValue['shape'] = [1, 2],
): TrialSubject {
  const [input, output] = [
    { name: 'x', type: from, shape },
    { name: 'y', type: to, shape },
  ] as const;
  const attributes = operator === 'Cast' ? [intAttribute('to', ELEMENT[to])] : [];
  const onnx = oneOperator({ operator, input, output, attributes });
  return { onnx, inputs: [specOf(input)], outputs: [specOf(output)], engine: ENGINE };
}

const FLOATS = ['FP32', 'FP32'] as const;
const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

/** x / w + x, over and over: w is an initializer. */
function withWeight(operator: string, weight: Uint8Array, count: number): TrialSubject {
  const value = { type: 'FP32', shape: [count] } as const;
  const [input, output] = [
    { name: 'x', ...value },
    { name: 'y', ...value },
  ];
  const more = [message(5, int(1, count), int(2, ELEMENT.FP32), protoText(8, 'w'), bytes(9, weight))];
  const onnx = oneOperator({ operator, input, output, from: ['x', 'w'], more });
  return { onnx, inputs: [specOf(input)], outputs: [specOf(output)], engine: ENGINE };
}

describe('a model on trial', () => {
  it('is loaded and run', async () => {
    const digits: TrialSubject = {
      onnx: new Uint8Array(await readFile(digitsFile)),
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 784] }],
      outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10] }],
      engine: ENGINE,
    };
    expect(await tryModel(digits)).toEqual({ ok: true, value: { ran: 'zeros' } });
  });

  it.each<[ElementType, ElementType]>([
    ['FP16', 'FP16'],
    ['BYTES', 'FP32'],
    ['INT64', 'BYTES'],
  ])('takes %s and gives %s', async (from, to) => {
    expect(await tryModel(subject('Cast', [from, to]))).toEqual({ ok: true, value: { ran: 'zeros' } });
  });

  it('is told of each difference from its manifest', async () => {
    const { onnx, engine } = subject('Relu', FLOATS);
    const tried = await tryModel({
      onnx,
      engine,
      inputs: [{ name: 'x', datatype: 'FP64', shape: [1, 3] }],
      outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 2] }],
    });
    expect(tried).toMatchObject({
      code: 'MODEL_SIGNATURE_MISMATCH',
      differences: [
        {
          of: 'input',
          name: 'x',
          code: 'DATATYPE_DIFFERS',
          detail: 'input "x": FP64 in the manifest, FP32 in the file',
        },
        { of: 'input', name: 'x', code: 'SHAPE_DIFFERS', detail: 'input "x": 1x3 in the manifest, 1x2 in the file' },
        { of: 'output', name: 'probabilities', code: 'NOT_IN_FILE' },
        { of: 'output', name: 'y', code: 'NOT_IN_MANIFEST' },
      ],
    });
  });

  it('is refused with the runtime’s own words when the engine has no such operator', async () => {
    expect(await tryModel(subject('NoSuchOperator', FLOATS))).toMatchObject({
      code: 'MODEL_LOAD_FAILED',
      detail: expect.stringContaining('NoSuchOperator') as string,
    });
  });

  it('is refused with types that the engine does not have', async () => {
    const tried = await tryModel(subject('Identity', ['BF16', 'BF16']));
    expect(tried).toMatchObject({ code: 'MODEL_LOAD_FAILED', detail: expect.stringContaining('data type') as string });
  });

  it('is refused when neither zeros nor ones give finite numbers, and taken when one does', async () => {
    const infinite = withWeight('Div', floats(0, 0), 2);
    expect(await tryModel(infinite)).toMatchObject({ code: 'OUTPUT_NOT_FINITE', detail: 'on zeros: y' });
    expect(await tryModel(subject('Log', FLOATS))).toEqual({ ok: true, value: { ran: 'ones' } });
  });

  it('is run on what its owner gives, and not at all while a dimension is open', async () => {
    const open = subject('Log', FLOATS, ['n']);
    expect(await tryModel(open)).toEqual({ ok: true, value: { ran: undefined } });
    const input = (value: number) => [{ name: 'x', datatype: 'FP32', shape: [1], data: floats(value) }] as const;
    expect(await tryModel({ ...open, trialInputs: input(1) })).toEqual({ ok: true, value: { ran: 'given' } });
    expect(await tryModel({ ...open, trialInputs: input(-1) })).toMatchObject({ code: 'OUTPUT_NOT_FINITE' });
  });

  it('is refused by another engine than its manifest names', async () => {
    const other = { ...subject('Relu', FLOATS), engine: { ...ENGINE, version: '1.0.0' } };
    expect(await tryModel(other)).toMatchObject({ code: 'ENGINE_MISMATCH' });
  });

  it('ends its own process alone when it hangs', async () => {
    const hanging: TrialSubject = {
      onnx: endlessModel(),
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 784] }],
      outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 784] }],
      engine: ENGINE,
    };
    expect(await tryModel(hanging, { stepMsMax: 1_500 })).toMatchObject({ code: 'MODEL_RUN_TIMEOUT' });
    expect(await tryModel(hanging, { stepMsMax: 1 })).toMatchObject({ code: 'MODEL_LOAD_TIMEOUT' });
  });

  it('ends its own process alone when it wants more memory than an engine gets', async () => {
    const large = withWeight('Add', new Uint8Array(64 << 20), 16 << 20);
    const starved = await tryModel(large, { memoryBytesMax: 96 << 20 });
    expect(starved).toMatchObject({ code: expect.stringMatching(/^MODEL_LOAD_(CRASHED|FAILED)$/) as string });
  });
});
