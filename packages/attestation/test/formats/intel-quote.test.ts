/** The quote and PCK extension parsers: lengths that must be consumed, members that must be there. */
import { concatBytes, fromHex } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { parsePckExtension, SGX_EXTENSION_OID } from '../../src/formats/intel/pck-extension.ts';
import { parseIntelQuote } from '../../src/index.ts';
import { pckExtension } from '../../src/simulated/intel/intel-pki.ts';
import { derElement, derInteger, derOctetString, derOid, derSequence } from '../../src/x509/der-writer.ts';
import { LATEST, platform, sgxQuote, tdxQuote } from './intel-fixture.ts';

const quote3 = sgxQuote();
const quote4 = tdxQuote();
const quote5 = tdxQuote({ teeTcbSvn2: LATEST });

function littleEndian(value: number, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, index) => Math.floor(value / 256 ** index) % 256);
}

/** A version 3 quote with bytes appended inside the stated signature section. */
function withSectionTail(tail: Uint8Array): Uint8Array {
  const section = concatBytes(quote3.subarray(436), tail);
  return concatBytes(quote3.subarray(0, 432), littleEndian(section.length, 4), section);
}

describe('parseIntelQuote', () => {
  it('reads every field', () => {
    for (const [quote, version, tee] of [
      [quote3, 3, 'sgx'],
      [quote4, 4, 'tdx'],
      [quote5, 5, 'tdx'],
    ] as const) {
      const parsed = parseIntelQuote(quote);
      if (!parsed.ok) expect.fail(parsed.code);
      const { body, qeAuthData, certificationType, signed } = parsed.value;
      expect(parsed.value.version).toBe(version);
      expect(body.tee).toBe(tee);
      expect(body.report.reportData).toEqual(new Uint8Array(64).fill(0xcc));
      expect({ certificationType, auth: qeAuthData.length }).toEqual({ certificationType: 5, auth: 32 });
      expect(signed.length).toBe(version === 3 ? 432 : version === 4 ? 632 : 702);
      if (body.tee === 'tdx') {
        expect(body.report.version).toBe(version === 4 ? '1.0' : '1.5');
        expect(body.report.teeTcbSvn.subarray(0, 3)).toEqual(Uint8Array.from(LATEST));
        expect(body.report.teeTcbSvn2?.[0]).toBe(version === 4 ? undefined : 6);
        expect(body.report.tdAttributes).toMatchObject({ debug: false, septVeDisable: true, reservedZero: true });
        expect(body.report.mrTd).toEqual(new Uint8Array(48).fill(2));
      }
    }
  });

  it('says where a quote ends too early', () => {
    for (const [bytes, code, detail] of [
      [quote5.subarray(0, 50), 'QUOTE_TRUNCATED', 'body descriptor'],
      [quote3.subarray(0, 431), 'QUOTE_TRUNCATED', 'body'],
      [quote5.subarray(0, 701), 'QUOTE_TRUNCATED', 'body'],
      [quote3.subarray(0, 434), 'QUOTE_TRUNCATED', 'signature section'],
      [quote4.subarray(0, 900), 'QUOTE_TRUNCATED', 'signature section'],
      [
        concatBytes(quote3.subarray(0, 432), littleEndian(100, 4), new Uint8Array(100)),
        'QUOTE_TRUNCATED',
        'quoting enclave',
      ],
      [
        concatBytes(quote4.subarray(0, 632), littleEndian(128, 4), new Uint8Array(128)),
        'QUOTE_TRUNCATED',
        'certification data',
      ],
      [quote3.subarray(0, 40), 'QUOTE_SIZE', '40 bytes'],
      [new Uint8Array(40_000), 'QUOTE_SIZE', '40000 bytes'],
    ] as const) {
      expect(parseIntelQuote(bytes)).toEqual({ ok: false, code, detail });
    }
  });

  it('leaves no byte of a stated length unread', () => {
    expect(parseIntelQuote(withSectionTail(new Uint8Array()))).toMatchObject({ ok: true });
    for (const tail of [Uint8Array.of(0), new Uint8Array(40), Uint8Array.of(1, 2)]) {
      expect(parseIntelQuote(withSectionTail(tail))).toMatchObject({
        code: 'QUOTE_LENGTHS',
        detail: 'signature section',
      });
    }
    // Version 4: the outer certification data is longer or shorter than what it holds.
    for (const [delta, detail] of [
      [-1, 'outer certification data'],
      [1, 'outer certification data'],
    ] as const) {
      const copy = quote4.slice();
      const view = new DataView(copy.buffer);
      view.setUint32(632 + 4 + 128 + 2, view.getUint32(632 + 4 + 128 + 2, true) + delta, true);
      expect(parseIntelQuote(copy)).toMatchObject({ code: 'QUOTE_LENGTHS', detail });
    }
  });

  it('refuses reserved fields in the report of the quoting enclave too', () => {
    for (const offset of [20, 31, 96, 127, 160, 191, 262, 303]) {
      const [body, enclave] = [quote3.slice(), quote3.slice()];
      body[48 + offset] = 1;
      enclave[564 + offset] = 1;
      expect(parseIntelQuote(body)).toMatchObject({ code: 'QUOTE_RESERVED_FIELD', detail: 'body' });
      expect(parseIntelQuote(enclave)).toMatchObject({ code: 'QUOTE_RESERVED_FIELD', detail: 'quoting enclave' });
    }
  });

  it('allows zero bytes behind it, and nothing else', () => {
    expect(parseIntelQuote(concatBytes(quote4, new Uint8Array(3065)))).toMatchObject({ ok: true });
    expect(parseIntelQuote(concatBytes(quote4, Uint8Array.of(0, 1)))).toMatchObject({ code: 'QUOTE_TRAILING_BYTES' });
  });
});

