/**
 * The check of a stretch of the log against a position that is trusted already: checksums, sequence, hash chain, heights
 * and stored Merkle nodes. What the head, the checkpoint and the scrubber claim all comes from here.
 */
import { appendWithNodes, type MerkleNode } from '@cloister/crypto';
import { digestToBytes, equalBytes } from '@cloister/encoding';
import { type OrderedStore, StoreError } from '../store/store.ts';
import { EventLogDamaged } from './damage.ts';
import { headAt, type LogHead } from './head.ts';
import { EVENT_KEYS_END, eventKey, NODE_KEYS_END, nodesKey, numberOfKey } from './keys.ts';
import { encodeNodes } from './merkle-nodes.ts';
import { openStoredEvent } from './record.ts';

/** Passes everything through but a store's report of corruption, which becomes damage at the given sequence. */
export function asDamage(error: unknown, sequence: number): unknown {
  if (!(error instanceof StoreError) || error.code !== 'STORE_CORRUPT') return error;
  const what = `the database reports corruption at or after event ${sequence}: ${error.message}`;
  return new EventLogDamaged('STORE_CORRUPT', sequence, what, { cause: error });
}

/** The damage behind an absent event: a hole, or the end of the log. */
async function absentEvent(store: OrderedStore, sequence: number): Promise<EventLogDamaged> {
  for await (const [key] of store.range({ gte: eventKey(sequence), lt: EVENT_KEYS_END, limit: 1 })) {
    const what = `event ${sequence} is missing, while event ${numberOfKey(key)} exists`;
    return new EventLogDamaged('EVENT_MISSING', sequence, what);
  }
  return new EventLogDamaged('LOG_TRUNCATED', sequence, `the events from ${sequence} on are gone`);
}

/** Stored Merkle nodes in order, each compared with what the events say. */
class NodeCheck {
  readonly #entries: AsyncIterator<[Uint8Array, Uint8Array]>;

  constructor(store: OrderedStore, from: number, to: number) {
    this.#entries = store.range({ gte: nodesKey(from), lt: nodesKey(to) })[Symbol.asyncIterator]();
  }

  async check(sequence: number, nodes: readonly MerkleNode[]): Promise<void> {
    if (nodes.length === 1) return;
    const next = await this.#entries.next();
    if (next.done !== true) {
      const [key, value] = next.value;
      if (numberOfKey(key) === sequence && equalBytes(value, encodeNodes(sequence, nodes))) return;
    }
    const what = `the Merkle nodes of event ${sequence} are missing or are not the hashes of what they cover`;
    throw new EventLogDamaged('MERKLE_MISMATCH', sequence, what);
  }

  async end(): Promise<void> {
    await this.#entries.return?.();
  }
}

/**
 * The position after the events from `from` up to `to` (exclusive), all of them and their stored Merkle nodes checked.
 * Throws `EventLogDamaged`.
 */
export async function verifyEvents(store: OrderedStore, from: LogHead, to: number): Promise<LogHead> {
  let { frontier, hash, height } = from;
  const nodeCheck = new NodeCheck(store, from.count, to);
  try {
    for await (const [key, stored] of store.range({ gte: eventKey(from.count), lt: eventKey(to) })) {
      const sequence = frontier.size;
      if (numberOfKey(key) !== sequence) break;
      const event = openStoredEvent(sequence, stored);
      if (event.previousHash !== hash || event.height < height) {
        const what =
          event.previousHash === hash
            ? `event ${sequence} has a lower height than the one before it`
            : `event ${sequence} does not continue the hash chain`;
        throw new EventLogDamaged('EVENT_CHAIN_BROKEN', sequence, what);
      }
      const appended = appendWithNodes(frontier, digestToBytes(event.hash));
      await nodeCheck.check(sequence, appended.nodes);
      frontier = appended.frontier;
      hash = event.hash;
      height = event.height;
    }
    if (frontier.size < to) throw await absentEvent(store, frontier.size);
  } catch (error) {
    throw asDamage(error, frontier.size);
  } finally {
    await nodeCheck.end();
  }
  return headAt(from.chainId, hash, height, frontier);
}

/** Refuses events and Merkle nodes at `count` and beyond. */
export async function verifyNothingBeyond(store: OrderedStore, count: number): Promise<void> {
  const families = [
    { gte: eventKey(count), lt: EVENT_KEYS_END, limit: 1 },
    { gte: nodesKey(count), lt: NODE_KEYS_END, limit: 1 },
  ];
  for (const family of families) {
    for await (const [key] of store.range(family)) {
      const what = `the head covers ${count} events, and there are records of event ${numberOfKey(key)}: the head is older than the events`;
      throw new EventLogDamaged('EVENT_BEYOND_HEAD', count, what);
    }
  }
}
