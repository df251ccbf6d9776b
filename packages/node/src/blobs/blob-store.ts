/**
 * Sealed payloads, responses and models on disk, each a file named by its SHA-256, within quotas and for a time.
 *
 * Contents are ciphertext and checked against their name on the way in and out. What the ledger names stays; anything else
 * goes when its time is over, and before that when room is needed: first what was uploaded by the account that holds most.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contentDigest } from '@cloister/confidential';
import { type AccountId, type Digest, fail, ok, parseDigest, type Result } from '@cloister/encoding';
import { makePrivateFolder, PRIVATE_FILE_MODE, syncFolder } from '../process/atomic-file.ts';
import { NodeError } from '../process/errors.ts';
import { BlobUsage } from './blob-usage.ts';

export interface BlobLimits {
  readonly quotaBytes: number;
  readonly blobBytesMax: number;
  /** Bytes that one account may have uploaded. */
  readonly accountBytesMax: number;
  /** How long a blob is kept that the ledger does not name. */
  readonly retentionMs: number;
}

export interface BlobStoreOptions {
  readonly limits: BlobLimits;
  readonly nowMs: () => number;
  /** Whether the ledger names a blob. */
  readonly named: (digest: Digest) => boolean;
  /** Whom the ledger names it for. */
  readonly ownerOf: (digest: Digest) => AccountId | undefined;
}

interface Entry {
  readonly size: number;
  /** Uploaded by; undefined for what this node made or fetched itself. */
  readonly account: AccountId | undefined;
  /** When it was put here, or last seen named. */
  usedMs: number;
}

/** Room that an upload has, from its first byte to its last. */
export interface Reservation {
  readonly digest: Digest;
  readonly size: number;
  readonly account: AccountId | undefined;
  readonly path: string;
}

export type BlobRefusal = 'BLOB_TOO_LARGE' | 'BLOB_QUOTA_EXCEEDED' | 'BLOB_ACCOUNT_QUOTA_EXCEEDED';

/** Blobs on disk at a time, however small they are: each costs memory and a directory entry. */
export const BLOBS_MAX = 65_536;
/** The same for the uploads of one account. */
export const BLOBS_PER_ACCOUNT_MAX = 4_096;
/** Blobs looked at to make room for one. */
const EVICTION_LOOKS_MAX = 4_096;

export class BlobStore {
  readonly #folder: string;
  readonly #options: BlobStoreOptions;
  readonly #entries = new Map<Digest, Entry>();
  readonly #writing = new Map<Digest, Promise<void>>();
  readonly #reserved = new Set<Reservation>();
  readonly #usage = new BlobUsage();
  #bytes = 0;
  #reservedBytes = 0;

  private constructor(folder: string, options: BlobStoreOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Takes stock of the folder; half-written files are removed. Throws `NodeError` BLOB_IO. */
  static async open(folder: string, options: BlobStoreOptions): Promise<BlobStore> {
    const store = new BlobStore(folder, options);
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
    this.#add(digest, { size, account: this.#options.ownerOf(digest), usedMs: mtimeMs });
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#entries.size;
  }

  get blobBytesMax(): number {
    return this.#options.limits.blobBytesMax;
  }

  has(digest: Digest): boolean {
    return this.#entries.has(digest);
  }

  /** Where a blob lies, once it is wholly there. The reader must check its contents against its name. */
  async fileOf(digest: Digest): Promise<{ readonly path: string; readonly size: number } | undefined> {
    await this.#writing.get(digest)?.catch(() => undefined);
    const entry = this.#entries.get(digest);
    return entry === undefined ? undefined : { path: this.#path(digest), size: entry.size };
  }

  #path(digest: Digest): string {
    return join(this.#folder, digest.slice(0, 2), digest);
  }

  #add(digest: Digest, entry: Entry): void {
    this.#entries.set(digest, entry);
    this.#bytes += entry.size;
    this.#usage.charge(entry.account, entry.size, 1);
  }

  #forget(digest: Digest): void {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return;
    this.#entries.delete(digest);
    this.#bytes -= entry.size;
    this.#usage.charge(entry.account, -entry.size, -1);
  }

