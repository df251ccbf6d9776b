/**
 * CRC-32, eight bytes a step, and records that carry it: with the polynomial of ISO 3309 (as in zlib) for our records,
 * with Castagnoli's for what LevelDB writes.
 *
 * It finds damage, not forgery: that is the hash chain's work. In TypeScript, since the log runs in the simulator and
 * the browser too.
 */

const TABLE_SIZE = 256;
const STEP_BYTES = 8;
const CHECKSUM_BYTES = 4;

/** Table k holds, for each byte, its effect on the checksum k bytes further on. */
function makeTables(reflectedPolynomial: number): Uint32Array {
  const tables = new Uint32Array(STEP_BYTES * TABLE_SIZE);
  for (let byte = 0; byte < TABLE_SIZE; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ reflectedPolynomial : value >>> 1;
    tables[byte] = value;
  }
  for (let at = TABLE_SIZE; at < tables.length; at++) {
    const previous = tables[at - TABLE_SIZE] ?? 0;
    tables[at] = (previous >>> 8) ^ (tables[previous & 0xff] ?? 0);
  }
  return tables;
}

const ISO_TABLES: Uint32Array = makeTables(0xedb88320);
const CASTAGNOLI_TABLES: Uint32Array = makeTables(0x82f63b78);

/** CRC-32 of the first `length` bytes (all of them by default), as an unsigned 32-bit number. */
export function crc32(bytes: Uint8Array, length: number = bytes.length): number {
  return checksum(ISO_TABLES, bytes, length);
}

/** CRC-32C of all bytes, as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  return checksum(CASTAGNOLI_TABLES, bytes, bytes.length);
}

function checksum(t: Uint32Array, b: Uint8Array, length: number): number {
  let crc = 0xffff_ffff;
  let at = 0;
  // `?? 0` satisfies the compiler: every index lies inside its array.
  for (const end = length - STEP_BYTES; at <= end; at += STEP_BYTES) {
    const low = crc ^ ((b[at] ?? 0) | ((b[at + 1] ?? 0) << 8) | ((b[at + 2] ?? 0) << 16) | ((b[at + 3] ?? 0) << 24));
    crc =
      (t[1792 + (low & 0xff)] ?? 0) ^
      (t[1536 + ((low >>> 8) & 0xff)] ?? 0) ^
      (t[1280 + ((low >>> 16) & 0xff)] ?? 0) ^
      (t[1024 + (low >>> 24)] ?? 0) ^
      (t[768 + (b[at + 4] ?? 0)] ?? 0) ^
      (t[512 + (b[at + 5] ?? 0)] ?? 0) ^
      (t[256 + (b[at + 6] ?? 0)] ?? 0) ^
      (t[b[at + 7] ?? 0] ?? 0);
  }
  for (; at < length; at++) crc = (crc >>> 8) ^ (t[(crc ^ (b[at] ?? 0)) & 0xff] ?? 0);
  return ~crc >>> 0;
}

/** `bytes` ‖ CRC-32 as u32. */
export function withChecksum(bytes: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(bytes.length + CHECKSUM_BYTES);
  sealed.set(bytes);
  new DataView(sealed.buffer).setUint32(bytes.length, crc32(bytes));
  return sealed;
}

/** The bytes before the checksum (a view, not a copy), or undefined when it does not match them. */
export function withoutChecksum(sealed: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - CHECKSUM_BYTES;
  if (length < 0) return undefined;
  const stored = new DataView(sealed.buffer, sealed.byteOffset + length, CHECKSUM_BYTES).getUint32(0);
  return stored === crc32(sealed, length) ? sealed.subarray(0, length) : undefined;
}
