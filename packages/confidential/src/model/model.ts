/**
 * Sealed models and the grant of their keys.
 *
 * File: magic, length of the ONNX file u64, salted ONNX digest 32, then chunks of 64 KiB of plaintext under AES-256-GCM.
 * The chunk key is derived from the model's key and the salted digest, so two files under one key never share a (key,
 * nonce) pair; the nonce is the chunk's index, and index, last flag, length and digest are associated data, so no chunk
 * can be moved, dropped or added. Chunks open one by one: a transfer can be resumed and checked as it comes.
 */
import { aesGcmSeal, hash, hpkeOpen, hpkeSeal, isAcceptableX25519Key } from '@cloister/crypto';
import {
  assert,
  ByteWriter,
  concatBytes,
  type Digest,
  digestToBytes,
  fail,
  ok,
  type Result,
  utf8,
} from '@cloister/encoding';
import { contentDigest, deriveKey } from '../receipt/commitments.ts';
import { AEAD_TAG_BYTES } from '../request/padding.ts';
import { hpkeInfo } from '../request/request-context.ts';
import { MODEL_CIPHERTEXT_BYTES_MAX } from './model-manifest.ts';

export const MODEL_KEY_BYTES = 32;
export const MODEL_CHUNK_BYTES: number = 64 * 1024;
export const MODEL_MAGIC: Uint8Array = utf8('CLOISTER/MODEL/1\0');
export const MODEL_HEADER_BYTES: number = MODEL_MAGIC.length + 8 + 32;

/** What the manifest says of a sealed model, and the sealed model. */
export interface SealedModel {
  readonly ciphertext: Uint8Array;
  readonly ciphertextDigest: Digest;
  /** Bytes of `ciphertext`. */
  readonly size: number;
  readonly onnxDigest: Digest;
  readonly keyCommitment: Digest;
}

/** Commitment to a model's key of 32 bytes. */
export function modelKeyCommitment(modelKey: Uint8Array): Digest {
  assert(modelKey.length === MODEL_KEY_BYTES, 'a model key has 32 bytes');
  return hash('cloister/model-key-commit/v1', modelKey);
}

/** Digest of the ONNX file under a salt that only holders of the key know, so that nobody else can guess the file. */
export function saltedOnnxDigest(modelKey: Uint8Array, onnx: Uint8Array): Digest {
  return saltDigest(modelKey, digestToBytes(contentDigest(onnx)));
}

/** As `saltedOnnxDigest`, from the SHA-256 of the file. */
export function saltDigest(modelKey: Uint8Array, onnxSha256: Uint8Array): Digest {
  const salt = deriveKey(modelKey, utf8('cloister/onnx-salt/v1'));
  return hash('cloister/onnx/v1', salt, onnxSha256);
}

export function chunkKey(modelKey: Uint8Array, onnxDigest: Digest): Uint8Array {
  return deriveKey(modelKey, concatBytes(utf8('cloister/model-chunks/v1'), digestToBytes(onnxDigest)));
}

export function chunkNonce(index: number): Uint8Array {
  return new ByteWriter(12).u32(0).u64(index).finish();
}

export function chunkAad(onnxDigest: Digest, length: number, index: number, last: boolean): Uint8Array {
  const writer = new ByteWriter().str('cloister/model-chunk/v1').digest(onnxDigest).u64(length);
  return writer
    .u64(index)
    .u8(last ? 1 : 0)
    .finish();
}

export function chunkCount(length: number): number {
  return Math.max(1, Math.ceil(length / MODEL_CHUNK_BYTES));
}

/** Bytes of the sealed form of a file of `length` bytes. */
export function sealedLength(length: number): number {
  return MODEL_HEADER_BYTES + length + chunkCount(length) * AEAD_TAG_BYTES;
}

/** Largest ONNX file: what the largest sealed model holds beside its header and the tags of its chunks. */
export const MODEL_BYTES_MAX: number =
  MODEL_CIPHERTEXT_BYTES_MAX -
  MODEL_HEADER_BYTES -
  AEAD_TAG_BYTES * Math.ceil((MODEL_CIPHERTEXT_BYTES_MAX - MODEL_HEADER_BYTES) / (MODEL_CHUNK_BYTES + AEAD_TAG_BYTES));

