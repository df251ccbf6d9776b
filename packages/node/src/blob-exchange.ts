/**
 * Blobs between members: the executor's `BlobPort`, and the answers to peers who ask.
 *
 * A sealed workload (the payload of a task, the ciphertext of a model) is handed only to a member whose enclave has
 * answered a challenge of this node; anything else to any member but one whose challenge failed.
 */
import { contentDigest } from '@cloister/confidential';
import type { AccountId, Digest } from '@cloister/crypto';
import type { BlobPort } from '@cloister/validator';
import {
  BLOB_ANSWER_BYTES_MAX,
  BLOB_PIECE_BYTES,
  decodeBlobAnswer,
  decodeBlobRequest,
  encodeBlobAnswer,
  encodeBlobRequest,
} from './blob-messages.ts';
import type { BlobStore } from './blob-store.ts';

export interface BlobExchangeOptions {
  readonly store: BlobStore;
  /** Connected members, in the order in which to ask. */
  readonly members: () => readonly AccountId[];
  readonly request: (member: AccountId, bytes: Uint8Array, maxBytes: number) => Promise<Uint8Array>;
  /** Whether the digest names a sealed workload. */
  readonly isWorkload: (digest: Digest) => boolean;
  /** 'passed' or 'failed' by a fresh challenge, or 'unattested'. */
  readonly standingOf: (member: AccountId) => Promise<'passed' | 'failed' | 'unattested'>;
}

const ANSWERS_KEPT = 4;

export class BlobExchange implements BlobPort {
  readonly #options: BlobExchangeOptions;
  readonly #fetching = new Map<Digest, Promise<Uint8Array | undefined>>();
  /** Blobs being served in pieces: read once, not once a piece. */
  readonly #served = new Map<Digest, Uint8Array>();
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
    if (held !== undefined) return held;
    let fetching = this.#fetching.get(digest);
    if (fetching === undefined) {
      fetching = this.#fetch(digest).finally(() => this.#fetching.delete(digest));
      this.#fetching.set(digest, fetching);
    }
    return fetching;
  }

  async #fetch(digest: Digest): Promise<Uint8Array | undefined> {
    for (const member of this.#options.members()) {
      const bytes = await this.#fetchFrom(member, digest).catch(() => undefined);
      if (bytes === undefined || contentDigest(bytes) !== digest) continue;
      // A full disk or quota does not keep the caller from using what it fetched.
      await this.#options.store.put(bytes).catch(() => undefined);
      return bytes;
    }
    return undefined;
  }

  async #fetchFrom(member: AccountId, digest: Digest): Promise<Uint8Array | undefined> {
    let whole: Uint8Array | undefined;
    for (let offset = 0; ; ) {
      const request = encodeBlobRequest({ digest, offset });
      const answer = decodeBlobAnswer(await this.#options.request(member, request, BLOB_ANSWER_BYTES_MAX));
      if (!answer.ok || answer.value.status !== 'piece') return undefined;
      const { total, piece } = answer.value;
      if (total > this.#options.store.blobBytesMax || offset + piece.length > total) return undefined;
      whole ??= new Uint8Array(total);
      if (whole.length !== total) return undefined;
      whole.set(piece, offset);
      offset += piece.length;
      if (offset === total) return whole;
      // All but the last are full, so that a peer cannot draw a transfer out by crumbs.
      if (piece.length < BLOB_PIECE_BYTES) return undefined;
    }
  }

  /** Answers a member's request; undefined refuses the stream. */
  async answer(member: AccountId, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const request = decodeBlobRequest(bytes);
    if (!request.ok) return undefined;
    const { digest, offset } = request.value;
    const { store } = this.#options;
    if (!store.has(digest)) return encodeBlobAnswer({ status: 'not-held' });
    const standing = await this.#options.standingOf(member);
    if (standing === 'failed' || (standing === 'unattested' && this.#options.isWorkload(digest))) {
      this.refused++;
      return encodeBlobAnswer({ status: 'refused' });
    }
    const blob = this.#served.get(digest) ?? (await store.get(digest));
    if (blob === undefined || offset > blob.length) return encodeBlobAnswer({ status: 'not-held' });
    const piece = blob.subarray(offset, offset + BLOB_PIECE_BYTES);
    this.#served.delete(digest);
    if (offset + piece.length < blob.length) this.#served.set(digest, blob);
    if (this.#served.size > ANSWERS_KEPT) this.#served.delete([...this.#served.keys()][0] ?? digest);
    return encodeBlobAnswer({ status: 'piece', total: blob.length, piece });
  }
}
