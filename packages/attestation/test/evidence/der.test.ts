import { DecodeError, fromHex, toHex } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DER_TAGS, DerReader, decodeDer } from '../../src/x509/der.ts';
import {
  derBitString,
  derBoolean,
  derElement,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTime,
} from '../../src/x509/der-writer.ts';
import { civilToMs, msToCivil } from '../../src/x509/instants.ts';
import { parsePem } from '../../src/x509/pem.ts';
import { readTime } from '../../src/x509/x509-fields.ts';

/** Reads everything there is, constructed elements included. */
function walk(reader: DerReader): number {
  let count = 0;
  while (!reader.isAtEnd) {
    const element = reader.any();
    count += 1 + ((element.tag & 0x20) !== 0 ? walk(reader.inside(element)) : 0);
  }
  return count;
}

function refuses(hex: string, read: (reader: DerReader) => unknown): void {
  expect(decodeDer(fromHex(hex), read), hex).toBeUndefined();
}

describe('DER reader', () => {
  it('reads lengths in their one form', () => {
    for (const length of [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000]) {
      const bytes = derOctetString(new Uint8Array(length));
      expect(decodeDer(bytes, (reader) => reader.octetString().length)).toBe(length);
    }
    refuses('048100', (r) => r.any());
    refuses('04810100', (r) => r.any());
    refuses(`0482007f${'00'.repeat(0x7f)}`, (r) => r.any());
    refuses('0480000000', (r) => r.any());
    refuses('04840000000100', (r) => r.any());
    refuses('0402ff', (r) => r.any());
    refuses('04', (r) => r.any());
    refuses('', (r) => r.any());
  });

  it('refuses trailing bytes, long tags and deep nesting', () => {
    refuses('050000', (r) => r.null());
    refuses('1f8100', (r) => r.any());
    let nested: Uint8Array = new Uint8Array();
    for (let depth = 0; depth < 40; depth++) nested = derSequence(nested);
    expect(decodeDer(nested, walk)).toBeUndefined();
  });

  it('reads integers in their one form', () => {
    expect(toHex(decodeDer(derInteger(255n), (r) => r.unsigned()) ?? new Uint8Array())).toBe('ff');
    expect(decodeDer(derInteger(65_537n), (r) => r.smallInteger(70_000))).toBe(65_537);
    expect(decodeDer(derInteger(0n), (r) => r.smallInteger(0))).toBe(0);
    refuses('0200', (r) => r.integer());
    refuses('02020001', (r) => r.integer());
    refuses('0202ff80', (r) => r.integer());
    refuses('0201ff', (r) => r.unsigned());
    refuses('020105', (r) => r.smallInteger(4));
    refuses('02050100000000', (r) => r.smallInteger(2 ** 31 - 1));
  });

  it('reads booleans, bit strings and null in their one form', () => {
    expect(decodeDer(derBoolean(true), (r) => r.boolean())).toBe(true);
    expect(decodeDer(derBitString(Uint8Array.of(0x06), 1), (r) => r.bits().bytes)).toEqual(Uint8Array.of(6));
    refuses('010101', (r) => r.boolean());
    refuses('0102ffff', (r) => r.boolean());
    refuses('0300', (r) => r.bits());
    refuses('030108', (r) => r.bits());
    refuses('030101', (r) => r.bits());
    refuses('03020101', (r) => r.bits());
    refuses('03020106', (r) => r.bitString());
    refuses('050100', (r) => r.null());
  });

  it('reads object identifiers in their one form', () => {
    for (const oid of ['2.5.29.15', '1.3.6.1.4.1.3704.1.3.8', '0.9.2342', '2.999.3', '1.2.840.113549.1.1.10']) {
      expect(decodeDer(derOid(oid), (r) => r.oid())).toBe(oid);
    }
    refuses('0600', (r) => r.oid());
    refuses('06022a80', (r) => r.oid());
    refuses('06032a8001', (r) => r.oid());
    refuses('06072affffffffff7f', (r) => r.oid());
  });

  it('passes other errors on', () => {
    expect(() =>
      decodeDer(new Uint8Array(), () => {
        throw new RangeError('a bug');
      }),
    ).toThrow(RangeError);
    expect(() => new DerReader(new Uint8Array(), 99)).toThrow(DecodeError);
  });

  it('throws nothing else on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeDer(bytes, walk);
        for (const read of ['oid', 'unsigned', 'boolean', 'bits', 'bitString', 'null', 'octetString'] as const) {
          decodeDer(bytes, (reader) => reader[read]());
        }
        decodeDer(bytes, readTime);
      }),
    );
  });
});

