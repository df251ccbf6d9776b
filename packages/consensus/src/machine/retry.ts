/**
 * The retry timer: own votes and certificates are sent again within an egress budget, and what is missing is asked for
 * again.
 */
import { asView, type ValidatorId } from '@cloister/encoding';
import { MAX_PROPOSAL_BYTES, RELAY_FANOUT } from '../messages/limits.ts';
import { encodeMessage } from '../messages/message-codec.ts';
import type { ConsensusMessage } from '../messages/types.ts';
import { tryCommit } from './commit.ts';
import { tryFinalizeAll } from './finalize.ts';
import { behind, sendTo, some } from './relay.ts';
import { certificatesOf, emit, finalizedView, findRound, type MachineState } from './state.ts';

/** Allowance that may be saved up, so that even the largest proposal goes out in the end. */
const MAX_BUDGET_BYTES = 2 * MAX_PROPOSAL_BYTES;

/**
 * Armed once on start, then by itself. It belongs to no view, because fast views would restart it again and again, and
 * no request would ever be renewed.
 */
export function armRetry(machine: MachineState): void {
  const { epoch, view } = machine.current;
  emit(machine, { type: 'set-timer', timer: 'retry', epoch, view, delayMs: machine.config.timing.retryMs });
}

export function onRetry(machine: MachineState): void {
  machine.retries += 1;
  machine.fetching.clear();
  machine.requestedViews.clear();
  machine.served.clear();
  machine.farProposals.clear();
  machine.greeted.clear();
  machine.catchingUp = false;
  machine.retryBudget = Math.min(MAX_BUDGET_BYTES, machine.retryBudget + machine.config.timing.retryBytes);
  armRetry(machine);
  const { view } = machine.current;
  const final = finalizedView(machine);
  const { lastRetry } = machine;
  machine.lastRetry = { view, finalizedView: final };
  if (view === lastRetry.view || final === lastRetry.finalizedView) resend(machine);
  tryCommit(machine);
  tryFinalizeAll(machine, true);
}

interface Resent {
  readonly message: ConsensusMessage;
  readonly to: readonly ValidatorId[] | 'all';
}

/**
 * In order of use: the status, own votes, the certificates that led to this view, the proposal, older finalize votes.
 * The status goes to some members, others on each retry. The certificates go to members that have not shown to be in
 * this view.
 */
function retrySet(machine: MachineState): Resent[] {
  const { epoch, view, finalized } = machine.current;
  const own = findRound(machine, view)?.own;
  const turn = machine.retries * RELAY_FANOUT;
  const before = asView(view - 1);
  const certificates = certificatesOf(machine, before).filter((certificate) => certificate !== finalized);
  const older = ownFinalizeViews(machine).map((at) => findRound(machine, asView(at))?.own.finalize);
  const toAll = (message: ConsensusMessage | undefined): Resent[] => {
    return message === undefined ? [] : [{ message, to: 'all' }];
  };
  const recipients = behind(machine, before, turn);
  return [
    { message: { type: 'status', epoch, view, finalization: finalized }, to: some(machine, turn) },
    ...toAll(own?.notarize),
    ...toAll(own?.nullify),
    ...toAll(own?.finalize),
    ...certificates.map((message) => ({ message, to: recipients })),
    ...toAll(own?.propose),
    ...older.flatMap(toAll),
  ];
}

/** Views in (finalized, view) with an own finalize vote, starting elsewhere on each retry, so that a tight budget starves none. */
function ownFinalizeViews(machine: MachineState): number[] {
  const views: number[] = [];
  for (const [at, round] of machine.current.rounds) {
    if (at > finalizedView(machine) && at < machine.current.view && round.own.finalize !== undefined) views.push(at);
  }
  views.sort((a, b) => a - b);
  const shift = views.length === 0 ? 0 : (machine.retries * 7) % views.length;
  return [...views.slice(shift), ...views.slice(0, shift)];
}

function resend(machine: MachineState): void {
  if (machine.config.self === undefined) return;
  for (const { message, to } of retrySet(machine)) {
    const size = encodeMessage(message).length;
    if (size > machine.retryBudget) continue;
    machine.retryBudget -= size;
    if (to === 'all') emit(machine, { type: 'send', to, message });
    else sendTo(machine, to, message);
  }
}
