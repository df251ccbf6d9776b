import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  type AccountId,
  accountBytes,
  accountFromBytes,
  asAccountId,
  asDigest,
  asEpoch,
  asHeight,
  asMeasurement,
  asValidatorId,
  asView,
  CryptoAssertion,
  type Digest,
  digestFromBytes,
  digestToBytes,
  type Height,
  parseAccountId,
  parseDigest,
  parseEpoch,
  parseHeight,
  parseMeasurement,
  parseValidatorId,
  parseView,
  type ValidatorId,
  type View,
  ZERO_DIGEST,
} from '../src/index.ts';

describe('counts', () => {
  test.each([
    ['height', asHeight, parseHeight],
    ['view', asView, parseView],
    ['epoch', asEpoch, parseEpoch],
  ] as const)('%s: safe non-negative integers only', (_, as, parse) => {
    for (const good of [0, 1, Number.MAX_SAFE_INTEGER]) {
      expect(parse(good)).toBe(good);
      expect(as(good)).toBe(good);
    }
    for (const bad of [-1, -0, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(parse(bad), String(bad)).toBeUndefined();
      expect(() => as(bad), String(bad)).toThrow(CryptoAssertion);
    }
    for (const bad of ['1', 1n, null, undefined, {}, [1]]) expect(parse(bad)).toBeUndefined();
  });
});

describe('hex names', () => {
  test.each([
    ['account', 32, asAccountId, parseAccountId],
    ['validator', 32, asValidatorId, parseValidatorId],
    ['digest', 32, asDigest, parseDigest],
    ['measurement', 48, asMeasurement, parseMeasurement],
  ] as const)('%s: lowercase hex of the right length only', (_, bytes, as, parse) => {
    const good = 'a0'.repeat(bytes);
    expect(parse(good)).toBe(good);
    expect(as(good)).toBe(good);
    for (const bad of ['', good.toUpperCase(), good.slice(1), `${good}00`, `${good.slice(1)}g`, `${good.slice(1)}\n`]) {
      expect(parse(bad)).toBeUndefined();
      expect(() => as(bad)).toThrow(CryptoAssertion);
    }
    for (const bad of [1, null, undefined, [good], { toString: () => good }]) expect(parse(bad)).toBeUndefined();
  });

  test('bytes and back', () => {
    const bytes = new Uint8Array(32).fill(0xab);
    expect(digestToBytes(digestFromBytes(bytes))).toEqual(bytes);
    expect(accountBytes(accountFromBytes(bytes))).toEqual(bytes);
    expect(digestToBytes(ZERO_DIGEST)).toEqual(new Uint8Array(32));
    expect(() => digestFromBytes(new Uint8Array(31))).toThrow(CryptoAssertion);
    expect(() => accountFromBytes(new Uint8Array(33))).toThrow(CryptoAssertion);
  });

  test('brands: a validator is an account, nothing else mixes', () => {
    expectTypeOf<ValidatorId>().toExtend<AccountId>();
    expectTypeOf<AccountId>().not.toExtend<ValidatorId>();
    expectTypeOf<Digest>().not.toExtend<AccountId>();
    expectTypeOf<Height>().not.toExtend<View>();
    expectTypeOf<number>().not.toExtend<Height>();
  });
});
