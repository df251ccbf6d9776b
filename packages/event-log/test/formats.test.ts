import { crc32 as zlibCrc32 } from 'node:zlib';
import { leafHash } from '@cloister/crypto';
import { asHeight, type Digest, toHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  crc32,
  decodeEventRecord,
  decodeHead,
  type EventRecord,
  emptyHead,
  encodeEventRecord,
  encodeHead,
  eventHash,
  prepareAppend,
  withChecksum,
  withoutChecksum,
} from '../src/index.ts';
import { crc32c } from '../src/log/checksum.ts';

const digests = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes) as Digest);
const records: fc.Arbitrary<EventRecord> = fc.record({
  sequence: fc.maxSafeNat(),
  height: fc.maxSafeNat().map(asHeight),
  type: fc.stringMatching(/^[A-Z][A-Za-z]{0,40}$/),
  payload: fc.uint8Array({ maxLength: 300 }),
  previousHash: digests,
});
/** Bytes with one of them changed. */
const mutated = (bytes: Uint8Array, at: number, by: number): Uint8Array => {
  const copy = bytes.slice();
  const index = at % bytes.length;
  copy[index] = (copy[index] ?? 0) ^ by;
  return copy;
};

describe('checksum', () => {
  it('is CRC-32: the check value of "123456789"', () => {
    expect(crc32(utf8('123456789'))).toBe(0xcbf43926);
    expect(crc32(new Uint8Array(0))).toBe(0);
  });
  it('with the polynomial of Castagnoli: the check value of "123456789"', () => {
    expect(crc32c(utf8('123456789'))).toBe(0xe3069283);
  });
  it('agrees with zlib', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => crc32(bytes) === zlibCrc32(bytes)));
  });
  it('finds each changed byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, by) => {
        const sealed = withChecksum(bytes);
        expect(withoutChecksum(sealed)).toEqual(bytes);
        expect(withoutChecksum(mutated(sealed, at, by))).toBeUndefined();
      }),
    );
  });
  it('has no answer for bytes too short to carry one', () => {
    for (let length = 0; length < 4; length++) expect(withoutChecksum(new Uint8Array(length))).toBeUndefined();
  });
});

describe('event record', () => {
  it('has these bytes', () => {
    const record = {
      sequence: 2 ** 32 + 1,
      height: asHeight(7),
      type: 'RecordPut',
      payload: utf8('{}'),
      previousHash: 'ab'.repeat(32) as Digest,
    };
    const expected = `01 0000000100000001 0000000000000007 00000009${toHex(utf8('RecordPut'))} 000000027b7d ${'ab'.repeat(32)}`;
    expect(toHex(encodeEventRecord(record))).toBe(expected.replaceAll(' ', ''));
  });
  it('decodes to what was encoded, and hashes as a Merkle leaf', () => {
    fc.assert(
      fc.property(records, (record) => {
        const bytes = encodeEventRecord(record);
        expect(decodeEventRecord(bytes)).toEqual({ ok: true, value: record });
        expect(eventHash(bytes)).toBe(toHex(leafHash(bytes)));
      }),
    );
  });
  it('answers any bytes with a record that encodes to them, or MALFORMED', () => {
    const check = (bytes: Uint8Array): void => {
      const decoded = decodeEventRecord(bytes);
      if (decoded.ok) expect(encodeEventRecord(decoded.value)).toEqual(bytes);
      else expect(decoded.code).toBe('MALFORMED');
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check));
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (record, at, by) => {
        const bytes = encodeEventRecord(record);
        check(mutated(bytes, at, by));
        check(bytes.subarray(0, at % bytes.length));
      }),
    );
  });
  it('refuses to encode an event out of bounds', () => {
    const record = { sequence: 0, height: asHeight(0), payload: utf8('{}'), previousHash: 'ab'.repeat(32) as Digest };
    expect(() => encodeEventRecord({ ...record, type: '' })).toThrow('event type');
    expect(() => encodeEventRecord({ ...record, type: 'x'.repeat(65) })).toThrow('event type');
    expect(() => encodeEventRecord({ ...record, type: 'X', payload: new Uint8Array(4 * 1024 * 1024 + 1) })).toThrow();
  });
});

describe('head', () => {
  const chainId = 'cd'.repeat(32) as Digest;
  const headOf = (count: number): ReturnType<typeof emptyHead> => {
    const events = Array.from({ length: count }, () => ({ type: 'X', payload: utf8('{}') }));
    return prepareAppend(emptyHead(chainId), asHeight(3), events).head;
  };
  it('decodes to what was encoded', () => {
    for (const count of [0, 1, 2, 3, 7, 8, 100]) expect(decodeHead(encodeHead(headOf(count)))).toEqual(headOf(count));
  });
  it('never decodes from changed, cut or random bytes', () => {
    const bytes = encodeHead(headOf(11));
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, by) => {
        expect(decodeHead(mutated(bytes, at, by))).toBeUndefined();
        expect(decodeHead(bytes.subarray(0, at % bytes.length))).toBeUndefined();
      }),
    );
    fc.assert(fc.property(fc.uint8Array(), (random) => decodeHead(withChecksum(random)) === undefined));
  });
});
