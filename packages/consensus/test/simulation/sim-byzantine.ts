/**
 * Byzantine behaviours by name: each replaces some effects of a real machine by what a faulty validator would do.
 */
import { asView, type Digest } from '@cloister/encoding';
import {
  type Block,
  type Effect,
  type Justification,
  justificationHash,
  type MachineState,
  type Proposal,
  type Proposition,
  type Statement,
  statementBytes,
  type Vote,
  type VoteKind,
} from '../../src/index.ts';
import { mockSignature, type SimNode } from './sim-node.ts';

export type Twist = (node: SimNode, effect: Effect) => readonly Effect[];

function sign(node: SimNode, statement: Statement): Uint8Array {
  return mockSignature(node.id, statementBytes(node.options.config.chainId, statement));
}

function proposalOf(node: SimNode, block: Block, proposition: Proposition, justification: Justification): Proposal {
  const { epoch, view } = proposition;
  const signature = sign(node, { kind: 'propose', epoch, view, proposition });
  return { type: 'proposal', proposition, header: block.header, body: block.body, justification, signature };
}

function vote(node: SimNode, kind: VoteKind, proposition: Proposition): Vote {
  const { epoch, view } = proposition;
  if (kind === 'nullify') {
    return { type: 'vote', kind, epoch, view, signer: node.id, signature: sign(node, { kind, epoch, view }) };
  }
  const signature = sign(node, { kind, epoch, view, proposition });
  return { type: 'vote', kind, epoch, view, proposition, signer: node.id, signature };
}

function headerOf(machine: MachineState, hash: Digest): Block['header'] | undefined {
  return machine.committed.hash === hash ? machine.committed.header : machine.blocks.get(hash)?.block.header;
}

/** Builds on a parent below the one it must build on, skips the views between without nullifications, and votes for it. */
export const forkingLeader: Twist = (node, effect) => {
  const { machine } = node;
  if (effect.type !== 'build-block' || machine === undefined) return [effect];
  const trueParent = effect.parent.header?.view ?? 0;
  const older = [...machine.current.rounds.values()]
    .filter((round) => round.round.view < trueParent)
    .sort((a, b) => b.round.view - a.round.view)
    .map((round) => round.finalization ?? round.notarization)
    .find((certificate) => certificate !== undefined);
  const parentHash = older?.proposition.blockHash ?? (trueParent <= 2 ? machine.chainId : undefined);
  const header = parentHash === undefined ? undefined : headerOf(machine, parentHash);
  if (parentHash === undefined || (older !== undefined && header === undefined)) return [effect];
  const { epoch, view } = effect;
  const height = header?.height ?? effect.lastFinal.height;
  if (older === undefined && height !== 0) return [effect];
  const block = node.buildOn({ epoch, view, parent: { hash: parentHash, height, header } });
  if (block === undefined) return [effect];
  const justification: Justification = { parentCert: older, nullifications: [] };
  const proposition: Proposition = {
    epoch,
    view,
    parentView: older?.view ?? asView(0),
    blockHash: block.hash,
    justificationHash: justificationHash(justification),
  };
  const messages = [
    proposalOf(node, block, proposition, justification),
    vote(node, 'notarize', proposition),
    vote(node, 'finalize', proposition),
  ];
  return messages.map((message) => ({ type: 'send', to: 'all', message }));
};

/** Proposes two blocks in one view, one to each half of the others, and votes for both. */
export const equivocator: Twist = (node, effect) => {
  if (effect.type !== 'send' || effect.message.type !== 'proposal' || effect.to !== 'all') return [effect];
  const first = effect.message;
  const { header, proposition, justification } = first;
  const parentHeader = node.machine === undefined ? undefined : headerOf(node.machine, header.parentHash);
  const { epoch, view } = proposition;
  const height = (header.height - 1) as typeof header.height;
  const other = node.buildOn({ epoch, view, parent: { hash: header.parentHash, height, header: parentHeader } }, 1);
  if (other === undefined) return [effect];
  const second = proposalOf(node, other, { ...proposition, blockHash: other.hash }, justification);
  const peers = node.options.config.genesisSet.validators.map(({ id }) => id).filter((id) => id !== node.id);
  return peers.flatMap((to, index) => {
    const proposal = index % 2 === 0 ? first : second;
    const votes = (['notarize', 'finalize'] as const).map((kind) => vote(node, kind, proposal.proposition));
    return [proposal, ...votes].map((message) => ({ type: 'send', to, message }) as const);
  });
};

/** Nullifies and finalizes whatever it notarizes. */
export const nullifyAndFinalize: Twist = (node, effect) => {
  if (effect.type !== 'send' || effect.message.type !== 'vote' || effect.message.kind !== 'notarize') return [effect];
  const { proposition } = effect.message;
  const extra = (['finalize', 'nullify'] as const).map((kind) => vote(node, kind, proposition));
  return [effect, ...extra.map((message) => ({ type: 'send', to: 'all', message }) as const)];
};

/** Never sends its proposals. */
export const withholder: Twist = (_node, effect) =>
  effect.type === 'send' && effect.message.type === 'proposal' ? [] : [effect];

/** Sends votes, proposals and certificates with signatures that are not its own or not good. */
export const impersonator: Twist = (node, effect) => {
  if (effect.type !== 'send' || effect.message.type !== 'vote') return [effect];
  const { message } = effect;
  const [victim] = node.options.config.genesisSet.validators.filter(({ id }) => id !== node.id);
  if (victim === undefined) return [effect];
  const forged = { ...message, signer: victim.id };
  const spoiled = { ...message, signature: message.signature.map((byte) => byte ^ 1) };
  return [effect, { type: 'send', to: 'all', message: forged }, { type: 'send', to: 'all', message: spoiled }];
};
