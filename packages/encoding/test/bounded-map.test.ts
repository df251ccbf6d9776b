import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedMap } from '../src/index.ts';

const key = fc.integer({ min: 0, max: 12 });
const move = fc.oneof(
  fc.record({ do: fc.constant('set' as const), key, value: fc.nat() }),
  fc.record({ do: fc.constant('delete' as const), key, value: fc.constant(0) }),
  fc.record({ do: fc.constant('read' as const), key, value: fc.constant(0) }),
);

describe('a bounded map', () => {
  it('never holds more than its capacity, and lets go of what was set longest ago', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(move, { maxLength: 80, size: 'max' }), (capacity, moves) => {
        const map = new BoundedMap<number, number>(capacity);
        // The same, as a list in the order in which things were set.
        let model: { readonly key: number; readonly value: number }[] = [];
        for (const { do: verb, key, value } of moves) {
          const known = model.find((one) => one.key === key);
          if (verb === 'read') expect([map.has(key), map.get(key)]).toEqual([known !== undefined, known?.value]);
          if (verb === 'delete') expect(map.delete(key)).toBe(known !== undefined);
          if (verb === 'set') map.set(key, value);
          if (verb !== 'read') model = model.filter((one) => one.key !== key);
          if (verb === 'set') model = [...model, { key, value }].slice(-capacity);
          expect(map.size).toBe(model.length);
          expect(map.size).toBeLessThanOrEqual(capacity);
          for (const one of model) expect(map.get(one.key)).toBe(one.value);
        }
      }),
    );
  });

  it('has keys and values of any kind, undefined too, and makes room for them like for others', () => {
    const map = new BoundedMap<string | undefined, number>(2);
    map.set(undefined, 1);
    map.set('a', 2);
    map.set('b', 3);
    expect([map.has(undefined), map.has('a'), map.size]).toEqual([false, true, 2]);
    map.clear();
    expect([map.size, map.get('a')]).toEqual([0, undefined]);
  });

  it('has room for one entry at least', () => {
    for (const capacity of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => new BoundedMap(capacity)).toThrow('capacity');
    }
  });
});
