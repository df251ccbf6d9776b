/**
 * Primitives from noble, for browsers and other runtimes without node:crypto; RSA in BigInt, as noble has none.
 */

import { concatBytes, equalBytes, toHex } from '@cloister/encoding';
import { gcm } from '@noble/ciphers/aes.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { verifyEd25519Zip215 } from '../signatures/ed25519-zip215.ts';
import type { Backend } from './backend.ts';
import { nobleEcdsa } from './noble-ecdsa.ts';
import { rsaPssVerify } from './rsa-bigint.ts';

const NOBLE_HASHES = { sha256, sha384 } as const;

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);
}

function ed25519VerifyExact(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    const R = signature.subarray(0, 32);
    const s = littleEndian(signature.subarray(32));
    const k = littleEndian(sha512(concatBytes(R, publicKey, message))) % ed25519.Point.Fn.ORDER;
    const negated = ed25519.Point.fromBytes(publicKey, false).negate();
    const expected = ed25519.Point.BASE.multiplyUnsafe(s).add(negated.multiplyUnsafe(k));
    return equalBytes(expected.toBytes(), R);
  } catch {
    return false;
  }
}

export const backend: Backend = {
  name: 'noble',
  sha256,
  sha384,
  sha512,
  sha256Hex: (data) => toHex(sha256(data)),
  sha256Stream() {
    const stream = sha256.create();
    return { update: (data) => void stream.update(data), digest: () => stream.digest() };
  },
  hmacSha256: (key, data) => hmac(sha256, key, data),
  ed25519Signer(seed) {
    const secretKey = Uint8Array.from(seed);
    return { publicKey: ed25519.getPublicKey(secretKey), sign: (message) => ed25519.sign(message, secretKey) };
  },
  ed25519Verify: verifyEd25519Zip215,
  ed25519VerifyExact,
  ed25519IsPrimeOrder(publicKey) {
    try {
      const point = ed25519.Point.fromBytes(publicKey, false);
      return !point.isSmallOrder() && point.isTorsionFree();
    } catch {
      return false;
    }
  },
  aesGcmSeal: (key, nonce, aad, plaintext) => gcm(key, nonce, aad).encrypt(plaintext),
  aesGcmOpen(key, nonce, aad, sealed) {
    try {
      return gcm(key, nonce, aad).decrypt(sealed);
    } catch {
      return undefined;
    }
  },
  verifyEcdsa({ curve, hash, publicKey, message, signature }) {
    try {
      return nobleEcdsa(curve, hash).verify(signature, message, publicKey, { lowS: false });
    } catch {
      return false;
    }
  },
  verifyRsaPss: (request) => rsaPssVerify(request, NOBLE_HASHES[request.hash]),
};
