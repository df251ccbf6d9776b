/** Mutants of packages/ledger that no test can catch. */
import { type Equivalent, NARROWING, ONLY_FASTER } from './equivalent.ts';

const WHOLE_NUMBER = 'for the compiler only: the reader gives whole numbers up to the largest safe one, or refuses';
const CLOSED_BEFORE = 'a block closes the tasks whose deadline is over before it decides any transaction';
const BOTH_OR_NONE = 'an event has a transaction exactly when it has an expiry height';

export const LEDGER: readonly Equivalent[] = [
  {
    file: 'attestation/eligibility.ts',
    check: 'keyset === undefined',
    in: 'const known =',
    reason: 'no key set is known under undefined',
  },
  {
    file: 'attestation/eligibility.ts',
    check: 'keyset === undefined',
    in: 'NO_ATTESTATION',
    reason: NARROWING,
  },
  {
    file: 'decide/decide-attestation.ts',
    check: 'holder === undefined',
    reason: 'nobody is attested under undefined, which the next check asks',
  },
  { file: 'decide/decide-result.ts', check: 'context.timeMs > task.deadlineMs', reason: CLOSED_BEFORE },
  { file: 'decide/decide-result.ts', check: 'timeMs > task.deadlineMs', reason: CLOSED_BEFORE },
  { file: 'events/events.ts', check: 'event.transaction === null', reason: BOTH_OR_NONE },
  { file: 'events/events.ts', check: 'event.expiryHeight === null', reason: BOTH_OR_NONE },
  {
    file: 'inference/lost-executors.ts',
    check: 'nodes.size + models.size + tasks.size === 0',
    reason: ONLY_FASTER,
  },
  {
    file: 'inference/task-index.ts',
    check: 'closed?.size === 0',
    reason: 'an empty set costs a little memory and says the same as none',
  },
  { file: 'transactions/batch.ts', check: 'epoch === undefined', reason: WHOLE_NUMBER },
  { file: 'transactions/batch.ts', check: 'expiryHeight === undefined', reason: WHOLE_NUMBER },
  { file: 'transactions/transaction.ts', check: 'expiryHeight === undefined', reason: WHOLE_NUMBER },
  { file: 'transactions/upload-claim.ts', check: 'account === undefined', reason: NARROWING },
  { file: 'transactions/upload-claim.ts', check: 'signature === undefined', reason: NARROWING },
];
