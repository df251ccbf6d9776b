/**
 * Decides about newer endorsements, which anyone may submit. They are authenticated by themselves and then applied to
 * every attestation that rests on older ones.
 */
import { decodeEndorsements, verifyEndorsements } from '@cloister/attestation';
import { type AccountId, assert, parseBase64 } from '@cloister/encoding';
import { isStanding } from '../attestation/eligibility.ts';
import { isNewer } from '../attestation/floors.ts';
import { endorsementsTakingEffect, mergesWith, type NewerEndorsements } from '../attestation/reappraise.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { LedgerState } from '../state/state.ts';
import { accept, type Command, causeOf, type DecideContext, type Decision, reject } from './decision.ts';

export function decideSubmitEndorsements(
  state: LedgerState,
  command: Command<'submit-endorsements'>,
  context: DecideContext,
): Decision {
  const { platform, endorsements: submitted } = command.payload;
  const bytes = parseBase64(submitted);
  assert(bytes !== undefined, 'the payload was validated');
  const endorsements = decodeEndorsements(bytes);
  if (!endorsements.ok) return reject('ENDORSEMENTS_REFUSED', endorsements.code);
  const verified = verifyEndorsements({
    platform,
    endorsements: endorsements.value,
    trustAnchors: settingsOf(state).trustAnchors,
    atMs: context.timeMs,
    crlFloors: state.crlFloors,
    statementFloors: state.statementFloors,
  });
  if (!verified.ok) return reject('ENDORSEMENTS_REFUSED', verified.code);
  const { crls, statements } = verified.value;
  const newer = { platform, endorsements: endorsements.value, crls, statements };
  const merges = mergesWith(state, newer, context);
  const outcomes = new Set(merges.map(({ merge }) => merge.outcome));
  // A chain that lasts longer is worth taking, whatever came with the one that is held.
  if (!isNewer(state, verified.value) && !outcomes.has('merged')) return reject('ENDORSEMENTS_NOT_NEWER');
  if (raisesEvaluation(state, newer) && !isTrusted(state, command.sender, context)) {
    return reject('ENDORSEMENTS_REFUSED', 'EVALUATION_AHEAD');
  }
  // No attestation is lost because a submission left something out.
  if (outcomes.has('SIGNER_CHANGED')) return reject('ENDORSEMENTS_REFUSED', 'SIGNER_CHANGED');
  return accept(
    {
      type: 'EndorsementsAccepted',
      ...causeOf(command),
      platform,
      crls,
      statements,
      endorsements: submitted,
      height: context.height,
    },
    ...endorsementsTakingEffect(state, newer, merges, context),
  );
}

/** Whether a statement was made by later rules than any seen of its name, or is the first of its name. */
function raisesEvaluation({ statementFloors }: LedgerState, { statements }: NewerEndorsements): boolean {
  return statements.some(({ name, tcbEvaluationDataNumber }) => {
    const floor = statementFloors.get(name);
    return floor === undefined || tcbEvaluationDataNumber > floor.tcbEvaluationDataNumber;
  });
}

/** Intel publishes two sets of rules at a time. An account alone cannot move everyone to the later one. */
function isTrusted(state: LedgerState, sender: AccountId, { height, timeMs }: DecideContext): boolean {
  if (settingsOf(state).governance.members.includes(sender)) return true;
  const attestation = state.attestations.get(sender);
  return attestation !== undefined && isStanding(attestation, height, timeMs);
}
