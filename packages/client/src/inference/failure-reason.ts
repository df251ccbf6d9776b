import type { AccountId } from '@cloister/encoding';

/** One executor's word. */
export interface FailureReason {
  readonly node: AccountId;
  /**
   * `enclave`: signed by the attested key and sealed to the tenant. `node`: the executor's own word, public. `ledger`: what the
   * validators found, public.
   */
  readonly from: 'enclave' | 'node' | 'ledger';
  readonly code: string;
  readonly detail: string;
}
