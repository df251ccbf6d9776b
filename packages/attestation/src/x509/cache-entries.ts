import type { Digest, Result } from '@cloister/encoding';
import { ok } from '@cloister/encoding';

/** The part of a Map that the cache needs. */
export interface CacheEntries<T> {
  get(key: Digest): T | undefined;
  set(key: Digest, value: T): unknown;
}

/** The entry of `key`, else what `compute` answers, kept when it is a success. */
export function throughCache<T, C extends string>(
  entries: CacheEntries<T> | undefined,
  key: () => Digest,
  compute: () => Result<T, C>,
): Result<T, C> {
  if (entries === undefined) return compute();
  const digest = key();
  const known = entries.get(digest);
  if (known !== undefined) return ok(known);
  const computed = compute();
  if (computed.ok) entries.set(digest, computed.value);
  return computed;
}
