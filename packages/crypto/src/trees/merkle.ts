/**
 * The Merkle tree of RFC 9162 section 2.1 over SHA-256, growing on the right.
 *
 * A `MerkleFrontier` is all that appending needs: the roots of the complete subtrees of a size's binary digits, largest
 * first. For proofs a store keeps every complete subtree's root under (level, index): level 0 are leaf hashes, node
 * (level, index) covers leaves index·2^level up to (index+1)·2^level. A complete node never changes.
 */
import { assertContract, equalBytes } from '@cloister/encoding';
import { sha256 } from '../digests.ts';

const HASH_BYTES = 32;

/** Root of the tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

/** SHA-256(0x00 ‖ data). */
export function leafHash(data: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + data.length);
  input.set(data, 1);
  return sha256(input);
}

/** SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + left.length + right.length);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + left.length);
  return sha256(input);
}

/** A tree by its size and the roots of its complete subtrees, largest first; immutable. */
export interface MerkleFrontier {
  readonly size: number;
  readonly peaks: readonly Uint8Array[];
}

/** The root of a complete subtree. */
export interface MerkleNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Uint8Array;
}

export function emptyFrontier(): MerkleFrontier {
  return { size: 0, peaks: [] };
}

/** The frontier with one more leaf, and every node that this leaf completes, the leaf itself first. */
export function appendWithNodes(
  frontier: MerkleFrontier,
  leaf: Uint8Array,
): { readonly frontier: MerkleFrontier; readonly nodes: readonly MerkleNode[] } {
  assertContract(leaf.length === HASH_BYTES, 'a leaf hash has 32 bytes');
  assertContract(frontier.size < Number.MAX_SAFE_INTEGER, 'tree full');
  const peaks = frontier.peaks.slice();
  const nodes: MerkleNode[] = [{ level: 0, index: frontier.size, hash: leaf }];
  let hash = leaf;
  let level = 0;
  for (let index = frontier.size; index % 2 === 1; ) {
    const left = peaks.pop();
    assertContract(left !== undefined, 'frontier without the peaks of its size');
    hash = nodeHash(left, hash);
    index = (index - 1) / 2;
    nodes.push({ level: ++level, index, hash });
  }
  peaks.push(hash);
  return { frontier: { size: frontier.size + 1, peaks }, nodes };
}

/** The frontier with one more leaf. */
export function appendLeaf(frontier: MerkleFrontier, leaf: Uint8Array): MerkleFrontier {
  return appendWithNodes(frontier, leaf).frontier;
}

/** MTH of the frontier's leaves. */
export function frontierRoot(frontier: MerkleFrontier): Uint8Array {
  let root = frontier.peaks[frontier.peaks.length - 1];
  if (root === undefined) return EMPTY_ROOT.slice();
  for (let i = frontier.peaks.length - 2; i >= 0; i--) root = nodeHash(frontier.peaks[i] ?? EMPTY_ROOT, root);
  return root;
}

/** MTH of leaves already hashed. */
export function merkleRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  let frontier = emptyFrontier();
  for (const leaf of leafHashes) frontier = appendLeaf(frontier, leaf);
  return frontierRoot(frontier);
}

/** Reads a stored complete subtree's root; throws (an I/O failure or a bug) when it is not there. */
export type GetMerkleNode = (level: number, index: number) => Uint8Array;