  #overBy(size: number): number {
    const bytes = this.#bytes + this.#reservedBytes + size - this.#options.limits.quotaBytes;
    const full = this.#entries.size + this.#reserved.size >= BLOBS_MAX;
    return Math.max(bytes, full ? 1 : 0);
  }

  /**
   * Makes room by letting go of what the ledger does not name. A blob that it names may push out any such; one that it does
   * not name only those of accounts that hold more than the asking one will.
   */
  #makeRoom(digest: Digest, size: number, account: AccountId | undefined): boolean {
    if (this.#overBy(size) === 0) return true;
    if (size > this.#options.limits.quotaBytes) return false;
    const own = this.#options.named(digest) ? -1 : this.#usage.of(account).bytes + size;
    const candidates: { readonly digest: Digest; readonly entry: Entry; readonly held: number }[] = [];
    let looks = 0;
    for (const [other, entry] of this.#entries) {
      if (++looks > EVICTION_LOOKS_MAX) break;
      const held = this.#usage.of(entry.account).bytes;
      if (held <= own || this.#writing.has(other) || this.#options.named(other)) continue;
      candidates.push({ digest: other, entry, held });
    }
    candidates.sort((a, b) => b.held - a.held || a.entry.usedMs - b.entry.usedMs);
    for (const candidate of candidates) {
      if (this.#overBy(size) === 0) break;
      if (this.#usage.of(candidate.entry.account).bytes > own) void this.remove(candidate.digest);
    }
    return this.#overBy(size) === 0;
  }

  #admit(digest: Digest, size: number, account: AccountId | undefined): Result<void, BlobRefusal> {
    const { blobBytesMax, accountBytesMax, quotaBytes } = this.#options.limits;
    if (size > blobBytesMax) return fail('BLOB_TOO_LARGE', `${size} bytes, at most ${blobBytesMax} are taken`);
    const usage = this.#usage.of(account);
    if (account !== undefined && (usage.bytes + size > accountBytesMax || usage.count >= BLOBS_PER_ACCOUNT_MAX)) {
      return fail('BLOB_ACCOUNT_QUOTA_EXCEEDED', `${usage.bytes} of ${accountBytesMax} bytes are in use`);
    }
    if (this.#makeRoom(digest, size, account)) return ok(undefined);
    return fail('BLOB_QUOTA_EXCEEDED', `${this.#bytes} of ${quotaBytes} bytes are in use`);
  }

  /** Room for an upload, counted from now on; to be ended by `adopt` or `release`. */
  reserve(digest: Digest, size: number, account: AccountId | undefined): Result<Reservation, BlobRefusal> {
    const admitted = this.#admit(digest, size, account);
    if (!admitted.ok) return admitted;
    const path = join(this.#folder, 'incoming', `${digest}.${randomBytes(8).toString('hex')}.tmp`);
    const reservation: Reservation = { digest, size, account, path };
    this.#reserved.add(reservation);
    this.#reservedBytes += size;
    this.#usage.charge(account, size, 1);
    return ok(reservation);
  }

  /** Gives up an upload's room and removes what was written. */
  async release(reservation: Reservation): Promise<void> {
    if (!this.#end(reservation)) return;
    await rm(reservation.path, { force: true }).catch(() => undefined);
  }

  #end(reservation: Reservation): boolean {
    if (!this.#reserved.delete(reservation)) return false;
    this.#reservedBytes -= reservation.size;
    this.#usage.charge(reservation.account, -reservation.size, -1);
    return true;
  }

  /** Takes in an upload whose bytes are all on disk and were checked against the digest. Throws `NodeError` BLOB_IO. */
  async adopt(reservation: Reservation): Promise<void> {
    if (!this.#end(reservation)) return;
    const { digest, size, account, path } = reservation;
    if (this.#entries.has(digest)) {
      await rm(path, { force: true });
      return;
    }
    this.#add(digest, { size, account, usedMs: this.#options.nowMs() });
    await this.#settle(digest, path, async () => undefined);
  }

  /** Where uploads are written; made anew when it is missing. */
  async prepareUploads(): Promise<void> {
    await makePrivateFolder(join(this.#folder, 'incoming'));
  }

  /**
   * Keeps bytes under their digest, which is returned. Throws `NodeError` BLOB_TOO_LARGE, BLOB_QUOTA_EXCEEDED, BLOB_IO.
   */
  async put(bytes: Uint8Array): Promise<Digest> {
    const digest = contentDigest(bytes);
    const known = this.#entries.get(digest);
    if (known !== undefined) {
      await this.#writing.get(digest);
      known.usedMs = this.#options.nowMs();
      return digest;
    }
    const admitted = this.#admit(digest, bytes.length, undefined);
    if (!admitted.ok) {
      const code = admitted.code === 'BLOB_TOO_LARGE' ? admitted.code : 'BLOB_QUOTA_EXCEEDED';
      throw new NodeError(code, admitted.detail ?? admitted.code);
    }
    // Counted before it is written, so that writes at the same time share one quota.
    this.#add(digest, { size: bytes.length, account: undefined, usedMs: this.#options.nowMs() });
    const beside = `${this.#path(digest)}.${randomBytes(4).toString('hex')}.tmp`;
    await this.#settle(digest, beside, () => writeFile(beside, bytes, { mode: PRIVATE_FILE_MODE, flush: true }));
    return digest;
  }

  /** Moves a file to the place of an entry; without success the entry and the file are gone. */
  async #settle(digest: Digest, path: string, write: () => Promise<void>): Promise<void> {
    const settle = async (): Promise<void> => {
      try {
        const shelf = join(this.#folder, digest.slice(0, 2));
        await makePrivateFolder(shelf);
        await write();
        await rename(path, this.#path(digest));
        for (const folder of [shelf, this.#folder]) await syncFolder(folder);
      } catch (error) {
        this.#forget(digest);
        await rm(path, { force: true });
        throw new NodeError('BLOB_IO', `cannot write the blob ${digest}`, { cause: error });
      }
    };
    const writing = settle().finally(() => this.#writing.delete(digest));
    this.#writing.set(digest, writing);
    await writing;
  }

  /** The blob, or undefined when it is not here or its file no longer matches its name (it is removed then). */
  async get(digest: Digest): Promise<Uint8Array | undefined> {
    const file = await this.fileOf(digest);
    if (file === undefined) return undefined;
    const bytes = await readFile(file.path).catch(() => undefined);
    if (bytes === undefined || contentDigest(bytes) !== digest) {
      await this.remove(digest);
      return undefined;
    }
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  async remove(digest: Digest): Promise<void> {
    if (!this.#entries.has(digest)) return;
    this.#forget(digest);
    await rm(this.#path(digest), { force: true }).catch(() => undefined);
  }

  /** Removes what the ledger does not name and whose time is over. Returns how many blobs went. */
  async sweep(): Promise<number> {
    const nowMs = this.#options.nowMs();
    const oldest = nowMs - this.#options.limits.retentionMs;
    const lapsed: Digest[] = [];
    for (const [digest, entry] of this.#entries) {
      if (this.#options.named(digest)) entry.usedMs = nowMs;
      else if (entry.usedMs < oldest && !this.#writing.has(digest)) lapsed.push(digest);
    }
    for (const digest of lapsed) await this.remove(digest);
    return lapsed.length;
  }
}
