import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { CryptoAssertion, concatBytes, digestFromBytes, fromHex, toHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash, hashBytes, hkdfSha256, hmacSha256, sha256, sha384, sha512 } from '../src/index.ts';

const bytes = fc.uint8Array({ maxLength: 300 });

test('SHA-2 of "abc" (FIPS 180-4)', () => {
  expect(toHex(sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(toHex(sha384(utf8('abc')))).toMatch(/^cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163/);
  expect(toHex(sha512(utf8('abc')))).toMatch(/^ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2/);
  expect(Buffer.isBuffer(sha256(utf8('abc')))).toBe(false);
});

test('HMAC and HKDF agree with node:crypto', () => {
  fc.assert(
    fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 300 }), (a, b, c, length) => {
      expect(toHex(hmacSha256(a, b))).toBe(createHmac('sha256', a).update(b).digest('hex'));
      expect(hkdfSha256(a, b, c, length)).toEqual(new Uint8Array(hkdfSync('sha256', a, b, c, length)));
    }),
  );
});

test('HKDF: RFC 5869 A.1, and its bounds', () => {
  const info = fromHex('f0f1f2f3f4f5f6f7f8f9');
  expect(toHex(hkdfSha256(new Uint8Array(22).fill(0x0b), fromHex('000102030405060708090a0b0c'), info, 42))).toBe(
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  );
  expect(hkdfSha256(info, info, info, 8160).length).toBe(8160);
  for (const bad of [8161, -1, 0.5]) expect(() => hkdfSha256(info, info, info, bad)).toThrow(CryptoAssertion);
});

describe('hash', () => {
  test('is SHA-256 of the stated layout', () => {
    const layout = fromHex('0161' + '0000000000000002' + 'beef' + '0000000000000000');
    const expected = createHash('sha256').update(layout).digest('hex');
    expect(hash('a', fromHex('beef'), new Uint8Array(0))).toBe(expected);
    expect(digestFromBytes(hashBytes('a', fromHex('beef'), new Uint8Array(0)))).toBe(expected);
  });

  test('moves between parts and domain change it', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), fc.array(bytes, { maxLength: 4 }), (a, b) => {
        const same = a.length === b.length && a.every((part, i) => toHex(part) === toHex(b[i] ?? utf8('?')));
        expect(hash('d', ...a) === hash('d', ...b)).toBe(same);
        expect(hash('d', ...a)).not.toBe(hash('dd', ...a));
        if (a.length > 1) expect(hash('d', ...a)).not.toBe(hash('d', concatBytes(...a)));
      }),
    );
  });

  test('a domain has at most 255 bytes', () => {
    expect(hash('d'.repeat(255))).toHaveLength(64);
    expect(() => hash('d'.repeat(256))).toThrow(CryptoAssertion);
    expect(() => hash('é'.repeat(128))).toThrow(CryptoAssertion);
  });
});
