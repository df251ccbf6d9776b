/**
 * The ordinary transaction: a value under (namespace, key). A namespace belongs to whoever writes to it first.
 */
import { accept, type Command, causeOf, type Decision, reject } from './decision.ts';
import type { LedgerState } from './state.ts';

export function decidePutRecord(state: LedgerState, command: Command<'put-record'>): Decision {
  const { namespace, key, value } = command.payload;
  const owner = state.namespaces.get(namespace)?.owner;
  if (owner !== undefined && owner !== command.sender) return reject('NAMESPACE_NOT_OWNED');
  return accept({ type: 'RecordPut', ...causeOf(command), sender: command.sender, namespace, key, value });
}
