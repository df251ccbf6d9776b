import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AssertionFailure,
  CryptoAssertion,
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  parseBase64,
  parseHex,
  parseUtf8,
  toBase64,
  toHex,
  utf8,
} from '../src/index.ts';
import { fromBase64ByTable, fromHexByTable, toBase64ByTable, toHexByTable } from '../src/text-codecs.ts';

const bytes = fc.uint8Array({ maxLength: 200 });

describe('bytes', () => {
  test('concatBytes joins, and copies', () => {
    const part = Uint8Array.of(1, 2);
    const joined = concatBytes(part, Uint8Array.of(), Uint8Array.of(3));
    part[0] = 9;
    expect(joined).toEqual(Uint8Array.of(1, 2, 3));
    expect(concatBytes()).toEqual(new Uint8Array(0));
  });

  test('equalBytes and compareBytes agree with Buffer', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
        expect(equalBytes(a, Uint8Array.from(a))).toBe(true);
      }),
    );
    expect(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBe(false);
  });
});

describe('hex', () => {
  test('native, table and Buffer agree', () => {
    fc.assert(
      fc.property(bytes, (b) => {
        const hex = Buffer.from(b).toString('hex');
        expect(toHex(b)).toBe(hex);
        expect(toHexByTable(b)).toBe(hex);
        expect(fromHex(hex)).toEqual(b);
        expect(fromHexByTable(hex.toUpperCase())).toEqual(b);
        expect(parseHex(hex, b.length)).toEqual(b);
        expect(parseHex(hex, b.length + 1)).toBeUndefined();
      }),
    );
  });

  test('worst texts', () => {
    for (const bad of ['0', '0g', 'zz', ' 00', '00 ', '00\n', '0x00', '٠٠', '-1', '\u{1d7d8}', '\u0130\u0130', 'ā0']) {
      expect(parseHex(bad), bad).toBeUndefined();
      expect(fromHexByTable(bad), bad).toBeUndefined();
      expect(() => fromHex(bad), bad).toThrow(CryptoAssertion);
    }
    for (const notText of [undefined, null, 0, {}, [], ['00'], new String('00')]) {
      expect(parseHex(notText)).toBeUndefined();
      expect(parseBase64(notText)).toBeUndefined();
    }
    expect(parseHex('AB')).toBeUndefined();
    expect(fromHex('AB')).toEqual(Uint8Array.of(0xab));
    expect(parseHex('')).toEqual(new Uint8Array(0));
    expect(() => fromHex('0')).toThrow(AssertionFailure);
    const long = 'ab'.repeat(4_000_000);
    expect(parseHex(long)?.length).toBe(4_000_000);
    expect(parseHex(`${long}g0`)).toBeUndefined();
  });

  test('any text: table and strict parser refuse and accept alike, up to case', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEFgG٠ \n') }), (text) => {
        expect(parseHex(text.toLowerCase())).toEqual(fromHexByTable(text));
      }),
    );
  });
});

describe('base64', () => {
  test('native, table and Buffer agree', () => {
    fc.assert(
      fc.property(bytes, (b) => {
        const text = Buffer.from(b).toString('base64');
        expect(toBase64(b)).toBe(text);
        expect(toBase64ByTable(b)).toBe(text);
        expect(parseBase64(text)).toEqual(b);
      }),
    );
  });

  test('what parses is canonical', () => {
    const unit = fc.constantFrom(...'AQgBz09+/=-_ \n');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
        const parsed = fromBase64ByTable(text);
        if (parsed !== undefined) expect(Buffer.from(parsed).toString('base64')).toBe(text);
        else expect(Buffer.from(text, 'base64').toString('base64') === text).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test('worst texts', () => {
    const worst = ['=', '==', '===', '====', 'A===', 'AA=A', 'AB==', 'AAB=', 'AA', 'AAA', ' AAAA', 'AAAA\n', 'AA-_'];
    for (const bad of worst) expect(parseBase64(bad), bad).toBeUndefined();
    expect(parseBase64('')).toEqual(new Uint8Array(0));
  });
});

describe('UTF-8', () => {
  test('round trip; a byte order mark stays', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parseUtf8(utf8(text))).toBe(text);
      }),
    );
    expect(parseUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe('\ufeffA');
  });

  test('a text has one encoding: whatever parses encodes back to its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (b) => {
        const text = parseUtf8(b);
        if (text !== undefined) expect(utf8(text)).toEqual(b);
      }),
      { numRuns: 2000 },
    );
  });

  test('overlong forms, surrogates, truncation and lone surrogates are refused', () => {
    for (const hex of ['c080', 'e08080', 'eda080', 'f4908080', 'f8', 'ff', 'c3', 'e282', '80']) {
      expect(parseUtf8(fromHex(hex)), hex).toBeUndefined();
    }
    expect(() => utf8('\ud800')).toThrow(CryptoAssertion);
  });
});
