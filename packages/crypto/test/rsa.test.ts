import { constants, generateKeyPairSync, generatePrimeSync, type KeyObject, sign } from 'node:crypto';
import { CryptoAssertion, concatBytes, utf8 } from '@cloister/encoding';
import { describe, expect, test } from 'vitest';
import type { Backend, RsaPssVerification } from '../src/backends/backend.ts';
import { backend as nobleBackend } from '../src/backends/backend-noble.ts';
import { backend as nodeBackend } from '../src/backends/backend-node.ts';
import { integerFromBytes, integerToBytes } from '../src/backends/rsa-bigint.ts';
import { SeededRandom, signRsaPss, verifyRsaPss } from '../src/index.ts';

const BACKENDS: readonly Backend[] = [nodeBackend, nobleBackend];
const SALT_LENGTHS = { sha256: 32, sha384: 48 } as const;

interface RsaKey {
  readonly privateKey: KeyObject;
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
  readonly primes: readonly [Uint8Array, Uint8Array];
}

function rsaKey(modulusLength: number, publicExponent = 65537): RsaKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
  const { n = '', e = '', p = '', q = '' } = privateKey.export({ format: 'jwk' });
  const decode = (text: string) => Uint8Array.from(Buffer.from(text, 'base64url'));
  return { privateKey, modulus: decode(n), exponent: decode(e), primes: [decode(p), decode(q)] };
}

function verifyEverywhere(request: RsaPssVerification): boolean {
  const answers = [verifyRsaPss(request), ...BACKENDS.map((backend) => backend.verifyRsaPss(request))];
  expect(new Set(answers).size).toBe(1);
  return verifyRsaPss(request);
}

const key2048 = rsaKey(2048);
const message = utf8('certificate');

describe('verifyRsaPss', () => {
  test.each([
    [2048, 65537],
    [2049, 65537],
    [2055, 3],
    [2056, 17],
    [3072, 65537],
  ])(
    '%i bits, exponent %i: node signs, both back-ends verify; and the other way round',
    (bits, publicExponent) => {
      const key = rsaKey(bits, publicExponent);
      const random = new SeededRandom(`rsa ${bits}`);
      for (const hash of ['sha256', 'sha384'] as const) {
        for (const saltLength of [0, 20, SALT_LENGTHS[hash]]) {
          const padding = constants.RSA_PKCS1_PSS_PADDING;
          const byNode = Uint8Array.from(sign(hash, message, { key: key.privateKey, padding, saltLength }));
          const byUs = signRsaPss({ ...key, hash, saltLength, salt: random.bytes(saltLength), message });
          for (const signature of [byNode, byUs]) {
            const request: RsaPssVerification = { ...key, hash, saltLength, message, signature };
            expect(verifyEverywhere(request)).toBe(true);
            expect(verifyEverywhere({ ...request, message: utf8('other') })).toBe(false);
            expect(verifyEverywhere({ ...request, saltLength: saltLength + 1 })).toBe(false);
            expect(verifyEverywhere({ ...request, hash: hash === 'sha256' ? 'sha384' : 'sha256' })).toBe(false);
            const flipped = Uint8Array.from(signature);
            const bit = random.below(8 * flipped.length);
            flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
            expect(verifyEverywhere({ ...request, signature: flipped })).toBe(false);
          }
        }
      }
    },
    60_000,
  );

  test('the largest modulus and a 64-bit exponent', () => {
    const exponent = 0xffff_ffff_ffff_ffc5n;
    for (;;) {
      const p = generatePrimeSync(1024, { bigint: true });
      const q = generatePrimeSync(1024, { bigint: true });
      if (!isCoprime(exponent, (p - 1n) * (q - 1n)) || p * q < 2n ** 2047n) continue;
      const key = {
        modulus: integerToBytes(p * q, 256),
        exponent: integerToBytes(exponent, 8),
        primes: [integerToBytes(p, 128), integerToBytes(q, 128)],
      } as const;
      const signature = signRsaPss({ ...key, hash: 'sha256', saltLength: 0, salt: new Uint8Array(0), message });
      expect(verifyEverywhere({ ...key, hash: 'sha256', saltLength: 0, message, signature })).toBe(true);
      break;
    }
    const modulus = new Uint8Array(1024).fill(0xff);
    const signature = new Uint8Array(1024).fill(0x7f);
    const request = {
      modulus,
      exponent: integerToBytes(exponent, 8),
      hash: 'sha384',
      saltLength: 48,
      message,
      signature,
    };
    expect(verifyEverywhere(request as RsaPssVerification)).toBe(false);
  });

  test('extreme signatures', () => {
    const n = integerFromBytes(key2048.modulus);
    for (const value of [0n, 1n, 2n, n - 1n, n, n + 1n, 2n ** 2048n - 1n]) {
      const signature = integerToBytes(value, 256);
      expect(verifyEverywhere({ ...key2048, hash: 'sha384', saltLength: 48, message, signature })).toBe(false);
    }
    const good = signRsaPss({ ...key2048, hash: 'sha384', saltLength: 48, salt: new Uint8Array(48), message });
    const beyond = integerFromBytes(good) + n;
    if (beyond < 2n ** 2048n) {
      const signature = integerToBytes(beyond, 256);
      expect(verifyEverywhere({ ...key2048, hash: 'sha384', saltLength: 48, message, signature })).toBe(false);
    }
  });

  test('bounds on the key, the salt and the lengths; leading zeros of integers do not matter', () => {
    const salt = new Uint8Array(48);
    const signature = signRsaPss({ ...key2048, hash: 'sha384', saltLength: 48, salt, message });
    const { modulus, exponent } = key2048;
    const good: RsaPssVerification = { modulus, exponent, hash: 'sha384', saltLength: 48, message, signature };
    const padded = concatBytes(Uint8Array.of(0, 0), modulus);
    expect(verifyRsaPss({ ...good, modulus: padded, exponent: concatBytes(Uint8Array.of(0), exponent) })).toBe(true);
    const even = Uint8Array.from(modulus);
    even[255] = (even[255] ?? 0) & 0xfe;
    const worse: Partial<RsaPssVerification>[] = [
      { modulus: new Uint8Array(0) },
      { modulus: new Uint8Array(256) },
      { modulus: even },
      { modulus: concatBytes(Uint8Array.of(0x7f), modulus.subarray(1)) },
      {
        modulus: concatBytes(Uint8Array.of(1), new Uint8Array(1023), Uint8Array.of(1)),
        signature: new Uint8Array(1025),
      },
      { exponent: new Uint8Array(0) },
      { exponent: Uint8Array.of(0) },
      { exponent: Uint8Array.of(1) },
      { exponent: Uint8Array.of(2) },
      { exponent: concatBytes(Uint8Array.of(1), new Uint8Array(7), Uint8Array.of(1)) },
      { signature: new Uint8Array(0) },
      { signature: signature.subarray(1) },
      { signature: concatBytes(Uint8Array.of(0), signature) },
      { saltLength: -1 },
      { saltLength: -2 },
      { saltLength: 0.5 },
      { saltLength: Number.NaN },
      { saltLength: 207 },
      { saltLength: 2 ** 40 },
    ];
    for (const change of worse) expect(verifyRsaPss({ ...good, ...change }), JSON.stringify(change)).toBe(false);
  });
});

