/**
 * Chooses the member whose place a newcomer takes when there are as many members as the parameters allow: the member
 * without weight whose attestation lapsed or was evicted the longest ago. Anybody with a machine may register by
 * attesting. Without this rule a party that registers and leaves again and again would close the network to all
 * newcomers.
 */
import type { AccountId, Height, ValidatorId } from '@cloister/encoding';
import { asValidatorId } from '@cloister/encoding';
import type { Attestation, LedgerState } from '../state/state.ts';
import { isStanding } from './eligibility.ts';

/**
 * The first height at which the attestation surely did not hold any more. The height at which its time ran out is not
 * kept. An attestation that lapsed by time alone is not refreshed any more, so it also lapses by height within one
 * refresh window. Until then it counts as the last that lapsed.
 */
function lapsedAt({ validUntilHeight, aliveUntilHeight, evicted }: Attestation): number {
  return Math.min(validUntilHeight, aliveUntilHeight, evicted?.height ?? Number.POSITIVE_INFINITY);
}

/**
 * Undefined when every member without weight holds an attestation, is named by an open task, or once signed two results: to
 * forget such a key set would be to trust it again.
 */
export function replaceableMember(state: LedgerState, height: Height, timeMs: number): ValidatorId | undefined {
  const distrusted = new Set<AccountId>();
  for (const { node, status } of state.keysets.values()) if (status === 'distrusted') distrusted.add(node);
  let longest: { readonly member: ValidatorId; readonly at: number } | undefined;
  for (const attestation of state.attestations.values()) {
    const member = asValidatorId(attestation.node);
    if (state.members.get(member)?.weight !== 0 || isStanding(attestation, height, timeMs)) continue;
    if (distrusted.has(attestation.node) || state.taskIndex.openOfExecutor(attestation.node) > 0) continue;
    const at = lapsedAt(attestation);
    // Of two that lapsed at one height, the smaller id: the order of a map depends on how the state came to be.
    if (longest === undefined || at < longest.at || (at === longest.at && member < longest.member)) {
      longest = { member, at };
    }
  }
  return longest?.member;
}

/**
 * Forgets a member with all that is kept under its name. Grants to its keys end instead: a client counts the grants that it is
 * shown, and of each that stands it is owed an attestation.
 */
export function forgetMember(state: LedgerState, member: ValidatorId, height: Height): void {
  for (const { grants } of state.models.values()) {
    for (const [keyset, grant] of grants) {
      if (grant.node === member && grant.revokedHeight === null)
        grants.set(keyset, { ...grant, revokedHeight: height });
    }
  }
  state.members.delete(member);
  state.attestations.delete(member);
  for (const [id, { node, signKey, hpkeKey }] of state.keysets) {
    if (node !== member) continue;
    state.keysets.delete(id);
    state.keyOwners.delete(signKey);
    state.keyOwners.delete(hpkeKey);
  }
  for (const [hardwareId, node] of state.hardware) if (node === member) state.hardware.delete(hardwareId);
}