describe('parsePckExtension', () => {
  const member = (arcs: string, value: Uint8Array): Uint8Array =>
    derSequence(derOid(`${SGX_EXTENSION_OID}.${arcs}`), value);
  const tcbMembers = (skip?: number): Uint8Array[] =>
    Array.from({ length: 18 }, (_, i) => i + 1)
      .filter((arc) => arc !== skip)
      .map((arc) => member(`2.${arc}`, arc === 18 ? derOctetString(new Uint8Array(16)) : derInteger(BigInt(arc))));
  const tcb = derSequence(...tcbMembers());
  const parts = (changes: { readonly [arc: string]: Uint8Array | undefined } = {}): Uint8Array => {
    const all: { readonly [arc: string]: Uint8Array | undefined } = {
      1: derOctetString(new Uint8Array(16).fill(1)),
      2: tcb,
      3: derOctetString(new Uint8Array(2)),
      4: derOctetString(new Uint8Array(6)),
      5: derElement(0x0a, Uint8Array.of(1)),
      ...changes,
    };
    return derSequence(
      ...Object.entries(all).flatMap(([arc, value]) => (value === undefined ? [] : [member(arc, value)])),
    );
  };

  it('reads what Intel writes, and passes over what it does not know', () => {
    expect(parsePckExtension(pckExtension(platform.statement).value)).toMatchObject({
      ppid: platform.statement.ppid,
      components: platform.statement.components,
      pceSvn: 13,
      sgxType: 1,
      platformInstanceId: platform.statement.platformInstanceId,
    });
    const configuration = derSequence(member('7.1', derElement(0x01, Uint8Array.of(0xff))));
    expect(parsePckExtension(parts({ 7: configuration, 8: derInteger(1n) }))).toMatchObject({
      components: Array.from({ length: 16 }, (_, i) => i + 1),
      pceSvn: 17,
    });
  });

  it.each([
    ['no PPID', { 1: undefined }],
    ['a short PPID', { 1: derOctetString(new Uint8Array(15)) }],
    ['no TCB', { 2: undefined }],
    ['a TCB that is no sequence', { 2: derInteger(1n) }],
    ['a missing component', { 2: derSequence(...tcbMembers(7)) }],
    ['no PCESVN', { 2: derSequence(...tcbMembers(17)) }],
    ['no CPUSVN', { 2: derSequence(...tcbMembers(18)) }],
    ['a repeated component', { 2: derSequence(...tcbMembers(), member('2.3', derInteger(9n))) }],
    ['an unknown TCB member', { 2: derSequence(...tcbMembers(), member('2.19', derInteger(9n))) }],
    ['a component beyond a byte', { 2: derSequence(...tcbMembers(3), member('2.3', derInteger(256n))) }],
    ['a long PCEID', { 3: derOctetString(new Uint8Array(3)) }],
    ['no FMSPC', { 4: undefined }],
    ['no type', { 5: undefined }],
    ['an unknown type', { 5: derElement(0x0a, Uint8Array.of(3)) }],
    ['a type of two bytes', { 5: derElement(0x0a, Uint8Array.of(0, 1)) }],
    ['a short platform instance', { 6: derOctetString(new Uint8Array(8)) }],
  ])('refuses %s', (_, changes) => {
    expect(parsePckExtension(parts())).toBeDefined();
    expect(parsePckExtension(parts(changes))).toBeUndefined();
  });

  it('refuses repeated and foreign members', () => {
    const ppid = member('1', derOctetString(new Uint8Array(16)));
    const foreign = derSequence(derOid('1.2.3'), derInteger(1n));
    const nested = member('1.1', derInteger(1n));
    for (const extra of [ppid, foreign, nested, fromHex('0500')]) {
      const [, ...header] = [0, ...parts().subarray(0, 4)];
      const body = parts().subarray(header[1] === 0x82 ? 4 : header[1] === 0x81 ? 3 : 2);
      expect(parsePckExtension(derElement(0x30, body))).toBeDefined();
      expect(parsePckExtension(derElement(0x30, body, extra))).toBeUndefined();
    }
  });
});
