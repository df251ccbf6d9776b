/** ENTER(v): moves to a view, sets its timers, and gives it up early where waiting is useless. */
import { asView, type View } from '@cloister/encoding';
import { leaderOf } from '../leaders/leader.ts';
import { PACE_MS_MIN } from '../messages/limits.ts';
import { relay } from './relay.ts';
import { nullify } from './sign.ts';
import { emit, finalizedView, findRound, isVoter, type MachineState, roundAt } from './state.ts';

/**
 * T(v) = min(cap, T0·α^k), and the idle interval on top while there is nothing to do. k counts the views since the last
 * finalization that this node waited out to the end, beyond as many as faulty leaders explain: a row of silent leaders
 * says nothing about the speed of the network, and must not make the next silent leader cost half a minute.
 */
export function viewTimeoutMs(machine: MachineState): number {
  const { viewTimeoutMs, growth, capMs, idleIntervalMs } = machine.config.timing;
  const { timeouts, set } = machine.current;
  const steps = Math.max(0, timeouts - Math.floor((set.validators.length - 1) / 3));
  return Math.ceil(Math.min(viewTimeoutMs * growth ** steps, capMs)) + (machine.workPending ? 0 : idleIntervalMs);
}

/**
 * How long a view lasts at least before it is given up without waiting for its timer. Nothing at first: silent leaders in a row are passed over at the
 * network's speed. But after a whole turn of leaders without a finalization something else is wrong, and views must not race
 * (measured: hundreds a second where half of the validators judged every proposal invalid).
 */
export function paceMs(machine: MachineState, view: View): number {
  const { growth } = machine.config.timing;
  const failed = view - finalizedView(machine) - 1;
  const beyond = failed - machine.current.set.validators.length;
  return beyond < 0 ? 0 : Math.ceil(Math.min(PACE_MS_MIN * growth ** beyond, viewTimeoutMs(machine)));
}

/** Moves to a view. Before the machine has started, only the number moves; `beginView` follows once. */
export function enterView(machine: MachineState, view: number): void {
  const { current } = machine;
  if (machine.started) noteLateness(machine);
  current.view = asView(view);
  current.building = undefined;
  current.proposeDue = false;
  if (machine.started) beginView(machine);
}

/** The effects of entering the current view; TRY_PROPOSE, TRY_NOTARIZE and TRY_GIVE_UP follow when the step settles. */
export function beginView(machine: MachineState): void {
  const { current, config } = machine;
  const { epoch, view, set } = current;
  const { idleIntervalMs } = config.timing;
  if (!isVoter(machine)) return;
  emit(machine, { type: 'set-timer', timer: 'view', epoch, view, delayMs: viewTimeoutMs(machine) });
  const delayMs = paceMs(machine, view);
  current.giveUpDue = delayMs === 0;
  if (delayMs > 0) emit(machine, { type: 'set-timer', timer: 'give-up', epoch, view, delayMs });
  const leads = leaderOf(set, { epoch, view }) === machine.key?.id;
  if (leads && !machine.workPending) {
    emit(machine, { type: 'set-timer', timer: 'propose', epoch, view, delayMs: idleIntervalMs });
  }
  current.punctual = undefined;
  expectProposal(machine);
}

/** From now, or from when there is work, the leader has a quarter of T0. */
function expectProposal(machine: MachineState): void {
  const { epoch, view } = machine.current;
  if (machine.workPending) machine.current.punctual = true;
  const delayMs = Math.ceil(machine.config.timing.viewTimeoutMs / 4);
  emit(machine, { type: 'set-timer', timer: 'quarter', epoch, view, delayMs });
}

/** The shell says whether there is reason to propose at once. */
export function onWork(machine: MachineState, pending: boolean): void {
  const began = pending && !machine.workPending;
  machine.workPending = pending;
  if (began && machine.started && isVoter(machine) && machine.current.punctual === undefined) expectProposal(machine);
}

/** A quarter of T0 has passed in the current view. */
export function onQuarter(machine: MachineState): void {
  const { current } = machine;
  if (current.punctual === true && findRound(machine, current.view)?.proposal === undefined) current.punctual = false;
  relay(machine);
}

/**
 * When a view ends that gave a block, notes whether its leader made this node wait. What only this node saw is kept
 * apart from what the chain shows to all nodes. Views without a block are counted from the chain.
 */
function noteLateness(machine: MachineState): void {
  const { config, current, committed } = machine;
  const round = findRound(machine, current.view);
  if (round === undefined || current.punctual === undefined || round.leader === config.self) return;
  const { leader } = round;
  const moment = { atMs: committed.timestampMs, view: current.view };
  const turn = { leader, view: current.view };
  if (round.notarization === undefined) {
    // Nobody waited for it: this is one of the turns for which it is passed over.
    if (machine.lateness.isPassedOver(leader)) machine.lateness.missed([turn], moment);
  } else if (current.punctual) machine.lateness.led(leader, moment);
  else machine.lateness.missed([turn], moment);
}

/** Whether the current leader is passed over: by the chain's record, or by this node's own. */
function isPassedOver({ current, config, reputation, lateness }: MachineState): boolean {
  const leader = leaderOf(current.set, current);
  return leader !== config.self && (reputation.isPassedOver(leader) || lateness.isPassedOver(leader));
}

/**
 * NULLIFY before the view timer: on the leader's own nullify, its equivocation, a proposal that is not OK, or where the leader is passed over.
 * Local, and always safe. A proposal that comes before the pace allows it is voted for all the same.
 */
export function tryGiveUp(machine: MachineState): void {
  const { current } = machine;
  if (!current.giveUpDue || !isVoter(machine)) return;
  const round = findRound(machine, current.view);
  const failed = round !== undefined && (round.equivocated || round.refused || round.votes.nullify.has(round.leader));
  if (failed || isPassedOver(machine)) nullify(machine, roundAt(machine, current.view).round);
}
