/** Says which of the ledger's facts the local enclave is shown. The enclave believes its node in nothing. */
import type { AccountId, Digest } from '@cloister/encoding';
import { type FactSubject, standingSubjects } from '@cloister/ledger';

/** The facts by which an enclave judges whether it may open and run a model. */
export function executionSubjects(node: AccountId, model: Digest, keyset: Digest): readonly FactSubject[] {
  return [...standingSubjects([node]), { about: 'model', model }, { about: 'grant', model, keyset }];
}
