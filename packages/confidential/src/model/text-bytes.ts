/**
 * Whether bytes are a text: well-formed UTF-8 without NUL.
 *
 * By hand: a tensor may hold millions of short texts, and a decoder that is called for each costs ten times as much.
 * Source: the Unicode Standard, table 3-7 (well-formed UTF-8 byte sequences).
 */

/** Bytes of the sequence that begins with `lead`, or 0. */
function sequenceBytes(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/**
 * The range of the second byte. It excludes a second form of a text, surrogates, and numbers that Unicode does not
 * have.
 */
function isSecond(lead: number, second: number): boolean {
  const from = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const to = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return second >= from && second <= to;
}

export function isTextAt(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; ) {
    const lead = bytes[at] ?? 0;
    if (lead === 0) return false;
    if (lead < 0x80) {
      at++;
      continue;
    }
    const size = sequenceBytes(lead);
    if (size === 0 || at + size > to || !isSecond(lead, bytes[at + 1] ?? 0)) return false;
    for (let i = 2; i < size; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return false;
    at += size;
  }
  return true;
}
