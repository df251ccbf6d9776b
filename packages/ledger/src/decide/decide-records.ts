/**
 * The ordinary transaction: a value under (namespace, key). A namespace belongs to whoever writes to it first.
 */

import { recordUseAfter } from '../state/record-use.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { LedgerState } from '../state/state.ts';
import { accept, type Command, causeOf, type Decision, reject } from './decision.ts';
import { isGoverned } from './senders.ts';

export function decidePutRecord(state: LedgerState, command: Command<'put-record'>): Decision {
  const { namespace, key, value } = command.payload;
  if (!isGoverned(state, command.sender)) return reject('ACCOUNT_REQUIRED');
  const owner = state.namespaces.get(namespace)?.owner;
  if (owner !== undefined && owner !== command.sender) return reject('NAMESPACE_NOT_OWNED');
  if (exceedsRecordLimit(state, command)) return reject('RECORD_LIMIT');
  return accept({ type: 'RecordPut', ...causeOf(command), sender: command.sender, namespace, key, value });
}

/** Whether the account would hold more than one account may: every node keeps every record for good. */
export function exceedsRecordLimit(
  state: LedgerState,
  { sender, payload }: Pick<Command<'put-record'>, 'sender' | 'payload'>,
): boolean {
  const { maxRecordsPerAccount, maxRecordBytesPerAccount } = settingsOf(state).params;
  const { count, bytes } = recordUseAfter(state, sender, payload);
  return count > maxRecordsPerAccount || bytes > maxRecordBytesPerAccount;
}
