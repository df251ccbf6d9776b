/**
 * Merkle nodes on disk, and proofs from them.
 *
 * The nodes above the leaves that one event completes lie together, lowest first, under that event's sequence: they are
 * written with it and read back in its order. Leaves are not stored: they are the hashes of the records.
 *
 *     sequence u64 ‖ node of level 1 ‖ … ‖ node of level k ‖ CRC-32
 */

import {
  consistencyProof,
  frontierRoot,
  type GetMerkleNode,
  inclusionProof,
  leafHash,
  type MerkleNode,
} from '@cloister/crypto';
import { assert, ByteWriter, type Digest, digestFromBytes } from '@cloister/encoding';
import type { ReadableStore } from '../store/store.ts';
import { withChecksum, withoutChecksum } from './checksum.ts';
import { EventLogDamaged } from './damage.ts';
import { eventKey, nodesKey } from './keys.ts';

const HASH_BYTES = 32;
const SEQUENCE_BYTES = 8;

/** `nodes` as `appendWithNodes` returns them: the leaf first, then level 1, 2, … */
export function encodeNodes(sequence: number, nodes: readonly MerkleNode[]): Uint8Array {
  const writer = new ByteWriter(SEQUENCE_BYTES + HASH_BYTES * nodes.length).u64(sequence);
  for (const node of nodes.slice(1)) writer.fixed(node.hash);
  return withChecksum(writer.finish());
}

/** Key and place of a stored node of level ≥ 1. */
function locate(level: number, index: number): { readonly sequence: number; readonly at: number } {
  return { sequence: (index + 1) * 2 ** level - 1, at: SEQUENCE_BYTES + (level - 1) * HASH_BYTES };
}

function nodeIn(stored: Uint8Array | undefined, level: number, index: number): Uint8Array {
  const { sequence, at } = locate(level, index);
  const damaged = (what: string): EventLogDamaged =>
    new EventLogDamaged('MERKLE_MISMATCH', sequence, `the Merkle nodes of event ${sequence} ${what}`);
  if (stored === undefined) throw damaged('are missing');
  const bytes = withoutChecksum(stored);
  if (bytes === undefined) throw damaged('do not match their checksum');
  if (bytes.length < at + HASH_BYTES) throw damaged('are incomplete');
  return bytes.slice(at, at + HASH_BYTES);
}

function leafIn(stored: Uint8Array | undefined, sequence: number): Uint8Array {
  if (stored === undefined) throw new EventLogDamaged('EVENT_MISSING', sequence, `event ${sequence} is missing`);
  const bytes = withoutChecksum(stored);
  if (bytes === undefined) {
    throw new EventLogDamaged('EVENT_CHECKSUM', sequence, `event ${sequence} does not match its checksum`);
  }
  return leafHash(bytes);
}

/**
 * Runs a function of Merkle nodes over stored ones: once to learn which nodes it asks for (that depends on sizes only),
 * then on their values, fetched in one go.
 */
async function withNodes<T>(store: ReadableStore, compute: (getNode: GetMerkleNode) => T): Promise<T> {
  const wanted = new Map<string, { readonly level: number; readonly index: number }>();
  const nothing = new Uint8Array(HASH_BYTES);
  compute((level, index) => {
    wanted.set(`${level}/${index}`, { level, index });
    return nothing;
  });
  const places = [...wanted.values()];
  const values = await store.getMany(
    places.map(({ level, index }) => (level === 0 ? eventKey(index) : nodesKey(locate(level, index).sequence))),
  );
  const found = new Map<string, Uint8Array>();
  places.forEach(({ level, index }, i) => {
    found.set(`${level}/${index}`, level === 0 ? leafIn(values[i], index) : nodeIn(values[i], level, index));
  });
  return compute((level, index) => {
    const node = found.get(`${level}/${index}`);
    assert(node !== undefined, 'a node that the first run did not ask for');
    return node;
  });
}

/** The roots of the complete subtrees of a tree of `size` leaves, largest first. */
function peaksOf(size: number, getNode: GetMerkleNode): Uint8Array[] {
  const peaks: Uint8Array[] = [];
  let start = 0;
  for (let level = Math.floor(Math.log2(Math.max(size, 1))) + 1; level >= 0; level--) {
    const width = 2 ** level;
    if (size - start < width) continue;
    peaks.push(getNode(level, start / width));
    start += width;
  }
  return peaks;
}

/** RFC 9162 root over the first `size` events. */
export async function storedRoot(store: ReadableStore, size: number): Promise<Digest> {
  const peaks = await withNodes(store, (getNode) => peaksOf(size, getNode));
  return digestFromBytes(frontierRoot({ size, peaks }));
}

/** Path from event `index` to the root over the first `size` events, nearest sibling first. */
export function storedInclusion(store: ReadableStore, index: number, size: number): Promise<Uint8Array[]> {
  return withNodes(store, (getNode) => inclusionProof(index, size, getNode));
}

/** Proof that the root over `newSize` events extends the one over `oldSize`. */
export function storedConsistency(store: ReadableStore, oldSize: number, newSize: number): Promise<Uint8Array[]> {
  return withNodes(store, (getNode) => consistencyProof(oldSize, newSize, getNode));
}
