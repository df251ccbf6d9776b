/** Asks peers for what is missing and answers their requests, within bounds for each retry interval. */
import { asView, type Epoch, type ValidatorId, type View } from '@cloister/encoding';
import { weightOf } from '../certificates/validator-set.ts';
import {
  LAST_VIEW,
  MAX_CERTS_PER_REQUEST,
  MAX_REQUESTED_VIEWS,
  MAX_SERVED_BYTES,
  MAX_SERVED_PEERS,
} from '../messages/limits.ts';
import { encodeMessage } from '../messages/message-codec.ts';
import type { BlockRequest, CertRequest, ConsensusMessage, Status } from '../messages/types.ts';
import { rotated } from './blocks.ts';
import { notePosition } from './relay.ts';
import { certificatesOf, emit, finalizedView, type MachineState, rejectMessage } from './state.ts';

/**
 * Asks for the certificates of views of this epoch (ascending), each view once in each retry interval, in ranges that
 * one answer can hold.
 */
export function requestCertificates(machine: MachineState, views: readonly View[], from: readonly ValidatorId[]): void {
  const wanted = views.filter((view) => !machine.requestedViews.has(view)).slice(0, MAX_REQUESTED_VIEWS);
  for (const view of wanted) machine.requestedViews.add(view);
  let [first] = wanted;
  for (const [index, view] of wanted.entries()) {
    first ??= view;
    const next = wanted[index + 1];
    if (next === view + 1 && next - first < MAX_CERTS_PER_REQUEST) continue;
    fetchRange(machine, first, view, from);
    first = undefined;
  }
}

function fetchRange(machine: MachineState, fromView: View, toView: View, from: readonly ValidatorId[]): void {
  const { epoch } = machine.current;
  emit(machine, { type: 'fetch-certificates', epoch, fromView, toView, from: rotated(machine, from) });
}

/** Takes note of another epoch's message. A member that is ahead is asked for how this epoch ended. */
export function onOtherEpoch(machine: MachineState, from: ValidatorId, epoch: Epoch): void {
  const ahead = epoch > machine.current.epoch && weightOf(machine.current.set, from) > 0n;
  if (ahead && !machine.requestedViews.has(LAST_VIEW)) {
    machine.requestedViews.add(LAST_VIEW);
    fetchRange(machine, asView(finalizedView(machine) + 1), LAST_VIEW, [from]);
  }
  rejectMessage(machine, from, 'OTHER_EPOCH');
}

/** Sends if the peer's share of this interval allows it. */
export function serve(machine: MachineState, to: ValidatorId, message: ConsensusMessage): boolean {
  const used = machine.served.get(to) ?? 0;
  const size = encodeMessage(message).length;
  const full = machine.served.size >= MAX_SERVED_PEERS && !machine.served.has(to);
  if (full || used + size > MAX_SERVED_BYTES) return false;
  machine.served.set(to, used + size);
  emit(machine, { type: 'send', to, message });
  return true;
}

export function onCertRequest(machine: MachineState, from: ValidatorId, request: CertRequest): void {
  if (from === machine.config.self) return;
  const { current } = machine;
  if (request.epoch !== current.epoch) {
    rejectMessage(machine, from, 'OTHER_EPOCH');
    return;
  }
  const final = finalizedView(machine);
  const last = Math.min(request.toView, current.view);
  const first = Math.max(request.fromView, final, 1);
  const messages: ConsensusMessage[] = [];
  // Views below the highest finalization are answered by it.
  if (request.fromView < final && first > last && current.finalized !== undefined) messages.push(current.finalized);
  // Highest first: the views between need not be entered.
  for (let view = last; view >= first && messages.length < MAX_CERTS_PER_REQUEST; view--) {
    messages.push(...certificatesOf(machine, asView(view)));
  }
  for (const message of messages) {
    if (!serve(machine, from, message)) {
      rejectMessage(machine, from, 'TOO_MANY_REQUESTS');
      return;
    }
  }
}

export function onBlockRequest(machine: MachineState, from: ValidatorId, request: BlockRequest): void {
  if (from === machine.config.self) return;
  const block = machine.blocks.get(request.hash)?.block;
  if (block === undefined) {
    emit(machine, { type: 'serve-block', to: from, hash: request.hash });
  } else if (!serve(machine, from, { type: 'block', header: block.header, body: block.body })) {
    rejectMessage(machine, from, 'TOO_MANY_REQUESTS');
  }
}

/**
 * A peer that is behind gets the certificates that bring it to this view, once in each retry interval. The finalization
 * in its status is taken as if it came alone.
 */
export function onStatus(machine: MachineState, from: ValidatorId, status: Status): void {
  if (from === machine.config.self) return;
  const { current } = machine;
  if (status.epoch !== current.epoch) {
    onOtherEpoch(machine, from, status.epoch);
    return;
  }
  notePosition(machine, from, status.view);
  if (status.finalization !== undefined) {
    machine.queue.push({ type: 'message', from, message: status.finalization });
  }
  if (machine.greeted.has(from) || machine.greeted.size >= MAX_SERVED_PEERS) return;
  machine.greeted.add(from);
  if (current.finalized !== undefined && (status.finalization?.view ?? 0) < current.finalized.view) {
    serve(machine, from, current.finalized);
  }
  if (status.view < current.view) {
    for (const certificate of certificatesOf(machine, asView(current.view - 1))) {
      if (certificate !== current.finalized) serve(machine, from, certificate);
    }
  }
}
