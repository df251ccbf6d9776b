/**
 * Whether a message can change anything here: asked before its signature is checked, and by the shell before the rest
 * of a frame is decoded.
 *
 * A vote is taken from its signer alone and a proposal from its leader alone. Honest nodes never pass on either, so
 * nobody can make this node verify signatures in another's name. Certificates come from anyone: an honest node has
 * verified what it relays.
 */
import type { ValidatorId, View } from '@cloister/encoding';
import { weightOf } from '../certificates/validator-set.ts';
import { conflictEvidence, evidenceKey } from '../evidence/evidence.ts';
import { leaderOf } from '../leaders/leader.ts';
import type { MessageRejectionCode } from '../machine-types.ts';
import { VIEW_WINDOW } from '../messages/limits.ts';
import type { Glimpse } from '../messages/message-codec.ts';
import { sameProposition, sameStatement } from '../messages/signed-bytes.ts';
import type {
  Certificate,
  NullifyStatement,
  PropositionKind,
  PropositionStatement,
  Vote,
  VoteKind,
} from '../messages/types.ts';
import { finalizedView, findRound, type MachineState, type RoundState } from './state.ts';

/** 'KNOWN': nothing new, and nobody's fault. */
export type Useless = 'KNOWN' | MessageRejectionCode;

type Certified = PropositionStatement<PropositionKind> | NullifyStatement;
const VOTE_KINDS: readonly VoteKind[] = ['notarize', 'nullify', 'finalize'];

/** The certificate held of a round and kind. */
export function heldCertificate(round: RoundState | undefined, kind: VoteKind): Certificate | undefined {
  if (kind === 'notarize') return round?.notarization;
  return kind === 'nullify' ? round?.nullification : round?.finalization;
}

/**
 * At most two propositions of one view are verified. A second, different one is evidence and gives the view up. Beyond
 * the window a proposal is taken for its certificates alone, one of each leader in each retry interval.
 */
export function uselessProposal(
  machine: MachineState,
  from: ValidatorId,
  proposition: { readonly epoch: number; readonly view: View } & Parameters<typeof sameProposition>[0],
): Useless | undefined {
  const { epoch, view } = proposition;
  const { current } = machine;
  if (epoch !== current.epoch) return 'OTHER_EPOCH';
  if (view <= finalizedView(machine)) return 'KNOWN';
  if (leaderOf(current.set, proposition) !== from) return 'NOT_THE_LEADER';
  if (view > current.view + VIEW_WINDOW) return machine.farProposals.has(from) ? 'OUTSIDE_WINDOW' : undefined;
  const round = findRound(machine, view);
  if (round === undefined) return undefined;
  const repeated = round.proposal !== undefined && sameProposition(round.proposal.proposition, proposition);
  return repeated || round.equivocated ? 'KNOWN' : undefined;
}

/** Votes are taken of views in (finalized, current + 64]. */
export function uselessVote(machine: MachineState, from: ValidatorId, vote: Vote): Useless | undefined {
  const { current, config } = machine;
  if (vote.epoch !== current.epoch) return 'OTHER_EPOCH';
  if (vote.view <= finalizedView(machine)) return 'KNOWN';
  if (vote.view > current.view + VIEW_WINDOW) return 'OUTSIDE_WINDOW';
  if (weightOf(current.set, vote.signer) === 0n) return 'UNKNOWN_SIGNER';
  // Own votes come back from others who were asked what they know of them.
  if (vote.signer !== from && vote.signer !== config.self) return 'NOT_THE_SIGNER';
  const round = findRound(machine, vote.view);
  if (round === undefined) return undefined;
  const counted = round.votes[vote.kind].get(vote.signer);
  if (counted !== undefined && sameStatement(counted, vote)) return 'KNOWN';
  const faults = VOTE_KINDS.flatMap((kind) => {
    const earlier = round.votes[kind].get(vote.signer);
    const evidence = earlier === undefined ? undefined : conflictEvidence(earlier, vote);
    return evidence === undefined ? [] : [evidenceKey(evidence)];
  });
  if (faults.some((key) => !current.accused.has(key))) return undefined;
  if (counted !== undefined) return 'KNOWN';
  // A vote for what is certified adds nothing. One by the own key does: a twin may have cast it.
  const held = heldCertificate(round, vote.kind);
  return held !== undefined && sameStatement(held, vote) && vote.signer !== config.self ? 'KNOWN' : undefined;
}

/** Certificates are taken of any view: a true one leads there, a false one is its sender's fault. */
export function uselessCertificate(machine: MachineState, certified: Certified): Useless | undefined {
  if (certified.epoch !== machine.current.epoch) return 'OTHER_EPOCH';
  if (certified.view < finalizedView(machine)) return 'KNOWN';
  if (certified.view < 1) return 'BAD_CERTIFICATE';
  const held = heldCertificate(findRound(machine, certified.view), certified.kind);
  return held !== undefined && sameStatement(held, certified) ? 'KNOWN' : undefined;
}

/** What the first bytes of a frame already tell. Messages of other types are always taken. */
export function uselessAtAGlimpse(machine: MachineState, from: ValidatorId, glimpse: Glimpse): Useless | undefined {
  if (glimpse.type === 'proposal') return uselessProposal(machine, from, glimpse.proposition);
  return glimpse.type === 'certificate' ? uselessCertificate(machine, glimpse.statement) : undefined;
}
