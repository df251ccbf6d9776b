/**
 * Appending, without I/O: from a head and a block's events to the records, Merkle nodes and next head as one batch.
 */
import { appendWithNodes, leafHash } from '@cloister/crypto';
import { assert, digestFromBytes, type Height } from '@cloister/encoding';
import type { StoreOp } from '../store/store.ts';
import { withChecksum } from './checksum.ts';
import { encodeHead, headAt, type LogHead } from './head.ts';
import { eventKey, HEAD_KEY, nodesKey } from './keys.ts';
import { encodeNodes } from './merkle-nodes.ts';
import { encodeEventRecord, type StoredEvent } from './record.ts';

/** What an event is before it has a place in the log. */
export interface NewEvent {
  readonly type: string;
  /** Canonical JSON. */
  readonly payload: Uint8Array;
}

/** Events with their places, not written yet. */
export interface PreparedAppend {
  /** The head that this continues. */
  readonly base: LogHead;
  /** The head after it. */
  readonly head: LogHead;
  readonly records: readonly StoredEvent[];
  /** To be written as (part of) one synced batch. */
  readonly ops: readonly StoreOp[];
}

/**
 * The events of the block at `height` as the continuation of `base`. `height` is not below the base's.
 */
export function prepareAppend(base: LogHead, height: Height, events: readonly NewEvent[]): PreparedAppend {
  assert(height >= base.height, 'event heights never fall');
  const records: StoredEvent[] = [];
  const ops: StoreOp[] = [];
  let frontier = base.frontier;
  let previousHash = base.hash;
  for (const { type, payload } of events) {
    const sequence = frontier.size;
    const recordBytes = encodeEventRecord({ sequence, height, type, payload, previousHash });
    const leaf = leafHash(recordBytes);
    const hash = digestFromBytes(leaf);
    const appended = appendWithNodes(frontier, leaf);
    records.push({ sequence, height, type, payload, previousHash, hash, recordBytes });
    ops.push({ type: 'put', key: eventKey(sequence), value: withChecksum(recordBytes) });
    if (appended.nodes.length > 1) {
      ops.push({ type: 'put', key: nodesKey(sequence), value: encodeNodes(sequence, appended.nodes) });
    }
    frontier = appended.frontier;
    previousHash = hash;
  }
  const head = headAt(base.chainId, previousHash, records.length > 0 ? height : base.height, frontier);
  ops.push({ type: 'put', key: HEAD_KEY, value: encodeHead(head) });
  return { base, head, records, ops };
}
