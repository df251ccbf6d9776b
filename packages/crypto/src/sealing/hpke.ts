/**
 * HPKE, base mode, one shot (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
 *
 * Asynchronous, as it runs on WebCrypto; the ephemeral key comes from the caller's seed, so that a client draws its
 * randomness in one place and a simulation can repeat a run. A seed must never be used for two plaintexts.
 */

import { assertContract, concatBytes, fromHex, toHex, utf8 } from '@cloister/encoding';
import {
  Aes256Gcm,
  CipherSuite,
  DecapError,
  DeserializeError,
  DhkemX25519HkdfSha256,
  HkdfSha256,
  OpenError,
} from '@hpke/core';
import { x25519 } from '@noble/curves/ed25519.js';
import { hkdfExpandSha256, hmacSha256 } from '../digests.ts';

const KEY_BYTES = 32;
const TAG_BYTES = 16;
/** Bytes of a 32-byte key under HPKE. */
export const HPKE_SEALED_KEY_BYTES: number = KEY_BYTES + TAG_BYTES;
const suite: CipherSuite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

/** "HPKE-v1" ‖ suite_id, where suite_id = "KEM" ‖ 0x0020 (RFC 9180 sections 4 and 4.1). */
const KEM_LABEL_PREFIX: Uint8Array = concatBytes(utf8('HPKE-v1KEM'), fromHex('0020'));

/**
 * u-coordinates of small order on the curve and its twist, little-endian in hex with the ignored top bit cleared,
 * non-canonical forms included (RFC 7748 section 6.1): a shared secret with one of them is all zeros.
 */
const LOW_ORDER_POINTS: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]);

export interface X25519KeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** DeriveKeyPair (RFC 9180 section 7.1.3) of a 32-byte secret seed; both keys have 32 bytes. */
export function x25519KeyPair(seed: Uint8Array): X25519KeyPair {
  assertContract(seed.length === KEY_BYTES, 'an X25519 seed has 32 bytes');
  const prk = hmacSha256(new Uint8Array(0), concatBytes(KEM_LABEL_PREFIX, utf8('dkp_prk'), seed));
  const secretKey = hkdfExpandSha256(prk, concatBytes(fromHex('0020'), KEM_LABEL_PREFIX, utf8('sk')), KEY_BYTES);
  return { publicKey: x25519.getPublicKey(secretKey), secretKey };
}

/** Whether a public key has 32 bytes and is not of small order. Any other 32 bytes are a point (RFC 7748). */
export function isAcceptableX25519Key(publicKey: Uint8Array): boolean {
  if (publicKey.length !== KEY_BYTES) return false;
  const masked = Uint8Array.from(publicKey);
  masked[KEY_BYTES - 1] = (masked[KEY_BYTES - 1] ?? 0) & 0x7f;
  return !LOW_ORDER_POINTS.has(toHex(masked));
}

/**
 * Seals to a recipient. `ephemeralSeed` is 32 secret random bytes, used once. Rejects with `CryptoAssertion` when the
 * key is not acceptable (ask `isAcceptableX25519Key` first when it comes from outside) or the seed has another length.
 */
export async function hpkeSeal(request: {
  readonly recipientPublicKey: Uint8Array;
  readonly info: Uint8Array;
  readonly aad: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly ephemeralSeed: Uint8Array;
}): Promise<{ readonly enc: Uint8Array; readonly ciphertext: Uint8Array }> {
  assertContract(isAcceptableX25519Key(request.recipientPublicKey), 'HPKE: unacceptable recipient key');
  assertContract(request.ephemeralSeed.length === KEY_BYTES, 'HPKE: an ephemeral seed has 32 bytes');
  const recipientPublicKey = await suite.kem.deserializePublicKey(request.recipientPublicKey);
  const parameters = { recipientPublicKey, info: request.info, ekm: request.ephemeralSeed };
  const { enc, ct } = await suite.seal(parameters, request.plaintext, request.aad);
  return { enc: new Uint8Array(enc), ciphertext: new Uint8Array(ct) };
}

/** The plaintext, or undefined when `enc` and `ciphertext` were not made for this key, info and associated data. */
export async function hpkeOpen(request: {
  readonly recipientSecretKey: Uint8Array;
  readonly enc: Uint8Array;
  readonly info: Uint8Array;
  readonly aad: Uint8Array;
  readonly ciphertext: Uint8Array;
}): Promise<Uint8Array | undefined> {
  assertContract(request.recipientSecretKey.length === KEY_BYTES, 'HPKE: a secret key has 32 bytes');
  if (!isAcceptableX25519Key(request.enc) || request.ciphertext.length < TAG_BYTES) return undefined;
  const recipientKey = await suite.kem.deserializePrivateKey(request.recipientSecretKey);
  try {
    const parameters = { recipientKey, enc: request.enc, info: request.info };
    return new Uint8Array(await suite.open(parameters, request.ciphertext, request.aad));
  } catch (error) {
    if (error instanceof OpenError || error instanceof DecapError || error instanceof DeserializeError)
      return undefined;
    throw error;
  }
}
