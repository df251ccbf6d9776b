/**
 * Evidence as it turns up, each piece once, and who was seen in which view.
 */
import type { ValidatorId, View } from '@cloister/crypto';
import { bareJustification, evidenceKey, isUnjustified } from '../evidence.ts';
import { compareRounds } from '../sign-guard.ts';
import { sameProposition } from '../signed-bytes.ts';
import type { Evidence, SignedStatement, Vote } from '../types.ts';
import { emit, halt, type MachineState, type RoundState } from './state.ts';

/** Gives out a piece of evidence, unless its (signer, kind) was accused in this round before. */
export function accuse(machine: MachineState, round: RoundState, evidence: Evidence): void {
  const key = evidenceKey(evidence);
  if (round.accused.has(key)) return;
  round.accused.add(key);
  emit(machine, { type: 'evidence', evidence });
}

/** A notarize vote for a proposal whose justification is bad is evidence against the voter. */
export function accuseUnjustified(machine: MachineState, round: RoundState, vote: Vote): void {
  const { proposal } = round;
  if (!round.unjustified || proposal === undefined || vote.kind !== 'notarize') return;
  if (!sameProposition(vote.proposition, proposal.proposition)) return;
  if (!isUnjustified(machine.chainId, vote.proposition, proposal.header, proposal.justification)) return;
  const { kind, epoch, view, proposition, signer, signature } = vote;
  accuse(machine, round, {
    type: 'bad-justification',
    signer,
    vote: { kind, epoch, view, proposition, signer, signature },
    header: proposal.header,
    justification: bareJustification(proposal.justification),
  });
}

/**
 * Stops when the own key signed what the guard does not know of: nothing more must be signed here. While nothing is signed
 * yet, such a signature tells only that the guard is not the whole memory; whoever muted the machine judges it.
 */
export function heedOwn(machine: MachineState, signed: SignedStatement): void {
  const { key, guard, rules } = machine;
  if (signed.signer !== key?.id || compareRounds(signed, guard.floor) <= 0) return;
  if (!rules.signedElsewhere(guard.own(signed), signed)) return;
  if (machine.muted) {
    emit(machine, { type: 'own-unknown', round: { epoch: signed.epoch, view: signed.view } });
  } else {
    halt(machine, 'SIGNED_ELSEWHERE', `${signed.kind} in epoch ${signed.epoch}, view ${signed.view}`);
  }
}

/** Remembers the highest view in which a validator's good signature was seen. */
export function markSeen(machine: MachineState, signer: ValidatorId, view: View): void {
  const { lastSeen } = machine.current;
  if ((lastSeen.get(signer) ?? 0) < view) lastSeen.set(signer, view);
}
