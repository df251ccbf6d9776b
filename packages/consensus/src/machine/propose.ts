/**
 * TRY_PROPOSE: the leader of the current view finds its parent, has a block built, and signs it.
 */
import { assert, asView, type View } from '@cloister/encoding';
import { bareCertificate, signersOf } from '../certificates/certificate.ts';
import { justificationHash } from '../certificates/justification.ts';
import { compareRounds } from '../guard/sign-guard.ts';
import { leaderOf } from '../leaders/leader.ts';
import { blockOf, encodeBody } from '../messages/block-codec.ts';
import { MAX_BODY_BYTES, MAX_JUSTIFICATION_BYTES, MAX_REQUESTED_VIEWS } from '../messages/limits.ts';
import { justificationLength } from '../messages/message-codec.ts';
import type {
  Body,
  Finalization,
  Header,
  Justification,
  Notarization,
  Nullification,
  Proposition,
  Round,
} from '../messages/types.ts';
import { blockFault, everyone, keepBlock, requestBlock } from './blocks.ts';
import { requestCertificates } from './requests.ts';
import { signProposal } from './sign.ts';
import { chainTo, emit, findRound, isVoter, type MachineState, parentFacts } from './state.ts';

interface Parent {
  readonly view: View;
  readonly justification: Justification;
}

/**
 * PARENT(v): the highest p < v with a notarization or finalization and a nullification for every view between; or the views whose
 * certificates are missing (ascending), when one is missing before a parent is found.
 */
export function findParent(machine: MachineState, view: View): Parent | { readonly missing: readonly View[] } {
  const nullifications: Nullification[] = [];
  const missing: View[] = [];
  for (let at = view - 1; at > 0; at--) {
    const round = findRound(machine, asView(at));
    const parentCert: Finalization | Notarization | undefined = round?.finalization ?? round?.notarization;
    if (parentCert !== undefined) {
      if (missing.length > 0) break;
      return { view: asView(at), justification: { parentCert, nullifications: nullifications.reverse() } };
    }
    if (round?.nullification === undefined) missing.push(asView(at));
    else nullifications.push(round.nullification);
    if (missing.length >= MAX_REQUESTED_VIEWS) break;
  }
  if (missing.length > 0) return { missing: missing.reverse() };
  return { view: asView(0), justification: { parentCert: undefined, nullifications: nullifications.reverse() } };
}

/** Whether this node leads its view and has said nothing in it that forbids proposing. */
function mayPropose(machine: MachineState): boolean {
  const { epoch, view, set } = machine.current;
  const round: Round = { epoch, view };
  if (!isVoter(machine) || machine.key?.id !== leaderOf(set, round)) return false;
  const own = machine.guard.own(round);
  const silent = own.propose === undefined && own.nullify === undefined && own.finalize === undefined;
  return silent && compareRounds(round, machine.guard.floor) > 0;
}

/** Starts building once there is reason to, the parent is known and every uncommitted ancestor is here. */
export function tryPropose(machine: MachineState): void {
  const { epoch, view, proposeDue, building } = machine.current;
  if (!(proposeDue || machine.workPending) || building !== undefined || !mayPropose(machine)) return;
  const parent = findParent(machine, view);
  if ('missing' in parent) {
    requestCertificates(machine, parent.missing, everyone(machine));
    return;
  }
  const { parentCert } = parent.justification;
  const hash = parentCert?.proposition.blockHash ?? machine.current.anchorHash;
  const chain = chainTo(machine, hash);
  if ('fork' in chain) return;
  if ('missing' in chain) {
    const holders = parentCert === undefined ? everyone(machine) : signersOf(machine.current.set, parentCert);
    requestBlock(machine, chain.missing, holders);
    return;
  }
  const facts = parentFacts(machine, hash);
  assert(facts !== undefined, 'the chain to the parent is here, the parent is not');
  const { height: lastHeight, hash: lastHash } = machine.committed;
  machine.current.building = { view, parentView: parent.view, justification: parent.justification };
  emit(machine, {
    type: 'build-block',
    epoch,
    view,
    parent: { hash, height: facts.height, header: facts.header },
    lastFinal: { height: lastHeight, hash: lastHash },
    ancestors: chain.blocks,
  });
}

/** Leaves out signatures of the oldest nullifications until the wire form is within its bound; receivers pull them. */
function withinBound(justification: Justification): Justification {
  let length = justificationLength(justification);
  const nullifications = justification.nullifications.map((nullification) => {
    if (length <= MAX_JUSTIFICATION_BYTES) return nullification;
    length -= nullification.bitmap.length + 64 * nullification.signatures.length;
    return bareCertificate(nullification);
  });
  return { parentCert: justification.parentCert, nullifications };
}

/**
 * On block built: sign and persist the proposal, unless the view is over. The shell has judged the block as every
 * validator will; if something makes the block bad now, the view stays without a proposal. That is better than a
 * proposal that the others refuse.
 */
export function onBlockBuilt(machine: MachineState, round: Round, header: Header, body: Body): void {
  const { epoch, view, building } = machine.current;
  if (round.epoch !== epoch || round.view !== view || building?.view !== view) return;
  machine.current.building = undefined;
  if (!mayPropose(machine)) return;
  const justification = withinBound(building.justification);
  const parentHash = justification.parentCert?.proposition.blockHash ?? machine.current.anchorHash;
  // Certificates that came meanwhile may have made the parent too old. Then this view is practically over.
  const chain = chainTo(machine, parentHash);
  if ('fork' in chain || 'missing' in chain) return;
  const block = blockOf(header, body);
  const sound =
    block !== undefined &&
    encodeBody(body).length <= MAX_BODY_BYTES &&
    header.view === view &&
    header.parentHash === parentHash &&
    blockFault(machine, block) === undefined;
  if (!sound) {
    emit(machine, { type: 'rejected', from: header.proposer, code: 'OWN_BLOCK_UNSOUND' });
    return;
  }
  keepBlock(machine, block);
  const proposition: Proposition = {
    epoch,
    view,
    parentView: building.parentView,
    blockHash: block.hash,
    justificationHash: justificationHash(justification),
  };
  signProposal(machine, proposition, block, justification);
}
