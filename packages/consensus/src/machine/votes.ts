/**
 * Counts votes, once for each (signer, kind, round). A quorum becomes a certificate, a contradiction becomes evidence.
 */
import type { ValidatorId } from '@cloister/encoding';
import { makeCertificate } from '../certificates/certificate.ts';
import { weightOf } from '../certificates/validator-set.ts';
import { conflictEvidence } from '../evidence/evidence.ts';
import { sameStatement, statementBytes } from '../messages/signed-bytes.ts';
import type { Certificate, Vote, VoteKind } from '../messages/types.ts';
import { accuse, accuseUnjustified, heedOwn } from './accuse.ts';
import { noteLeft, relayCertificate } from './relay.ts';
import { onOtherEpoch } from './requests.ts';
import { type MachineState, type RoundState, rejectMessage, roundAt } from './state.ts';
import { heldCertificate, uselessVote } from './useful.ts';

const VOTE_KINDS: readonly VoteKind[] = ['notarize', 'nullify', 'finalize'];

/** Useful? Then the signature. */
export function onVote(machine: MachineState, from: ValidatorId, vote: Vote): void {
  if (from === vote.signer) noteLeft(machine, from, vote.kind === 'finalize' ? vote.view : vote.view - 1);
  const useless = uselessVote(machine, from, vote);
  if (useless === 'OTHER_EPOCH') onOtherEpoch(machine, from, vote.epoch);
  else if (useless !== undefined) {
    if (useless !== 'KNOWN') rejectMessage(machine, from, useless);
  } else if (machine.signatures.check(vote.signer, statementBytes(machine.chainId, vote), vote.signature)) {
    count(machine, from, vote);
  } else {
    rejectMessage(machine, from, 'BAD_SIGNATURE');
  }
}

function count(machine: MachineState, from: ValidatorId, vote: Vote): void {
  const round = roundAt(machine, vote.view);
  recordVote(machine, round, vote);
  const certificate = reachedQuorum(machine, round, vote);
  if (certificate === undefined) return;
  // Newly formed: sent once to a few; taken in like any other.
  relayCertificate(machine, certificate);
  machine.queue.push({ type: 'message', from, message: certificate });
}

/** Counts a verified vote, unless its signer already has one of its kind; notes what it contradicts. */
export function recordVote(machine: MachineState, round: RoundState, vote: Vote): void {
  heedOwn(machine, vote);
  for (const kind of VOTE_KINDS) {
    const earlier = round.votes[kind].get(vote.signer);
    const evidence = earlier === undefined ? undefined : conflictEvidence(earlier, vote);
    if (evidence !== undefined) accuse(machine, evidence);
  }
  const votes = round.votes[vote.kind];
  if (votes.has(vote.signer)) return;
  votes.set(vote.signer, vote);
  accuseUnjustified(machine, round, vote);
}

/** The certificate of `vote`'s statement, when its votes reach the quorum and none of its kind is held yet. */
function reachedQuorum(machine: MachineState, round: RoundState, vote: Vote): Certificate | undefined {
  if (heldCertificate(round, vote.kind) !== undefined) return undefined;
  const { set } = machine.current;
  const agreeing = [...round.votes[vote.kind].values()].filter((each) => sameStatement(each, vote));
  const weight = agreeing.reduce((sum, each) => sum + weightOf(set, each.signer), 0n);
  return weight >= machine.rules.quorum(set) ? makeCertificate(set, vote, agreeing) : undefined;
}
