import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CryptoAssertion,
  canonicalJson,
  type JsonValue,
  parseCanonicalJson,
  parseJson,
  parseUtf8,
  utf8,
} from '../src/index.ts';

const LIMITS = { maxBytes: 1_000_000, maxDepth: 20 };
const parse = (text: string) => parseJson(utf8(text), LIMITS);
const anyJson = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }) as fc.Arbitrary<JsonValue>;

describe('canonicalJson (RFC 8785)', () => {
  test('section 3.2.3: keys in order of UTF-16 code units', () => {
    const document = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      1: 'One',
      '\u{1f600}': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    };
    expect([...canonicalJson(document).matchAll(/:"(.*?)"/g)].map((match) => match[1])).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ]);
  });

  test('section 3.2.2: the sample', () => {
    const numbers = [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001];
    const string = '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/';
    expect(canonicalJson({ numbers, string, literals: [null, true, false] })).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test('Appendix B: numbers', () => {
    const samples: [string, string][] = [
      ['0000000000000000', '0'],
      ['8000000000000000', '0'],
      ['0000000000000001', '5e-324'],
      ['8000000000000001', '-5e-324'],
      ['7fefffffffffffff', '1.7976931348623157e+308'],
      ['4340000000000000', '9007199254740992'],
      ['4430000000000000', '295147905179352830000'],
      ['44b52d02c7e14af5', '9.999999999999997e+22'],
      ['44b52d02c7e14af6', '1e+23'],
      ['444b1ae4d6e2ef4e', '999999999999999700000'],
      ['444b1ae4d6e2ef50', '1e+21'],
      ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
      ['3eb0c6f7a0b5ed8d', '0.000001'],
      ['41b3de4355555556', '333333333.3333334'],
      ['becbf647612f3696', '-0.0000033333333333333333'],
    ];
    for (const [bits, text] of samples) {
      const number = new DataView(new BigUint64Array([BigInt(`0x${bits}`)]).buffer).getFloat64(0, true);
      expect(canonicalJson(number)).toBe(text);
    }
  });

  test('what is not JSON is a bug', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    const wrong: unknown[] = [
      undefined,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      1n,
      Symbol('x'),
      () => 1,
      '\ud800',
      { '\udc00': 1 },
      { a: undefined },
      new Array(1),
      new Date(0),
      new Map(),
      Uint8Array.of(1),
      cycle,
    ];
    for (const value of wrong) expect(() => canonicalJson(value as JsonValue)).toThrow(CryptoAssertion);
  });

  test('is what JSON.parse understands, and a fixed point', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const text = canonicalJson(value);
        expect(canonicalJson(JSON.parse(text) as JsonValue)).toBe(text);
        expect(parseCanonicalJson(utf8(text), LIMITS).ok).toBe(true);
      }),
    );
  });
});

