/**
 * The safety rules that a mutation test takes away one at a time. Production uses `PROTOCOL_RULES` and nothing else.
 */
import { coversSkippedViews } from './certificates/justification.ts';
import { type GuardRefusal, illegalSignature, type OwnVotes } from './guard/sign-guard.ts';
import { sameStatement } from './messages/signed-bytes.ts';
import type { Justification, Proposition, SignedStatement, Statement, ValidatorSet } from './messages/types.ts';

export interface Rules {
  /** Weight that makes a certificate. */
  readonly quorum: (set: ValidatorSet) => bigint;
  /** Why `own` forbids signing `statement` in the same round; undefined when it does not. */
  readonly illegalSignature: (own: OwnVotes, statement: Statement) => GuardRefusal | undefined;
  /** Whether a good signature by the own key is none that the guard knows of. */
  readonly signedElsewhere: (own: OwnVotes, signed: SignedStatement) => boolean;
  /** Whether a justification nullifies every skipped view. */
  readonly coversSkippedViews: (proposition: Proposition, justification: Justification) => boolean;
}

function signedElsewhere(own: OwnVotes, signed: SignedStatement): boolean {
  const known = own[signed.kind];
  return known === undefined || !sameStatement(known, signed);
}

export const PROTOCOL_RULES: Rules = {
  quorum: (set) => set.quorum,
  illegalSignature,
  signedElsewhere,
  coversSkippedViews,
};
