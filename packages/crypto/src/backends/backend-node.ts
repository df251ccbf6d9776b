/**
 * Primitives from node:crypto, for the server.
 *
 * Results are plain `Uint8Array`s, never `Buffer`s: a Buffer's `slice` aliases and its JSON form differs.
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash as digestOnce,
  type KeyObject,
  sign as signOnce,
  verify as verifyOnce,
} from 'node:crypto';
import { concatBytes, equalBytes, fromHex } from '@cloister/encoding';
import { montgomeryU, SUBGROUP_SCALAR } from '../signatures/ed25519-subgroup.ts';
import { verifyEd25519Zip215 } from '../signatures/ed25519-zip215.ts';
import { KeyCache } from '../signatures/key-cache.ts';
import type { Backend, EcdsaVerification, Ed25519Signer, RsaPssVerification } from './backend.ts';

const ED25519_SPKI_PREFIX: Uint8Array = fromHex('302a300506032b6570032100');
const ED25519_PKCS8_PREFIX: Uint8Array = fromHex('302e020100300506032b657004220420');
const X25519_SPKI_PREFIX: Uint8Array = fromHex('302a300506032b656e032100');
const X25519_PKCS8_PREFIX: Uint8Array = fromHex('302e020100300506032b656e04220420');
const ECDSA_SPKI_PREFIXES: Readonly<Record<EcdsaVerification['curve'], Uint8Array>> = {
  'P-256': fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
  'P-384': fromHex('3076301006072a8648ce3d020106052b81040022036200'),
};
const GCM_TAG_BYTES = 16;

function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** node:crypto speaks Buffer; this is a view over the same bytes. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const ed25519Keys: KeyCache<KeyObject> = new KeyCache<KeyObject>((publicKey) =>
  spkiKey(ED25519_SPKI_PREFIX, publicKey),
);

function spkiKey(prefix: Uint8Array, publicKey: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: asBuffer(concatBytes(prefix, publicKey)), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

function ed25519Signer(seed: Uint8Array): Ed25519Signer {
  const der = asBuffer(concatBytes(ED25519_PKCS8_PREFIX, seed));
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = Uint8Array.from(spki.subarray(ED25519_SPKI_PREFIX.length));
  return { publicKey, sign: (message) => plain(signOnce(null, message, privateKey)) };
}

/** OpenSSL compares the encoding of [s]B - [k]A with R. */
function ed25519VerifyExact(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = ed25519Keys.get(publicKey);
  if (key === undefined) return false;
  try {
    return verifyOnce(null, message, key, signature);
  } catch {
    return false;
  }
}

/** OpenSSL's refusals are not the rule; ZIP-215 is. */
function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return ed25519VerifyExact(publicKey, message, signature) || verifyEd25519Zip215(publicKey, message, signature);
}

const subgroupScalar: KeyObject = createPrivateKey({
  key: asBuffer(concatBytes(X25519_PKCS8_PREFIX, SUBGROUP_SCALAR)),
  format: 'der',
  type: 'pkcs8',
});

function ed25519IsPrimeOrder(bytes: Uint8Array): boolean {
  const u = montgomeryU(bytes);
  const publicKey = u === undefined ? undefined : spkiKey(X25519_SPKI_PREFIX, u);
  if (u === undefined || publicKey === undefined) return false;
  try {
    return equalBytes(diffieHellman({ privateKey: subgroupScalar, publicKey }), u);
  } catch {
    // OpenSSL refuses a result of zero.
    return false;
  }
}

function verifyEcdsa({ curve, hash, publicKey, message, signature }: EcdsaVerification): boolean {
  const key = spkiKey(ECDSA_SPKI_PREFIXES[curve], publicKey);
  if (key === undefined) return false;
  try {
    return verifyOnce(hash, message, { key, dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    return false;
  }
}

function verifyRsaPss({ modulus, exponent, hash, saltLength, message, signature }: RsaPssVerification): boolean {
  try {
    const n = asBuffer(modulus).toString('base64url');
    const e = asBuffer(exponent).toString('base64url');
    const key = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
    return verifyOnce(hash, message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
  } catch {
    return false;
  }
}

export const backend: Backend = {
  name: 'node',
  sha256: (data) => plain(digestOnce('sha256', data, 'buffer')),
  sha384: (data) => plain(digestOnce('sha384', data, 'buffer')),
  sha512: (data) => plain(digestOnce('sha512', data, 'buffer')),
  sha256Hex: (data) => digestOnce('sha256', data, 'hex'),
  sha256Stream() {
    const stream = createHash('sha256');
    return { update: (data) => void stream.update(data), digest: () => plain(stream.digest()) };
  },
  hmacSha256: (key, data) => plain(createHmac('sha256', key).update(data).digest()),
  ed25519Signer,
  ed25519Verify,
  ed25519VerifyExact,
  ed25519IsPrimeOrder,
  aesGcmSeal(key, nonce, aad, plaintext) {
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(aad);
    const body = cipher.update(plaintext);
    return concatBytes(body, cipher.final(), cipher.getAuthTag());
  },
  aesGcmOpen(key, nonce, aad, sealed) {
    const bodyLength = sealed.length - GCM_TAG_BYTES;
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: GCM_TAG_BYTES });
    decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(bodyLength));
    const body = decipher.update(sealed.subarray(0, bodyLength));
    try {
      return concatBytes(body, decipher.final());
    } catch {
      return undefined;
    }
  },
  verifyEcdsa,
  verifyRsaPss,
};
