/**
 * What governance decides: which measurements may hold keys, and who has an account.
 *
 * Members approve by sending the same payload; the one that reaches the threshold carries it. An approval counts for a
 * bounded number of blocks, only while its giver is a member, and only if nothing was decided meanwhile about the pair of
 * measurement and image that it is about: a revocation wipes out what was approved before.
 */
import { accountBytes, asHeight, asValidatorId, isAcceptableEd25519Key } from '@cloister/crypto';
import { accept, type Command, causeOf, type DecideContext, type Decision, proposalId, reject } from './decision.ts';
import type { LedgerEvent } from './events.ts';
import { measurementKey } from './measurement-set.ts';
import { networkOf } from './network-of.ts';
import type { LedgerState } from './state.ts';

export function decideSetMeasurement(
  state: LedgerState,
  command: Command<'set-measurement'>,
  { height }: DecideContext,
): Decision {
  const { status, ...named } = command.payload;
  if (/^0+$/.test(named.measurement)) return reject('MEASUREMENT_DEBUG');
  const standing = state.measurements.get(measurementKey(named));
  if (standing?.status === status) return reject('MEASUREMENT_UNCHANGED');
  if (standing === undefined && status === 'revoked') return reject('MEASUREMENT_UNCHANGED', 'never allowed');
  const cause = causeOf(command);
  const decidedHeight = standing?.height;
  if (status === 'revoked') {
    return approveOrCarry(
      state,
      command,
      'set-measurement',
      height,
      {
        type: 'MeasurementRevoked',
        ...cause,
        ...named,
        height,
      },
      decidedHeight,
    );
  }
  const effectiveHeight = asHeight(height + networkOf(state).params.measurementDelay);
  return approveOrCarry(
    state,
    command,
    'set-measurement',
    height,
    {
      type: 'MeasurementAllowed',
      ...cause,
      ...named,
      effectiveHeight,
      height,
    },
    decidedHeight,
  );
}

export function decideRegisterAccount(
  state: LedgerState,
  command: Command<'register-account'>,
  { height }: DecideContext,
): Decision {
  const { account, name } = command.payload;
  if (state.accounts.has(account) || state.members.has(asValidatorId(account))) return reject('ACCOUNT_EXISTS');
  if (!networkOf(state).governance.members.includes(command.sender)) return reject('NOT_GOVERNANCE');
  if (!isAcceptableEd25519Key(accountBytes(account))) return reject('KEY_UNACCEPTABLE');
  return approveOrCarry(state, command, 'register-account', height, {
    type: 'AccountRegistered',
    ...causeOf(command),
    account,
    name,
    height,
  });
}

/** `decidedHeight`: of the newest decision on the same matter; approvals up to it no longer count. */
function approveOrCarry(
  state: LedgerState,
  command: Command<'set-measurement' | 'register-account'>,
  kind: 'set-measurement' | 'register-account',
  height: DecideContext['height'],
  outcome: LedgerEvent,
  decidedHeight?: number,
): Decision {
  const { governance, params } = networkOf(state);
  if (!governance.members.includes(command.sender)) return reject('NOT_GOVERNANCE');
  const proposal = proposalId(kind, command.payload);
  const standing = [...(state.proposals.get(proposal)?.approvals ?? [])]
    .filter(([member, lapsesHeight]) => lapsesHeight >= height && governance.members.includes(member))
    .filter(([, lapsesHeight]) => decidedHeight === undefined || lapsesHeight - params.approvalWindow > decidedHeight)
    .map(([member]) => member);
  if (standing.includes(command.sender)) return reject('ALREADY_APPROVED');
  const approvals = standing.length + 1;
  if (approvals >= governance.threshold) return accept(outcome);
  return accept({
    type: 'GovernanceApproved',
    ...causeOf(command),
    proposal,
    kind,
    member: command.sender,
    approvals,
    threshold: governance.threshold,
    lapsesHeight: asHeight(height + params.approvalWindow),
    height,
  });
}
