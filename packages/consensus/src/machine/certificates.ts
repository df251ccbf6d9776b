/** Takes certificates of any view: each is verified whole, and then allows a step. */
import type { ValidatorId } from '@cloister/encoding';
import { verifyCertificate, votesOf } from '../certificates/certificate.ts';
import { LAST_VIEW } from '../messages/limits.ts';
import { sameProposition } from '../messages/signed-bytes.ts';
import type { Certificate, Finalization } from '../messages/types.ts';
import { pruneBlocks } from './blocks.ts';
import { tryCommit } from './commit.ts';
import { tryFinalize } from './finalize.ts';
import { onOtherEpoch } from './requests.ts';
import { finalizedView, halt, type MachineState, type RoundState, rejectMessage, roundAt } from './state.ts';
import { uselessCertificate } from './useful.ts';
import { enterView } from './view.ts';
import { recordVote } from './votes.ts';

/** A certificate that came alone: one that says nothing new is dropped unverified. */
export function onCertificate(machine: MachineState, from: ValidatorId, certificate: Certificate): void {
  const useless = uselessCertificate(machine, certificate);
  if (useless === 'OTHER_EPOCH') onOtherEpoch(machine, from, certificate.epoch);
  else if (useless === undefined) absorbCertificate(machine, from, certificate);
  else if (useless !== 'KNOWN') rejectMessage(machine, from, useless);
}

/** Verifies a certificate whole and does what it allows; says whether it was good. */
export function absorbCertificate(machine: MachineState, from: ValidatorId, certificate: Certificate): boolean {
  const { set, epoch } = machine.current;
  const quorum = machine.rules.quorum(set);
  // After the last view there is none to enter.
  const possible = certificate.epoch === epoch && certificate.view >= 1 && certificate.view < LAST_VIEW;
  if (!possible || !verifyCertificate(set, certificate, machine.chainId, machine.signatures.check, quorum).ok) {
    rejectMessage(machine, from, 'BAD_CERTIFICATE');
    return false;
  }
  const round = roundAt(machine, certificate.view);
  const contradiction = contradictionOf(round, certificate);
  for (const vote of votesOf(set, certificate)) recordVote(machine, round, vote);
  if (contradiction !== undefined) {
    halt(machine, 'AGREEMENT_BROKEN', `${contradiction} in epoch ${certificate.epoch}, view ${certificate.view}`);
    return true;
  }
  keep(round, certificate);
  if (certificate.kind === 'finalize') onFinalization(machine, certificate);
  else if (certificate.view >= machine.current.view) enterView(machine, certificate.view + 1);
  if (certificate.kind === 'notarize') tryFinalize(machine, round);
  return true;
}

function keep(round: RoundState, certificate: Certificate): void {
  if (certificate.kind === 'notarize') round.notarization = certificate;
  else if (certificate.kind === 'nullify') round.nullification = certificate;
  else round.finalization = certificate;
}

/** How the certificate contradicts another that is held. Undefined unless a third of the weight or more is faulty. */
function contradictionOf(round: RoundState, certificate: Certificate): string | undefined {
  const { notarization, nullification, finalization } = round;
  if (certificate.kind === 'nullify') return finalization === undefined ? undefined : 'nullified and finalized';
  if (certificate.kind === 'finalize' && nullification !== undefined) return 'nullified and finalized';
  for (const other of [notarization, finalization]) {
    if (other !== undefined && !sameProposition(other.proposition, certificate.proposition)) return 'two certificates';
  }
  return undefined;
}

/** A higher finalization: rounds below it are over, and its chain is committed as soon as its blocks are here. */
function onFinalization(machine: MachineState, finalization: Finalization): void {
  const { current } = machine;
  if (finalization.view <= finalizedView(machine)) return;
  current.finalized = finalization;
  current.timeouts = 0;
  for (const view of current.rounds.keys()) if (view < finalization.view) current.rounds.delete(view);
  pruneBlocks(machine);
  if (finalization.view >= current.view) enterView(machine, finalization.view + 1);
  tryCommit(machine);
}
