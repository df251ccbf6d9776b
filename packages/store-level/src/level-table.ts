/**
 * A LevelDB table file against its own checksums, block by block (doc/table_format.md).
 */
import { LevelDamage, LevelReader, maskedChecksum, viewOf } from './level-format.ts';
import { snappyDecode } from './snappy.ts';

const FOOTER_BYTES = 48;
const BLOCK_TRAILER_BYTES = 5;
const INDEX_BYTES_MAX: number = 64 * 1024 * 1024;
const TABLE_MAGIC = 0xdb4775248b80fb57n;

interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

const readHandle = (reader: LevelReader): BlockHandle => ({ offset: reader.number(), size: reader.number() });

/** The block as stored, when it matches its checksum: contents, and last a byte that says how they are compressed. */
function checkedBlock(table: Uint8Array, { offset, size }: BlockHandle): Uint8Array {
  const end = offset + size + 1;
  if (end + 4 > table.length - FOOTER_BYTES) throw new LevelDamage(`the block at ${offset} reaches beyond the file`);
  const block = table.subarray(offset, end);
  if (viewOf(table).getUint32(end, true) !== maskedChecksum(block)) {
    throw new LevelDamage(`the block at ${offset} does not match its checksum`);
  }
  return block;
}

/** The handles that are the values of an index block or the metaindex block. */
function handlesIn(table: Uint8Array, handle: BlockHandle): BlockHandle[] {
  const block = checkedBlock(table, handle);
  const stored = block.subarray(0, -1);
  const contents = block.at(-1) === 0 ? stored : snappyDecode(stored, INDEX_BYTES_MAX);
  if (contents === undefined || contents.length < 4)
    throw new LevelDamage(`the index at ${handle.offset} does not decode`);
  const restarts = viewOf(contents).getUint32(contents.length - 4, true);
  const end = contents.length - 4 * (restarts + 1);
  const handles: BlockHandle[] = [];
  for (let at = 0; at < end; ) {
    const reader = new LevelReader(contents, at);
    reader.number();
    const keyBytes = reader.number();
    const valueBytes = reader.number();
    const valueAt = reader.at + keyBytes;
    handles.push(readHandle(new LevelReader(contents, valueAt)));
    at = valueAt + valueBytes;
  }
  return handles;
}

/** Every block of a table file against its checksum. Throws `LevelDamage`. */
export function checkTable(table: Uint8Array): void {
  if (table.length < FOOTER_BYTES) throw new LevelDamage('it is too short');
  const footer = table.length - FOOTER_BYTES;
  if (viewOf(table).getBigUint64(table.length - 8, true) !== TABLE_MAGIC)
    throw new LevelDamage('its last bytes are wrong');
  const reader = new LevelReader(table, footer);
  const metaindex = readHandle(reader);
  const index = readHandle(reader);
  // In the order of the file and back to back: data blocks, filter, metaindex, index.
  const blocks = [...handlesIn(table, index), ...handlesIn(table, metaindex), metaindex, index];
  let next = 0;
  for (const block of blocks) {
    if (block.offset !== next) throw new LevelDamage(`its blocks leave a gap at ${next}`);
    checkedBlock(table, block);
    next = block.offset + block.size + BLOCK_TRAILER_BYTES;
  }
  if (next !== footer) throw new LevelDamage(`its blocks end at ${next}`);
}
