/**
 * Blobs between members: the executor's `BlobPort`, and the answers to peers who ask.
 *
 * A sealed workload (the payload of a task, the ciphertext of a model) is handed only to a member whose enclave has
 * answered a challenge of this node; anything else to any member but one whose challenge failed.
 */
import { contentDigest, LARGEST_SEALED_BYTES } from '@cloister/confidential';
import { type AccountId, BoundedMap, type Digest } from '@cloister/encoding';
import type { BlobPort } from '@cloister/validator';
import { downloadBlob } from './blob-download.ts';
import { checkedPieces, digestOfFile, piecesOf, readPiece } from './blob-files.ts';
import { BLOB_PIECE_BYTES, decodeBlobRequest, encodeBlobAnswer } from './blob-messages.ts';
import { type AskMember, type BlobPieces, blobPieces } from './blob-pieces.ts';
import type { BlobStore } from './blob-store.ts';
import { firstOf } from './first-of.ts';

export interface BlobExchangeOptions {
  readonly store: BlobStore;
  /** Connected members, in the order in which to ask. */
  readonly members: () => readonly AccountId[];
  readonly request: AskMember;
  /** Whether the digest names a sealed workload. */
  readonly isWorkload: (digest: Digest) => boolean;
  /** 'passed' or 'failed' by a fresh challenge, or 'unattested'. */
  readonly attestationOf: (member: AccountId) => Promise<'passed' | 'failed' | 'unattested'>;
}

/** Blobs that are remembered as whole: a forgotten one is read again. */
const WHOLE_MAX = 1_024;

export class BlobExchange implements BlobPort {
  readonly #options: BlobExchangeOptions;
  readonly #fetching = new Map<Digest, Promise<Uint8Array | undefined>>();
  readonly #holding = new Map<Digest, Promise<boolean>>();
  readonly #reading = new Map<Digest, Promise<Digest | undefined>>();
  readonly #whole = new BoundedMap<Digest, true>(WHOLE_MAX);
  /** Whom to ask next for what there is no room for. */
  #turn = 0;
  refused = 0;

  constructor(options: BlobExchangeOptions) {
    this.#options = options;
  }

  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    if (contentDigest(bytes) !== digest) throw new TypeError('the digest is not that of the bytes');
    await this.#options.store.put(bytes);
  }

  async get(digest: Digest): Promise<Uint8Array | undefined> {
    const held = await this.#options.store.get(digest);
    return held ?? once(this.#fetching, digest, () => this.#fetch(digest));
  }

  async #fetch(digest: Digest): Promise<Uint8Array | undefined> {
    const { members, request, store } = this.#options;
    const bytesMax = Math.min(store.blobBytesMax, LARGEST_SEALED_BYTES);
    const found = await firstOf(members(), async (member) => {
      const bytes = await inMemory(blobPieces(request, { member, digest, bytesMax }));
      return contentDigest(bytes ?? new Uint8Array(0)) === digest ? bytes : undefined;
    });
    // A full disk or quota does not keep the caller from using what it fetched.
    if (found !== undefined) await store.put(found).catch(() => undefined);
    return found;
  }

  /** Fetches a blob onto the disk unless it lies there. Whether it lies there now, whole. */
  async hold(digest: Digest, size?: number): Promise<boolean> {
    if (this.#options.store.has(digest) && (await this.#isWhole(digest))) return true;
    return once(this.#holding, digest, () => this.#download(digest, size));
  }

  async #download(digest: Digest, size: number | undefined): Promise<boolean> {
    const { members, request, store } = this.#options;
    const bytesMax = store.blobBytesMax;
    for (const member of members()) {
      const pieces = blobPieces(request, { member, digest, bytesMax });
      if (await downloadBlob(store, { digest, size }, pieces).catch(() => false)) return true;
    }
    return false;
  }

  async open(digest: Digest, size: number): Promise<AsyncIterable<Uint8Array> | undefined> {
    // The file is checked again, because the enclave would blame the model for damage on this disk.
    this.#whole.delete(digest);
    if (await this.hold(digest, size)) {
      const file = await this.#options.store.fileOf(digest);
      return file === undefined ? undefined : checkedPieces(piecesOf(file.path), { digest, size });
    }
    const { members, request } = this.#options;
    const turn = this.#turn++;
    const all = members();
    const member = all[turn % all.length];
    if (member === undefined) return undefined;
    // The disk is full of models that the ledger names. Other models must run all the same.
    return checkedPieces(piecesFrom(blobPieces(request, { member, digest, bytesMax: size })), { digest, size });
  }

  /**
   * Whether the file is what its name says; otherwise it is removed. It is read once, and not for each piece that is
   * asked for.
   */
  async #isWhole(digest: Digest): Promise<boolean> {
    const { store } = this.#options;
    const file = await store.fileOf(digest);
    if (file === undefined) return false;
    if (this.#whole.has(digest)) return true;
    if ((await once(this.#reading, digest, () => digestOfFile(file.path))) !== digest) {
      await store.remove(digest);
      return false;
    }
    this.#whole.set(digest, true);
    return true;
  }

  /** Answers a member's request; undefined refuses the stream. */
  async answer(member: AccountId, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const request = decodeBlobRequest(bytes);
    if (!request.ok) return undefined;
    const { digest, offset } = request.value;
    const { store } = this.#options;
    if (!store.has(digest)) return encodeBlobAnswer({ status: 'not-held' });
    const attestation = await this.#options.attestationOf(member);
    if (attestation === 'failed' || (attestation === 'unattested' && this.#options.isWorkload(digest))) {
      this.refused++;
      return encodeBlobAnswer({ status: 'refused' });
    }
    const file = (await this.#isWhole(digest)) ? await store.fileOf(digest) : undefined;
    if (file === undefined || offset > file.size) return encodeBlobAnswer({ status: 'not-held' });
    const wanted = Math.min(BLOB_PIECE_BYTES, file.size - offset);
    const piece = await readPiece(file.path, offset, wanted).catch(() => undefined);
    if (piece?.length !== wanted) return encodeBlobAnswer({ status: 'not-held' });
    return encodeBlobAnswer({ status: 'piece', total: file.size, piece });
  }
}

/** A fetch that is under way for a digest is shared by all that ask for it meanwhile. */
function once<T>(underWay: Map<Digest, Promise<T>>, digest: Digest, begin: () => Promise<T>): Promise<T> {
  const running = underWay.get(digest);
  if (running !== undefined) return running;
  const begun = begin().finally(() => underWay.delete(digest));
  underWay.set(digest, begun);
  return begun;
}

async function* piecesFrom(pieces: BlobPieces): AsyncGenerator<Uint8Array> {
  for await (const { piece } of pieces) yield piece;
}

async function inMemory(pieces: BlobPieces): Promise<Uint8Array | undefined> {
  let whole: Uint8Array | undefined;
  let at = 0;
  for await (const { total, piece } of pieces) {
    whole ??= new Uint8Array(total);
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
