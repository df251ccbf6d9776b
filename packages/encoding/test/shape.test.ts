import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { AssertionFailure, type JsonValue } from '../src/index.ts';
import {
  account,
  anyJson,
  anyObject,
  array,
  ascending,
  base64,
  base64Bytes,
  bool,
  count,
  digest,
  displayName,
  distinct,
  epoch,
  height,
  hex,
  hexBytes,
  literal,
  type Members,
  mapped,
  matching,
  measurement,
  member,
  nullable,
  object,
  oneOf,
  openObject,
  optional,
  parsedBy,
  parseShape,
  parseUnknown,
  pick,
  refined,
  type Shape,
  single,
  text,
  variant,
  via,
  view,
  withDefault,
} from '../src/shape.ts';

const accepts = <T>(shape: Shape<T>, value: JsonValue | undefined) => {
  const read = parseShape(shape, value);
  return read.ok ? read.value : undefined;
};
const refusal = (shape: Shape<unknown>, value: JsonValue | undefined, name?: string) => {
  const read = parseShape(shape, value, name);
  return read.ok ? undefined : `${read.code} ${read.detail}`;
};

interface Crate {
  readonly label: string;
  readonly weight?: number;
}
const crate = object<Crate>({ label: text(5), weight: optional(count()) });

describe('objects', () => {
  it('refuses a member that is missing, one that is not named, and one that is inherited alone', () => {
    expect(accepts(crate, { label: 'pears', weight: 2 })).toEqual({ label: 'pears', weight: 2 });
    expect(refusal(crate, { weight: 2 })).toBe('SHAPE_MISMATCH .label: expected text of 0 to 5 characters');
    expect(refusal(crate, { label: 'pears', colour: 'green' })).toMatch(
      /^SHAPE_MISMATCH value: expected no members but/,
    );
    expect(refusal(object({ toString: anyJson }), {})).toBe('SHAPE_MISMATCH .toString: expected a value');
    expect(refusal(crate, Object.create({ label: 'pears' }))).toMatch(/label/);
    for (const value of [null, [], 'pears', 3, undefined]) expect(refusal(crate, value)).toMatch(/expected an object/);
  });

  it('leaves out an optional member that is absent, and holds one that is there to its shape', () => {
    expect(Object.keys(accepts(crate, { label: 'pears' }) ?? {})).toEqual(['label']);
    expect(refusal(crate, { label: 'pears', weight: null })).toMatch(/^SHAPE_MISMATCH \.weight/);
    expect(accepts(object({ tags: withDefault(array(text(4), { max: 2 }), []) }), {})).toEqual({ tags: [] });
    expect(refusal(object({ tags: withDefault(array(text(4), { max: 2 }), []) }), { tags: null })).toMatch(/an array/);
  });

  it('takes any object, and nothing else, for an object of unknown members', () => {
    expect(accepts(anyObject, { a: [1] })).toEqual({ a: [1] });
    for (const value of [null, [], 'pears', 3, undefined]) expect(refusal(anyObject, value)).toMatch(/an object/);
  });

  it('passes over members that an open object does not name, and gives none of them', () => {
    expect(accepts(openObject({ label: text(5) }), { label: 'pears', colour: 'green' })).toEqual({ label: 'pears' });
    expect(refusal(openObject({ label: text(5) }), { colour: 'green' })).toMatch(/label/);
  });

  it('takes a member named __proto__ for a member like any other', () => {
    const hostile = JSON.parse('{"label":"pears","__proto__":{"weight":9}}');
    expect(refusal(crate, hostile)).toMatch(/no members but/);
    expect(accepts(openObject<Crate>({ label: text(5), weight: optional(count()) }), hostile)).toEqual({
      label: 'pears',
    });
  });

  it('reads the object that its tag names, and no tag that only an object of the language has', () => {
    type Move = { readonly kind: 'lift' } | { readonly kind: 'drop'; readonly from: number };
    const move = variant<Move>('kind', {
      lift: object({ kind: literal('lift') }),
      drop: object({ kind: literal('drop'), from: count() }),
    });
    expect(accepts(move, { kind: 'drop', from: 3 })).toEqual({ kind: 'drop', from: 3 });
    expect(refusal(move, { kind: 'lift', from: 3 })).toMatch(/no members but kind/);
    for (const kind of ['constructor', 'toString', '', null, 3]) {
      expect(refusal(move, { kind })).toBe('SHAPE_MISMATCH .kind: expected one of lift, drop');
    }
    expect(refusal(move, [])).toMatch(/an object/);
  });

  it('picks the members that are named, and no other', () => {
    const named: Members<Pick<Crate, 'label'>> = { label: text(5) };
    expect(pick(named, { label: 'pears', weight: 3 } as Crate)).toEqual({ label: 'pears' });
    // @ts-expect-error: what is picked has to be there
    pick(named, { weight: 3 });
  });

  it('reads one own member, and passes over all others', () => {
    expect(accepts(member('a', count()), { a: 1, b: 2 })).toBe(1);
    expect(refusal(member('a', count()), { b: 2 })).toMatch(/^SHAPE_MISMATCH \.a:/);
    expect(accepts(member('toString', optional(anyJson)), {})).toBeUndefined();
    for (const value of [null, [], 'a', undefined])
      expect(refusal(member('a', optional(count())), value)).toMatch(/object/);
  });

  it('names the whole path of a violation', () => {
    const shelf = object({ crates: array(crate, { max: 3 }) });
    const value = { crates: [{ label: 'pears' }, { label: 'oranges' }] };
    expect(refusal(shelf, value, 'shelf')).toBe(
      'SHAPE_MISMATCH shelf.crates[1].label: expected text of 0 to 5 characters',
    );
  });

  it('gives each member the type of its shape', () => {
    const shape = object({ when: height, tags: array(oneOf(['a', 'b']), { max: 2 }), note: optional(text(3)) });
    expectTypeOf(shape).returns.toHaveProperty('tags').toEqualTypeOf<readonly ('a' | 'b')[]>();
    // @ts-expect-error: the shape of a member must give what the type says
    object<Crate>({ label: count(), weight: optional(count()) });
    // @ts-expect-error: no member of the type may be forgotten
    object<Crate>({ label: text(5) });
  });
});

