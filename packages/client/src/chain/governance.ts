/**
 * What governs a network or a model, and newer endorsements: transactions that become one of several events.
 */
import type { Digest } from '@cloister/encoding';
import type { LedgerEvent, PayloadByKind } from '@cloister/ledger';
import type { ClientContext, ProvenTransaction } from '../context.ts';
import type { Deadline } from '../node/polling.ts';
import { awaitSettled, expiryHeightAfter, ofType, sign } from './submit.ts';

/** What each kind becomes: the decision, or an approval that the threshold still lacks others beside. */
interface Outcomes {
  readonly 'set-policy': 'AppraisalPolicyScheduled' | 'GovernanceApproved';
  readonly 'set-measurement': 'MeasurementAllowed' | 'MeasurementGraced' | 'MeasurementRevoked' | 'GovernanceApproved';
  readonly 'submit-endorsements': 'EndorsementsAccepted';
  readonly 'revoke-model': 'ModelRevoked';
  readonly 'revoke-grant': 'ModelGrantRevoked';
}

export type GovernedKind = keyof Outcomes;

const OUTCOMES: { readonly [K in GovernedKind]: readonly Outcomes[K][] } = {
  'set-policy': ['AppraisalPolicyScheduled', 'GovernanceApproved'],
  'set-measurement': ['MeasurementAllowed', 'MeasurementGraced', 'MeasurementRevoked', 'GovernanceApproved'],
  'submit-endorsements': ['EndorsementsAccepted'],
  'revoke-model': ['ModelRevoked'],
  'revoke-grant': ['ModelGrantRevoked'],
};

type OutcomeOf<K extends GovernedKind> = Extract<LedgerEvent, { type: Outcomes[K] }>;

/** A proven transaction with the event that it became. */
export interface GovernedTransaction<K extends GovernedKind> extends ProvenTransaction {
  readonly event: OutcomeOf<K>;
}

/** Signs, hands in, waits, and proves the event. */
export async function submitGoverned<K extends GovernedKind>(
  context: ClientContext,
  kind: K,
  payload: PayloadByKind[K],
  deadlineOf: (transaction?: Digest) => Deadline,
): Promise<GovernedTransaction<K>> {
  const head = await context.chain.head(deadlineOf());
  const transaction = sign(context, kind, payload, expiryHeightAfter(context, head));
  await context.api.submitTransaction(transaction.bytes);
  const settled = await awaitSettled(context, transaction, deadlineOf(transaction.id));
  const { event, sequence, height } = ofType(settled, ...OUTCOMES[kind]);
  return { transaction: transaction.id, height, sequence, event: event as OutcomeOf<K> };
}
