/**
 * Who is sent a certificate: those to whom it may be news, and few of them.
 *
 * Everybody forms certificates from the votes, which everybody sends to all. A certificate sent by all to all cost 92 MB a block with a
 * hundred validators, for nothing in almost every case. So whoever forms one sends it to the next leader, whose proposal brings it to all, and to
 * a few others. Where that was not enough (votes withheld from some, a silent leader), whoever still waits in the next view after a
 * quarter of T0 sends it to some of those that have not shown to be there, and so does each retry.
 */
import { asView, type ValidatorId, type View } from '@cloister/encoding';
import { validatorIndex } from '../certificates/validator-set.ts';
import { leaderOf } from '../leaders/leader.ts';
import { CERTIFICATE_FANOUT, RELAY_FANOUT } from '../messages/limits.ts';
import type { Certificate, ConsensusMessage } from '../messages/types.ts';
import { certificatesOf, emit, isVoter, type MachineState } from './state.ts';

/** Notes by a peer's own message the view that it has left. What a peer claims concerns nothing but what it is sent. */
export function noteLeft(machine: MachineState, from: ValidatorId, view: number): void {
  if (validatorIndex(machine.current.set, from) < 0) return;
  if (view > (machine.left.get(from) ?? 0)) machine.left.set(from, asView(view));
}

/** A peer said where it stands. It may be further back than before: it was restarted. */
export function notePosition(machine: MachineState, from: ValidatorId, view: number): void {
  if (validatorIndex(machine.current.set, from) >= 0) machine.left.set(from, asView(Math.max(0, view - 1)));
}

/** The other members, beginning somewhere else for each of them and each `turn`: so many senders reach everybody equally. */
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
    // Having left the view tells nothing of whether a peer knows that it is final.
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

/** The view lasts: whoever may not have come here is shown the way. */
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
