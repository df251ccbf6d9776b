/**
 * Decides what governance may: which measurements may hold keys, by which policy evidence is appraised, and who has an
 * account.
 *
 * Members approve by sending the same payload; the one that reaches the threshold carries it. An approval counts for a
 * bounded number of blocks, only while its giver is a member, and only if nothing was decided meanwhile about the pair
 * of measurement and image, or the policy, that it is about: a revocation wipes out what was approved before.
 */
import { appraisalPolicyFromJson, appraisalPolicyToJson, loosenings, policyDigest } from '@cloister/attestation';
import { isAcceptableEd25519Key } from '@cloister/crypto';
import { type AccountId, accountBytes, asHeight, assert, type Digest, type Height } from '@cloister/encoding';
import { measurementKey } from '../attestation/measurement-set.ts';
import { policyTakingEffect } from '../attestation/reappraise.ts';
import type { LedgerEvent } from '../events/events.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { LedgerState, MeasurementEntry } from '../state/state.ts';
import type { ProposalKind } from '../transactions/proposal-kinds.ts';
import { accept, type Command, causeOf, type DecideContext, type Decision, proposalId, reject } from './decision.ts';
import { isGoverned } from './senders.ts';

export function decideSetMeasurement(
  state: LedgerState,
  command: Command<'set-measurement'>,
  { height }: DecideContext,
): Decision {
  const { status, graceUntilHeight, ...named } = command.payload;
  if (/^0+$/.test(named.measurement)) return reject('MEASUREMENT_DEBUG');
  const entry = state.measurements.get(measurementKey(named));
  if (entry?.status === status && (status !== 'grace-until' || entry.graceUntilHeight === graceUntilHeight)) {
    return reject('MEASUREMENT_UNCHANGED');
  }
  if (entry === undefined && status === 'revoked') return reject('MEASUREMENT_UNCHANGED', 'never allowed');
  const fact = { ...causeOf(command), ...named, height };
  const carry = (outcome: LedgerEvent) =>
    approveOrCarry(state, command.sender, { kind: 'set-measurement', ...command }, height, outcome, entry?.height);
  if (status === 'revoked') return carry({ type: 'MeasurementRevoked', ...fact });
  if (status === 'allowed') {
    const effectiveHeight = asHeight(height + settingsOf(state).params.measurementDelay);
    return carry({ type: 'MeasurementAllowed', ...fact, effectiveHeight });
  }
  assert(graceUntilHeight !== null, 'the payload was validated');
  const invalid = graceRefusal(entry, graceUntilHeight, height);
  if (invalid !== undefined) return reject('GRACE_INVALID', invalid);
  return carry({ type: 'MeasurementGraced', ...fact, graceUntilHeight });
}

/**
 * A grace needs no delay, because it only takes away: it ends an allowed measurement, or ends sooner than the grace
 * that runs.
 */
function graceRefusal(entry: MeasurementEntry | undefined, until: Height, height: Height): string | undefined {
  if (until <= height) return 'not above the height of the block';
  if (entry === undefined || entry.status === 'revoked') return 'not allowed';
  const longer = entry.status === 'grace-until' && until > (entry.graceUntilHeight ?? 0);
  return longer ? 'longer than the grace that was given' : undefined;
}

/**
 * A policy that is nowhere looser than the one in force takes effect in this very block; any other waits as allowed
 * measurements do, so that everybody who relies on the policy in force sees it in advance.
 */
export function decideSetPolicy(state: LedgerState, command: Command<'set-policy'>, context: DecideContext): Decision {
  const { appraisalPolicy: current, params } = settingsOf(state);
  const parsed = appraisalPolicyFromJson(command.payload.policy);
  if (!parsed.ok) return reject(parsed.code, parsed.detail);
  const next = parsed.value;
  const newest = state.scheduledPolicy?.appraisalPolicy ?? current;
  if (policyDigest(next) === policyDigest(newest)) return reject('POLICY_UNCHANGED');
  const looser = loosenings(current, next);
  const { height } = context;
  const effectiveHeight = looser.length === 0 ? height : asHeight(height + Math.max(1, params.measurementDelay));
  const appraisalPolicy = appraisalPolicyToJson(next);
  const decision = approveOrCarry(
    state,
    command.sender,
    { kind: 'set-policy', payload: { policy: appraisalPolicy }, id: command.id, expiryHeight: command.expiryHeight },
    height,
    {
      type: 'AppraisalPolicyScheduled',
      ...causeOf(command),
      appraisalPolicy,
      loosenings: looser,
      effectiveHeight,
      height,
    },
    state.policyDecidedHeight ?? undefined,
  );
  const carried = decision.ok && decision.value[0]?.type === 'AppraisalPolicyScheduled';
  if (!carried || effectiveHeight > height) return decision;
  return accept(...decision.value, ...policyTakingEffect(state, next, context));
}

export function decideRegisterAccount(
  state: LedgerState,
  command: Command<'register-account'>,
  { height }: DecideContext,
): Decision {
  const { account, name } = command.payload;
  // A member without weight registered itself. Governance may give it an account all the same.
  if (isGoverned(state, account)) return reject('ACCOUNT_EXISTS');
  if (!settingsOf(state).governance.members.includes(command.sender)) return reject('NOT_GOVERNANCE');
  if (!isAcceptableEd25519Key(accountBytes(account))) return reject('KEY_UNACCEPTABLE');
  if (state.accounts.size >= settingsOf(state).params.maxAccounts) return reject('ACCOUNT_LIMIT');
  return approveOrCarry(state, command.sender, { kind: 'register-account', ...command }, height, {
    type: 'AccountRegistered',
    ...causeOf(command),
    account,
    name,
    height,
  });
}

/** A transaction that approves `payload`. Approvals of equal payloads are counted together. */
interface Approval {
  readonly kind: ProposalKind;
  readonly payload: object;
  readonly id: Digest;
  readonly expiryHeight: Height;
}

/** `decidedHeight`: of the newest decision on the same matter; approvals up to it no longer count. */
function approveOrCarry(
  state: LedgerState,
  sender: AccountId,
  { kind, payload, id, expiryHeight }: Approval,
  height: Height,
  outcome: LedgerEvent,
  decidedHeight?: number,
): Decision {
  const { governance, params } = settingsOf(state);
  if (!governance.members.includes(sender)) return reject('NOT_GOVERNANCE');
  const proposal = proposalId(kind, payload);
  const standing = [...(state.proposals.get(proposal)?.approvals ?? [])]
    .filter(([member, lapsesHeight]) => lapsesHeight >= height && governance.members.includes(member))
    .filter(([, lapsesHeight]) => decidedHeight === undefined || lapsesHeight - params.approvalWindow > decidedHeight)
    .map(([member]) => member);
  if (standing.includes(sender)) return reject('ALREADY_APPROVED');
  const approvals = standing.length + 1;
  if (approvals >= governance.threshold) return accept(outcome);
  return accept({
    type: 'GovernanceApproved',
    transaction: id,
    expiryHeight,
    proposal,
    kind,
    member: sender,
    approvals,
    threshold: governance.threshold,
    lapsesHeight: asHeight(height + params.approvalWindow),
    height,
  });
}
