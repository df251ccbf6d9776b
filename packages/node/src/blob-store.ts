/**
 * Sealed payloads, responses and models on disk, each a file named by its SHA-256, within a quota and for a time.
 *
 * Contents are ciphertext and checked against their name on the way in and out. A blob that was asked for is kept on.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contentDigest } from '@cloister/confidential';
import { type Digest, parseDigest } from '@cloister/crypto';
import { makePrivateFolder, PRIVATE_FILE_MODE } from './atomic-file.ts';
import { NodeError } from './errors.ts';

export interface BlobLimits {
  readonly quotaBytes: number;
  readonly blobBytesMax: number;
  readonly retentionMs: number;
}

interface Entry {
  readonly size: number;
  usedMs: number;
}

/** Uses closer together than this are not written down. */
const TOUCH_MS = 3_600_000;

export class BlobStore {
  readonly #folder: string;
  readonly #limits: BlobLimits;
  readonly #nowMs: () => number;
  readonly #entries = new Map<Digest, Entry>();
  readonly #writing = new Map<Digest, Promise<void>>();
  #bytes = 0;

  private constructor(folder: string, limits: BlobLimits, nowMs: () => number) {
    this.#folder = folder;
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Takes stock of the folder; half-written files are removed. Throws `NodeError` BLOB_IO. */
  static async open(folder: string, limits: BlobLimits, nowMs: () => number): Promise<BlobStore> {
    const store = new BlobStore(folder, limits, nowMs);
    try {
      await makePrivateFolder(folder);
      for (const shelf of await readdir(folder, { withFileTypes: true })) {
        if (!shelf.isDirectory()) continue;
        for (const name of await readdir(join(folder, shelf.name))) await store.#takeStock(shelf.name, name);
      }
    } catch (error) {
      throw new NodeError('BLOB_IO', `cannot open the blobs in ${folder}`, { cause: error });
    }
    return store;
  }

  async #takeStock(shelf: string, name: string): Promise<void> {
    const path = join(this.#folder, shelf, name);
    const digest = parseDigest(name);
    if (digest === undefined || !name.startsWith(shelf)) return rm(path, { force: true, recursive: true });
    const { size, mtimeMs } = await stat(path);
    this.#entries.set(digest, { size, usedMs: mtimeMs });
    this.#bytes += size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  get blobBytesMax(): number {
    return this.#limits.blobBytesMax;
  }

  has(digest: Digest): boolean {
    return this.#entries.has(digest);
  }

  sizeOf(digest: Digest): number | undefined {
    return this.#entries.get(digest)?.size;
  }

  #path(digest: Digest): string {
    return join(this.#folder, digest.slice(0, 2), digest);
  }

  /**
   * Keeps bytes under their digest, which is returned. Throws `NodeError` BLOB_TOO_LARGE, BLOB_QUOTA_EXCEEDED, BLOB_IO.
   */
  async put(bytes: Uint8Array): Promise<Digest> {
    const { blobBytesMax, quotaBytes } = this.#limits;
    if (bytes.length > blobBytesMax) {
      throw new NodeError('BLOB_TOO_LARGE', `${bytes.length} bytes, at most ${blobBytesMax} are taken`);
    }
    const digest = contentDigest(bytes);
    const known = this.#entries.get(digest);
    if (known !== undefined) {
      await (this.#writing.get(digest) ?? this.#touch(digest, known));
      return digest;
    }
    if (this.#bytes + bytes.length > quotaBytes) {
      throw new NodeError('BLOB_QUOTA_EXCEEDED', `${this.#bytes} of ${quotaBytes} bytes are in use`);
    }
    // Counted before it is written, so that writes at the same time share one quota.
    this.#entries.set(digest, { size: bytes.length, usedMs: this.#nowMs() });
    this.#bytes += bytes.length;
    const writing = this.#write(digest, bytes).finally(() => this.#writing.delete(digest));
    this.#writing.set(digest, writing);
    await writing;
    return digest;
  }

  async #write(digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = this.#path(digest);
    const beside = `${path}.${randomBytes(4).toString('hex')}.tmp`;
    try {
      await makePrivateFolder(join(this.#folder, digest.slice(0, 2)));
      await writeFile(beside, bytes, { mode: PRIVATE_FILE_MODE, flush: true });
      await rename(beside, path);
    } catch (error) {
      this.#forget(digest);
      await rm(beside, { force: true });
      throw new NodeError('BLOB_IO', `cannot write the blob ${digest}`, { cause: error });
    }
  }

  #forget(digest: Digest): void {
    this.#bytes -= this.#entries.get(digest)?.size ?? 0;
    this.#entries.delete(digest);
  }

  async #touch(digest: Digest, entry: Entry): Promise<void> {
    const nowMs = this.#nowMs();
    if (nowMs - entry.usedMs < TOUCH_MS) return;
    entry.usedMs = nowMs;
    await utimes(this.#path(digest), nowMs / 1000, nowMs / 1000).catch(() => undefined);
  }

  /** The blob, or undefined when it is not here or its file no longer matches its name (it is removed then). */
  async get(digest: Digest): Promise<Uint8Array | undefined> {
    await this.#writing.get(digest)?.catch(() => undefined);
    const entry = this.#entries.get(digest);
    if (entry === undefined) return undefined;
    const bytes = await readFile(this.#path(digest)).catch(() => undefined);
    if (bytes === undefined || contentDigest(bytes) !== digest) {
      await this.#remove(digest);
      return undefined;
    }
    await this.#touch(digest, entry);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  async #remove(digest: Digest): Promise<void> {
    if (!this.#entries.has(digest)) return;
    this.#forget(digest);
    await rm(this.#path(digest), { force: true }).catch(() => undefined);
  }

  /** Removes what nobody asked for during the retention, unless `needed`. Returns how many blobs went. */
  async sweep(needed: (digest: Digest) => boolean): Promise<number> {
    const oldest = this.#nowMs() - this.#limits.retentionMs;
    const lapsed = [...this.#entries].filter(
      ([digest, { usedMs }]) => usedMs < oldest && !this.#writing.has(digest) && !needed(digest),
    );
    for (const [digest] of lapsed) await this.#remove(digest);
    return lapsed.length;
  }
}
