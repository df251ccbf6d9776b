import { CryptoAssertion, concatBytes, fromHex, toHex, utf8 } from '@cloister/encoding';
import { x25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backend as nobleBackend } from '../src/backends/backend-noble.ts';
import { backend as nodeBackend } from '../src/backends/backend-node.ts';
import { aesGcmOpen, aesGcmSeal, hpkeOpen, hpkeSeal, isAcceptableX25519Key, x25519KeyPair } from '../src/index.ts';

const NOTHING = new Uint8Array(0);

/** u-coordinates of small order, the non-canonical ones included, without the top bit. */
const LOW_ORDER: readonly string[] = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
];

describe('HPKE', () => {
  // Base-mode vector of RFC 9180's test-vectors.json for kem 0x0020, kdf 0x0001, aead 0x0002, sequence number 0.
  const vector = {
    ikmE: fromHex('2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9'),
    ikmR: fromHex('dac33b0e9db1b59dbbea58d59a14e7b5896e9bdf98fad6891e99d1686492b9ee'),
    skRm: '497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d',
    pkRm: '430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c',
    enc: '6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256',
    info: fromHex('4f6465206f6e2061204772656369616e2055726e'),
    plaintext: utf8('Beauty is truth, truth beauty'),
    aad: utf8('Count-0'),
    ciphertext: 'e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a',
  };
  const recipient = x25519KeyPair(vector.ikmR);

  test('RFC 9180: DeriveKeyPair, seal and open', async () => {
    expect(toHex(recipient.secretKey)).toBe(vector.skRm);
    expect(toHex(recipient.publicKey)).toBe(vector.pkRm);
    const { info, aad, plaintext } = vector;
    const ephemeralSeed = vector.ikmE;
    const sealed = await hpkeSeal({ recipientPublicKey: recipient.publicKey, info, aad, plaintext, ephemeralSeed });
    expect(toHex(sealed.enc)).toBe(vector.enc);
    expect(toHex(sealed.ciphertext)).toBe(vector.ciphertext);
    expect(await hpkeOpen({ recipientSecretKey: recipient.secretKey, info, aad, ...sealed })).toEqual(plaintext);
  });

  test('any change of key, enc, info, aad or ciphertext opens to undefined', async () => {
    const info = utf8('info');
    const aad = utf8('aad');
    const good = {
      recipientSecretKey: recipient.secretKey,
      info,
      aad,
      ...(await hpkeSeal({
        recipientPublicKey: recipient.publicKey,
        info,
        aad,
        plaintext: NOTHING,
        ephemeralSeed: vector.ikmE,
      })),
    };
    expect(await hpkeOpen(good)).toEqual(NOTHING);
    const other = x25519KeyPair(new Uint8Array(32));
    const worse: Partial<typeof good>[] = [
      { recipientSecretKey: other.secretKey },
      { enc: other.publicKey },
      { enc: NOTHING },
      { enc: concatBytes(good.enc, NOTHING, Uint8Array.of(0)) },
      { info: utf8('inf0') },
      { aad: NOTHING },
      { ciphertext: NOTHING },
      { ciphertext: new Uint8Array(15) },
      { ciphertext: new Uint8Array(16) },
      { ciphertext: concatBytes(good.ciphertext, Uint8Array.of(0)) },
      ...LOW_ORDER.map((point) => ({ enc: fromHex(point) })),
    ];
    for (const change of worse) expect(await hpkeOpen({ ...good, ...change })).toBeUndefined();
    await expect(hpkeOpen({ ...good, recipientSecretKey: NOTHING })).rejects.toThrow(CryptoAssertion);
  });

  test('recipient keys of low order are refused, with and without the top bit', async () => {
    for (const point of LOW_ORDER) {
      const key = fromHex(point);
      expect(() => x25519.getSharedSecret(recipient.secretKey, key)).toThrow();
      const topBitSet = Uint8Array.from(key);
      topBitSet[31] = (topBitSet[31] ?? 0) | 0x80;
      for (const recipientPublicKey of [key, topBitSet]) {
        expect(isAcceptableX25519Key(recipientPublicKey)).toBe(false);
        await expect(
          hpkeSeal({ recipientPublicKey, info: NOTHING, aad: NOTHING, plaintext: NOTHING, ephemeralSeed: vector.ikmE }),
        ).rejects.toThrow(CryptoAssertion);
      }
    }
    expect(isAcceptableX25519Key(recipient.publicKey)).toBe(true);
    expect(isAcceptableX25519Key(recipient.publicKey.subarray(1))).toBe(false);
    expect(() => x25519KeyPair(NOTHING)).toThrow(CryptoAssertion);
  });

  test('concurrent uses do not disturb one another', async () => {
    const messages = Array.from({ length: 20 }, (_, i) => new Uint8Array(100 * i).fill(i));
    const opened = await Promise.all(
      messages.map(async (plaintext, i) => {
        const ephemeralSeed = new Uint8Array(32).fill(i);
        const info = Uint8Array.of(i);
        const recipientPublicKey = recipient.publicKey;
        const sealed = await hpkeSeal({ recipientPublicKey, info, aad: info, plaintext, ephemeralSeed });
        return hpkeOpen({ recipientSecretKey: recipient.secretKey, info, aad: info, ...sealed });
      }),
    );
    expect(opened).toEqual(messages);
  });
});

describe('AES-256-GCM', () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
  const text = fc.uint8Array({ maxLength: 100 });

  test('the all-zero vector of the GCM specification (test case 14)', () => {
    expect(toHex(aesGcmSeal(new Uint8Array(32), new Uint8Array(12), NOTHING, new Uint8Array(16)))).toBe(
      'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    );
  });

  test('both back-ends seal alike and open one another; any flipped bit is refused', () => {
    fc.assert(
      fc.property(key, nonce, text, text, fc.nat(), (k, n, aad, plaintext, flip) => {
        const sealed = aesGcmSeal(k, n, aad, plaintext);
        expect(nobleBackend.aesGcmSeal(k, n, aad, plaintext)).toEqual(sealed);
        const flipped = Uint8Array.from(sealed);
        const bit = flip % (8 * sealed.length);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        for (const backend of [nodeBackend, nobleBackend]) {
          expect(backend.aesGcmOpen(k, n, aad, sealed)).toEqual(plaintext);
          expect(backend.aesGcmOpen(k, n, aad, flipped)).toBeUndefined();
          expect(backend.aesGcmOpen(k, n, concatBytes(aad, Uint8Array.of(0)), sealed)).toBeUndefined();
        }
      }),
    );
  });

  test('short and misshapen input', () => {
    const k = new Uint8Array(32);
    const n = new Uint8Array(12);
    for (const length of [0, 1, 15, 16]) expect(aesGcmOpen(k, n, NOTHING, new Uint8Array(length))).toBeUndefined();
    expect(() => aesGcmSeal(k.subarray(1), n, NOTHING, NOTHING)).toThrow(CryptoAssertion);
    expect(() => aesGcmOpen(k, k, NOTHING, NOTHING)).toThrow(CryptoAssertion);
  });
});