/** Largest power of two smaller than `size`, for size ≥ 2. Not by bit shifts: sizes go beyond 2^32. */
function splitPoint(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

/** MTH of `count` leaves from `start`, a multiple of the power of two that covers `count`. */
function subtreeRoot(start: number, count: number, getNode: GetMerkleNode): Uint8Array {
  let level = 0;
  let width = 1;
  while (width < count) {
    width *= 2;
    level++;
  }
  if (width === count) return getNode(level, start / count);
  const split = width / 2;
  return nodeHash(subtreeRoot(start, split, getNode), subtreeRoot(start + split, count - split, getNode));
}

/** PATH(index, D[size]) of section 2.1.3.1, nearest sibling first. */
export function inclusionProof(index: number, size: number, getNode: GetMerkleNode): Uint8Array[] {
  assertContract(isSize(size) && isSize(index) && index < size, 'inclusionProof: no such leaf');
  const fromTop: Uint8Array[] = [];
  let start = 0;
  let count = size;
  while (count > 1) {
    const split = splitPoint(count);
    if (index < start + split) {
      fromTop.push(subtreeRoot(start + split, count - split, getNode));
      count = split;
    } else {
      fromTop.push(subtreeRoot(start, split, getNode));
      start += split;
      count -= split;
    }
  }
  return fromTop.reverse();
}

/** PROOF(oldSize, D[newSize]) of section 2.1.4.1; empty when the sizes are equal or the old tree is empty. */
export function consistencyProof(oldSize: number, newSize: number, getNode: GetMerkleNode): Uint8Array[] {
  assertContract(isSize(oldSize) && isSize(newSize) && oldSize <= newSize, 'consistencyProof: sizes out of order');
  if (oldSize === 0) return [];
  const fromTop: Uint8Array[] = [];
  let start = 0;
  let count = newSize;
  while (start + count !== oldSize) {
    const split = splitPoint(count);
    if (oldSize <= start + split) {
      fromTop.push(subtreeRoot(start + split, count - split, getNode));
      count = split;
    } else {
      fromTop.push(subtreeRoot(start, split, getNode));
      start += split;
      count -= split;
    }
  }
  // A subtree that starts at 0 is the old tree itself, whose root the verifier knows.
  if (start > 0) fromTop.push(subtreeRoot(start, count, getNode));
  return fromTop.reverse();
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Longest possible proof: one hash per bit of a safe integer, and one more for consistency. */
const PROOF_HASHES_MAX = 54;

function isProof(proof: readonly Uint8Array[]): boolean {
  return proof.length <= PROOF_HASHES_MAX && proof.every((hash) => hash.length === HASH_BYTES);
}

/** Whether the leaf is at `index` of the tree of `size` with `root` (section 2.1.3.2). Never throws. */
export function verifyInclusion(claim: {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}): boolean {
  const { index, size, proof } = claim;
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (claim.leafHash.length !== HASH_BYTES || !isProof(proof)) return false;
  let node = index;
  let last = size - 1;
  let hash = claim.leafHash;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(hash, claim.root);
}

/**
 * Whether the tree of `newSize` extends the one of `oldSize` (section 2.1.4.2). Every tree extends the empty one, with
 * an empty proof. Never throws.
 */
export function verifyConsistency(claim: {
  readonly oldSize: number;
  readonly newSize: number;
  readonly oldRoot: Uint8Array;
  readonly newRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}): boolean {
  const { oldSize, newSize, oldRoot, newRoot, proof } = claim;
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize || !isProof(proof)) return false;
  if (oldRoot.length !== HASH_BYTES || newRoot.length !== HASH_BYTES) return false;
  if (oldSize === newSize) {
    if (oldSize === 0 && !equalBytes(oldRoot, EMPTY_ROOT)) return false;
    return proof.length === 0 && equalBytes(oldRoot, newRoot);
  }
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, EMPTY_ROOT);
  let node = oldSize - 1;
  let last = newSize - 1;
  while (node % 2 === 1) {
    node = (node - 1) / 2;
    last = Math.floor(last / 2);
  }
  // node is 0 exactly when oldSize is a power of two: the old root is then the first subtree itself.
  const hashes = node === 0 ? [oldRoot, ...proof] : proof;
  const first = hashes[0];
  if (proof.length === 0 || first === undefined) return false;
  let oldHash = first;
  let newHash = first;
  for (const sibling of hashes.slice(1)) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      oldHash = nodeHash(sibling, oldHash);
      newHash = nodeHash(sibling, newHash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newHash = nodeHash(newHash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, newRoot);
}
