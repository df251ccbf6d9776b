import { CryptoAssertion, fromHex, toHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  appendLeaf,
  appendWithNodes,
  consistencyProof,
  EMPTY_ROOT,
  emptyFrontier,
  frontierRoot,
  inclusionProof,
  leafHash,
  merkleRoot,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from '../src/index.ts';

/** Largest power of two below n, as RFC 9162 section 2.1.1 puts it. */
function k(n: number): number {
  let split = 1;
  while (split * 2 < n) split *= 2;
  return split;
}

// The RFC's recursive definitions, word for word, over leaf hashes.
function mth(d: Uint8Array[]): Uint8Array {
  if (d.length === 0) return EMPTY_ROOT;
  if (d.length === 1) return d[0] ?? EMPTY_ROOT;
  return nodeHash(mth(d.slice(0, k(d.length))), mth(d.slice(k(d.length))));
}
function path(m: number, d: Uint8Array[]): Uint8Array[] {
  if (d.length === 1) return [];
  const split = k(d.length);
  if (m < split) return [...path(m, d.slice(0, split)), mth(d.slice(split))];
  return [...path(m - split, d.slice(split)), mth(d.slice(0, split))];
}
function subproof(m: number, d: Uint8Array[], whole: boolean): Uint8Array[] {
  if (m === d.length) return whole ? [] : [mth(d)];
  const split = k(d.length);
  if (m <= split) return [...subproof(m, d.slice(0, split), whole), mth(d.slice(split))];
  return [...subproof(m - split, d.slice(split), false), mth(d.slice(0, split))];
}

const LEAVES: Uint8Array[] = Array.from({ length: 70 }, (_, i) => leafHash(utf8(`leaf ${i}`)));
const STORE = new Map<string, Uint8Array>();
const ROOTS: Uint8Array[] = [EMPTY_ROOT];
let frontier = emptyFrontier();
for (const leaf of LEAVES) {
  const step = appendWithNodes(frontier, leaf);
  for (const node of step.nodes) {
    const name = `${node.level}/${node.index}`;
    expect(STORE.has(name)).toBe(false);
    STORE.set(name, node.hash);
  }
  frontier = step.frontier;
  ROOTS.push(frontierRoot(frontier));
}

/** As a store with only the nodes of the first `size` leaves would answer. */
function storeOf(size: number): (level: number, index: number) => Uint8Array {
  return (level, index) => {
    const hash = STORE.get(`${level}/${index}`);
    if (hash === undefined || (index + 1) * 2 ** level > size) throw new Error(`no node ${level}/${index} at ${size}`);
    return hash;
  };
}

function root(size: number): Uint8Array {
  return ROOTS[size] ?? EMPTY_ROOT;
}

describe('roots', () => {
  test('the tree of the Certificate Transparency test data', () => {
    const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
    const roots = [
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ];
    const leaves = inputs.map((hex) => leafHash(fromHex(hex)));
    for (const [size, hex] of roots.entries()) expect(toHex(merkleRoot(leaves.slice(0, size)))).toBe(hex);
  });

  test('frontier, nodes and the recursive definition agree at every size', () => {
    for (let size = 0; size <= LEAVES.length; size++) {
      expect(root(size)).toEqual(mth(LEAVES.slice(0, size)));
      expect(merkleRoot(LEAVES.slice(0, size))).toEqual(root(size));
    }
    for (const [name, hash] of STORE) {
      const [level = 0, index = 0] = name.split('/').map(Number);
      expect(hash).toEqual(mth(LEAVES.slice(index * 2 ** level, (index + 1) * 2 ** level)));
    }
  });

  test('appending leaves the frontier it started from alone; misshapen leaves are bugs', () => {
    const before = appendLeaf(emptyFrontier(), leafHash(utf8('a')));
    const copy = { size: before.size, peaks: before.peaks.slice() };
    appendLeaf(before, leafHash(utf8('b')));
    expect(before).toEqual(copy);
    expect(() => appendLeaf(before, new Uint8Array(31))).toThrow(CryptoAssertion);
    expect(() => appendLeaf({ size: 1, peaks: [] }, new Uint8Array(32))).toThrow(CryptoAssertion);
  });
});

describe('inclusion', () => {
  test('every leaf of every size: the proof is the RFC’s, verifies, and needs complete nodes only', () => {
    for (let size = 1; size <= LEAVES.length; size++) {
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(index, size, storeOf(size));
        if (size <= 40) expect(proof).toEqual(path(index, LEAVES.slice(0, size)));
        const leaf = LEAVES[index] ?? EMPTY_ROOT;
        expect(verifyInclusion({ leafHash: leaf, index, size, proof, root: root(size) })).toBe(true);
      }
    }
  });

  test('no other index, leaf, root or proof passes', () => {
    const claims = fc
      .integer({ min: 1, max: 70 })
      .chain((size) => fc.record({ size: fc.constant(size), index: fc.nat(size - 1) }));
    fc.assert(
      fc.property(claims, fc.nat(69), fc.nat(), ({ size, index }, other, at) => {
        const leaf = LEAVES[index] ?? EMPTY_ROOT;
        const good = {
          leafHash: leaf,
          index,
          size,
          proof: inclusionProof(index, size, storeOf(size)),
          root: root(size),
        };
        expect(verifyInclusion(good)).toBe(true);
        if (other !== index) {
          expect(verifyInclusion({ ...good, index: other })).toBe(false);
          expect(verifyInclusion({ ...good, leafHash: LEAVES[other] ?? EMPTY_ROOT })).toBe(false);
        }
        if (other !== size) expect(verifyInclusion({ ...good, root: root(other) })).toBe(false);
        expect(verifyInclusion({ ...good, proof: [...good.proof, leaf] })).toBe(false);
        if (good.proof.length > 0) {
          expect(verifyInclusion({ ...good, proof: good.proof.slice(1) })).toBe(false);
          expect(verifyInclusion({ ...good, proof: good.proof.slice(0, -1) })).toBe(false);
          const changed = good.proof.slice();
          changed[at % changed.length] = leafHash(utf8('x'));
          expect(verifyInclusion({ ...good, proof: changed })).toBe(false);
        }
      }),
    );
  });

  test('misshapen claims are false, not exceptions', () => {
    const leaf = LEAVES[0] ?? EMPTY_ROOT;
    const good = { leafHash: leaf, index: 0, size: 1, proof: [], root: leaf };
    expect(verifyInclusion(good)).toBe(true);
    for (const size of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(verifyInclusion({ ...good, size })).toBe(false);
    }
    for (const index of [1, -1, 0.5, Number.NaN]) expect(verifyInclusion({ ...good, index })).toBe(false);
    expect(verifyInclusion({ ...good, leafHash: new Uint8Array(0), root: new Uint8Array(0) })).toBe(false);
    expect(verifyInclusion({ ...good, size: 2, proof: [leaf.subarray(1)] })).toBe(false);
    expect(verifyInclusion({ ...good, size: 2 ** 53 - 1, proof: new Array<Uint8Array>(100_000).fill(leaf) })).toBe(
      false,
    );
    expect(() => inclusionProof(1, 1, storeOf(1))).toThrow(CryptoAssertion);
  });
});

