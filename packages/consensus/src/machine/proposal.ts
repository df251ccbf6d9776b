/**
 * Receiving proposals, OK(proposal), and TRY_NOTARIZE.
 */
import type { ValidatorId } from '@cloister/encoding';
import { signersOf } from '../certificates/certificate.ts';
import { justificationHash, parentFault, parentHashMatches } from '../certificates/justification.ts';
import { conflictEvidence } from '../evidence/evidence.ts';
import { leaderOf } from '../leaders/leader.ts';
import { blockOf } from '../messages/block-codec.ts';
import { VIEW_WINDOW } from '../messages/limits.ts';
import { sameProposition, statementBytes } from '../messages/signed-bytes.ts';
import type { Block, Certificate, Justification, Proposal, SignedStatement } from '../messages/types.ts';
import { accuse, accuseUnjustified, heedOwn } from './accuse.ts';
import { carry, isCarried } from './backlog.ts';
import { checkBlock, keepBlock } from './blocks.ts';
import { noteLeft } from './relay.ts';
import { onOtherEpoch, requestCertificates } from './requests.ts';
import { maySign, signVote } from './sign.ts';
import { finalizedView, findRound, type MachineState, type RoundState, rejectMessage, roundAt } from './state.ts';
import { uselessProposal } from './useful.ts';

/**
 * Takes the first good proposal of a round, and its certificates even if the proposal fails later. The leader's
 * signature is checked before the hashes, because it is cheaper than hashing a large body.
 */
export function onProposal(machine: MachineState, from: ValidatorId, proposal: Proposal): void {
  const { proposition } = proposal;
  const { epoch, view } = proposition;
  noteLeft(machine, from, view - 1);
  const useless = uselessProposal(machine, from, proposition);
  if (useless === 'OTHER_EPOCH') onOtherEpoch(machine, from, epoch);
  else if (useless !== undefined && useless !== 'KNOWN') rejectMessage(machine, from, useless);
  if (useless !== undefined) return;
  const leader = leaderOf(machine.current.set, proposition);
  const statement = { kind: 'propose', epoch, view, proposition } as const;
  if (!machine.signatures.check(leader, statementBytes(machine.chainId, statement), proposal.signature)) {
    rejectMessage(machine, from, 'BAD_SIGNATURE');
    return;
  }
  if (view > machine.current.view + VIEW_WINDOW) {
    machine.farProposals.add(from);
    if (isWhole(proposal) && isCovered(machine, proposal)) carry(machine, from, proposal);
    rejectMessage(machine, from, 'OUTSIDE_WINDOW');
    return;
  }
  const round = roundAt(machine, view);
  noteProposed(machine, round, { ...statement, signer: leader, signature: proposal.signature });
  const block = isWhole(proposal);
  if (block === undefined) {
    rejectMessage(machine, from, 'PROPOSAL_MISMATCH');
    return;
  }
  // A justification for other views proves nothing about this one, so its signatures are not checked.
  if (isCovered(machine, proposal)) carry(machine, from, proposal);
  if (round.proposal !== undefined) return;
  round.proposal = proposal;
  keepBlock(machine, block);
}

/** The block, if header, body and J hash to what P says. */
function isWhole({ proposition, header, body, justification }: Proposal): Block | undefined {
  const block = blockOf(header, body);
  if (block?.hash !== proposition.blockHash) return undefined;
  return justificationHash(justification) === proposition.justificationHash ? block : undefined;
}

/** Whether J names the parent's round and exactly the views between. */
function isCovered({ rules }: MachineState, { proposition, justification }: Proposal): boolean {
  return parentFault(proposition, justification) === undefined && rules.coversSkippedViews(proposition, justification);
}

/** A second, different PROPOSE of the leader is evidence, and ends the view. */
function noteProposed(machine: MachineState, round: RoundState, signed: SignedStatement): void {
  heedOwn(machine, signed);
  if (round.proposed === undefined) {
    round.proposed = signed;
    return;
  }
  const evidence = conflictEvidence(round.proposed, signed);
  if (evidence === undefined) return;
  accuse(machine, evidence);
  round.equivocated = true;
}

/** Whether the certificate's statement is known to be true. A finalization proves that its proposition was notarized. */
function holds(machine: MachineState, certificate: Certificate): boolean {
  const round = findRound(machine, certificate.view);
  if (certificate.epoch !== machine.current.epoch || round === undefined) return false;
  if (certificate.kind === 'nullify') return round.nullification !== undefined;
  const { proposition } = certificate;
  const proofs = certificate.kind === 'finalize' ? [round.finalization] : [round.finalization, round.notarization];
  return proofs.some((proof) => proof !== undefined && sameProposition(proof.proposition, proposition));
}

/** Asks the leader, or whoever voted for the proposal, for statements of J that nothing here proves. */
function requestMissing(machine: MachineState, round: RoundState, justification: Justification): boolean {
  const { parentCert, nullifications } = justification;
  const stated: Certificate[] = parentCert === undefined ? [...nullifications] : [parentCert, ...nullifications];
  const missing = stated.filter((certificate) => !holds(machine, certificate)).map((certificate) => certificate.view);
  requestCertificates(machine, missing, holdersOf(round));
  return missing.length > 0;
}

/** The leader first, then those who notarized. */
function holdersOf(round: RoundState): ValidatorId[] {
  return [...new Set([round.leader, ...round.votes.notarize.keys()])];
}

/** OK(proposal), without the leader's signature and the hashes, which were checked when it came in. */
function judge(machine: MachineState, round: RoundState, proposal: Proposal): 'ok' | 'bad' | 'wait' {
  const { proposition, header, justification } = proposal;
  const unjustified =
    !isCovered(machine, proposal) || !parentHashMatches(proposition, header, justification, machine.current.anchorHash);
  if (unjustified) {
    if (!round.unjustified) {
      round.unjustified = true;
      for (const vote of round.votes.notarize.values()) accuseUnjustified(machine, round, vote);
    }
    return 'bad';
  }
  if (header.view !== proposition.view || proposition.parentView < finalizedView(machine)) return 'bad';
  if (isCarried(machine, round.leader, proposition.view)) return 'wait';
  if (requestMissing(machine, round, justification)) return 'wait';
  const entry = keepBlock(machine, { hash: proposition.blockHash, header, body: proposal.body });
  const { parentCert } = justification;
  const holders =
    parentCert === undefined ? holdersOf(round) : [round.leader, ...signersOf(machine.current.set, parentCert)];
  const verdict = checkBlock(machine, entry, holders);
  return verdict === 'valid' ? 'ok' : verdict === 'invalid' ? 'bad' : 'wait';
}

/** TRY_NOTARIZE of the current view. */
export function tryNotarize(machine: MachineState): void {
  const { epoch, view } = machine.current;
  const round = findRound(machine, view);
  const proposal = round?.proposal;
  if (round === undefined || proposal === undefined || round.equivocated) return;
  const { proposition } = proposal;
  if (!maySign(machine, { kind: 'notarize', epoch, view, proposition })) return;
  const verdict = judge(machine, round, proposal);
  if (verdict === 'bad') round.refused = true;
  if (verdict !== 'ok') return;
  const block = machine.blocks.get(proposition.blockHash)?.block;
  if (block !== undefined) signVote(machine, 'notarize', proposition, block);
}
