/**
 * Remembers on disk which responses this node promised to hold, before it makes the promise. A receipt that rests on
 * the promise may come to the ledger much later, and a restart must not break the promise.
 *
 * An empty file for each, whose name is task, key set and digest: it is whole or absent.
 */
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, parseDigest } from '@cloister/encoding';
import { makePrivateFolder, PRIVATE_FILE_MODE, syncFolder } from '../process/atomic-file.ts';
import { NodeError } from '../process/errors.ts';

/** Tasks whose promises are kept beside those of the ledger, before those that it no longer knows are let go. */
export const STALE_PROMISES = 256;

export interface HoldingPromise {
  readonly task: Digest;
  /** Keyset of the enclave that made the response. */
  readonly keyset: Digest;
  readonly digest: Digest;
}

/** What the ledger knows of tasks. */
type KnownTasks = Pick<ReadonlyMap<Digest, unknown>, 'has' | 'size'>;

function promiseOf(name: string): HoldingPromise | undefined {
  const [task, keyset, digest, ...more] = name.split('.').map(parseDigest);
  const isWhole = task !== undefined && keyset !== undefined && digest !== undefined && more.length === 0;
  return isWhole ? { task, keyset, digest } : undefined;
}

export class HoldingPromises {
  readonly #folder: string;
  /** Task → name → when it is on disk. */
  readonly #kept = new Map<Digest, Map<string, Promise<void>>>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads what was promised before; what is no promise is removed. Throws `NodeError` BLOB_IO. */
  static async open(folder: string): Promise<HoldingPromises> {
    const promises = new HoldingPromises(folder);
    try {
      await makePrivateFolder(folder);
      for (const name of await readdir(folder)) {
        const promise = promiseOf(name);
        if (promise === undefined) await rm(join(folder, name), { force: true, recursive: true });
        else promises.#add(promise.task, name, Promise.resolve());
      }
    } catch (error) {
      throw new NodeError('BLOB_IO', `cannot read what was promised in ${folder}`, { cause: error });
    }
    return promises;
  }

  /** Tasks for which something is promised. */
  get size(): number {
    return this.#kept.size;
  }

  get all(): readonly HoldingPromise[] {
    return [...this.#kept.values()].flatMap((names) => [...names.keys()].flatMap((name) => promiseOf(name) ?? []));
  }

  #add(task: Digest, name: string, onDisk: Promise<void>): void {
    const names = this.#kept.get(task) ?? new Map<string, Promise<void>>();
    this.#kept.set(task, names.set(name, onDisk));
  }

  /** Resolves once the promise outlives a crash; rejects when it may not. */
  async keep({ task, keyset, digest }: HoldingPromise, tasks: KnownTasks): Promise<void> {
    const name = `${task}.${keyset}.${digest}`;
    const known = this.#kept.get(task)?.get(name);
    if (known !== undefined) return known;
    const writing = this.#write(name);
    this.#add(task, name, writing);
    try {
      await writing;
    } catch (error) {
      this.#kept.get(task)?.delete(name);
      throw error;
    }
    await this.#forgetOld(tasks);
  }

  async #write(name: string): Promise<void> {
    const file = await open(join(this.#folder, name), 'w', PRIVATE_FILE_MODE);
    await file.close();
    await syncFolder(this.#folder);
  }

  async #forgetOld(tasks: KnownTasks): Promise<void> {
    if (this.#kept.size <= tasks.size + STALE_PROMISES) return;
    for (const [task, names] of this.#kept) {
      if (tasks.has(task)) continue;
      this.#kept.delete(task);
      for (const name of names.keys()) await rm(join(this.#folder, name), { force: true }).catch(() => undefined);
    }
  }
}
