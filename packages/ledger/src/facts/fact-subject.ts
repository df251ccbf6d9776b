import type { AccountId, Digest } from '@cloister/encoding';

/** What a fact is about. */
export type FactSubject =
  /** Appraisal policy, measurements and the floors of endorsements: all that evidence is judged by beside the genesis. */
  | { readonly about: 'rules' }
  /** The current attestation of a node. */
  | { readonly about: 'attestation'; readonly node: AccountId }
  | { readonly about: 'model'; readonly model: Digest }
  /** The newest grant of a model's key to a keyset. */
  | { readonly about: 'grant'; readonly model: Digest; readonly keyset: Digest };
