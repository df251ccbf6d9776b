/**
 * What the local enclave is shown of the ledger's facts: it takes nothing on the word of its node.
 */
import type { AccountId, Digest } from '@cloister/encoding';
import { type FactSubject, RULES } from '@cloister/ledger';

/** By which the enclave judges whether its own evidence stands. */
export function standingSubjects(node: AccountId): readonly FactSubject[] {
  return [RULES, { about: 'attestation', node }];
}

/** By which it judges whether it may open and run a model. */
export function executionSubjects(node: AccountId, model: Digest, keyset: Digest): readonly FactSubject[] {
  return [...standingSubjects(node), { about: 'model', model }, { about: 'grant', model, keyset }];
}
