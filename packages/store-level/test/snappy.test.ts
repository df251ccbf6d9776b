import { fromHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { snappyDecode } from '../src/snappy.ts';

const BYTES_MAX = 100_000;

describe('snappyDecode', () => {
  it.each([
    ['nothing', '00', ''],
    ['a literal', '0510' + '68656c6c6f', 'hello'],
    ['a literal with its length in a byte', `46f045${'61'.repeat(70)}`, 'a'.repeat(70)],
    ['a copy that overlaps itself (one-byte offset)', '0a00611501', 'a'.repeat(10)],
    ['a copy with a two-byte offset', '070461621202' + '00', 'abababa'],
    ['a copy with a four-byte offset', '07046162130200' + '0000', 'abababa'],
  ])('%s', (_, compressed, expected) => {
    expect(snappyDecode(fromHex(compressed), BYTES_MAX)).toEqual(utf8(expected));
  });
  it('refuses lengths that do not add up, offsets before the start, and output above the bound', () => {
    for (const bad of ['', '05', 'ffffffffff01', '0510686572', '0410' + '68656c6c6f', '04006105ff', '0400610500']) {
      expect(snappyDecode(fromHex(bad), BYTES_MAX)).toBeUndefined();
    }
    expect(snappyDecode(fromHex('051068656c6c6f'), 4)).toBeUndefined();
  });
  it('never throws', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void snappyDecode(bytes, BYTES_MAX)));
  });
});
