/**
 * LevelDB's log format, of the write-ahead log and the manifest alike (doc/log_format.md): records in fragments that do
 * not cross blocks, each with checksum u32, length u16 and type u8, little end first.
 */
import { concatBytes } from '@cloister/encoding';
import { LevelDamage, maskedChecksum, viewOf } from './level-format.ts';

const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const FULL = 1;
const FIRST = 2;
const LAST = 4;

/** End of the record at `at`, or undefined when there is no sound one. Records do not cross `BLOCK_BYTES`. */
function recordEnd(log: Uint8Array, view: DataView, at: number): number | undefined {
  const blockEnd = Math.min(at - (at % BLOCK_BYTES) + BLOCK_BYTES, log.length);
  if (blockEnd - at < HEADER_BYTES) return undefined;
  const type = log[at + 6] ?? 0;
  const end = at + HEADER_BYTES + view.getUint16(at + 4, true);
  if (type < 1 || type > LAST || end > blockEnd) return undefined;
  return view.getUint32(at, true) === maskedChecksum(log.subarray(at + 6, end)) ? end : undefined;
}

/** Whether a sound record begins after `at`: anywhere in that block, at the start of a later one. */
function recordFollows(log: Uint8Array, view: DataView, at: number): boolean {
  const nextBlock = at - (at % BLOCK_BYTES) + BLOCK_BYTES;
  for (let next = at + 1; next < log.length; next += next < nextBlock ? 1 : BLOCK_BYTES) {
    if (recordEnd(log, view, next) !== undefined) return true;
  }
  return false;
}

/**
 * The fragments of every record, each against its checksum. Throws `LevelDamage`, except for what a power failure in the
 * middle of a write leaves: a last record that is cut, wrong or zeros. Whether that one mattered, the sign guard knows.
 */
function* fragmentsOf(log: Uint8Array): Generator<Uint8Array, void, undefined> {
  const view = viewOf(log);
  for (let at = 0; at < log.length; ) {
    const blockEnd = at - (at % BLOCK_BYTES) + BLOCK_BYTES;
    // Too little room for a header is filled up.
    if (blockEnd - at < HEADER_BYTES) {
      at = blockEnd;
      continue;
    }
    const end = recordEnd(log, view, at);
    if (end === undefined) {
      if (!recordFollows(log, view, at)) return;
      throw new LevelDamage(`the record at ${at} does not match its checksum`);
    }
    yield log.subarray(at + HEADER_BYTES - 1, end);
    at = end;
  }
}

/** Checks a log file. Throws `LevelDamage`; see `fragmentsOf` for what it lets pass. */
export function checkLog(log: Uint8Array): void {
  for (const _ of fragmentsOf(log));
}

/** The complete records of a log file. Throws `LevelDamage`. */
export function recordsOf(log: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  for (const fragment of fragmentsOf(log)) {
    const type = fragment[0] ?? 0;
    if (type === FULL || type === FIRST) parts = [];
    parts.push(fragment.subarray(1));
    if (type === FULL || type === LAST) records.push(concatBytes(...parts));
  }
  return records;
}