describe('signRsaPss', () => {
  test('is deterministic in the salt', () => {
    const request = { ...key2048, hash: 'sha256', saltLength: 32, message } as const;
    const signatures = [1, 1, 2].map((byte) => signRsaPss({ ...request, salt: new Uint8Array(32).fill(byte) }));
    expect(signatures[0]).toEqual(signatures[1]);
    expect(signatures[0]).not.toEqual(signatures[2]);
  });

  test('gives the bytes that OpenSSL gives, whichever prime comes first', () => {
    const [p, q] = key2048.primes;
    const request = { ...key2048, hash: 'sha256', saltLength: 0, salt: new Uint8Array(0), message } as const;
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    const byNode = Uint8Array.from(sign('sha256', message, { key: key2048.privateKey, padding, saltLength: 0 }));
    expect(signRsaPss(request)).toEqual(byNode);
    expect(signRsaPss({ ...request, primes: [q, p] })).toEqual(byNode);
  });

  test('a salt of another length or too long, and numbers that are no key, are bugs', () => {
    const request = { ...key2048, hash: 'sha256', saltLength: 32, salt: new Uint8Array(32), message } as const;
    expect(() => signRsaPss({ ...request, saltLength: 31 })).toThrow(CryptoAssertion);
    expect(() => signRsaPss({ ...request, saltLength: 223, salt: new Uint8Array(223) })).toThrow(CryptoAssertion);
    const [p] = key2048.primes;
    const composite = integerToBytes((integerFromBytes(p) - 2n) * 3n, 129);
    expect(() => signRsaPss({ ...request, primes: [p, composite] })).toThrow(CryptoAssertion);
    expect(() => signRsaPss({ ...request, primes: [p, p] })).toThrow('the exponent has no inverse');
    expect(() => signRsaPss({ ...request, exponent: Uint8Array.of(4) })).toThrow('the exponent has no inverse');
  });
});

function isCoprime(a: bigint, b: bigint): boolean {
  return b === 0n ? a === 1n : isCoprime(b, a % b);
}