describe('bounds', () => {
  it('holds lists, texts and numbers to both of their ends', () => {
    fc.assert(
      fc.property(fc.nat(9), fc.nat(9), fc.nat(12), (a, b, n) => {
        const [min, max] = [Math.min(a, b), Math.max(a, b)];
        const inside = n >= min && n <= max;
        expect(refusal(array(bool, { min, max }), Array(n).fill(true)) === undefined).toBe(inside);
        expect(refusal(text(max, min), 'x'.repeat(n)) === undefined).toBe(inside);
        expect(refusal(count({ min, max }), n) === undefined).toBe(inside);
        const encoded = Buffer.alloc(n, 7).toString('base64');
        expect(refusal(base64(max, min), encoded) === undefined).toBe(inside);
        expect(accepts(base64Bytes(max, min), encoded)?.length).toBe(inside ? n : undefined);
        expect(refusal(hex(max), '0f'.repeat(n)) === undefined).toBe(n === max);
        expect(accepts(hexBytes(max), '0F'.repeat(n))?.length).toBe(n === max ? n : undefined);
        expect(accepts(hexBytes(min, max), '0F'.repeat(n))?.length).toBe(inside ? n : undefined);
        expect(accepts(hexBytes(0, 99), `${'0F'.repeat(n)}0`)).toBeUndefined();
      }),
    );
  });

  it('takes the element of a list of one, and no other list', () => {
    expect(accepts(single(text(1)), ['a'])).toBe('a');
    for (const value of [[], ['a', 'b'], 'a', { 0: 'a', length: 1 }])
      expect(refusal(single(text(1)), value)).toMatch(/one element/);
    expect(refusal(single(text(1)), ['ab'])).toMatch(/^SHAPE_MISMATCH \[0\]/);
  });

  it('takes safe integers alone for numbers', () => {
    for (const value of [-1, -0, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1', null]) {
      for (const shape of [count(), height, epoch, view]) expect(refusal(shape, value)).toMatch(/expected/);
    }
    expect(accepts(count({ min: -1 }), -1)).toBe(-1);
    expect([accepts(height, 7), accepts(epoch, 7), accepts(view, 7)]).toEqual([7, 7, 7]);
  });

  it('refuses what repeats or is out of order', () => {
    const [letters, ordered] = [distinct(text(1), (one) => one, { max: 4 }), ascending(text(2), { max: 4 })];
    expect(accepts(letters, ['b', 'a'])).toEqual(['b', 'a']);
    expect(refusal(letters, ['a', 'b', 'a'])).toMatch(/repeats/);
    expect(accepts(ordered, ['a', 'b', 'ba'])).toEqual(['a', 'b', 'ba']);
    for (const value of [
      ['b', 'a'],
      ['a', 'a'],
      ['', 'b', 'a'],
    ])
      expect(refusal(ordered, value)).toMatch(/ascending/);
    for (const shape of [letters, ordered]) expect(refusal(shape, ['a', 'b', 'c', 'd', 'e'])).toMatch(/0 to 4/);
  });
});

describe('canonical forms', () => {
  it('gives equal values one spelling', () => {
    for (const [shape, bytes] of [
      [hex(32), 32],
      [digest, 32],
      [account, 32],
      [measurement, 48],
    ] as const) {
      expect(accepts(shape, 'a0'.repeat(bytes))).toBe('a0'.repeat(bytes));
      for (const value of [
        'A0'.repeat(bytes),
        'a0'.repeat(bytes - 1),
        'a0'.repeat(bytes + 1),
        `${'a0'.repeat(bytes - 1)}g0`,
      ]) {
        expect(refusal(shape, value)).toMatch(/lowercase hex/);
      }
    }
    expect(accepts(base64(4), 'YWI=')).toBe('YWI=');
    for (const value of ['YWJ=', 'YWI', 'YW I=', 'YWI=\n', '-_==', 4])
      expect(refusal(base64(4), value)).toMatch(/base64/);
    expect(accepts(hexBytes(2), '0aF0')).toEqual(Uint8Array.of(10, 240));
    expect(refusal(hexBytes(2), '0ag0')).toMatch(/hex/);
  });

  it('takes the words, names and values that it was given, and no others', () => {
    expect(accepts(oneOf(['on', 'off']), 'off')).toBe('off');
    expect(refusal(oneOf(['on', 'off']), 'toString')).toMatch(/one of on, off/);
    expect(accepts(literal(3), 3)).toBe(3);
    expect(refusal(literal(3), '3')).toMatch(/expected 3/);
    expect(accepts(nullable(bool), null)).toBeNull();
    expect(refusal(nullable(bool), undefined)).toMatch(/true or false/);
    expect(refusal(matching(/^[a-z]+$/, 3, 'a word'), 'abcd')).toMatch(/a word/);
    expect(refusal(matching(/^[a-z]+$/, 3, 'a word'), 'aB')).toMatch(/a word/);
    expect(accepts(displayName, 'Zoë 1')).toBe('Zoë 1');
    for (const value of ['', 'x'.repeat(65), 'a\nb', 'a\u202eb'])
      expect(refusal(displayName, value)).toMatch(/printable/);
  });
});

describe('shapes of other parsers', () => {
  const even = (value: JsonValue) => (typeof value === 'number' && value % 2 === 0 ? value : undefined);

  it('takes what they accept and says why they refused', () => {
    expect(accepts(parsedBy(even, 'an even number'), 4)).toBe(4);
    expect(refusal(parsedBy(even, 'an even number'), 5)).toBe('SHAPE_MISMATCH value: expected an even number');
    const odd = via((value) =>
      even(value) === undefined ? { ok: true, value } : { ok: false, code: 'EVEN', detail: '4' },
    );
    expect(accepts(odd, 5)).toBe(5);
    expect(refusal(odd, 4)).toBe('SHAPE_MISMATCH value: expected EVEN 4');
    for (const shape of [odd, parsedBy(even, 'an even number'), anyJson])
      expect(refusal(shape, undefined)).toMatch(/expected/);
    expect(
      accepts(
        mapped(text(4), (one) => one.length),
        'four',
      ),
    ).toBe(4);
    expect(
      refusal(
        refined(text(4), (one) => one !== 'none', 'some'),
        'none',
      ),
    ).toMatch(/expected some/);
  });

  it('reads plain data of no type, and refuses what JSON has no word for', () => {
    const stored: unknown = { a: ['x'], b: null };
    expect(parseUnknown(object({ a: array(text(1), { max: 1 }), b: anyJson }), stored)).toEqual({
      ok: true,
      value: stored,
    });
    for (const value of [undefined, 1n, () => 1, { a: [Symbol('x')] }, [undefined], [Number.NaN]] as unknown[]) {
      expect(parseUnknown(anyJson, value, 'option')).toEqual({
        ok: false,
        code: 'SHAPE_MISMATCH',
        detail: 'option: expected plain data',
      });
    }
  });

  it('answers mismatches alone, and lets a bug of a shape through', () => {
    const broken: Shape<never> = () => {
      throw new AssertionFailure('a bug');
    };
    expect(() => parseShape(broken, 1)).toThrow(AssertionFailure);
  });

  it('never throws on any JSON, and gives what it accepts unchanged', () => {
    const anything = object({ a: nullable(text(9)), b: array(count(), { max: 4 }), c: hex(1) });
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), fc.record({ a: fc.jsonValue(), b: fc.array(fc.nat()), c: fc.constant('0f') })),
        (value) => {
          const read = parseShape(anything, value as JsonValue);
          if (read.ok) expect(read.value).toEqual(value);
          else expect(read.code).toBe('SHAPE_MISMATCH');
        },
      ),
    );
  });
});
