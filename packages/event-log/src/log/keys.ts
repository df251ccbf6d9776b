/**
 * The part of the key space that belongs to the log: keys whose first byte is 0. Everything else in the same database
 * is the caller's.
 */

const EVENT_LOG_PREFIX = 0x00;
const EVENT = 0x65; // 'e'
const NODE = 0x6d; // 'm'
const SNAPSHOT = 0x73; // 's'

function single(kind: string): Uint8Array {
  return Uint8Array.of(EVENT_LOG_PREFIX, kind.charCodeAt(0));
}

export const HEAD_KEY: Uint8Array = single('h');
export const CHECKPOINT_KEY: Uint8Array = single('c');
export const SCRUB_KEY: Uint8Array = single('r');
export const RESYNC_KEY: Uint8Array = single('y');
/** In the sign guard's database: the last head that was committed. */
export const WITNESS_KEY: Uint8Array = single('w');

/** Bounds of all keys of the log. */
export const LOG_KEYS: { readonly gte: Uint8Array; readonly lt: Uint8Array } = {
  gte: Uint8Array.of(EVENT_LOG_PREFIX),
  lt: Uint8Array.of(EVENT_LOG_PREFIX + 1),
};

/** Whether a key lies in the log's part of the key space. */
export function isEventLogKey(key: Uint8Array): boolean {
  return key[0] === EVENT_LOG_PREFIX;
}

function numbered(kind: number, number: number): Uint8Array {
  const key = new Uint8Array(10);
  key[0] = EVENT_LOG_PREFIX;
  key[1] = kind;
  const view = new DataView(key.buffer);
  view.setUint32(2, Math.floor(number / 0x1_0000_0000));
  view.setUint32(6, number % 0x1_0000_0000);
  return key;
}

/** The number in an event's, node's or snapshot's key; undefined for a key of another length. */
export function numberOfKey(key: Uint8Array): number | undefined {
  if (key.length !== 10) return undefined;
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(2) * 0x1_0000_0000 + view.getUint32(6);
}

export function eventKey(sequence: number): Uint8Array {
  return numbered(EVENT, sequence);
}
/** Key of the Merkle nodes that the event of this sequence completes. */
export function nodesKey(sequence: number): Uint8Array {
  return numbered(NODE, sequence);
}
/** Key of the snapshot of the state after the first `count` events. */
export function snapshotKey(count: number): Uint8Array {
  return numbered(SNAPSHOT, count);
}

/** Upper bounds, exclusive, of the three numbered families. */
export const EVENT_KEYS_END: Uint8Array = Uint8Array.of(EVENT_LOG_PREFIX, EVENT + 1);
export const NODE_KEYS_END: Uint8Array = Uint8Array.of(EVENT_LOG_PREFIX, NODE + 1);
export const SNAPSHOT_KEYS_END: Uint8Array = Uint8Array.of(EVENT_LOG_PREFIX, SNAPSHOT + 1);