describe('parseJson', () => {
  test('agrees with JSON.parse on any JSON, with any spacing', () => {
    fc.assert(
      fc.property(anyJson, fc.constantFrom('', ' ', '\t\n'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        const parsed = parse(text);
        expect(parsed.ok).toBe(true);
        if (parsed.ok) expect(canonicalJson(parsed.value)).toBe(canonicalJson(JSON.parse(text) as JsonValue));
      }),
    );
  });

  test('takes no text that JSON.parse refuses, and refuses only for its own reasons', () => {
    const unit = fc.constantFrom(...'[]{}:,"\\u0019aeE+-. tn', 'true', 'null', '"a"', '1');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
        let native: unknown;
        try {
          native = JSON.parse(text);
        } catch {
          expect(parse(text)).toMatchObject({ code: 'JSON_MALFORMED' });
          return;
        }
        const parsed = parse(text);
        if (parsed.ok) expect(JSON.stringify(parsed.value)).toBe(JSON.stringify(native));
        else expect(['JSON_DUPLICATE_KEY', 'JSON_MALFORMED', 'JSON_TOO_DEEP']).toContain(parsed.code);
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    '',
    ' ',
    '\ufeff1',
    '01',
    '-',
    '-a',
    '1.',
    '.5',
    '1e',
    '1e+',
    '+1',
    '0x1',
    '1e999',
    '-1e999',
    'NaN',
    'Infinity',
    'nul',
    'True',
    "'a'",
    '"',
    '"\\',
    '"\\"',
    '"\t"',
    '"\\x41"',
    '"\\u12"',
    '"\\u12g4"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '[1 2]',
    ']',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{,}',
    '{a:1}',
    '{1:1}',
    '{"a" 1}',
    '1 2',
    '[]]',
    '//',
    '/**/1',
    '\u00a01',
    '[1}',
    '{"a":1]',
    '\u0000',
  ])('refuses %j', (text) => {
    expect(parse(text)).toMatchObject({ ok: false, code: 'JSON_MALFORMED' });
  });

  test('duplicate keys, also when spelt differently or special', () => {
    for (const text of [
      '{"a":1,"a":1}',
      '{"a":1,"\\u0061":2}',
      '{"__proto__":1,"__proto__":2}',
      '{"x":[{"":1,"":1}]}',
    ]) {
      expect(parse(text)).toMatchObject({ ok: false, code: 'JSON_DUPLICATE_KEY' });
    }
    expect(parse('{"toString":1,"constructor":2,"hasOwnProperty":3}').ok).toBe(true);
  });

  test('__proto__ is a key like any other, and nothing is inherited', () => {
    const parsed = parse('{"__proto__":{"admin":true}}');
    expect(parsed.ok).toBe(true);
    if (!parsed.ok) return;
    const value = parsed.value as { [key: string]: JsonValue };
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(value.admin).toBeUndefined();
    expect(value.constructor).toBeUndefined();
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
    expect(canonicalJson(parsed.value)).toBe('{"__proto__":{"admin":true}}');
  });

  test('limits of size and depth, before the stack is in danger', () => {
    expect(parseJson(utf8('[[1]]'), { maxBytes: 5, maxDepth: 2 }).ok).toBe(true);
    expect(parseJson(utf8('[[1]]'), { maxBytes: 4, maxDepth: 2 })).toMatchObject({ code: 'JSON_TOO_LARGE' });
    expect(parseJson(utf8('[[1]]'), { maxBytes: 5, maxDepth: 1 })).toMatchObject({ code: 'JSON_TOO_DEEP' });
    expect(parseJson(utf8('1'), { maxBytes: 1, maxDepth: 0 }).ok).toBe(true);
    expect(parse('['.repeat(500_000))).toMatchObject({ code: 'JSON_TOO_DEEP' });
    expect(parse('{"a":'.repeat(100_000))).toMatchObject({ code: 'JSON_TOO_DEEP' });
    const deep = utf8(`${'['.repeat(1000)}${']'.repeat(1000)}`);
    const parsed = parseJson(deep, { maxBytes: 2000, maxDepth: 1000 });
    expect(parsed.ok && canonicalJson(parsed.value)).toBe(parseUtf8(deep));
    expect(() => parseJson(deep, { maxBytes: 2000, maxDepth: 1001 })).toThrow(CryptoAssertion);
  });

  test('long numbers and strings take linear time', () => {
    for (const text of [
      '1'.repeat(300),
      `0.${'1'.repeat(900_000)}`,
      `"${'a\\n'.repeat(300_000)}"`,
      `-0e${'0'.repeat(900_000)}`,
    ]) {
      expect(parse(text).ok).toBe(true);
    }
    expect(parse('1'.repeat(900_000))).toMatchObject({ code: 'JSON_MALFORMED' });
  });

  test('invalid UTF-8 and raw surrogates', () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
    ]) {
      expect(parseJson(Uint8Array.from(bytes), LIMITS)).toMatchObject({ code: 'JSON_MALFORMED' });
    }
  });

  test('-0 reads as 0', () => {
    expect(parse('-0')).toEqual({ ok: true, value: 0 });
    expect(parse('-0e5')).toEqual({ ok: true, value: 0 });
  });
});

describe('parseCanonicalJson', () => {
  test.each([
    '1.0',
    '-0',
    '1e2',
    '9007199254740993',
    '{"b":1,"a":2}',
    '[1, 2]',
    ' 1',
    '1\n',
    '"\\u0041"',
    '"\\/"',
    '"\\u000A"',
  ])('refuses %j', (text) => {
    expect(parseCanonicalJson(utf8(text), LIMITS)).toMatchObject({ ok: false, code: 'JSON_NOT_CANONICAL' });
  });

  test('passes the parser errors on', () => {
    expect(parseCanonicalJson(utf8('{"a":1,"a":1}'), LIMITS)).toMatchObject({ code: 'JSON_DUPLICATE_KEY' });
    expect(parseCanonicalJson(utf8('['), LIMITS)).toMatchObject({ code: 'JSON_MALFORMED' });
  });
});
