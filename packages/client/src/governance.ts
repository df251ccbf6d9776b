/**
 * What governs a network, and newer endorsements for it: transactions that become one of several events.
 */
import type { Digest } from '@cloister/crypto';
import { type LedgerEvent, type PayloadByKind, settledBy } from '@cloister/ledger';
import type { ClientContext, ProvenTransaction } from './context.ts';
import { ClientError } from './errors.ts';
import { type Deadline, poll } from './polling.ts';
import { awaitCommitted, expiryHeightAfter, sign, trustedStatus } from './submit.ts';

/** What each kind becomes: the decision, or an approval that the threshold still lacks others beside. */
interface Outcomes {
  readonly 'set-policy': 'AppraisalPolicyScheduled' | 'GovernanceApproved';
  readonly 'set-measurement': 'MeasurementAllowed' | 'MeasurementGraced' | 'MeasurementRevoked' | 'GovernanceApproved';
  readonly 'submit-endorsements': 'EndorsementsAccepted';
}

export type GovernedKind = keyof Outcomes;

const OUTCOMES: { readonly [K in GovernedKind]: readonly Outcomes[K][] } = {
  'set-policy': ['AppraisalPolicyScheduled', 'GovernanceApproved'],
  'set-measurement': ['MeasurementAllowed', 'MeasurementGraced', 'MeasurementRevoked', 'GovernanceApproved'],
  'submit-endorsements': ['EndorsementsAccepted'],
};

type OutcomeOf<K extends GovernedKind> = Extract<LedgerEvent, { type: Outcomes[K] }>;

/** A proven transaction with the event that it became. */
export interface GovernedTransaction<K extends GovernedKind> extends ProvenTransaction {
  readonly event: OutcomeOf<K>;
}

const PAGE = 200;

/** Signs, hands in, waits, and proves the event. */
export async function submitGoverned<K extends GovernedKind>(
  context: ClientContext,
  kind: K,
  payload: PayloadByKind[K],
  deadlineOf: (transaction: Digest) => Deadline,
): Promise<GovernedTransaction<K>> {
  const { api, chain, edge } = context;
  const status = await trustedStatus(context);
  const transaction = sign(context, kind, payload, expiryHeightAfter(context, status));
  const deadline = deadlineOf(transaction.id);
  await api.submitTransaction(transaction.bytes);
  await awaitCommitted(context, transaction, deadline);
  const found = await poll(edge, deadline, 'no event of the transaction', async () => {
    for (const type of OUTCOMES[kind]) {
      const sequence = await findOwn(context, type, status.eventCount, transaction.id);
      if (sequence !== undefined) return { type, sequence };
    }
    return undefined;
  });
  const { event, sequence, height } = await chain.event(found.sequence, found.type, deadline);
  if (settledBy(event)?.id !== transaction.id) throw new ClientError('EVENT_MISMATCH', 'of another transaction');
  return { transaction: transaction.id, height, sequence, event: event as OutcomeOf<K> };
}

/** Sequence of the event of a type that the node lists for a transaction. */
async function findOwn(
  { api }: ClientContext,
  type: LedgerEvent['type'],
  from: number,
  transaction: Digest,
): Promise<number | undefined> {
  for (let next = from; ; ) {
    const page = await api.events({ from: next, limit: PAGE, type });
    const own = page.find((event) => event.type === type && event.payload.transaction === transaction);
    if (own !== undefined) return own.sequence;
    const last = page.at(-1)?.sequence;
    if (last === undefined || last < next) return undefined;
    next = last + 1;
  }
}
