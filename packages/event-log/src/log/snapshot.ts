/**
 * Snapshots of a state that is a fold over the log: where to replay from, never a source of truth.
 *
 *     version u8 = 1 ‖ count u64 ‖ hash 32 ‖ height u64 ‖ digest 32 ‖ var state ‖ CRC-32
 */

import { hash } from '@cloister/crypto';
import { asHeight, assert, ByteWriter, DecodeError, type Digest, decodeWith, type Height } from '@cloister/encoding';
import type { OrderedStore, StoreOp } from '../store/store.ts';
import { withChecksum, withoutChecksum } from './checksum.ts';
import type { LogHead } from './head.ts';
import { eventKey, SNAPSHOT_KEYS_END, snapshotKey } from './keys.ts';
import { openStoredEvent } from './record.ts';

const SNAPSHOT_VERSION = 1;
const SNAPSHOTS_KEPT = 2;
/** Bound of one state; LevelDB holds a value in memory whole. */
const STATE_BYTES_MAX: number = 1024 * 1024 * 1024;

/** The state after the first `count` events. */
export interface Snapshot {
  readonly count: number;
  /** The log's hash at that count. */
  readonly hash: Digest;
  readonly height: Height;
  readonly stateBytes: Uint8Array;
  /** `snapshotDigest(stateBytes)`. */
  readonly digest: Digest;
}

/** The digest of an encoded state, as `SnapshotTaken` commits to it. */
export function snapshotDigest(stateBytes: Uint8Array): Digest {
  return hash('cloister/snapshot/v1', stateBytes);
}

function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const bytes = new ByteWriter(128 + snapshot.stateBytes.length)
    .u8(SNAPSHOT_VERSION)
    .u64(snapshot.count)
    .digest(snapshot.hash)
    .u64(snapshot.height)
    .digest(snapshot.digest)
    .var(snapshot.stateBytes)
    .finish();
  return withChecksum(bytes);
}

function decodeSnapshot(stored: Uint8Array): Snapshot | undefined {
  const bytes = withoutChecksum(stored);
  if (bytes === undefined) return undefined;
  const decoded = decodeWith(bytes, (reader): Snapshot => {
    if (reader.u8() !== SNAPSHOT_VERSION) throw new DecodeError('unknown snapshot version');
    const count = reader.u64();
    const at = reader.digest();
    const height = asHeight(reader.u64());
    const digest = reader.digest();
    return { count, hash: at, height, stateBytes: reader.var(STATE_BYTES_MAX), digest };
  });
  return decoded.ok ? decoded.value : undefined;
}

/** See `EventLog.saveSnapshot`. */
export async function saveSnapshot(
  store: OrderedStore,
  at: Pick<LogHead, 'count' | 'hash' | 'height'>,
  stateBytes: Uint8Array,
): Promise<Snapshot> {
  assert(stateBytes.length <= STATE_BYTES_MAX, 'state too large for a snapshot');
  const { count, hash: hashAt, height } = at;
  const snapshot: Snapshot = { count, hash: hashAt, height, stateBytes, digest: snapshotDigest(stateBytes) };
  const ops: StoreOp[] = [];
  let kept = 1;
  for await (const [key] of store.range({ gte: snapshotKey(0), lt: SNAPSHOT_KEYS_END, reverse: true })) {
    if (++kept > SNAPSHOTS_KEPT) ops.push({ type: 'del', key });
  }
  ops.push({ type: 'put', key: snapshotKey(count), value: encodeSnapshot(snapshot) });
  await store.batch(ops, { sync: true });
  return snapshot;
}

async function hashAt(store: OrderedStore, head: LogHead, count: number): Promise<Digest | undefined> {
  if (count === 0) return head.chainId;
  if (count === head.count) return head.hash;
  const stored = await store.get(eventKey(count - 1));
  return stored === undefined ? undefined : openStoredEvent(count - 1, stored).hash;
}

/** See `EventLog.loadSnapshot`. */
export async function loadSnapshot(store: OrderedStore, head: LogHead): Promise<Snapshot | undefined> {
  for await (const [, stored] of store.range({ gte: snapshotKey(0), lt: SNAPSHOT_KEYS_END, reverse: true })) {
    const snapshot = decodeSnapshot(stored);
    if (snapshot === undefined || snapshot.count > head.count) continue;
    if (snapshotDigest(snapshot.stateBytes) !== snapshot.digest) continue;
    if ((await hashAt(store, head, snapshot.count)) === snapshot.hash) return snapshot;
  }
  return undefined;
}
