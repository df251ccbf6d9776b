import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkFinite,
  checkInputs,
  checkTensors,
  decodeTensors,
  encodeTensors,
  INPUT_BYTES_MAX,
  matchTensors,
  TENSOR_DATATYPES,
  TENSOR_LIMITS,
  type Tensor,
} from '../src/index.ts';
import { fp32, hostile, tensors } from './samples.ts';

const tensor = (change: Partial<Tensor>): Tensor => ({ ...fp32('x', [2], [1, 2]), ...change });
const bytesTensor = (elements: readonly string[]): Tensor => {
  const data = elements.flatMap((text) => [text.length, 0, 0, 0, ...new TextEncoder().encode(text)]);
  return { name: 't', datatype: 'BYTES', shape: [elements.length], data: Uint8Array.from(data) };
};

describe('encodeTensors and decodeTensors', () => {
  it('round-trip each datatype', () => {
    const sizes: Record<string, number> = {
      BOOL: 1,
      FP64: 8,
      INT64: 8,
      UINT64: 8,
      FP32: 4,
      INT32: 4,
      UINT32: 4,
      FP16: 2,
      BF16: 2,
      INT16: 2,
      UINT16: 2,
      INT8: 1,
      UINT8: 1,
    };
    for (const datatype of TENSOR_DATATYPES) {
      const one =
        datatype === 'BYTES'
          ? bytesTensor(['ab', ''])
          : tensor({ datatype, data: new Uint8Array(2 * (sizes[datatype] ?? 0)) });
      expect(decodeTensors(encodeTensors([one]))).toEqual({ ok: true, value: [one] });
    }
  });

  it('round-trip scalars and empty tensors', () => {
    const several = [
      tensor({ name: 'scalar', shape: [], data: new Uint8Array(4) }),
      tensor({ name: 'none', shape: [0, 7], data: new Uint8Array(0) }),
    ];
    expect(decodeTensors(encodeTensors(several))).toEqual({ ok: true, value: several });
  });

  it('give data that a typed array can view', () => {
    const decoded = decodeTensors(encodeTensors(tensors));
    expect(decoded.ok && [...new Float32Array(decoded.value[0]?.data.buffer as ArrayBuffer)]).toEqual([0, 0.5, -1, 3]);
  });

  it('never throw on hostile bytes, and what decodes encodes to the same bytes', () => {
    fc.assert(
      fc.property(hostile(encodeTensors([...tensors, bytesTensor(['ab', 'c'])])), (bytes) => {
        const decoded = decodeTensors(bytes);
        if (decoded.ok) expect(encodeTensors(decoded.value)).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  it('refuse an announced length beyond the bytes without allocating it', () => {
    const bytes = encodeTensors(tensors);
    bytes.set([0xff, 0xff, 0xff, 0xff], 2);
    expect(decodeTensors(bytes)).toMatchObject({ ok: false, code: 'MALFORMED' });
  });

  it('refuse unknown versions and datatypes, and counts and ranks beyond the bounds', () => {
    const bytes = encodeTensors([tensor({ name: 'x' })]);
    expect(decodeTensors(bytes.with(0, 2))).toMatchObject({ code: 'MALFORMED' });
    expect(decodeTensors(bytes.with(7, 99))).toMatchObject({ code: 'MALFORMED', detail: 'unknown datatype' });
    expect(decodeTensors(Uint8Array.of(1, 0))).toMatchObject({ code: 'TENSOR_COUNT' });
    const many = Array.from({ length: 65 }, (_, i) => [...encodeTensors([tensor({ name: `n${i + 10}` })]).slice(2)]);
    expect(decodeTensors(Uint8Array.from([1, 65, ...many.flat()]))).toMatchObject({ code: 'TENSOR_COUNT' });
    const deep = [1, 1, 0, 0, 0, 1, 0x78, 1, 9, ...Array.from({ length: 9 }, () => [0, 0, 0, 1]).flat(), 0, 0, 0, 1, 5];
    expect(decodeTensors(Uint8Array.from(deep))).toMatchObject({ code: 'TENSOR_SHAPE' });
  });
});

describe('checkTensors', () => {
  it('takes elements of BYTES that the runtime takes for UTF-8, without NUL, and no others', () => {
    const isText = (element: Uint8Array): boolean => isUtf8(element) && !element.includes(0);
    const wrong: Uint8Array[] = [];
    const holds = (element: Uint8Array): void => {
      const data = Uint8Array.from([element.length, 0, 0, 0, ...element]);
      const checked = checkTensors([{ name: 't', datatype: 'BYTES', shape: [1], data }]);
      if ((checked.ok ? undefined : checked.code) !== (isText(element) ? undefined : 'TENSOR_DATA_VALUE'))
        wrong.push(element);
    };
    // Each lead with the second bytes at which a rule begins or ends, and what follows or is missing.
    for (let lead = 0; lead < 256; lead++) {
      holds(Uint8Array.of(lead));
      for (const second of [0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]) {
        for (const rest of [[], [0x80], [0x80, 0xbf], [0x80, 0xc0], [0xbf, 0x41]])
          holds(Uint8Array.of(lead, second, ...rest));
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), holds));
    for (const text of ['', 'ü€😀', '\0', 'a\0b', '\ud7ff\ue000\u{10ffff}']) holds(new TextEncoder().encode(text));
    expect(wrong).toEqual([]);
  });

  it.each([
    ['TENSOR_COUNT', []],
    ['TENSOR_NAME', [tensor({ name: '' })]],
    ['TENSOR_NAME', [tensor({ name: 'a\nb' })]],
    ['TENSOR_NAME_DUPLICATE', [tensor({}), tensor({})]],
    ['TENSOR_DATATYPE', [tensor({ datatype: 'toString' as 'FP32' })]],
    ['TENSOR_SHAPE', [tensor({ shape: [-1] })]],
    ['TENSOR_SHAPE', [tensor({ shape: [1.5] })]],
    ['TENSOR_SHAPE', [tensor({ shape: Array.from({ length: 9 }, () => 1) })]],
    ['TENSOR_SHAPE', [tensor({ shape: [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1] })]],
    ['TENSOR_DATA_LENGTH', [tensor({ shape: [3] })]],
    ['TENSOR_DATA_LENGTH', [{ ...bytesTensor(['ab']), shape: [2] }]],
    ['TENSOR_DATA_LENGTH', [{ ...bytesTensor(['ab']), data: Uint8Array.of(9, 0, 0, 0, 1) }]],
    ['TENSOR_DATA_LENGTH', [{ ...bytesTensor(['ab']), shape: [2 ** 31 - 1] }]],
    ['TENSOR_DATA_VALUE', [tensor({ datatype: 'BOOL', data: Uint8Array.of(0, 2) })]],
    [
      'TENSORS_TOO_LARGE',
      [
        tensor({
          datatype: 'UINT8',
          shape: [TENSOR_LIMITS.totalBytes + 1],
          data: new Uint8Array(TENSOR_LIMITS.totalBytes + 1),
        }),
      ],
    ],
  ] as const)('%s', (code, list: readonly Tensor[]) => {
    expect(checkTensors(list)).toMatchObject({ ok: false, code });
  });
});

describe('matchTensors', () => {
  const specs = [{ name: 'input', datatype: 'FP32', shape: [-1, 4] }] as const;
  it('takes the declared tensors and nothing else', () => {
    expect(matchTensors(tensors, specs)).toEqual({ ok: true, value: undefined });
    expect(matchTensors([], specs)).toMatchObject({ code: 'TENSOR_MISSING' });
    expect(matchTensors([fp32('input', [4], [1, 2, 3, 4])], specs)).toMatchObject({ code: 'TENSOR_SHAPE_DIFFERS' });
    expect(matchTensors([fp32('input', [1, 3], [1, 2, 3])], specs)).toMatchObject({ code: 'TENSOR_SHAPE_DIFFERS' });
    expect(matchTensors([{ ...tensors[0], datatype: 'INT32' } as Tensor], specs)).toMatchObject({
      code: 'TENSOR_DATATYPE_DIFFERS',
    });
    expect(matchTensors([...tensors, fp32('more', [1], [1])], specs)).toMatchObject({ code: 'TENSOR_UNEXPECTED' });
  });
});

describe('what a request may hold', () => {
  it('is less than what an output may', () => {
    const bytes = (length: number) => [tensor({ datatype: 'UINT8', shape: [length], data: new Uint8Array(length) })];
    expect(checkInputs(bytes(INPUT_BYTES_MAX)).ok).toBe(true);
    expect(checkInputs(bytes(INPUT_BYTES_MAX + 1))).toMatchObject({ code: 'TENSORS_TOO_LARGE' });
    expect(checkTensors(bytes(INPUT_BYTES_MAX + 1)).ok).toBe(true);
  });

  it.each([
    ['FP16', [0x00, 0x7c], [0xff, 0x7b]],
    ['BF16', [0x80, 0xff], [0x7f, 0x7f]],
    ['FP32', [0, 0, 0x80, 0x7f], [0xff, 0xff, 0x7f, 0x7f]],
    ['FP64', [1, 0, 0, 0, 0, 0, 0xf0, 0xff], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x7f]],
  ] as const)('is numbers alone: an infinity or a NaN of %s is named', (datatype, odd, largest) => {
    const of = (...values: readonly (readonly number[])[]) =>
      tensor({ name: 'x', datatype, shape: [values.length], data: Uint8Array.from(values.flat()) });
    expect(checkFinite([of(largest, largest)]).ok).toBe(true);
    expect(checkFinite([of(largest, odd)])).toEqual({ ok: false, code: 'TENSOR_NOT_FINITE', detail: 'x' });
    expect(checkFinite([tensor({ datatype: 'UINT8', shape: [odd.length], data: Uint8Array.from(odd) })]).ok).toBe(true);
  });
});
