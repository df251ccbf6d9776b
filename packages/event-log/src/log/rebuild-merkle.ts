/**
 * Rebuilding the Merkle nodes from the events: the repair for nodes alone being damaged, and the measure of what they
 * save.
 */
import { appendWithNodes, emptyFrontier } from '@cloister/crypto';
import { type Digest, digestToBytes } from '@cloister/encoding';
import type { OrderedStore, StoreOp } from '../store/store.ts';
import { EventLogDamaged } from './damage.ts';
import { decodeHead, headAt, type LogHead, sameHead } from './head.ts';
import { HEAD_KEY, nodesKey } from './keys.ts';
import { encodeNodes } from './merkle-nodes.ts';
import { readEvents } from './read.ts';

const BATCH_OPS = 5_000;

/**
 * Writes the nodes of all events anew, reading the events as `EventLog.read` does, and returns the head that they
 * confirm. Nothing else may write meanwhile. Throws `EventLogDamaged` when the events or the head are damaged too: nodes
 * that were written by then are right for the events before.
 */
export async function rebuildMerkle(store: OrderedStore, chainId: Digest): Promise<LogHead> {
  const stored = await store.get(HEAD_KEY);
  const head = stored === undefined ? undefined : decodeHead(stored);
  if (head === undefined || head.chainId !== chainId) {
    throw new EventLogDamaged('HEAD_CHECKSUM', undefined, 'the head record is missing or damaged');
  }
  let frontier = emptyFrontier();
  let ops: StoreOp[] = [];
  for await (const event of readEvents(store, head, { from: 0 })) {
    const appended = appendWithNodes(frontier, digestToBytes(event.hash));
    frontier = appended.frontier;
    if (appended.nodes.length > 1) {
      const value = encodeNodes(event.sequence, appended.nodes);
      ops.push({ type: 'put', key: nodesKey(event.sequence), value });
    }
    if (ops.length < BATCH_OPS) continue;
    await store.batch(ops, { sync: false });
    ops = [];
  }
  await store.batch(ops, { sync: true });
  if (!sameHead(head, headAt(chainId, head.hash, head.height, frontier))) {
    throw new EventLogDamaged('HEAD_MISMATCH', undefined, 'the head does not agree with the events that it covers');
  }
  return head;
}
