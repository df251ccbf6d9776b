import { utf8, ZERO_DIGEST } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  KEYED_PROOF_HASHES_MAX,
  type KeyedTree,
  keyedEntry,
  keyedRoot,
  verifyKeyedEntry,
  withKeyedEntry,
} from '../src/index.ts';

const entriesOf = (size: number): [string, Uint8Array][] =>
  Array.from({ length: size }, (_, i) => [`key ${i}`, utf8(`value ${i}`)]);

function treeOf(entries: readonly (readonly [string, Uint8Array])[]): KeyedTree {
  return entries.reduce<KeyedTree>((tree, [key, value]) => withKeyedEntry(tree, key, value), undefined);
}

const ENTRIES = entriesOf(60);
const TREE = treeOf(ENTRIES);
const ROOT = keyedRoot(TREE);

describe('a keyed tree', () => {
  test('without entries has the zero root', () => expect(keyedRoot(undefined)).toBe(ZERO_DIGEST));

  test('has one root for one map, whatever the order and what was there meanwhile', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(ENTRIES, { minLength: ENTRIES.length }),
        fc.array(fc.integer({ min: 0, max: 99 }), { maxLength: 20 }),
        (order, detour) => {
          let tree: KeyedTree;
          for (const key of detour) tree = withKeyedEntry(tree, `key ${key}`, utf8('old'));
          for (const [key, value] of order) tree = withKeyedEntry(tree, key, value);
          for (const key of detour) if (key >= ENTRIES.length) tree = withKeyedEntry(tree, `key ${key}`, undefined);
          expect(keyedRoot(tree)).toBe(ROOT);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('is empty again when all went, and a key that is not there goes without a trace', () => {
    let tree: KeyedTree = withKeyedEntry(TREE, 'no such key', undefined);
    expect(keyedRoot(tree)).toBe(ROOT);
    for (const [key] of ENTRIES) tree = withKeyedEntry(tree, key, undefined);
    expect(tree).toBeUndefined();
  });

  test('stays as it was when a later one changes', () => {
    withKeyedEntry(TREE, 'key 7', utf8('another'));
    expect(keyedRoot(TREE)).toBe(ROOT);
  });
});

describe('a proof', () => {
  test('shows each entry, and no other value under its key', () => {
    for (const [key, value] of ENTRIES) {
      expect(keyedEntry(TREE, key)?.value).toEqual(value);
      const proof = keyedEntry(TREE, key)?.proof ?? [];
      expect(verifyKeyedEntry({ root: ROOT, key, value, proof })).toBe(true);
      expect(verifyKeyedEntry({ root: ROOT, key, value: utf8('value x'), proof })).toBe(false);
      expect(verifyKeyedEntry({ root: ROOT, key: 'key x', value, proof })).toBe(false);
    }
  });

  test('of one key does not show another, nor an older value after a change', () => {
    const changed = withKeyedEntry(TREE, 'key 3', utf8('revoked'));
    const proof = keyedEntry(TREE, 'key 3')?.proof ?? [];
    expect(verifyKeyedEntry({ root: keyedRoot(changed), key: 'key 3', value: utf8('value 3'), proof })).toBe(false);
    expect(verifyKeyedEntry({ root: ROOT, key: 'key 4', value: utf8('value 4'), proof })).toBe(false);
  });

  test('does not exist for a key that is not there', () => {
    expect(keyedEntry(TREE, 'key 60')).toBeUndefined();
    expect(keyedEntry(undefined, 'key 1')).toBeUndefined();
  });

  test('of another length, of cut hashes or with one bit changed shows nothing', () => {
    const key = 'key 11';
    const value = utf8('value 11');
    const proof = keyedEntry(TREE, key)?.proof ?? [];
    expect(proof.length).toBeGreaterThan(2);
    const shows = (other: readonly Uint8Array[]): boolean => verifyKeyedEntry({ root: ROOT, key, value, proof: other });
    expect(shows(proof.slice(1))).toBe(false);
    expect(shows(proof.slice(0, -1))).toBe(false);
    expect(shows([...proof, new Uint8Array(32)])).toBe(false);
    expect(shows(proof.map((hash) => hash.subarray(1)))).toBe(false);
    expect(shows(Array.from({ length: KEYED_PROOF_HASHES_MAX + 1 }, () => new Uint8Array(32)))).toBe(false);
    proof.forEach((_, i) => {
      expect(
        shows(proof.map((hash, j) => (i === j ? hash.map((byte, at) => (at === 5 ? byte ^ 4 : byte)) : hash))),
      ).toBe(false);
    });
  });

  test('of an inner node cannot pass for a leaf', () => {
    // The two hashes below a branch as the "value" of a leaf: the domains differ, and so do the hashes.
    const [, below] = keyedEntry(TREE, 'key 0')?.proof ?? [];
    expect(verifyKeyedEntry({ root: ROOT, key: 'key 0', value: below ?? new Uint8Array(32), proof: [] })).toBe(false);
  });
});
