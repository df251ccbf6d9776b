/**
 * Verifies the certificates that came inside proposals, some of them in each step, because a justification may hold
 * thousands of signatures.
 *
 * Each sender has one list, and the lists take turns. The first bad certificate condemns the rest of its list: a leader
 * has verified what it puts into a proposal. A newer proposal of a sender replaces what is left of its older one.
 */

import type { ValidatorId, View } from '@cloister/encoding';
import { isBare } from '../certificates/certificate.ts';
import { SIGNATURES_PER_STEP } from '../messages/limits.ts';
import type { Proposal } from '../messages/types.ts';
import { absorbCertificate } from './certificates.ts';
import { type Carried, emit, finalizedView, type MachineState } from './state.ts';
import { uselessCertificate } from './useful.ts';

/** Queues a proposal's certificates, highest view first: the views between need not be entered. */
export function carry(machine: MachineState, from: ValidatorId, proposal: Proposal): void {
  const { parentCert, nullifications } = proposal.justification;
  const all = [proposal.body.lastFinalCert, parentCert, ...nullifications];
  const certificates = all.filter((certificate) => certificate !== undefined).filter((each) => !isBare(each));
  machine.backlog.delete(from);
  if (certificates.length > 0) machine.backlog.set(from, { view: proposal.proposition.view, certificates });
}

/** Whether certificates of the proposal of `view` still wait. */
export function isCarried(machine: MachineState, leader: ValidatorId, view: View): boolean {
  return machine.backlog.get(leader)?.view === view;
}

/** Takes certificates from the lists in turn until the step's share of signatures is used; asks to be continued if some are left. */
export function workOff(machine: MachineState): void {
  const start = machine.signatures.checked;
  while (machine.backlog.size > 0 && !machine.halted) {
    if (machine.signatures.checked - start >= SIGNATURES_PER_STEP) {
      emit(machine, { type: 'continue' });
      return;
    }
    const [next] = machine.backlog;
    if (next !== undefined) takeOne(machine, ...next);
  }
}

function takeOne(machine: MachineState, from: ValidatorId, carried: Carried): void {
  // To the end of the line, unless it is done.
  machine.backlog.delete(from);
  const certificate = carried.certificates.pop();
  if (certificate === undefined || carried.view <= finalizedView(machine)) return;
  const useless = uselessCertificate(machine, certificate);
  const good = useless === 'KNOWN' || absorbCertificate(machine, from, certificate);
  if (good && carried.certificates.length > 0) machine.backlog.set(from, carried);
}
