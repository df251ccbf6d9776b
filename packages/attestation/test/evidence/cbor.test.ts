import { fromHex } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CborValue,
  cborArray,
  cborBytes,
  cborHead,
  cborMap,
  cborTag,
  cborText,
  parseCbor,
} from '../../src/evidence/cbor.ts';

function parse(hex: string, indefiniteLengths = false): CborValue | undefined {
  return parseCbor(fromHex(hex), { indefiniteLengths });
}

describe('CBOR (RFC 8949)', () => {
  it('reads integers, strings, arrays, maps, tags and simple values', () => {
    expect(parse('00')).toBe(0);
    expect(parse('17')).toBe(23);
    expect(parse('1818')).toBe(24);
    expect(parse('190100')).toBe(256);
    expect(parse('1a00010000')).toBe(65_536);
    expect(parse('1b0000000100000000')).toBe(2 ** 32);
    expect(parse('3822')).toBe(-35);
    expect(parse('43010203')).toEqual(Uint8Array.of(1, 2, 3));
    expect(parse('6161')).toBe('a');
    expect(parse('820102')).toEqual([1, 2]);
    expect([...(cborMap(parse('a1613160')) ?? [])]).toEqual([['1', '']]);
    expect(cborTag(parse('d201'))).toEqual({ type: 'tag', tag: 18, value: 1 });
    expect([parse('f4'), parse('f5'), parse('f6')]).toEqual([false, true, null]);
    expect([cborMap(1), cborMap(null), cborTag([])]).toEqual([undefined, undefined, undefined]);
  });

  it.each([
    ['an argument that is not minimal', '1817'],
    ['a two-byte argument that is not minimal', '1900ff'],
    ['a four-byte argument that is not minimal', '1a0000ffff'],
    ['an eight-byte argument that is not minimal', '1b00000000ffffffff'],
    ['an integer beyond the safe ones', '1b0020000000000000'],
    ['reserved additional information', '1c'],
    ['an integer of indefinite length', '1f'],
    ['trailing bytes', '0000'],
    ['a truncated string', '4301'],
    ['an oversized string', '5affffffff'],
    ['text that is not UTF-8', '61ff'],
    ['an array with text that is not UTF-8', '8161ff'],
    ['a truncated string in an array', '824301'],
    ['a truncated array', '8201'],
    ['an oversized array', '9affffffff'],
    ['a duplicate integer key', 'a201010102'],
    ['a duplicate text key', 'a2616101616102'],
    ['a key of another type', 'a1410101'],
    ['half precision', 'f93c00'],
    ['double precision', 'fb3ff0000000000000'],
    ['undefined', 'f7'],
    ['an unknown simple value', 'f0'],
    ['a lone break', 'ff'],
    ['nothing', ''],
    ['a nest', '81'.repeat(20)],
    ['a nest of tags', `${'c1'.repeat(12)}00`],
    ['a chunked string', '5f4101ff'],
    ['chunked text', '7f6161ff'],
  ])('refuses %s', (_, hex) => {
    expect(parse(hex)).toBeUndefined();
    expect(parse(hex, true)).toBeUndefined();
  });

  it('reads arrays and maps of indefinite length only where they are allowed', () => {
    for (const [hex, value] of [
      ['9f0102ff', [1, 2]],
      ['9fff', []],
    ] as const) {
      expect(parse(hex)).toBeUndefined();
      expect(parse(hex, true)).toEqual(value);
    }
    expect(parse('bf616101ff')).toBeUndefined();
    expect(cborMap(parse('bf616101ff', true))?.get('a')).toBe(1);
    for (const hex of ['9f01', 'bf6161ff', 'bf616101616102ff', 'bf']) expect(parse(hex, true)).toBeUndefined();
  });

  it('writes heads in their shortest form', () => {
    for (const value of [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(parseCbor(cborHead(0, value), { indefiniteLengths: false })).toBe(value);
    }
    const document = cborArray([cborText('ü'), cborBytes(new Uint8Array(300))]);
    expect(parseCbor(document, { indefiniteLengths: false })).toEqual(['ü', new Uint8Array(300)]);
  });

  it('throws on no bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, indefiniteLengths) => {
        parseCbor(bytes, { indefiniteLengths });
      }),
      { numRuns: 2000 },
    );
  });
});
