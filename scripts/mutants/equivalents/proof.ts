/** Mutants of packages/proof that no test can catch. */
import type { Equivalent } from './equivalent.ts';

export const PROOF: readonly Equivalent[] = [
  {
    file: 'standing.ts',
    check: 'rules === undefined',
    reason: 'a fact about the rules is there exactly when their document is, which the other operand asks',
  },
  {
    file: 'standing.ts',
    check: 'document === undefined',
    reason: 'a document of the rules is there exactly when their fact is, which the other operand asks',
  },
  {
    file: 'standing.ts',
    check: "fact.about === 'grant'",
    reason: 'no other fact has both a model and a keyset',
  },
];
