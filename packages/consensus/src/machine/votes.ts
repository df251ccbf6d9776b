/**
 * Counting votes: once for each (signer, kind, round); a quorum becomes a certificate, a contradiction evidence.
 */
import type { ValidatorId } from '@cloister/crypto';
import { makeCertificate } from '../certificate.ts';
import { conflictEvidence } from '../evidence.ts';
import { VIEW_WINDOW } from '../limits.ts';
import { sameStatement, statementBytes } from '../signed-bytes.ts';
import type { Certificate, Vote, VoteKind } from '../types.ts';
import { weightOf } from '../validator-set.ts';
import { accuse, accuseUnjustified, heedOwn, markSeen } from './accuse.ts';
import { onOtherEpoch } from './requests.ts';
import {
  emit,
  finalizedView,
  findRound,
  isVoter,
  type MachineState,
  type RoundState,
  reject,
  roundAt,
} from './state.ts';

const VOTE_KINDS: readonly VoteKind[] = ['notarize', 'nullify', 'finalize'];

/** Takes votes of views in (finalized, current + 64]. */
export function onVote(machine: MachineState, from: ValidatorId, vote: Vote): void {
  if (vote.epoch !== machine.current.epoch) {
    onOtherEpoch(machine, from, vote.epoch);
    return;
  }
  if (vote.view <= finalizedView(machine)) return;
  if (vote.view > machine.current.view + VIEW_WINDOW) {
    reject(machine, from, 'OUTSIDE_WINDOW');
    return;
  }
  if (weightOf(machine.current.set, vote.signer) === 0n) {
    reject(machine, from, 'UNKNOWN_SIGNER');
    return;
  }
  const counted = findRound(machine, vote.view)?.votes[vote.kind].get(vote.signer);
  if (counted !== undefined && sameStatement(counted, vote)) return;
  if (!machine.check(vote.signer, statementBytes(machine.chainId, vote), vote.signature)) {
    reject(machine, from, 'BAD_SIGNATURE');
    return;
  }
  const round = roundAt(machine, vote.view);
  recordVote(machine, round, vote);
  const certificate = reachedQuorum(machine, round, vote);
  if (certificate === undefined) return;
  // Newly formed: sent once by each validator that forms it; taken in like any other.
  if (isVoter(machine)) emit(machine, { type: 'send', to: 'all', message: certificate });
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
  markSeen(machine, vote.signer, vote.view);
  const votes = round.votes[vote.kind];
  if (votes.has(vote.signer)) return;
  votes.set(vote.signer, vote);
  accuseUnjustified(machine, round, vote);
}

/** The certificate of `vote`'s statement, when its votes reach the quorum and none of its kind is held yet. */
function reachedQuorum(machine: MachineState, round: RoundState, vote: Vote): Certificate | undefined {
  const held = { notarize: round.notarization, nullify: round.nullification, finalize: round.finalization };
  if (held[vote.kind] !== undefined) return undefined;
  const { set } = machine.current;
  const agreeing = [...round.votes[vote.kind].values()].filter((each) => sameStatement(each, vote));
  const weight = agreeing.reduce((sum, each) => sum + weightOf(set, each.signer), 0n);
  return weight >= machine.rules.quorum(set) ? makeCertificate(set, vote, agreeing) : undefined;
}
