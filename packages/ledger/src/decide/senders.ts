/**
 * Says who may send transactions, and who may put something on the ledger that stays.
 *
 * Accounts and validators come from governance. A member without weight comes by itself, and needs a machine: hardware
 * serves one standing attestation at a time, but one machine can register one id after the other. So such an id may
 * send only while its attestation holds the machine, and it may put nothing on the ledger that stays there after it is
 * replaced.
 */
import { type AccountId, asValidatorId } from '@cloister/encoding';
import { isStanding } from '../attestation/eligibility.ts';
import type { LedgerState } from '../state/state.ts';

/** An account, or a validator. */
export function isGoverned(state: LedgerState, id: AccountId): boolean {
  return state.accounts.has(id) || (state.members.get(asValidatorId(id))?.weight ?? 0) > 0;
}

/** An account, a validator, or a member without weight that holds an attestation or that an open task waits for. */
export function isKnownSender(state: LedgerState, id: AccountId): boolean {
  if (isGoverned(state, id)) return true;
  if (!state.members.has(asValidatorId(id))) return false;
  const attestation = state.attestations.get(id);
  const stands = attestation !== undefined && isStanding(attestation, state.height, state.timeMs);
  return stands || state.taskIndex.openOfExecutor(id) > 0;
}
