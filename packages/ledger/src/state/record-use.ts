/**
 * How much of the state each account fills with records: what its bounds are checked against.
 */
import { type AccountId, utf8 } from '@cloister/encoding';
import type { LedgerState, Namespace, RecordUse } from './state.ts';

const NONE: RecordUse = { count: 0, bytes: 0 };

/** Bytes that one record counts. */
function recordBytes(namespace: string, key: string, value: string): number {
  return utf8(namespace).length + utf8(key).length + utf8(value).length;
}

/** What an account would hold after writing this record in its own namespace. */
export function recordUseAfter(
  state: Pick<LedgerState, 'namespaces' | 'recordUse'>,
  sender: AccountId,
  record: { readonly namespace: string; readonly key: string; readonly value: string },
): RecordUse {
  const { namespace, key, value } = record;
  const { count, bytes } = state.recordUse.get(sender) ?? NONE;
  const earlier = state.namespaces.get(namespace)?.records.get(key);
  const freed = earlier === undefined ? 0 : recordBytes(namespace, key, earlier.value);
  return {
    count: count + (earlier === undefined ? 1 : 0),
    bytes: bytes - freed + recordBytes(namespace, key, value),
  };
}

/** The use of every account, from the records themselves. */
export function recordUseOf(namespaces: ReadonlyMap<string, Namespace>): Map<AccountId, RecordUse> {
  const use = new Map<AccountId, RecordUse>();
  for (const [name, { owner, records }] of namespaces) {
    let { count, bytes } = use.get(owner) ?? NONE;
    for (const [key, { value }] of records) bytes += recordBytes(name, key, value);
    count += records.size;
    use.set(owner, { count, bytes });
  }
  return use;
}
