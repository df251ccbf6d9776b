import { concatBytes, fromHex } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LevelDamage, maskedChecksum } from '../src/level-format.ts';
import { checkLog, recordsOf } from '../src/level-log.ts';
import { readLevelManifest } from '../src/level-manifest.ts';
import { checkTable } from '../src/level-table.ts';

/** Runs a check on hostile bytes: it may refuse them as damage, and do nothing else. */
function refusesCleanly(check: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    check(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(LevelDamage);
  }
}

/** One unfragmented record of LevelDB's log format. */
function record(data: Uint8Array, type = 1): Uint8Array {
  const fragment = concatBytes(Uint8Array.of(type), data);
  const header = new Uint8Array(6);
  const view = new DataView(header.buffer);
  view.setUint32(0, maskedChecksum(fragment), true);
  view.setUint16(4, data.length, true);
  return concatBytes(header, fragment);
}

/** Version edits of every kind: log 9, table 7 of 300 bytes added, then moved from level 0 to 1, table 5 deleted. */
const EDITS = [
  '0102' + '6162' + '0209' + '030a' + '040b' + '0900' + '050001' + '61',
  '070005' + '10' + '0161' + '0162' + '070007' + 'ac02' + '0161' + '0162',
  '070107' + 'ac02' + '0161' + '0162' + '060007' + '060005',
];

describe('manifest', () => {
  it('leads to the live files', () => {
    const manifest = concatBytes(...EDITS.map((edit) => record(fromHex(edit))));
    expect(readLevelManifest(manifest)).toEqual({ logNumber: 9, tables: new Map([[7, 300]]) });
  });
  it('of unknown or malformed fields is damage', () => {
    for (const edit of ['08', '63', '02', '0105', '0700', 'ffffffffffffffffffff01']) {
      expect(() => readLevelManifest(record(fromHex(edit)))).toThrow(LevelDamage);
    }
  });
});

describe('log', () => {
  it('joins fragments, and drops a record without its end', () => {
    const log = concatBytes(
      record(fromHex('01'), 2),
      record(fromHex('02'), 3),
      record(fromHex('03'), 4),
      record(fromHex('04')),
      record(fromHex('05'), 2),
    );
    expect(recordsOf(log)).toEqual([fromHex('010203'), fromHex('04')]);
  });
  it('with a wrong record is damage if a sound one follows, else its torn end', () => {
    const good = record(fromHex('aabb'));
    const bad = good.map((byte, at) => (at === 8 ? byte ^ 1 : byte));
    const long = good.map((byte, at) => (at === 5 ? 0x7f : byte));
    for (const wrong of [bad, long, new Uint8Array(7)]) {
      expect(() => checkLog(concatBytes(good, wrong, good))).toThrow('the record at 9 does not match its checksum');
      expect(recordsOf(concatBytes(good, wrong))).toEqual([fromHex('aabb')]);
    }
    const filled = concatBytes(bad, new Uint8Array(32_768 - bad.length), good);
    expect(() => checkLog(filled)).toThrow('the record at 0 does not match its checksum');
  });
});

describe('on any bytes', () => {
  const bytes = fc.uint8Array({ maxLength: 400 });
  it('each check returns or reports damage', () => {
    const magic = fromHex('57fb808b247547db');
    fc.assert(
      fc.property(bytes, fc.uint8Array({ minLength: 40, maxLength: 40 }), (body, footer) => {
        refusesCleanly(checkTable, body);
        refusesCleanly(checkTable, concatBytes(body, footer, magic));
        refusesCleanly(checkLog, body);
        refusesCleanly(readLevelManifest, body);
        refusesCleanly(readLevelManifest, record(body));
      }),
    );
  });
  it('also inside a block whose checksum is right', () => {
    fc.assert(
      fc.property(bytes, fc.constantFrom(0, 1), (contents, compression) => {
        const block = concatBytes(contents, Uint8Array.of(compression));
        const checksum = new Uint8Array(4);
        new DataView(checksum.buffer).setUint32(0, maskedChecksum(block), true);
        const size = Uint8Array.of(0x80 | (contents.length & 0x7f), contents.length >> 7);
        const handle = concatBytes(Uint8Array.of(0), size);
        const footer = concatBytes(handle, handle, new Uint8Array(34), fromHex('57fb808b247547db'));
        refusesCleanly(checkTable, concatBytes(block, checksum, footer));
      }),
    );
  });
});
