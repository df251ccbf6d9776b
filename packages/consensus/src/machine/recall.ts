/**
 * The start of a validator whose guard may have lost signatures. Validators tell each other what they know of each
 * other's votes, and this one signs once the shell's rule allows it.
 */
import { asView, type ValidatorId } from '@cloister/encoding';
import { weightOf } from '../certificates/validator-set.ts';
import { MAX_RECALLED_VOTES } from '../messages/limits.ts';
import type { RecallRequest, Round, Vote } from '../messages/types.ts';
import { tryFinalizeAll } from './finalize.ts';
import { serve } from './requests.ts';
import { certificatesOf, type MachineState, rejectMessage } from './state.ts';
import { beginView } from './view.ts';

/** Votes of `signer` that are held, the highest views first. */
function votesBy(machine: MachineState, signer: ValidatorId): Vote[] {
  const rounds = [...machine.current.rounds.values()].sort((a, b) => b.round.view - a.round.view);
  const votes = rounds.flatMap(({ votes: { notarize, nullify, finalize } }) =>
    [notarize, nullify, finalize].flatMap((byKind) => byKind.get(signer) ?? []),
  );
  return votes.slice(0, MAX_RECALLED_VOTES);
}

/**
 * A request is answered even before this node may sign, because two nodes that start together wait for each other's
 * answers.
 */
export function onRecallRequest(machine: MachineState, from: ValidatorId, { nonce }: RecallRequest): void {
  const { epoch, view, set } = machine.current;
  if (from === machine.config.self) return;
  if (weightOf(set, from) === 0n) {
    rejectMessage(machine, from, 'UNKNOWN_SIGNER');
    return;
  }
  const [certificate] = certificatesOf(machine, asView(view - 1));
  const answer = { type: 'recall', nonce, epoch, view, certificate, votes: votesBy(machine, from) } as const;
  if (!serve(machine, from, answer)) rejectMessage(machine, from, 'TOO_MANY_REQUESTS');
}

/** From here on this node votes: the timer of its view starts, and it makes the votes that it withheld. */
export function onMaySign(machine: MachineState, floor: Round | undefined): void {
  if (!machine.muted) return;
  machine.muted = false;
  if (floor !== undefined) machine.guard.raiseFloor(floor);
  if (!machine.started) return;
  beginView(machine);
  tryFinalizeAll(machine, false);
}
