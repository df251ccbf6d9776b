/**
 * The certificates that a host hands to its SEV-SNP guests, in one blob: `auxblob` of configfs-tsm.
 *
 * Source: AMD 56421, "SEV-ES Guest-Hypervisor Communication Block Standardization", SNP Extended Guest Request: entries
 * {GUID 16 bytes in the order of its text, offset u32, length u32}, little-endian, ended by an entry of zeros; offsets count
 * from the start of the blob. The host is hostile: every bound is checked, and entries may neither overlap nor reach into the table.
 */
import { certificatePeriod, parsePem } from '@cloister/attestation';
import { fail, ok, parseUtf8, type Result, toHex } from '@cloister/encoding';

export type SnpCertificateName = 'VCEK' | 'VLEK' | 'ASK' | 'ARK';

/** DER by name; entries under other GUIDs are passed over. */
export type SnpCertificateTable = ReadonlyMap<SnpCertificateName, Uint8Array>;

export type CertificateTableCode =
  | 'TABLE_TOO_LARGE'
  /** The blob ends before the entry of zeros. */
  | 'TABLE_TRUNCATED'
  | 'TABLE_TOO_MANY_ENTRIES'
  | 'TABLE_GUID_ZERO'
  | 'TABLE_GUID_REPEATED'
  | 'TABLE_ENTRY_EMPTY'
  | 'TABLE_ENTRY_OUT_OF_BOUNDS'
  | 'TABLE_ENTRIES_OVERLAP'
  | 'TABLE_NOT_A_CERTIFICATE';

const NAMES: ReadonlyMap<string, SnpCertificateName> = new Map([
  ['63da758de6644564adc5f4b93be8accd', 'VCEK'],
  ['a8074bc2a25a483eaae639c045a0b8a1', 'VLEK'],
  ['4ab7b379bbac4fe4a02f05aef327c782', 'ASK'],
  ['c0b406a4a803495297433fb6014cd0ae', 'ARK'],
]);

/** Largest blob that is read, in bytes. Linux gives 16 KiB at most. */
export const MAX_CERTIFICATE_TABLE_BYTES: number = 64 * 1024;
const MAX_ENTRIES = 16;
const ENTRY_BYTES = 24;
const GUID_BYTES = 16;

interface Entry {
  readonly guid: string;
  readonly start: number;
  readonly end: number;
}

/** Reads a blob; an empty one holds no certificates. Never throws. */
export function parseSnpCertificateTable(blob: Uint8Array): Result<SnpCertificateTable, CertificateTableCode> {
  if (blob.length === 0) return ok(new Map());
  if (blob.length > MAX_CERTIFICATE_TABLE_BYTES) return fail('TABLE_TOO_LARGE', `${blob.length} bytes`);
  const listed = readEntries(blob);
  if (!listed.ok) return listed;
  const entries = listed.value;
  const tableBytes = (entries.length + 1) * ENTRY_BYTES;
  const guids = new Set<string>();
  for (const { guid, start, end } of entries) {
    if (guids.has(guid)) return fail('TABLE_GUID_REPEATED', guid);
    guids.add(guid);
    if (start === end) return fail('TABLE_ENTRY_EMPTY', guid);
    if (start < tableBytes || end > blob.length)
      return fail('TABLE_ENTRY_OUT_OF_BOUNDS', `${guid}: ${start} to ${end}`);
  }
  const inOrder = [...entries].sort((a, b) => a.start - b.start);
  const overlapping = inOrder.find(({ start }, index) => start < (inOrder[index - 1]?.end ?? 0));
  if (overlapping !== undefined) return fail('TABLE_ENTRIES_OVERLAP', overlapping.guid);
  const table = new Map<SnpCertificateName, Uint8Array>();
  for (const { guid, start, end } of entries) {
    const name = NAMES.get(guid);
    if (name === undefined) continue;
    const certificate = readCertificate(blob.slice(start, end));
    if (certificate === undefined) return fail('TABLE_NOT_A_CERTIFICATE', name);
    table.set(name, certificate);
  }
  return ok(table);
}

function readEntries(blob: Uint8Array): Result<readonly Entry[], CertificateTableCode> {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  const entries: Entry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= blob.length; at += ENTRY_BYTES) {
    const guid = blob.subarray(at, at + GUID_BYTES);
    const start = view.getUint32(at + GUID_BYTES, true);
    const length = view.getUint32(at + GUID_BYTES + 4, true);
    if (guid.every((byte) => byte === 0)) {
      return start === 0 && length === 0 ? ok(entries) : fail('TABLE_GUID_ZERO', `entry ${entries.length}`);
    }
    if (entries.length === MAX_ENTRIES) return fail('TABLE_TOO_MANY_ENTRIES');
    entries.push({ guid: toHex(guid), start, end: start + length });
  }
  return fail('TABLE_TRUNCATED');
}

/** DER as the standard has it, or one PEM block, which tools of hosts also write. */
function readCertificate(bytes: Uint8Array): Uint8Array | undefined {
  if (certificatePeriod(bytes) !== undefined) return bytes;
  const text = parseUtf8(bytes);
  const blocks = text === undefined ? undefined : parsePem(text, 'CERTIFICATE');
  const [der] = blocks ?? [];
  return blocks?.length === 1 && der !== undefined && certificatePeriod(der) !== undefined ? der : undefined;
}

/** Key first, then those above it; empty when the key that signs is not there, which the others are of no use without. */
export function certificatesFor(table: SnpCertificateTable, signingKey: 'VCEK' | 'VLEK'): readonly Uint8Array[] {
  const key = table.get(signingKey);
  if (key === undefined) return [];
  return [key, table.get('ASK'), table.get('ARK')].filter((certificate) => certificate !== undefined);
}
