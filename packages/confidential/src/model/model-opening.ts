/**
 * Opens a sealed model piece by piece as it arrives, so that no process holds ciphertext and plaintext at once.
 *
 * What a piece completes is given out at once. Its own tag shows that it is authentic. It must not be used before
 * `finish` has compared size and digests with the manifest.
 */
import { aesGcmOpen, type HashStream, sha256Stream } from '@cloister/crypto';
import {
  assert,
  ByteReader,
  concatBytes,
  digestFromBytes,
  equalBytes,
  fail,
  ok,
  type Result,
} from '@cloister/encoding';
import { AEAD_TAG_BYTES } from '../request/padding.ts';
import {
  chunkAad,
  chunkCount,
  chunkKey,
  chunkNonce,
  MODEL_CHUNK_BYTES,
  MODEL_HEADER_BYTES,
  MODEL_KEY_BYTES,
  MODEL_MAGIC,
  modelKeyCommitment,
  saltDigest,
  sealedLength,
} from './model.ts';
import type { ModelManifest } from './model-manifest.ts';

const SEALED_CHUNK_BYTES: number = MODEL_CHUNK_BYTES + AEAD_TAG_BYTES;

export type OpenModelCode =
  | 'MODEL_SIZE_MISMATCH'
  | 'CIPHERTEXT_DIGEST_MISMATCH'
  | 'KEY_COMMITMENT_MISMATCH'
  | 'MODEL_MALFORMED'
  | 'MODEL_NOT_OPENED'
  | 'ONNX_DIGEST_MISMATCH';

/** What of a manifest names a sealed model. */
export type NamedModel = Pick<ModelManifest, 'size' | 'ciphertextDigest' | 'onnxDigest' | 'keyCommitment'>;

export class ModelOpening {
  readonly #manifest: NamedModel;
  readonly #modelKey: Uint8Array;
  readonly #chunkKey: Uint8Array;
  readonly #ciphertextHash: HashStream = sha256Stream();
  readonly #onnxHash: HashStream = sha256Stream();
  /** Bytes of the header, or of a chunk, that is not complete. */
  readonly #pending: Uint8Array = new Uint8Array(SEALED_CHUNK_BYTES);
  #pendingBytes = 0;
  #received = 0;
  #chunk = 0;
  #length: number | undefined;
  #fault: OpenModelCode | undefined;

  private constructor(modelKey: Uint8Array, manifest: NamedModel) {
    this.#manifest = manifest;
    this.#modelKey = modelKey.slice();
    this.#chunkKey = chunkKey(modelKey, manifest.onnxDigest);
  }

  /** Refuses a key other than the one that the manifest commits to. */
  static start(modelKey: Uint8Array, manifest: NamedModel): Result<ModelOpening, OpenModelCode> {
    if (modelKey.length !== MODEL_KEY_BYTES || modelKeyCommitment(modelKey) !== manifest.keyCommitment) {
      return fail('KEY_COMMITMENT_MISMATCH');
    }
    return ok(new ModelOpening(modelKey, manifest));
  }

  /** Bytes of the ONNX file; known once the header came, and only when it is one. */
  get length(): number | undefined {
    return this.#length;
  }

  /** Takes the next piece of the ciphertext and gives what it completes of the file. After a fault nothing more is given. */
  push(piece: Uint8Array): Uint8Array[] {
    this.#received += piece.length;
    if (this.#received > this.#manifest.size) return [];
    this.#ciphertextHash.update(piece);
    const opened: Uint8Array[] = [];
    for (let at = 0; at < piece.length && this.#fault === undefined; ) {
      const wanted = this.#wantedBytes();
      const taken = piece.subarray(at, at + wanted - this.#pendingBytes);
      this.#pending.set(taken, this.#pendingBytes);
      this.#pendingBytes += taken.length;
      at += taken.length;
      if (this.#pendingBytes < wanted) break;
      const complete = this.#pending.subarray(0, wanted);
      this.#pendingBytes = 0;
      if (this.#length === undefined) this.#readHeader(complete);
      else this.#openChunk(complete, opened);
    }
    return opened;
  }

  /** Whether all of it came, and is what the manifest names. */
  finish(): Result<void, OpenModelCode> {
    const { size, ciphertextDigest, onnxDigest } = this.#manifest;
    if (this.#received !== size || size <= MODEL_HEADER_BYTES) return fail('MODEL_SIZE_MISMATCH');
    // This check comes first, because the model's owner is not to blame for a ciphertext that was changed on its way.
    if (digestFromBytes(this.#ciphertextHash.digest()) !== ciphertextDigest) return fail('CIPHERTEXT_DIGEST_MISMATCH');
    if (this.#fault !== undefined) return fail(this.#fault);
    return saltDigest(this.#modelKey, this.#onnxHash.digest()) === onnxDigest
      ? ok(undefined)
      : fail('ONNX_DIGEST_MISMATCH');
  }

  /** Forgets the keys. */
  close(): void {
    this.#modelKey.fill(0);
    this.#chunkKey.fill(0);
  }

  #wantedBytes(): number {
    if (this.#length === undefined) return MODEL_HEADER_BYTES;
    const left = this.#length - this.#chunk * MODEL_CHUNK_BYTES;
    return Math.min(left, MODEL_CHUNK_BYTES) + AEAD_TAG_BYTES;
  }

  #readHeader(header: Uint8Array): void {
    const reader = new ByteReader(header);
    const isModel = equalBytes(reader.fixed(MODEL_MAGIC.length), MODEL_MAGIC);
    // Beyond the safe integers it is rounded, and then no file's length.
    const length = Number(reader.u64big());
    if (!isModel || length === 0 || sealedLength(length) !== this.#manifest.size) this.#fault = 'MODEL_MALFORMED';
    else if (reader.digest() !== this.#manifest.onnxDigest) this.#fault = 'ONNX_DIGEST_MISMATCH';
    else this.#length = length;
  }

  #openChunk(sealed: Uint8Array, opened: Uint8Array[]): void {
    assert(this.#length !== undefined, 'chunks come after the header');
    const isLast = this.#chunk === chunkCount(this.#length) - 1;
    const aad = chunkAad(this.#manifest.onnxDigest, this.#length, this.#chunk, isLast);
    const chunk = aesGcmOpen(this.#chunkKey, chunkNonce(this.#chunk), aad, sealed);
    if (chunk === undefined) {
      this.#fault = 'MODEL_NOT_OPENED';
      return;
    }
    this.#chunk++;
    this.#onnxHash.update(chunk);
    opened.push(chunk);
  }
}

/** The ONNX file, when ciphertext and key are the ones that the manifest names. */
export function openModel(model: {
  readonly ciphertext: Uint8Array;
  readonly modelKey: Uint8Array;
  readonly manifest: NamedModel;
}): Result<Uint8Array, OpenModelCode> {
  const opening = ModelOpening.start(model.modelKey, model.manifest);
  if (!opening.ok) return opening;
  const chunks = opening.value.push(model.ciphertext);
  const finished = opening.value.finish();
  opening.value.close();
  return finished.ok ? ok(concatBytes(...chunks)) : finished;
}
