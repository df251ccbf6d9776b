/**
 * A Merkle tree over keys: one root for a map, and a short proof of each entry.
 *
 * A key's place is given by the bits of its hash, most significant first, so that the tree of a map does not depend on
 * the order in which entries came. A subtree with one entry is that entry's leaf; the empty tree has the root of 32 zero
 * bytes. Leaves and inner nodes are hashed under different domains. Trees are immutable and share what did not change: an
 * update costs as many hashes as the entry lies deep (about log2 of the number of entries), and old trees stay usable.
 *
 * A key stands in a tree at most once. A proof of an entry under a root that an honest party computed therefore shows what
 * the key is mapped to *now*, which a proof of inclusion in a log does not.
 */
import {
  assertContract,
  type Digest,
  digestFromBytes,
  digestToBytes,
  equalBytes,
  utf8,
  ZERO_DIGEST,
} from '@cloister/encoding';
import { hashBytes } from '../digests.ts';

const HASH_BITS = 256;
/** Longest proof: one hash for each bit of a key's hash. */
export const KEYED_PROOF_HASHES_MAX: number = HASH_BITS;

interface Leaf {
  readonly kind: 'leaf';
  /** Hash of the key. */
  readonly place: Uint8Array;
  readonly value: Uint8Array;
  readonly hash: Uint8Array;
}
interface Branch {
  readonly kind: 'branch';
  readonly left: KeyedTree;
  readonly right: KeyedTree;
  readonly hash: Uint8Array;
}
/** Undefined is the empty tree. */
export type KeyedTree = Leaf | Branch | undefined;

function placeOf(key: string): Uint8Array {
  return hashBytes('cloister/keyed-tree/key/v1', utf8(key));
}

function leafOf(place: Uint8Array, value: Uint8Array): Leaf {
  return { kind: 'leaf', place, value, hash: leafHashOf(place, value) };
}

function leafHashOf(place: Uint8Array, value: Uint8Array): Uint8Array {
  return hashBytes('cloister/keyed-tree/leaf/v1', place, value);
}

function branchHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return hashBytes('cloister/keyed-tree/branch/v1', left, right);
}

function hashOf(tree: KeyedTree): Uint8Array {
  return tree === undefined ? digestToBytes(ZERO_DIGEST) : tree.hash;
}

/** Bit 0 is the most significant of the first byte; true goes right. */
function bitAt(place: Uint8Array, depth: number): boolean {
  return (((place[depth >> 3] ?? 0) >> (7 - (depth & 7))) & 1) === 1;
}

/** A branch, or its only leaf: one shape for one map. */
function join(left: KeyedTree, right: KeyedTree): KeyedTree {
  if (left === undefined && right?.kind !== 'branch') return right;
  if (right === undefined && left?.kind !== 'branch') return left;
  return { kind: 'branch', left, right, hash: branchHash(hashOf(left), hashOf(right)) };
}

/** The root that names all entries of a tree. */
export function keyedRoot(tree: KeyedTree): Digest {
  return digestFromBytes(hashOf(tree));
}

/** The tree with `key` mapped to `value`, or without the key when `value` is undefined. */
export function withKeyedEntry(tree: KeyedTree, key: string, value: Uint8Array | undefined): KeyedTree {
  const place = placeOf(key);
  return changed(tree, place, value === undefined ? undefined : leafOf(place, value), 0);
}

function changed(tree: KeyedTree, place: Uint8Array, leaf: Leaf | undefined, depth: number): KeyedTree {
  if (tree === undefined) return leaf;
  if (tree.kind === 'leaf') {
    if (equalBytes(tree.place, place)) return leaf;
    return leaf === undefined ? tree : apart(tree, leaf, depth);
  }
  return bitAt(place, depth)
    ? join(tree.left, changed(tree.right, place, leaf, depth + 1))
    : join(changed(tree.left, place, leaf, depth + 1), tree.right);
}

/** Two leaves that share their bits above `depth`. */
function apart(a: Leaf, b: Leaf, depth: number): KeyedTree {
  assertContract(depth < HASH_BITS, 'two keys with one hash');
  const [aRight, bRight] = [bitAt(a.place, depth), bitAt(b.place, depth)];
  if (aRight === bRight) {
    const below = apart(a, b, depth + 1);
    const [left, right] = aRight ? [undefined, below] : [below, undefined];
    return { kind: 'branch', left, right, hash: branchHash(hashOf(left), hashOf(right)) };
  }
  return aRight ? join(b, a) : join(a, b);
}

/** An entry, and the hashes of the subtrees beside its key's way from the root down. */
export interface KeyedEntry {
  readonly value: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** What a tree maps a key to, with its proof; undefined when the tree does not have the key. */
export function keyedEntry(tree: KeyedTree, key: string): KeyedEntry | undefined {
  const place = placeOf(key);
  const proof: Uint8Array[] = [];
  let at = tree;
  while (at?.kind === 'branch') {
    const right = bitAt(place, proof.length);
    const other = right ? at.left : at.right;
    at = right ? at.right : at.left;
    proof.push(hashOf(other));
  }
  return at !== undefined && equalBytes(at.place, place) ? { value: at.value, proof } : undefined;
}

/** Whether the tree of `root` maps `key` to `value`. Never throws for what a stranger can send. */
export function verifyKeyedEntry(entry: {
  readonly root: Digest;
  readonly key: string;
  readonly value: Uint8Array;
  readonly proof: readonly Uint8Array[];
}): boolean {
  const { root, key, value, proof } = entry;
  if (proof.length > HASH_BITS || proof.some(({ length }) => length !== 32)) return false;
  const place = placeOf(key);
  let hash = leafHashOf(place, value);
  for (let depth = proof.length - 1; depth >= 0; depth--) {
    const other = proof[depth];
    if (other === undefined) return false;
    hash = bitAt(place, depth) ? branchHash(other, hash) : branchHash(hash, other);
  }
  return equalBytes(hash, digestToBytes(root));
}
