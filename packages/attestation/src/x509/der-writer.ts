/**
 * Writer for the Distinguished Encoding Rules, as far as certificates and CRLs of simulated vendors need it.
 */
import { assert, concatBytes, fromHex, utf8 } from '@cloister/encoding';
import { contextTag, DER_TAGS } from './der.ts';
import { msToCivil } from './instants.ts';

/** One element: tag, minimal length, contents. */
export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = concatBytes(...contents);
  const { length } = content;
  assert(length < 0x100_0000, 'DER: element too long');
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : length < 0x1_0000
          ? [tag, 0x82, length >>> 8, length & 0xff]
          : [tag, 0x83, length >>> 16, (length >>> 8) & 0xff, length & 0xff];
  return concatBytes(Uint8Array.from(header), content);
}

export function derSequence(...elements: readonly Uint8Array[]): Uint8Array {
  return derElement(DER_TAGS.sequence, ...elements);
}

export function derSet(...elements: readonly Uint8Array[]): Uint8Array {
  return derElement(DER_TAGS.set, ...elements);
}

/** Explicitly tagged [number]. */
export function derContext(number: number, ...elements: readonly Uint8Array[]): Uint8Array {
  return derElement(contextTag(number), ...elements);
}

/** A non-negative INTEGER. */
export function derInteger(value: bigint): Uint8Array {
  assert(value >= 0n, 'DER: negative integer');
  const hex = value.toString(16);
  const magnitude = fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
  const sign = (magnitude[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array();
  return derElement(DER_TAGS.integer, sign, magnitude);
}

export function derBoolean(value: boolean): Uint8Array {
  return derElement(DER_TAGS.boolean, Uint8Array.of(value ? 0xff : 0));
}

export function derNull(): Uint8Array {
  return derElement(DER_TAGS.null);
}

export function derOctetString(...contents: readonly Uint8Array[]): Uint8Array {
  return derElement(DER_TAGS.octetString, ...contents);
}

/** A BIT STRING; the last `unusedBits` bits of `bytes` are zero. */
export function derBitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return derElement(DER_TAGS.bitString, Uint8Array.of(unusedBits), bytes);
}

export function derUtf8String(text: string): Uint8Array {
  return derElement(DER_TAGS.utf8String, utf8(text));
}

export function derIa5String(text: string): Uint8Array {
  return derElement(DER_TAGS.ia5String, utf8(text));
}

/** An OBJECT IDENTIFIER from its dotted text. */
export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((arc) => {
    const septets = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      septets.unshift((left & 0x7f) | 0x80);
    return septets;
  });
  return derElement(DER_TAGS.oid, Uint8Array.from(bytes));
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5); rounds down to a second. */
export function derTime(ms: number): Uint8Array {
  const { year, month, day, hour, minute, second } = msToCivil(ms);
  assert(year >= 1950 && year <= 9999, 'DER: year out of range');
  const rest = [month, day, hour, minute, second].map((field) => String(field).padStart(2, '0')).join('');
  return year < 2050
    ? derElement(DER_TAGS.utcTime, utf8(`${String(year % 100).padStart(2, '0')}${rest}Z`))
    : derElement(DER_TAGS.generalizedTime, utf8(`${year}${rest}Z`));
}
