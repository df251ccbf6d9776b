import { CryptoAssertion, concatBytes, toHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../src/index.ts';

describe('SeededRandom', () => {
  test('the stream does not change between releases, nor with the way it is drawn', () => {
    expect(toHex(new SeededRandom('seed').bytes(40))).toMatchInlineSnapshot(
      `"bb3c91c7d5203a8e92964501ecc7dc5eeef1654403e1aba03d612f5061871f7e2c42735af944294b"`,
    );
    fc.assert(
      fc.property(fc.array(fc.nat(50)), (counts) => {
        const random = new SeededRandom('seed');
        const total = counts.reduce((sum, count) => sum + count, 0);
        expect(concatBytes(...counts.map((count) => random.bytes(count)))).toEqual(
          new SeededRandom('seed').bytes(total),
        );
      }),
    );
    const words = new SeededRandom('seed');
    words.bytes(3);
    const bytes = new SeededRandom('seed').bytes(3 + 4 * 20);
    for (let i = 0; i < 20; i++) expect(words.u32()).toBe(new DataView(bytes.buffer, 3 + 4 * i, 4).getUint32(0));
  });

  test('seeds, texts and bytes, and forks differ', () => {
    const random = new SeededRandom('a');
    const streams = [random, new SeededRandom('b'), new SeededRandom(utf8('a')), random.fork('x'), random.fork('y')];
    const more = [random.fork('x').fork('y'), new SeededRandom('b').fork('x')];
    expect(new Set([...streams, ...more].map((stream) => toHex(stream.bytes(16)))).size).toBe(7);
  });

  test('a fork does not depend on what was drawn, and drawing from it changes nothing', () => {
    const random = new SeededRandom('a');
    const early = random.fork('x').bytes(8);
    random.bytes(100);
    expect(random.fork('x').bytes(8)).toEqual(early);
    const untouched = new SeededRandom('a');
    untouched.bytes(100);
    expect(random.u32()).toBe(untouched.u32());
  });

  test('below is in range and roughly even', () => {
    const random = new SeededRandom('below');
    const counts = [0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 7000; i++) {
      const drawn = random.below(7);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(counts).toHaveLength(7);
    expect(random.below(1)).toBe(0);
    for (const n of [2 ** 32, 2 ** 32 + 1, 2 ** 53]) {
      for (let i = 0; i < 50; i++) {
        const drawn = random.below(n);
        expect(Number.isSafeInteger(drawn) && drawn >= 0 && drawn < n).toBe(true);
      }
    }
    for (const bad of [0, -1, 0.5, Number.NaN, 2 ** 54]) expect(() => random.below(bad)).toThrow(CryptoAssertion);
    expect(() => random.bytes(-1)).toThrow(CryptoAssertion);
  });
});
