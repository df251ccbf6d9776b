/**
 * Snappy's block format, decoding only (google/snappy, format_description.txt): LevelDB compresses a table's index with
 * it, and the check of a table starts from the index.
 */

/** A varint's value and where it ends; up to 32 bits. */
function readLength(bytes: Uint8Array): { readonly length: number; readonly at: number } | undefined {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    const byte = bytes[at] ?? 0x80;
    length += (byte & 0x7f) * 128 ** at;
    if (byte < 0x80) return { length, at: at + 1 };
  }
  return undefined;
}

/** Little-endian number of `count` bytes; absent bytes read as 0 and are caught by the bounds checks that follow. */
function readNumber(bytes: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

/** The bytes that `compressed` stands for, at most `bytesMax`; undefined when it is malformed. */
export function snappyDecode(compressed: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const start = readLength(compressed);
  if (start === undefined || start.length > bytesMax) return undefined;
  const output = new Uint8Array(start.length);
  let to = 0;
  for (let at = start.at; at < compressed.length; ) {
    const tag = compressed[at++] ?? 0;
    const kind = tag & 3;
    if (kind === 0) {
      const extra = Math.max(0, (tag >> 2) - 59);
      const length = 1 + (extra === 0 ? tag >> 2 : readNumber(compressed, at, extra));
      at += extra;
      if (at + length > compressed.length || to + length > output.length) return undefined;
      output.set(compressed.subarray(at, at + length), to);
      at += length;
      to += length;
      continue;
    }
    const offsetBytes = kind === 3 ? 4 : kind;
    const length = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2);
    const offset = readNumber(compressed, at, offsetBytes) + (kind === 1 ? (tag >> 5) * 256 : 0);
    at += offsetBytes;
    if (at > compressed.length || offset === 0 || offset > to || to + length > output.length) return undefined;
    // Byte by byte: source and destination may overlap, which repeats a pattern.
    for (const end = to + length; to < end; to++) output[to] = output[to - offset] ?? 0;
  }
  return to === output.length ? output : undefined;
}