describe('instants', () => {
  it('agree with the built-in calendar', () => {
    const day = 86_400_000;
    fc.assert(
      fc.property(fc.integer({ min: -20_000 * day, max: 2_900_000 * day }), (ms) => {
        const whole = Math.floor(ms / 1000) * 1000;
        const date = new Date(whole);
        const civil = {
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
          hour: date.getUTCHours(),
          minute: date.getUTCMinutes(),
          second: date.getUTCSeconds(),
        };
        expect(msToCivil(whole)).toEqual(civil);
        expect(civilToMs(civil)).toBe(whole);
      }),
    );
  });

  it('refuse dates that do not exist', () => {
    const noon = { hour: 12, minute: 0, second: 0 };
    expect(civilToMs({ year: 2023, month: 2, day: 29, ...noon })).toBeUndefined();
    expect(civilToMs({ year: 2100, month: 2, day: 29, ...noon })).toBeUndefined();
    expect(civilToMs({ year: 2024, month: 2, day: 29, ...noon })).toBe(Date.UTC(2024, 1, 29, 12));
    expect(civilToMs({ year: 2000, month: 2, day: 29, ...noon })).toBe(Date.UTC(2000, 1, 29, 12));
    expect(civilToMs({ year: 2024, month: 4, day: 31, ...noon })).toBeUndefined();
    expect(civilToMs({ year: 2024, month: 13, day: 1, ...noon })).toBeUndefined();
    expect(civilToMs({ year: 2024, month: 1, day: 0, ...noon })).toBeUndefined();
    expect(civilToMs({ year: 2024, month: 1, day: 1, hour: 24, minute: 0, second: 0 })).toBeUndefined();
    expect(civilToMs({ year: 2024, month: 12, day: 31, hour: 23, minute: 59, second: 60 })).toBeUndefined();
  });

  it('are read from both X.509 forms', () => {
    const text = (tag: number, written: string): Uint8Array => derElement(tag, new TextEncoder().encode(written));
    const { utcTime, generalizedTime } = DER_TAGS;
    expect(decodeDer(text(utcTime, '491231235959Z'), readTime)).toBe(Date.UTC(2049, 11, 31, 23, 59, 59));
    expect(decodeDer(text(utcTime, '500101000000Z'), readTime)).toBe(Date.UTC(1950, 0, 1));
    expect(decodeDer(text(generalizedTime, '20500101000000Z'), readTime)).toBe(Date.UTC(2050, 0, 1));
    for (const written of ['4912312359Z', '491231235959+0000', '4912312359590', '49123123595xZ', '491331235959Z']) {
      expect(decodeDer(text(utcTime, written), readTime), written).toBeUndefined();
    }
    expect(decodeDer(text(generalizedTime, '20500101000000.5Z'), readTime)).toBeUndefined();
    expect(decodeDer(derOctetString(), readTime)).toBeUndefined();
    for (const ms of [Date.UTC(1999, 1, 3, 4, 5, 6), Date.UTC(2077, 6, 8)]) {
      expect(decodeDer(derTime(ms), readTime)).toBe(ms);
    }
  });
});

describe('PEM', () => {
  const block = (body: string, label = 'CERTIFICATE'): string =>
    `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

  it('reads blocks in order', () => {
    expect(parsePem(`${block('AAEC')}\n${block('Aw==')}`, 'CERTIFICATE')).toEqual([
      Uint8Array.of(0, 1, 2),
      Uint8Array.of(3),
    ]);
    expect(parsePem(block('AAEC').replaceAll('\n', '\r\n'), 'CERTIFICATE')).toEqual([Uint8Array.of(0, 1, 2)]);
    expect(parsePem(block('AAEC', 'X509 CRL'), 'X509 CRL')).toEqual([Uint8Array.of(0, 1, 2)]);
  });

  it('refuses anything else', () => {
    const spoiled = [
      '',
      'AAEC',
      block('AAEC', 'PRIVATE KEY'),
      block('AAE'),
      block('A*EC'),
      block(''),
      `text\n${block('AAEC')}`,
      block('AAEC').replace('-----END CERTIFICATE-----', ''),
      block('AAEC').repeat(17),
    ];
    for (const text of spoiled) expect(parsePem(text, 'CERTIFICATE'), text).toBeUndefined();
  });

  it('throws on no text', () => {
    fc.assert(fc.property(fc.string(), (text) => void parsePem(block(text), 'CERTIFICATE')));
  });
});
