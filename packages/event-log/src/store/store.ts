/**
 * The port to an ordered key-value database: what the log, the chain store and the sign guard need of one.
 *
 * Keys are ordered as unsigned bytes. Adapters: `store-memory.ts` (simulation and tests) and `store-level.ts`
 * (LevelDB); both pass the suite in test/store-contract.ts.
 */
import { CodedError } from '@cloister/encoding';

/** One write of a batch. */
export type StoreOp =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

/** Keys from `gte` (inclusive) up to `lt` (exclusive); `limit` counts from the end that iteration starts at. */
export interface StoreRange {
  readonly gte?: Uint8Array | undefined;
  readonly lt?: Uint8Array | undefined;
  readonly reverse?: boolean | undefined;
  readonly limit?: number | undefined;
}

/** Every method fails with `StoreError` only. Bytes handed in and out are never shared with the store. */
export interface ReadableStore {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** Values in the order of `keys`. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** The entries as they were when iteration began; later writes are not seen. */
  range(range: StoreRange): AsyncIterable<[Uint8Array, Uint8Array]>;
  /** Waits for running operations. Idempotent. */
  close(): Promise<void>;
}

export interface OrderedStore extends ReadableStore {
  /**
   * All of `ops` or, after a crash, none; in order, so that the last write to a key wins. With `sync` the batch and
   * everything written before it is on stable storage when the promise resolves.
   */
  batch(ops: readonly StoreOp[], options: { readonly sync: boolean }): Promise<void>;
}

export type StoreErrorCode =
  /** Another process, or another opening in this one, holds the database. */
  | 'STORE_LOCKED'
  /** The database's own files are damaged or missing. */
  | 'STORE_CORRUPT'
  /** The operating system refused: permissions, space, a failing disk. */
  | 'STORE_IO'
  /** Used after `close`. */
  | 'STORE_CLOSED';

/** The only error that a store throws. `cause` is what the adapter caught. */
export class StoreError extends CodedError<StoreErrorCode> {}
