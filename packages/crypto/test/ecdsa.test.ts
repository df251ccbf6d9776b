import { generateKeyPairSync, sign } from 'node:crypto';
import { CryptoAssertion, concatBytes, fromHex, toHex, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Backend, EcdsaVerification } from '../src/backends/backend.ts';
import { backend as nobleBackend } from '../src/backends/backend-noble.ts';
import { backend as nodeBackend } from '../src/backends/backend-node.ts';
import { ecdsaPublicKey, signEcdsa, verifyEcdsa } from '../src/index.ts';

const BACKENDS: readonly Backend[] = [nodeBackend, nobleBackend];
const SHAPES = [
  ['P-256', 'sha256', 32],
  ['P-256', 'sha384', 32],
  ['P-384', 'sha256', 48],
  ['P-384', 'sha384', 48],
] as const;
const ORDERS = {
  'P-256': 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  'P-384': 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
} as const;

/** Both back-ends and the public face, which must agree. */
function verifyEverywhere(request: EcdsaVerification): boolean {
  const answers = [verifyEcdsa(request), ...BACKENDS.map((backend) => backend.verifyEcdsa(request))];
  expect(new Set(answers).size).toBe(1);
  return verifyEcdsa(request);
}

describe('RFC 6979 appendix A.2, message "sample"', () => {
  const p256Key = 'c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721';
  const p384Key = '6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5';
  test.each([
    [
      'P-256',
      'sha256',
      p256Key,
      'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716',
      'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
    ],
    [
      'P-256',
      'sha384',
      p256Key,
      '0eafea039b20e9b42309fb1d89e213057cbf973dc0cfc8f129edddc800ef7719',
      '4861f0491e6998b9455193e34e7b0d284ddd7149a74b95b9261f13abde940954',
    ],
    [
      'P-384',
      'sha256',
      p384Key,
      '21b13d1e013c7fa1392d03c5f99af8b30c570c6f98d4ea8e354b63a21d3daa33bde1e888e63355d92fa2b3c36d8fb2cd',
      'f3aa443fb107745bf4bd77cb3891674632068a10ca67e3d45db2266fa7d1feebefdc63eccd1ac42ec0cb8668a4fa0ab0',
    ],
    [
      'P-384',
      'sha384',
      p384Key,
      '94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46',
      '99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8',
    ],
  ] as const)('%s with %s', (curve, hash, secretKeyHex, r, s) => {
    const secretKey = fromHex(secretKeyHex);
    const message = utf8('sample');
    const signature = signEcdsa({ curve, hash, secretKey, message });
    expect(toHex(signature)).toBe(r + s);
    expect(verifyEverywhere({ curve, hash, publicKey: ecdsaPublicKey(curve, secretKey), message, signature })).toBe(
      true,
    );
  });
});

describe('verifyEcdsa', () => {
  test.each(SHAPES)(
    '%s with %s: both back-ends agree on signatures of node and ours, high and low s',
    (curve, hash, size) => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
      const point = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }).subarray(-(2 * size + 1)));
      const n = BigInt(`0x${ORDERS[curve]}`);
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(8 * 2 * size - 1), (message, bit) => {
          const signature = Uint8Array.from(sign(hash, message, { key: privateKey, dsaEncoding: 'ieee-p1363' }));
          const request = { curve, hash, publicKey: point, message, signature };
          expect(verifyEverywhere(request)).toBe(true);
          const s = BigInt(`0x${toHex(signature.subarray(size))}`);
          const otherS = fromHex((n - s).toString(16).padStart(2 * size, '0'));
          expect(verifyEverywhere({ ...request, signature: concatBytes(signature.subarray(0, size), otherS) })).toBe(
            true,
          );
          const flipped = Uint8Array.from(signature);
          flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          expect(verifyEverywhere({ ...request, signature: flipped })).toBe(false);
          expect(verifyEverywhere({ ...request, message: concatBytes(message, utf8('x')) })).toBe(false);
        }),
        { numRuns: 20 },
      );
    },
  );

  test.each(SHAPES)('%s with %s: worst requests', (curve, hash, size) => {
    const secretKey = new Uint8Array(size).fill(1);
    const publicKey = ecdsaPublicKey(curve, secretKey);
    const message = utf8('m');
    const signature = signEcdsa({ curve, hash, secretKey, message });
    const good: EcdsaVerification = { curve, hash, publicKey, message, signature };
    expect(verifyEcdsa(good)).toBe(true);
    const [r, s] = [signature.subarray(0, size), signature.subarray(size)];
    const zero = new Uint8Array(size);
    const n = fromHex(ORDERS[curve]);
    const most = new Uint8Array(size).fill(0xff);
    for (const bad of [zero, n, most]) {
      expect(verifyEverywhere({ ...good, signature: concatBytes(bad, s) })).toBe(false);
      expect(verifyEverywhere({ ...good, signature: concatBytes(r, bad) })).toBe(false);
      expect(verifyEverywhere({ ...good, signature: concatBytes(bad, bad) })).toBe(false);
    }
    const offCurve = Uint8Array.from(publicKey);
    offCurve[2 * size] = (offCurve[2 * size] ?? 0) ^ 1;
    const infinity = concatBytes(Uint8Array.of(4), zero, zero);
    const beyondField = concatBytes(Uint8Array.of(4), most, most);
    for (const bad of [offCurve, infinity, beyondField])
      expect(verifyEverywhere({ ...good, publicKey: bad })).toBe(false);
    const compressed = concatBytes(
      Uint8Array.of(2 + ((publicKey[2 * size] ?? 0) & 1)),
      publicKey.subarray(1, size + 1),
    );
    const hybrid = concatBytes(Uint8Array.of(6 + ((publicKey[2 * size] ?? 0) & 1)), publicKey.subarray(1));
    for (const bad of [compressed, hybrid, zero.subarray(0, 0), concatBytes(publicKey, zero)]) {
      expect(verifyEcdsa({ ...good, publicKey: bad })).toBe(false);
    }
    for (const bad of [
      zero.subarray(0, 0),
      r,
      concatBytes(signature, zero),
      concatBytes(Uint8Array.of(0), signature),
    ]) {
      expect(verifyEcdsa({ ...good, signature: bad })).toBe(false);
    }
  });

  test('a key of the other curve, a hash of the other size', () => {
    const secretKey = new Uint8Array(32).fill(1);
    const message = utf8('m');
    const signature = signEcdsa({ curve: 'P-256', hash: 'sha256', secretKey, message });
    const publicKey = ecdsaPublicKey('P-256', secretKey);
    expect(verifyEcdsa({ curve: 'P-384', hash: 'sha256', publicKey, message, signature })).toBe(false);
    expect(verifyEverywhere({ curve: 'P-256', hash: 'sha384', publicKey, message, signature })).toBe(false);
  });
});

test('secret keys outside 1..n-1 or of another length are bugs', () => {
  for (const bad of [new Uint8Array(32), fromHex(ORDERS['P-256']), new Uint8Array(31).fill(1)]) {
    expect(() => ecdsaPublicKey('P-256', bad)).toThrow(CryptoAssertion);
    expect(() => signEcdsa({ curve: 'P-256', hash: 'sha256', secretKey: bad, message: bad })).toThrow(CryptoAssertion);
  }
});
