/**
 * ENTER(v): moving to a view, its timers, and giving up at once on a leader that has long been silent.
 */
import { asView, type View } from '@cloister/crypto';
import { leaderOf } from '../leader.ts';
import { weightOf } from '../validator-set.ts';
import { nullify } from './sign.ts';
import { emit, finalizedView, isVoter, type MachineState } from './state.ts';

/** T(v) = min(cap, T0·α^(v − lastFinal.view − 1)), and the idle interval on top while there is nothing to do. */
export function viewTimeoutMs(machine: MachineState, view: View): number {
  const { viewTimeoutMs, growth, capMs, idleIntervalMs } = machine.config.timing;
  let delay = Math.min(viewTimeoutMs, capMs);
  for (let step = finalizedView(machine) + 1; step < view && delay < capMs; step++) delay *= growth;
  return Math.ceil(Math.min(delay, capMs)) + (machine.workPending ? 0 : idleIntervalMs);
}

/**
 * Whether the view's leader was unseen for K views while members of a quorum's weight were seen. Views that this node
 * jumped over tell nothing: a certificate names a quorum, and the leader need not be in it.
 */
function leaderUnseen(machine: MachineState, view: View): boolean {
  const { epoch, set, lastSeen, followedSince } = machine.current;
  const since = view - machine.config.timing.leaderUnseenViews;
  const leader = leaderOf(set, { epoch, view });
  if (since < followedSince || leader === machine.config.self || (lastSeen.get(leader) ?? 0) >= since) return false;
  let seen = 0n;
  for (const [id, at] of lastSeen) if (at >= since) seen += weightOf(set, id);
  return seen >= set.quorum;
}

/** Moves to a view. Before the machine has started, only the number moves; `beginView` follows once. */
export function enterView(machine: MachineState, view: number): void {
  const { current } = machine;
  if (view !== current.view + 1) current.followedSince = asView(view);
  current.view = asView(view);
  current.building = undefined;
  current.proposeDue = false;
  if (machine.started) beginView(machine);
}

/** The effects of entering the current view; TRY_PROPOSE and TRY_NOTARIZE follow when the step settles. */
export function beginView(machine: MachineState): void {
  const { epoch, view, set } = machine.current;
  const { idleIntervalMs } = machine.config.timing;
  if (isVoter(machine)) {
    emit(machine, { type: 'set-timer', timer: 'view', epoch, view, delayMs: viewTimeoutMs(machine, view) });
    if (leaderOf(set, { epoch, view }) === machine.key?.id && !machine.workPending) {
      emit(machine, { type: 'set-timer', timer: 'propose', epoch, view, delayMs: idleIntervalMs });
    }
    if (leaderUnseen(machine, view)) nullify(machine, { epoch, view });
  }
}