describe('consistency', () => {
  test('every pair of sizes: the proof is the RFC’s and verifies', () => {
    for (let newSize = 0; newSize <= LEAVES.length; newSize++) {
      for (let oldSize = 0; oldSize <= newSize; oldSize++) {
        const proof = consistencyProof(oldSize, newSize, storeOf(newSize));
        if (oldSize > 0 && newSize <= 40) expect(proof).toEqual(subproof(oldSize, LEAVES.slice(0, newSize), true));
        const claim = { oldSize, newSize, oldRoot: root(oldSize), newRoot: root(newSize), proof };
        expect(verifyConsistency(claim), `${oldSize} ${newSize}`).toBe(true);
      }
    }
  });

  test('no other size, root or proof passes', () => {
    const claims = fc
      .integer({ min: 2, max: 70 })
      .chain((newSize) =>
        fc.record({ newSize: fc.constant(newSize), oldSize: fc.integer({ min: 1, max: newSize - 1 }) }),
      );
    fc.assert(
      fc.property(claims, fc.nat(70), fc.nat(), ({ oldSize, newSize }, other, at) => {
        const proof = consistencyProof(oldSize, newSize, storeOf(newSize));
        const good = { oldSize, newSize, oldRoot: root(oldSize), newRoot: root(newSize), proof };
        if (other !== oldSize) {
          expect(verifyConsistency({ ...good, oldRoot: root(other) })).toBe(false);
          if (other !== 0) expect(verifyConsistency({ ...good, oldSize: other })).toBe(false);
        }
        if (other !== newSize) expect(verifyConsistency({ ...good, newRoot: root(other) })).toBe(false);
        const changed = proof.slice();
        changed[at % changed.length] = leafHash(utf8('x'));
        for (const bad of [
          [],
          changed,
          proof.slice(1),
          proof.slice(0, -1),
          [...proof, EMPTY_ROOT],
          [EMPTY_ROOT, ...proof],
        ]) {
          expect(verifyConsistency({ ...good, proof: bad })).toBe(false);
        }
      }),
    );
  });

  test('misshapen claims are false, not exceptions', () => {
    const leaf = LEAVES[0] ?? EMPTY_ROOT;
    const same = { oldSize: 1, newSize: 1, oldRoot: leaf, newRoot: leaf, proof: [] };
    expect(verifyConsistency(same)).toBe(true);
    expect(verifyConsistency({ ...same, proof: [leaf] })).toBe(false);
    expect(verifyConsistency({ ...same, oldSize: 2 })).toBe(false);
    expect(verifyConsistency({ ...same, oldSize: 0, newSize: 0 })).toBe(false);
    expect(verifyConsistency({ ...same, oldSize: 0, oldRoot: EMPTY_ROOT })).toBe(true);
    expect(verifyConsistency({ ...same, oldSize: 0 })).toBe(false);
    for (const oldSize of [-1, 0.5, Number.NaN]) expect(verifyConsistency({ ...same, oldSize })).toBe(false);
    expect(verifyConsistency({ ...same, newSize: 2 ** 53 })).toBe(false);
    expect(verifyConsistency({ ...same, oldRoot: new Uint8Array(0), newRoot: new Uint8Array(0) })).toBe(false);
    expect(() => consistencyProof(2, 1, storeOf(2))).toThrow(CryptoAssertion);
  });
});

test('sizes beyond 2^32', () => {
  const asked: [number, number][] = [];
  const getNode = (level: number, index: number) => {
    asked.push([level, index]);
    return leafHash(utf8(`${level}/${index}`));
  };
  const size = 2 ** 40 + 2 ** 33 + 5;
  const index = 2 ** 40 + 3;
  const proof = inclusionProof(index, size, getNode);
  expect(asked.every(([level, i]) => (i + 1) * 2 ** level <= size)).toBe(true);
  expect(proof.length).toBeLessThanOrEqual(41);
  // The made-up nodes below 2^33 leaves do not hash up to one another, but the claim must at least be decided.
  expect(verifyInclusion({ leafHash: EMPTY_ROOT, index, size, proof, root: EMPTY_ROOT })).toBe(false);
  expect(consistencyProof(2 ** 40, size, getNode).length).toBe(1);
});