/** Whether a file of `onnxBytes` can be sealed. */
export function isModelSize(onnxBytes: number): boolean {
  return onnxBytes > 0 && onnxBytes <= MODEL_BYTES_MAX;
}

/** Seals an ONNX file under a fresh random key of 32 bytes. A file that `isModelSize` refuses is a bug of the caller. */
export function sealModel(onnx: Uint8Array, modelKey: Uint8Array): SealedModel {
  assert(isModelSize(onnx.length), 'sealModel: empty or too large');
  const onnxDigest = saltedOnnxDigest(modelKey, onnx);
  const key = chunkKey(modelKey, onnxDigest);
  const ciphertext = new Uint8Array(sealedLength(onnx.length));
  ciphertext.set(new ByteWriter(MODEL_HEADER_BYTES).fixed(MODEL_MAGIC).u64(onnx.length).digest(onnxDigest).finish());
  const chunks = chunkCount(onnx.length);
  let at = MODEL_HEADER_BYTES;
  for (let index = 0; index < chunks; index++) {
    const chunk = onnx.subarray(index * MODEL_CHUNK_BYTES, (index + 1) * MODEL_CHUNK_BYTES);
    const aad = chunkAad(onnxDigest, onnx.length, index, index === chunks - 1);
    const sealed = aesGcmSeal(key, chunkNonce(index), aad, chunk);
    ciphertext.set(sealed, at);
    at += sealed.length;
  }
  const keyCommitment = modelKeyCommitment(modelKey);
  return {
    ciphertext,
    ciphertextDigest: contentDigest(ciphertext),
    size: ciphertext.length,
    onnxDigest,
    keyCommitment,
  };
}

/** A model's key, sealed to one attested enclave. */
export interface SealedModelKey {
  /** HPKE encapsulated key, 32 bytes. */
  readonly enc: Uint8Array;
  /** The key under HPKE, 48 bytes. */
  readonly sealedKey: Uint8Array;
}

function modelKeyInfo(chainId: Digest, keyset: Digest): Uint8Array {
  return hpkeInfo('cloister/model-key/v1', chainId, keyset);
}

/** Seals a model's key to an enclave whose evidence has been verified. `ephemeralSeed`: 32 random bytes, used once. */
export async function sealModelKey(grant: {
  readonly modelKey: Uint8Array;
  readonly modelId: Digest;
  readonly chainId: Digest;
  readonly keyset: Digest;
  readonly hpkeKey: Uint8Array;
  readonly ephemeralSeed: Uint8Array;
}): Promise<Result<SealedModelKey, 'EXECUTOR_KEY_UNACCEPTABLE'>> {
  assert(grant.modelKey.length === MODEL_KEY_BYTES, 'a model key has 32 bytes');
  if (!isAcceptableX25519Key(grant.hpkeKey)) return fail('EXECUTOR_KEY_UNACCEPTABLE');
  const { enc, ciphertext } = await hpkeSeal({
    recipientPublicKey: grant.hpkeKey,
    info: modelKeyInfo(grant.chainId, grant.keyset),
    aad: digestToBytes(grant.modelId),
    plaintext: grant.modelKey,
    ephemeralSeed: grant.ephemeralSeed,
  });
  return ok({ enc, sealedKey: ciphertext });
}

/** Opens a granted key inside the enclave and checks it against the manifest's commitment. */
export async function openModelKey(grant: {
  readonly enc: Uint8Array;
  readonly sealedKey: Uint8Array;
  readonly modelId: Digest;
  readonly keyCommitment: Digest;
  readonly chainId: Digest;
  readonly keyset: Digest;
  readonly hpkeSecretKey: Uint8Array;
}): Promise<Result<Uint8Array, 'MODEL_KEY_NOT_OPENED' | 'KEY_COMMITMENT_MISMATCH'>> {
  const modelKey = await hpkeOpen({
    recipientSecretKey: grant.hpkeSecretKey,
    enc: grant.enc,
    info: modelKeyInfo(grant.chainId, grant.keyset),
    aad: digestToBytes(grant.modelId),
    ciphertext: grant.sealedKey,
  });
  if (modelKey?.length !== MODEL_KEY_BYTES) return fail('MODEL_KEY_NOT_OPENED');
  return modelKeyCommitment(modelKey) === grant.keyCommitment ? ok(modelKey) : fail('KEY_COMMITMENT_MISMATCH');
}
