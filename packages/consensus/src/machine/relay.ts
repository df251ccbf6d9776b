/**
 * Chooses to whom a certificate is sent: a few nodes for which it may be new.
 *
 * Everybody forms certificates from the votes, which everybody sends to all. If all sent each certificate to all, a
 * block would cost 92 MB with a hundred validators, almost always in vain. So whoever forms one sends it to the next
 * leader, whose proposal brings it to all, and to a few others. Sometimes that is not enough: votes were withheld from
 * some, or the leader is silent. So a node that still waits in the next view after a quarter of T0 sends the
 * certificate to some that have not shown to be there. Each retry does the same.
 */
import { asView, type ValidatorId, type View } from '@cloister/encoding';
import { validatorIndex } from '../certificates/validator-set.ts';
import { leaderOf } from '../leaders/leader.ts';
import { CERTIFICATE_FANOUT, RELAY_FANOUT } from '../messages/limits.ts';
import type { Certificate, ConsensusMessage } from '../messages/types.ts';
import { certificatesOf, emit, isVoter, type MachineState } from './state.ts';

/** Notes by a peer's own message the view that it has left. A false claim only changes what the peer itself is sent. */
export function noteLeft(machine: MachineState, from: ValidatorId, view: number): void {
  if (validatorIndex(machine.current.set, from) < 0) return;
  if (view > (machine.left.get(from) ?? 0)) machine.left.set(from, asView(view));
}

/** A peer said in which view it is. This may be an earlier one than before, after a restart. */
export function notePosition(machine: MachineState, from: ValidatorId, view: number): void {
  if (validatorIndex(machine.current.set, from) >= 0) machine.left.set(from, asView(Math.max(0, view - 1)));
}

/**
 * The other members, in an order that begins elsewhere for each sender and each `turn`, so that many senders together
 * reach everybody equally.
 */
function othersInTurn({ current, config }: MachineState, turn: number): ValidatorId[] {
  const ids = current.set.validators.map(({ id }) => id);
  const own = config.self === undefined ? -1 : validatorIndex(current.set, config.self);
  const start = (own + 1 + turn) % ids.length;
  return [...ids.slice(start), ...ids.slice(0, start)].filter((id) => id !== config.self);
}

/** A certificate that this node formed from votes. */
export function relayCertificate(machine: MachineState, certificate: Certificate): void {
  if (!isVoter(machine)) return;
  const { epoch, view } = certificate;
  const leader = leaderOf(machine.current.set, { epoch, view: asView(view + 1) });
  const others = othersInTurn(machine, view).filter((id) => id !== leader);
  const chosen = [leader, ...others].slice(0, CERTIFICATE_FANOUT);
  for (const to of chosen) {
    // A peer that has left the view need not know that it is final.
    const known = certificate.kind !== 'finalize' && hasLeft(machine, to, view);
    if (to !== machine.config.self && !known) emit(machine, { type: 'send', to, message: certificate });
  }
}

function hasLeft(machine: MachineState, peer: ValidatorId, view: View): boolean {
  return (machine.left.get(peer) ?? 0) >= view;
}

/** Members that have not shown to have left a view, some of them in each turn. */
export function behind(machine: MachineState, view: View, turn: number): ValidatorId[] {
  return othersInTurn(machine, turn)
    .filter((id) => !hasLeft(machine, id, view))
    .slice(0, RELAY_FANOUT);
}

/** Some members, others in each turn. */
export function some(machine: MachineState, turn: number): ValidatorId[] {
  return othersInTurn(machine, turn).slice(0, RELAY_FANOUT);
}

/** The view lasts. Members that may not be in it are sent the certificates that lead to it. */
export function relay(machine: MachineState): void {
  if (!isVoter(machine)) return;
  const before = asView(machine.current.view - 1);
  const recipients = behind(machine, before, machine.current.view * RELAY_FANOUT);
  for (const certificate of certificatesOf(machine, before)) sendTo(machine, recipients, certificate);
}

/** Sends to each. */
export function sendTo(machine: MachineState, recipients: readonly ValidatorId[], message: ConsensusMessage): void {
  for (const to of recipients) emit(machine, { type: 'send', to, message });
}
