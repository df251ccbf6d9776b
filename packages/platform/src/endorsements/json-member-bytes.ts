/**
 * The exact bytes of one member's value in a JSON object: Intel signs them as they stand, so that they are cut out and never
 * written anew.
 */
import { fail, type JsonLimits, type JsonValue, ok, parseJson, type Result, utf8 } from '@cloister/encoding';
import { anyObject, parseShape } from '@cloister/encoding/shape';

export interface JsonMember {
  readonly bytes: Uint8Array;
  /** The whole document. */
  readonly document: { readonly [key: string]: JsonValue };
}

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c];
const OPENING: ReadonlySet<number> = new Set([0x7b, 0x5b]);
const CLOSING: ReadonlySet<number> = new Set([0x7d, 0x5d]);

/**
 * The member `name` of the object that the document is. The strict parser accepts the document first (no duplicate keys, no
 * malformed UTF-8), which the scan relies on; a key written with escapes is not found. Never throws.
 */
export function jsonMemberBytes(
  bytes: Uint8Array,
  name: string,
  limits: JsonLimits,
): Result<JsonMember, 'JSON_REFUSED' | 'MEMBER_MISSING'> {
  const parsed = parseJson(bytes, limits);
  if (!parsed.ok) return fail('JSON_REFUSED', parsed.code);
  const document = parseShape(anyObject, parsed.value);
  if (!document.ok) return fail('JSON_REFUSED', document.detail);
  const value = memberValue(bytes, Buffer.from(utf8(JSON.stringify(name))));
  return value === undefined ? fail('MEMBER_MISSING', name) : ok({ bytes: value, document: document.value });
}

/** The value after `quotedKey` and its colon, at depth one of a well-formed object. */
function memberValue(bytes: Uint8Array, quotedKey: Buffer): Uint8Array | undefined {
  let depth = 0;
  /** The next string is a key of the outermost object. */
  let isKey = false;
  let found: number | undefined;
  let valueStart: number | undefined;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) {
      const end = stringEnd(bytes, at);
      if (isKey && quotedKey.equals(bytes.subarray(at, end))) found = end;
      at = end - 1;
    } else if (depth === 1 && byte === COLON) {
      isKey = false;
      if (found !== undefined && valueStart === undefined) valueStart = at + 1;
    } else if (OPENING.has(byte)) {
      depth++;
      isKey = depth === 1;
    } else if (CLOSING.has(byte) || (depth === 1 && byte === COMMA)) {
      if (depth === 1 && valueStart !== undefined) return trimmed(bytes, valueStart, at);
      if (byte === COMMA) isKey = true;
      else depth--;
    }
  }
  return undefined;
}

/** Index after the closing quotation mark of the string that begins at `start`. */
function stringEnd(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function trimmed(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const isSpace = (index: number): boolean => [0x20, 0x09, 0x0a, 0x0d].includes(bytes[index] ?? 0);
  let [from, to] = [start, end];
  while (from < to && isSpace(from)) from++;
  while (to > from && isSpace(to - 1)) to--;
  return bytes.slice(from, to);
}
