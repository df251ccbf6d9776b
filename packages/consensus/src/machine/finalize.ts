/**
 * TRY_FINALIZE: on notarization, on a block stored or verified, on recovery, on every retry.
 */
import { asView } from '@cloister/encoding';
import { signersOf } from '../certificates/certificate.ts';
import { checkBlock, requestBlock } from './blocks.ts';
import { maySign, signVote } from './sign.ts';
import { finalizedView, findRound, type MachineState, type RoundState } from './state.ts';

/**
 * Signs finalize(P) when the notarization of P is held, its block is here and good, and nothing this node signed in the
 * round says otherwise. `fetch`: ask for the block if it is not here. Used on retry only, since a proposal is usually
 * on its way.
 */
export function tryFinalize(machine: MachineState, round: RoundState, fetch = false): void {
  const { notarization } = round;
  if (!machine.started || notarization === undefined || round.round.view <= finalizedView(machine)) return;
  const { epoch, view, proposition } = notarization;
  if (!maySign(machine, { kind: 'finalize', epoch, view, proposition })) return;
  const holders = signersOf(machine.current.set, notarization);
  const entry = machine.blocks.get(proposition.blockHash);
  if (entry === undefined) {
    if (fetch) requestBlock(machine, proposition.blockHash, holders);
    return;
  }
  if (entry.block.header.view !== view || checkBlock(machine, entry, holders) !== 'valid') return;
  signVote(machine, 'finalize', proposition, entry.block);
}

/** For every round above the highest finalization. */
export function tryFinalizeAll(machine: MachineState, fetch: boolean): void {
  const views = [...machine.current.rounds.keys()]
    .filter((view) => view > finalizedView(machine))
    .sort((a, b) => a - b);
  for (const view of views) {
    const round = findRound(machine, asView(view));
    if (round !== undefined) tryFinalize(machine, round, fetch);
  }
}
