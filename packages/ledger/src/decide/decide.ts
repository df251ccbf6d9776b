/**
 * Decides a transaction: the result is events, or the code of its rejection. Pure, synchronous, and changes nothing.
 */
import type { Decider } from '@cloister/event-log';
import type { LedgerEvent } from '../events/events.ts';
import { evolve } from '../evolve/evolve.ts';
import { settingsOf } from '../state/settings-of.ts';
import { initialState, type LedgerState } from '../state/state.ts';
import type { AdmissionRefusal, RejectionCode } from '../transactions/codes.ts';
import { decideRefreshAttestation, decideSubmitAttestation } from './decide-attestation.ts';
import { decideSubmitEndorsements } from './decide-endorsements.ts';
import { decideRegisterAccount, decideSetMeasurement, decideSetPolicy } from './decide-governance.ts';
import { decideGrantModelKey, decidePublishModel, decideRevokeGrant, decideRevokeModel } from './decide-models.ts';
import { decidePutRecord } from './decide-records.ts';
import { decideRequestInference } from './decide-request.ts';
import { decideDeclineTask, decideSubmitResult } from './decide-result.ts';
import type { DecideContext, Decision, TransactionToDecide } from './decision.ts';
import { isKnownSender } from './senders.ts';

/** Decides a transaction that `admissionRefusal` lets through, whose signature was checked. */
export function decide(state: LedgerState, transaction: TransactionToDecide, context: DecideContext): Decision {
  switch (transaction.kind) {
    case 'put-record':
      return decidePutRecord(state, transaction);
    case 'submit-attestation':
      return decideSubmitAttestation(state, transaction, context);
    case 'refresh-attestation':
      return decideRefreshAttestation(state, transaction, context);
    case 'publish-model':
      return decidePublishModel(state, transaction, context);
    case 'grant-model-key':
      return decideGrantModelKey(state, transaction, context);
    case 'revoke-model':
      return decideRevokeModel(state, transaction, context);
    case 'revoke-grant':
      return decideRevokeGrant(state, transaction, context);
    case 'request-inference':
      return decideRequestInference(state, transaction, context);
    case 'submit-result':
      return decideSubmitResult(state, transaction, context);
    case 'decline-task':
      return decideDeclineTask(state, transaction, context);
    case 'set-measurement':
      return decideSetMeasurement(state, transaction, context);
    case 'register-account':
      return decideRegisterAccount(state, transaction, context);
    case 'set-policy':
      return decideSetPolicy(state, transaction, context);
    case 'submit-endorsements':
      return decideSubmitEndorsements(state, transaction, context);
  }
}

/**
 * Why a transaction is not for the block at `height` at all, or undefined. In a block it then executes to nothing; at
 * ingress it is refused. Evidence is taken from unknown senders: accepting it is how a node becomes a member.
 */
export function admissionRefusal(
  state: LedgerState,
  transaction: TransactionToDecide,
  height: DecideContext['height'],
): AdmissionRefusal | undefined {
  const { chainId, params } = settingsOf(state);
  if (transaction.chainId !== chainId) return 'WRONG_CHAIN';
  if (transaction.expiryHeight < height) return 'TRANSACTION_EXPIRED';
  if (transaction.expiryHeight > height + params.transactionWindow) return 'EXPIRY_TOO_FAR';
  if (state.executed.has(transaction.id)) return 'ALREADY_EXECUTED';
  const known = transaction.kind === 'submit-attestation' || isKnownSender(state, transaction.sender);
  return known ? undefined : 'SENDER_UNKNOWN';
}

/**
 * Why evidence of somebody whom the ledger does not know would be rejected in a block of `context`, or undefined.
 * Ingress asks before it packs a stranger's evidence. Strangers pay nothing, so their evidence is kept only if it would
 * be admitted.
 */
export function strangerRefusal(
  state: LedgerState,
  transaction: TransactionToDecide,
  context: DecideContext,
): { readonly code: RejectionCode; readonly detail?: string } | undefined {
  if (isKnownSender(state, transaction.sender)) return undefined;
  const decision = decide(state, transaction, context);
  return decision.ok ? undefined : decision;
}

/** The ledger in the decider form of @cloister/event-log. */
export const ledgerDecider: Decider<LedgerState, TransactionToDecide, LedgerEvent, DecideContext, RejectionCode> = {
  initial: initialState,
  decide,
  evolve,
};
