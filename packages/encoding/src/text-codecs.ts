/**
 * Hex and base64 in plain tables, for runtimes without `Uint8Array.prototype.toHex` and its siblings (ES2026).
 *
 * `bytes.ts` uses the native methods when they are there; the property tests hold both to the same answers.
 */

const HEX_PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const BASE64_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function inverseTable(alphabet: string): Int8Array {
  const table = new Int8Array(128).fill(-1);
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i;
  return table;
}

const HEX_VALUES: Int8Array = inverseTable('0123456789abcdef');
for (let i = 10; i < 16; i++) HEX_VALUES[55 + i] = i;
const BASE64_VALUES: Int8Array = inverseTable(BASE64_ALPHABET);

/** Lowercase hex. */
export function toHexByTable(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += HEX_PAIRS[byte];
  return hex;
}

/** Bytes of a hex string of either case, or undefined when it is none. */
export function fromHexByTable(hex: string): Uint8Array | undefined {
  if (hex.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = HEX_VALUES[hex.charCodeAt(2 * i)] ?? -1;
    const low = HEX_VALUES[hex.charCodeAt(2 * i + 1)] ?? -1;
    if (high < 0 || low < 0) return undefined;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

/** Padded base64 of the standard alphabet (RFC 4648 section 4). */
export function toBase64ByTable(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const a = bytes[i] ?? 0;
    const b = bytes[i + 1] ?? 0;
    const c = bytes[i + 2] ?? 0;
    text += BASE64_ALPHABET.charAt(a >> 2) + BASE64_ALPHABET.charAt(((a & 3) << 4) | (b >> 4));
    text += i + 1 < bytes.length ? BASE64_ALPHABET.charAt(((b & 15) << 2) | (c >> 6)) : '=';
    text += i + 2 < bytes.length ? BASE64_ALPHABET.charAt(c & 63) : '=';
  }
  return text;
}

/** Bytes of canonical base64: padded, no white space, unused bits zero; undefined for anything else. */
export function fromBase64ByTable(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const symbols = text.length - padding;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let bitCount = 0;
  let at = 0;
  for (let i = 0; i < symbols; i++) {
    const value = BASE64_VALUES[text.charCodeAt(i)] ?? -1;
    if (value < 0) return undefined;
    bits = ((bits << 6) | value) & 0xffff;
    bitCount += 6;
    if (bitCount >= 8) {
      bitCount -= 8;
      bytes[at++] = (bits >> bitCount) & 0xff;
    }
  }
  return (bits & ((1 << bitCount) - 1)) === 0 ? bytes : undefined;
}
