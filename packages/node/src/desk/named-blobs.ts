/**
 * Blobs for the API's readers: what lies here, and what the ledger names and a member has. Members are never asked for a
 * digest that somebody made up, and for one that nobody had a moment ago they are not asked again.
 */
import { BoundedMap, type Digest } from '@cloister/encoding';
import type { BlobNames } from '../blobs/blob-names.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { BlobFile } from '../http/thread/node-questions.ts';

/** How long members are left alone about a blob that none of them had. */
const MISSING_MS = 10_000;
/** Digests of which that is remembered; the oldest makes room. */
export const MISSING_MAX = 1_024;
/** Fetches on behalf of readers at a time. */
export const FETCHES_MAX = 2;

export interface NamedBlobsOptions {
  readonly blobs: BlobStore;
  readonly names: BlobNames;
  /** Has it on the disk, whole; false when no member had it. */
  readonly holdBlob: (digest: Digest) => Promise<boolean>;
  readonly monotonicMs: () => number;
}

export class NamedBlobs {
  readonly #options: NamedBlobsOptions;
  readonly #missing = new BoundedMap<Digest, number>(MISSING_MAX);
  readonly #fetching = new Map<Digest, Promise<void>>();

  constructor(options: NamedBlobsOptions) {
    this.#options = options;
  }

  async file(digest: Digest): Promise<BlobFile | undefined> {
    const { blobs, names } = this.#options;
    const held = await blobs.fileOf(digest);
    if (held !== undefined || !names.has(digest) || this.#isMissing(digest)) return held;
    const running = this.#fetching.get(digest);
    if (running === undefined && this.#fetching.size >= FETCHES_MAX) return undefined;
    await (running ?? this.#fetch(digest));
    return blobs.fileOf(digest);
  }

  #fetch(digest: Digest): Promise<void> {
    const fetching = this.#options
      .holdBlob(digest)
      .then((held) => {
        if (!held) this.#noteMissing(digest);
      })
      .finally(() => this.#fetching.delete(digest));
    this.#fetching.set(digest, fetching);
    return fetching;
  }

  #isMissing(digest: Digest): boolean {
    const sinceMs = this.#missing.get(digest);
    if (sinceMs === undefined) return false;
    if (this.#options.monotonicMs() - sinceMs < MISSING_MS) return true;
    this.#missing.delete(digest);
    return false;
  }

  #noteMissing(digest: Digest): void {
    this.#missing.set(digest, this.#options.monotonicMs());
  }
}
