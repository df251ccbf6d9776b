/** Collects fault evidence, one piece for each (signer, kind) of an epoch. */
import type { ValidatorId } from '@cloister/encoding';
import { summaryOf } from '../certificates/justification.ts';
import { evidenceKey, faultOf, isUnjustified, verifyFaultEvidence } from '../evidence/evidence.ts';
import { compareRounds } from '../guard/sign-guard.ts';
import { MAX_EVIDENCE_AGE_VIEWS } from '../messages/limits.ts';
import { sameProposition } from '../messages/signed-bytes.ts';
import type { FaultEvidence, SignedStatement, Vote } from '../messages/types.ts';
import { emit, finalizedView, halt, isVoter, type MachineState, type RoundState, rejectMessage } from './state.ts';

/** Gives out a piece of evidence and tells the others, unless its (signer, kind) was accused in this epoch before. */
export function accuse(machine: MachineState, evidence: FaultEvidence): void {
  const { accused } = machine.current;
  const key = evidenceKey(evidence);
  if (accused.has(key)) return;
  accused.add(key);
  emit(machine, { type: 'evidence', evidence });
  if (isVoter(machine)) emit(machine, { type: 'send', to: 'all', message: { type: 'evidence', evidence } });
}

/**
 * Takes evidence that another node found. Only one piece for each (signer, kind) is of use, and only that one is
 * verified.
 */
export function onEvidence(machine: MachineState, from: ValidatorId, evidence: FaultEvidence): void {
  const { accused, epoch, set } = machine.current;
  const { epoch: ofEpoch, view } = faultOf(evidence);
  if (ofEpoch !== epoch || finalizedView(machine) - view > MAX_EVIDENCE_AGE_VIEWS) return;
  const key = evidenceKey(evidence);
  if (accused.has(key)) return;
  if (!verifyFaultEvidence(set, machine.chainId, evidence, machine.signatures.check).ok) {
    rejectMessage(machine, from, 'BAD_EVIDENCE');
    return;
  }
  accused.add(key);
  emit(machine, { type: 'evidence', evidence });
}

/** A notarize vote for a proposal whose justification is bad is evidence against the voter. */
export function accuseUnjustified(machine: MachineState, round: RoundState, vote: Vote): void {
  const { proposal } = round;
  if (!round.unjustified || proposal === undefined || vote.kind !== 'notarize') return;
  if (!sameProposition(vote.proposition, proposal.proposition)) return;
  const summary = summaryOf(proposal.justification);
  if (!isUnjustified(machine.chainId, vote.proposition, proposal.header, summary)) return;
  const { kind, epoch, view, proposition, signer, signature } = vote;
  accuse(machine, {
    type: 'bad-justification',
    signer,
    vote: { kind, epoch, view, proposition, signer, signature },
    header: proposal.header,
    justification: summary,
  });
}

/**
 * Stops the node when its own key made a signature that the guard does not know: nothing more may be signed here. While
 * the machine is muted, such a signature only shows that the guard does not know everything, and the shell judges it.
 */
export function heedOwn(machine: MachineState, signed: SignedStatement): void {
  const { key, guard, rules } = machine;
  if (signed.signer !== key?.id || compareRounds(signed, guard.floor) <= 0) return;
  if (!rules.signedElsewhere(guard.own(signed), signed)) return;
  if (machine.muted) {
    emit(machine, { type: 'own-unknown', round: { epoch: signed.epoch, view: signed.view } });
  } else {
    const what = `${signed.kind} in epoch ${signed.epoch}, view ${signed.view}`;
    halt(
      machine,
      'SIGNED_ELSEWHERE',
      `${what} is signed with this validator's key, and its sign guard does not know it: another process signs with the key, or the ` +
        'guard was rolled back. Stop the other one for good before this one starts again',
    );
  }
}
