import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  asAccountId,
  asDigest,
  ByteReader,
  ByteWriter,
  CryptoAssertion,
  DecodeError,
  decodeWith,
  fromHex,
  toHex,
} from '../src/index.ts';

const anyU64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const hex64 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);

describe('ByteWriter and ByteReader', () => {
  test('the layout is big-endian and length-prefixed', () => {
    const writer = new ByteWriter(1);
    writer
      .u8(1)
      .u16(0x0203)
      .u32(0x04050607)
      .u64(0x1_0000_0002)
      .u64(2n ** 64n - 1n);
    writer.fixed(Uint8Array.of(9)).var(Uint8Array.of(8, 7)).str('é');
    const expected =
      '01020304050607' + '0000000100000002' + 'ffffffffffffffff' + '09' + '000000020807' + '00000002c3a9';
    expect(writer.length).toBe(expected.length / 2);
    expect(toHex(writer.finish())).toBe(expected);
  });

  test('reads back what was written', () => {
    const record = fc.record({
      a: fc.nat(0xff),
      b: fc.nat(0xffff),
      c: fc.integer({ min: 0, max: 0xffff_ffff }),
      d: fc.maxSafeNat(),
      e: anyU64,
      f: fc.uint8Array({ maxLength: 400 }),
      g: fc.string({ unit: 'binary' }),
      h: hex64,
    });
    fc.assert(
      fc.property(record, (r) => {
        const writer = new ByteWriter(0).u8(r.a).u16(r.b).u32(r.c).u64(r.d).u64(r.e).var(r.f).str(r.g);
        const bytes = writer.digest(asDigest(r.h)).account(asAccountId(r.h)).finish();
        const read = decodeWith(Buffer.from(bytes), (reader) => ({
          a: reader.u8(),
          b: reader.u16(),
          c: reader.u32(),
          d: reader.u64(),
          e: reader.u64big(),
          f: reader.var(400),
          g: reader.str(1000),
          h: [reader.digest(), reader.account()],
        }));
        expect(read).toEqual({ ok: true, value: { ...r, h: [r.h, r.h] } });
      }),
    );
  });

  test('values out of range are bugs', () => {
    const writer = new ByteWriter();
    for (const bad of [-1, 256, 0.5, Number.NaN]) expect(() => writer.u8(bad)).toThrow(CryptoAssertion);
    for (const bad of [-1, 65536]) expect(() => writer.u16(bad)).toThrow(CryptoAssertion);
    for (const bad of [-1, 2 ** 32]) expect(() => writer.u32(bad)).toThrow(CryptoAssertion);
    for (const bad of [-1, 2 ** 53, -1n, 2n ** 64n, 1.5]) expect(() => writer.u64(bad)).toThrow(CryptoAssertion);
    expect(() => writer.str('\udc00')).toThrow(CryptoAssertion);
    expect(writer.finish()).toEqual(new Uint8Array(0));
  });

  test('what is read is a copy, also from a Buffer', () => {
    const source = Buffer.from([0, 0, 0, 1, 5]);
    const field = new ByteReader(source).var(1);
    source[4] = 6;
    expect(field).toEqual(Uint8Array.of(5));
    expect(Buffer.isBuffer(field)).toBe(false);
  });

  test('what is written is a copy', () => {
    const writer = new ByteWriter().u8(1);
    const first = writer.finish();
    first[0] = 9;
    expect(writer.u8(2).finish()).toEqual(Uint8Array.of(1, 2));
  });
});

describe('hostile bytes', () => {
  test('underrun of every read', () => {
    const reads: ((reader: ByteReader) => unknown)[] = [
      (r) => r.u8(),
      (r) => r.u16(),
      (r) => r.u32(),
      (r) => r.u64(),
      (r) => r.u64big(),
      (r) => r.fixed(1),
      (r) => r.var(9),
      (r) => r.str(9),
      (r) => r.digest(),
      (r) => r.account(),
    ];
    for (const read of reads) expect(() => read(new ByteReader(new Uint8Array(0)))).toThrow(DecodeError);
  });

  test('a length is checked before anything is allocated', () => {
    const huge = fromHex('ffffffff00');
    expect(decodeWith(huge, (r) => r.var(Number.MAX_SAFE_INTEGER))).toMatchObject({ ok: false, code: 'MALFORMED' });
    expect(decodeWith(huge, (r) => r.var(4))).toMatchObject({ ok: false, code: 'MALFORMED' });
  });

  test('u64 beyond the safe integers', () => {
    expect(decodeWith(fromHex('001fffffffffffff'), (r) => r.u64())).toEqual({ ok: true, value: 2 ** 53 - 1 });
    expect(decodeWith(fromHex('0020000000000000'), (r) => r.u64())).toMatchObject({ code: 'MALFORMED' });
    expect(decodeWith(fromHex('ffffffffffffffff'), (r) => r.u64())).toMatchObject({ code: 'MALFORMED' });
  });

  test('trailing bytes, bad UTF-8', () => {
    expect(decodeWith(fromHex('0100'), (r) => r.u8())).toEqual({
      ok: false,
      code: 'MALFORMED',
      detail: '1 trailing bytes',
    });
    expect(decodeWith(fromHex('00000002c080'), (r) => r.str(9))).toMatchObject({
      code: 'MALFORMED',
      detail: 'not UTF-8',
    });
  });

  test('decodeWith lets bugs through', () => {
    expect(() =>
      decodeWith(new Uint8Array(0), () => {
        throw new TypeError('bug');
      }),
    ).toThrow(TypeError);
    expect(() => decodeWith(new Uint8Array(0), (r) => r.fixed(-1))).toThrow(CryptoAssertion);
  });

  test('any bytes: a result or MALFORMED, and what decodes re-encodes to the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        const read = decodeWith(bytes, (r) => [r.u8(), r.var(8), r.str(8)] as const);
        if (!read.ok) {
          expect(read.code).toBe('MALFORMED');
          return;
        }
        const [a, b, c] = read.value;
        expect(new ByteWriter().u8(a).var(b).str(c).finish()).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
  });
});
