import { createPublicKey, verify } from 'node:crypto';
import { CryptoAssertion, concatBytes, fromHex, toHex, utf8 } from '@cloister/encoding';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { backend as nobleBackend } from '../src/backends/backend-noble.ts';
import { backend as nodeBackend } from '../src/backends/backend-node.ts';
import { ed25519KeyPair, isAcceptableEd25519Key, verifyEd25519, verifyEd25519Exact } from '../src/index.ts';
import { SUBGROUP_SCALAR } from '../src/signatures/ed25519-subgroup.ts';
import { KeyCache } from '../src/signatures/key-cache.ts';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

/** Every encoding of a point of order 1, 2, 4 or 8 that ZIP-215 admits, the non-canonical ones last. */
const SMALL_ORDER: readonly string[] = [
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  `${'00'.repeat(31)}80`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  `01${'00'.repeat(30)}80`,
  `ec${'ff'.repeat(31)}`,
  `ed${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(31)}`,
  `ee${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(31)}`,
];

function scalarBytes(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, '0')).reverse();
}

describe('RFC 8032 section 7.1', () => {
  test.each([
    [
      '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
  ])('secret key %s', (seed, publicKey, message, signature) => {
    const pair = ed25519KeyPair(fromHex(seed));
    expect(pair.id).toBe(publicKey);
    expect(toHex(pair.publicKey)).toBe(publicKey);
    expect(toHex(pair.sign(fromHex(message)))).toBe(signature);
    expect(verifyEd25519(pair.publicKey, fromHex(message), fromHex(signature))).toBe(true);
    expect(toHex(nobleBackend.ed25519Signer(fromHex(seed)).sign(fromHex(message)))).toBe(signature);
  });

  test('both back-ends sign alike, and a signature holds for its message and key only', () => {
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 100 }), fc.nat(511), (seed, message, bit) => {
        const pair = ed25519KeyPair(seed);
        const noble = nobleBackend.ed25519Signer(seed);
        const signature = pair.sign(message);
        expect(noble.publicKey).toEqual(pair.publicKey);
        expect(noble.sign(message)).toEqual(signature);
        for (const backend of [nodeBackend, nobleBackend]) {
          expect(backend.ed25519Verify(pair.publicKey, message, signature)).toBe(true);
          expect(backend.ed25519Verify(pair.publicKey, concatBytes(message, utf8('x')), signature)).toBe(false);
          const flipped = Uint8Array.from(signature);
          flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(backend.ed25519Verify(pair.publicKey, message, flipped)).toBe(false);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('ZIP-215', () => {
  test('all 196 pairs of small-order A and R with s = 0 verify, in both back-ends', () => {
    const message = utf8('Zcash');
    let nodeAccepted = 0;
    for (const a of SMALL_ORDER) {
      for (const r of SMALL_ORDER) {
        const signature = concatBytes(fromHex(r), new Uint8Array(32));
        expect(verifyEd25519(fromHex(a), message, signature), `${a} ${r}`).toBe(true);
        expect(nobleBackend.ed25519Verify(fromHex(a), message, signature)).toBe(true);
        const spki = Buffer.from(`302a300506032b6570032100${a}`, 'hex');
        try {
          const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
          if (verify(null, message, key, signature)) nodeAccepted++;
        } catch {
          // OpenSSL may refuse the key.
        }
      }
    }
    // The reason for the rule: node:crypto alone takes only some of them.
    expect(nodeAccepted).toBeLessThan(196);
  });

  test('s ≥ L is refused, also where s - L verifies', () => {
    const pair = ed25519KeyPair(new Uint8Array(32).fill(3));
    const message = utf8('m');
    const signature = pair.sign(message);
    const s = BigInt(`0x${toHex(Uint8Array.from(signature.subarray(32)).reverse())}`);
    const malleated = concatBytes(signature.subarray(0, 32), scalarBytes(s + L));
    expect(verifyEd25519(pair.publicKey, message, malleated)).toBe(false);
    expect(nobleBackend.ed25519Verify(pair.publicKey, message, malleated)).toBe(false);
    const smallA = fromHex(SMALL_ORDER[0] ?? '');
    for (const bad of [L, L + 1n, 2n ** 256n - 1n]) {
      expect(verifyEd25519(smallA, message, concatBytes(smallA, scalarBytes(bad)))).toBe(false);
    }
  });

  test('a torsion component in R passes the cofactored equation in both back-ends', () => {
    // R' = R + T with k computed over R': signed by hand with a known scalar.
    const scalar = 12345n;
    const A = ed25519.Point.BASE.multiply(scalar).toBytes();
    const torsion = ed25519.Point.fromHex(SMALL_ORDER[4] ?? '');
    const R = ed25519.Point.BASE.multiply(678n).add(torsion).toBytes();
    const message = utf8('torsion');
    const digest = Uint8Array.from(nobleBackend.sha512(concatBytes(R, A, message))).reverse();
    const k = BigInt(`0x${toHex(digest)}`) % L;
    const signature = concatBytes(R, scalarBytes((678n + k * scalar) % L));
    expect(verifyEd25519(A, message, signature)).toBe(true);
    expect(nobleBackend.ed25519Verify(A, message, signature)).toBe(true);
  });

  test('and fails the exact rule in both back-ends, which need no second opinion', () => {
    const scalar = 12345n;
    const A = ed25519.Point.BASE.multiply(scalar).toBytes();
    const message = utf8('torsion');
    for (const torsion of [undefined, ...SMALL_ORDER.slice(0, 8)]) {
      const plain = ed25519.Point.BASE.multiply(678n);
      const R = (torsion === undefined ? plain : plain.add(ed25519.Point.fromHex(torsion, true))).toBytes();
      const digest = Uint8Array.from(nobleBackend.sha512(concatBytes(R, A, message))).reverse();
      const k = BigInt(`0x${toHex(digest)}`) % L;
      const signature = concatBytes(R, scalarBytes((678n + k * scalar) % L));
      // The first of the small-order points is the identity.
      const honest = torsion === undefined || torsion === SMALL_ORDER[0];
      expect(verifyEd25519Exact(A, message, signature), torsion).toBe(honest);
      expect(nobleBackend.ed25519VerifyExact(A, message, signature), torsion).toBe(honest);
    }
  });

  test('the exact rule takes what both back-ends sign, and refuses every flipped bit', () => {
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 100 }), fc.nat(511), (seed, message, bit) => {
        const pair = ed25519KeyPair(seed);
        const signature = pair.sign(message);
        const flipped = Uint8Array.from(signature);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(verifyEd25519Exact(pair.publicKey, message, signature)).toBe(true);
        expect(verifyEd25519Exact(pair.publicKey, message, flipped)).toBe(false);
        expect(nobleBackend.ed25519VerifyExact(pair.publicKey, message, signature)).toBe(true);
        expect(nobleBackend.ed25519VerifyExact(pair.publicKey, message, flipped)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  test('a scalar that is not reduced reaches no back-end', () => {
    const pair = ed25519KeyPair(new Uint8Array(32).fill(9));
    const message = utf8('m');
    const signature = pair.sign(message);
    const verify = vi.spyOn(nodeBackend, 'ed25519Verify');
    const exact = vi.spyOn(nodeBackend, 'ed25519VerifyExact');
    for (const s of [L, L + 1n, 2n ** 253n, 2n ** 256n - 1n]) {
      const bad = concatBytes(signature.subarray(0, 32), scalarBytes(s));
      expect(verifyEd25519(pair.publicKey, message, bad)).toBe(false);
      expect(verifyEd25519Exact(pair.publicKey, message, bad)).toBe(false);
    }
    expect([verify.mock.calls.length, exact.mock.calls.length]).toEqual([0, 0]);
    vi.restoreAllMocks();
  });

  test('both back-ends agree on any mixture of odd points and scalars', () => {
    const point = fc.oneof(fc.constantFrom(...SMALL_ORDER).map(fromHex), bytes32);
    const s = fc
      .oneof(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), fc.constantFrom(0n, 1n, L - 1n, L))
      .map(scalarBytes);
    fc.assert(
      fc.property(point, point, s, fc.uint8Array({ maxLength: 4 }), (a, r, scalar, message) => {
        const signature = concatBytes(r, scalar);
        const answer = nodeBackend.ed25519Verify(a, message, signature);
        expect(nobleBackend.ed25519Verify(a, message, signature)).toBe(answer);
      }),
      { numRuns: 200 },
    );
  });

  test('wrong lengths are false', () => {
    const pair = ed25519KeyPair(new Uint8Array(32));
    const signature = pair.sign(utf8('m'));
    expect(verifyEd25519(pair.publicKey.subarray(1), utf8('m'), signature)).toBe(false);
    expect(verifyEd25519(concatBytes(pair.publicKey, utf8('x')), utf8('m'), signature)).toBe(false);
    expect(verifyEd25519(pair.publicKey, utf8('m'), signature.subarray(1))).toBe(false);
    expect(verifyEd25519(pair.publicKey, utf8('m'), concatBytes(signature, utf8('x')))).toBe(false);
    expect(verifyEd25519(new Uint8Array(0), utf8('m'), new Uint8Array(0))).toBe(false);
    expect(() => ed25519KeyPair(new Uint8Array(31))).toThrow(CryptoAssertion);
  });
});

describe('isAcceptableEd25519Key', () => {
  test('takes honest keys', () => {
    fc.assert(
      fc.property(bytes32, (seed) => {
        expect(isAcceptableEd25519Key(ed25519KeyPair(seed).publicKey)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test('refuses small order, mixed order, non-canonical, off-curve and wrong lengths', () => {
    for (const point of SMALL_ORDER) expect(isAcceptableEd25519Key(fromHex(point)), point).toBe(false);
    const mixed = ed25519.Point.BASE.multiply(5n).add(ed25519.Point.fromHex(SMALL_ORDER[6] ?? ''));
    expect(isAcceptableEd25519Key(mixed.toBytes())).toBe(false);
    expect(isAcceptableEd25519Key(new Uint8Array(32).fill(0xff))).toBe(false);
    expect(isAcceptableEd25519Key(fromHex(`02${'00'.repeat(31)}`))).toBe(false);
    expect(isAcceptableEd25519Key(new Uint8Array(31))).toBe(false);
    expect(isAcceptableEd25519Key(new Uint8Array(64))).toBe(false);
  });

  test('both back-ends agree on points with and without a part of small order, and on bytes that are no point', () => {
    const torsion = SMALL_ORDER.slice(0, 8).map((hex) => ed25519.Point.fromHex(hex));
    fc.assert(
      fc.property(fc.bigInt(1n, L - 1n), fc.constantFrom(...torsion), (scalar, part) => {
        const pure = ed25519.Point.BASE.multiply(scalar);
        for (const [point, expected] of [
          [pure, true],
          [pure.negate(), true],
          [pure.add(part), part.is0()],
        ] as const) {
          expect(nodeBackend.ed25519IsPrimeOrder(point.toBytes())).toBe(expected);
          expect(nobleBackend.ed25519IsPrimeOrder(point.toBytes())).toBe(expected);
        }
      }),
      { numRuns: 40 },
    );
    for (const hex of SMALL_ORDER) {
      expect(nodeBackend.ed25519IsPrimeOrder(fromHex(hex)), hex).toBe(false);
      expect(nobleBackend.ed25519IsPrimeOrder(fromHex(hex)), hex).toBe(false);
    }
    fc.assert(
      fc.property(bytes32, (bytes) => {
        expect(nodeBackend.ed25519IsPrimeOrder(bytes)).toBe(nobleBackend.ed25519IsPrimeOrder(bytes));
      }),
      { numRuns: 200 },
    );
  });

  test('the scalar of the subgroup check is 5L - 1, which clamping leaves as it is', () => {
    const scalar = BigInt(`0x${toHex(Uint8Array.from(SUBGROUP_SCALAR).reverse())}`);
    expect(scalar).toBe(5n * L - 1n);
    expect([scalar % 8n, scalar >> 254n]).toEqual([0n, 1n]);
  });
});

describe('KeyCache', () => {
  test('remembers, compares whole keys, forgets the least recently used of a set, is not fooled by a reused array', () => {
    let derived = 0;
    const cache = new KeyCache((key: Uint8Array) => `${toHex(key)}#${derived++}`, 4);
    const keys = [0, 1, 2, 3, 4].map((last) => concatBytes(new Uint8Array(31), Uint8Array.of(last)));
    const [a, b, c, d, e] = keys.map((key) => () => cache.get(key));
    const first = [a, b, c, d].map((get) => get?.());
    expect(new Set(first).size).toBe(4);
    expect([d, b, a, c].map((get) => get?.())).toEqual([first[3], first[1], first[0], first[2]]);
    expect(derived).toBe(4);
    e?.();
    expect([c, a, b].map((get) => get?.())).toEqual([first[2], first[0], first[1]]);
    expect(d?.()).not.toBe(first[3]);
    expect(derived).toBe(6);
    const reused = new Uint8Array(32).fill(7);
    const before = cache.get(reused);
    reused.fill(8);
    expect(cache.get(reused)).not.toBe(before);
  });
});
