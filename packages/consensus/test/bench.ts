/**
 * One machine on a bench: the test plays its shell and all its peers, with mock signatures.
 */

import { hash } from '@cloister/crypto';
import { asDigest, asEpoch, asHeight, asValidatorId, asView, type Digest, type ValidatorId } from '@cloister/encoding';
import {
  type Block,
  blockHashOf,
  bodyHashOf,
  type Certificate,
  type ConsensusMessage,
  DEFAULT_TIMING,
  type Effect,
  type Finalization,
  HEADER_VERSION,
  type Header,
  type Input,
  type Justification,
  justificationHash,
  leaderOf,
  type MachineState,
  makeCertificate,
  makeValidatorSet,
  type Notarization,
  type Nullification,
  type Proposal,
  type Proposition,
  type RecoveredState,
  type Statement,
  statementBytes,
  step,
  type TimerName,
  type Timing,
  type ValidatorSet,
  type Vote,
  type VoteKind,
} from '../src/index.ts';
import { createMachineWith } from '../src/machine/create.ts';
import { PROTOCOL_RULES } from '../src/rules.ts';
import { mockCheck, mockSignature } from './simulation/sim-node.ts';

export const CHAIN: Digest = hash('bench chain');

export function setOfSize(count: number): ValidatorSet {
  return makeValidatorSet(
    Array.from({ length: count }, (_, index) => ({ id: asValidatorId(hash(`bench ${index}`)), weight: 1n })),
  );
}

export function leaderAt(set: ValidatorSet, view: number): ValidatorId {
  return leaderOf(set, { epoch: asEpoch(0), view: asView(view) });
}

function sign(signer: ValidatorId, statement: Statement): Uint8Array {
  return mockSignature(signer, statementBytes(CHAIN, statement));
}

export function vote(signer: ValidatorId, kind: VoteKind, p: Proposition): Vote {
  const { epoch, view } = p;
  if (kind === 'nullify')
    return { type: 'vote', kind, epoch, view, signer, signature: sign(signer, { kind, epoch, view }) };
  const signature = sign(signer, { kind, epoch, view, proposition: p });
  return { type: 'vote', kind, epoch, view, proposition: p, signer, signature };
}

/** A proposition of nothing, for nullify votes and far-away rounds. */
export function blank(view: number, epoch = 0): Proposition {
  const nothing = asDigest('00'.repeat(32));
  return {
    epoch: asEpoch(epoch),
    view: asView(view),
    parentView: asView(0),
    blockHash: nothing,
    justificationHash: nothing,
  };
}

export function certificate(set: ValidatorSet, kind: 'notarize', p: Proposition): Notarization;
export function certificate(set: ValidatorSet, kind: 'finalize', p: Proposition): Finalization;
export function certificate(set: ValidatorSet, kind: 'nullify', p: Proposition): Nullification;
export function certificate(set: ValidatorSet, kind: VoteKind, p: Proposition): Certificate {
  const signers = set.validators.slice(0, Number(set.quorum)).map(({ id }) => id);
  const votes = signers.map((signer) => vote(signer, kind, p));
  const [first] = votes;
  if (first === undefined) throw new Error('no votes');
  return makeCertificate(set, first, votes);
}

/** A block on a parent (undefined: genesis), with lastFinal at genesis. */
export function blockOn(set: ValidatorSet, parent: Block | undefined, view: number, salt = ''): Block {
  const body = { batches: [hash(`batch ${view}${salt}`)], evidence: [], lastFinalCert: undefined };
  const height = (parent?.header.height ?? 0) + 1;
  const header: Header = {
    version: HEADER_VERSION,
    chainId: CHAIN,
    epoch: asEpoch(0),
    view: asView(view),
    height: asHeight(height),
    parentHash: parent?.hash ?? CHAIN,
    proposer: leaderAt(set, view),
    timestampMs: height,
    bodyHash: bodyHashOf(body),
    validatorsHash: set.hash,
    nextValidatorsHash: set.hash,
    paramsHash: hash('params'),
    lastFinal: { height: asHeight(0), hash: CHAIN, eventRoot: hash('root'), eventCount: 0, factsRoot: hash('facts') },
  };
  return { hash: blockHashOf(header), header, body };
}

export function propositionOf(block: Block, view: number, justification: Justification): Proposition {
  return {
    epoch: asEpoch(0),
    view: asView(view),
    parentView: justification.parentCert?.view ?? asView(0),
    blockHash: block.hash,
    justificationHash: justificationHash(justification),
  };
}

export function proposalOf(set: ValidatorSet, block: Block, view: number, justification: Justification): Proposal {
  const proposition = propositionOf(block, view, justification);
  const { epoch } = proposition;
  const signature = sign(leaderAt(set, view), { kind: 'propose', epoch, view: proposition.view, proposition });
  return { type: 'proposal', proposition, header: block.header, body: block.body, justification, signature };
}

export const FROM_GENESIS: Justification = { parentCert: undefined, nullifications: [] };

export interface Chained {
  readonly block: Block;
  readonly proposal: Proposal;
  readonly notarization: Notarization;
  readonly finalization: Finalization;
}

/** Blocks of views 1 … length, each on the one before. */
export function chainOf(set: ValidatorSet, length: number): Chained[] {
  const chain: Chained[] = [];
  for (let view = 1; view <= length; view++) {
    const parent = chain.at(-1);
    const block = blockOn(set, parent?.block, view);
    const proposal = proposalOf(set, block, view, { parentCert: parent?.notarization, nullifications: [] });
    const notarization = certificate(set, 'notarize', proposal.proposition);
    chain.push({ block, proposal, notarization, finalization: certificate(set, 'finalize', proposal.proposition) });
  }
  return chain;
}

export interface BenchOptions {
  readonly timing?: Partial<Timing>;
  readonly recovered?: RecoveredState;
  /** Stop when self's signature turns up unsigned: off by default, since the test's certificates hold it. */
  readonly heedsTwins?: boolean;
  /** The test answers persist and verify-block itself. */
  readonly manual?: boolean;
}

export class Bench {
  readonly set: ValidatorSet;
  readonly self: ValidatorId | undefined;
  readonly machine: MachineState;
  readonly log: Effect[] = [];
  readonly #manual: boolean;

  constructor(set: ValidatorSet, self: ValidatorId | undefined, options: BenchOptions = {}) {
    this.set = set;
    this.self = self;
    this.#manual = options.manual ?? false;
    const signer = self;
    const rules = options.heedsTwins === true ? PROTOCOL_RULES : { ...PROTOCOL_RULES, signedElsewhere: () => false };
    const config = {
      chainId: CHAIN,
      self,
      sign: signer === undefined ? undefined : (bytes: Uint8Array) => mockSignature(signer, bytes),
      genesisSet: set,
      genesisTimestampMs: 0,
      timing: { ...DEFAULT_TIMING, ...options.timing },
    };
    this.machine = createMachineWith({ rules, check: mockCheck }, config, options.recovered);
    this.input({ type: 'start' });
  }

  /** Feeds an input and, unless manual, answers persist, verify-block and continue until nothing is left; returns all effects. */
  input(first: Input): Effect[] {
    const inputs: Input[] = [first];
    const seen: Effect[] = [];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      const { effects } = step(this.machine, next);
      seen.push(...effects);
      if (this.#manual) continue;
      for (const effect of effects) {
        if (effect.type === 'continue') inputs.push({ type: 'continue' });
        if (effect.type === 'persist') inputs.push({ type: 'persisted', token: effect.token });
        if (effect.type === 'verify-block')
          inputs.push({ type: 'block-verified', blockHash: effect.blockHash, verdict: 'valid' });
      }
    }
    this.log.push(...seen);
    return seen;
  }

  /** Unless said otherwise, from whom an honest network brings it: a vote from its signer, a proposal from its leader. */
  receive(message: ConsensusMessage, from: ValidatorId = this.#sender(message)): Effect[] {
    return this.input({ type: 'message', from, message });
  }

  #sender(message: ConsensusMessage): ValidatorId {
    if (message.type === 'vote') return message.signer;
    return message.type === 'proposal' ? leaderOf(this.set, message.proposition) : this.other();
  }

  timer(timer: TimerName, view: number = this.machine.current.view): Effect[] {
    return this.input({ type: 'timer', timer, epoch: asEpoch(0), view: asView(view) });
  }

  /** Some member that is not self. */
  other(): ValidatorId {
    const other = this.set.validators.find(({ id }) => id !== this.self);
    if (other === undefined) throw new Error('alone');
    return other.id;
  }

  others(): ValidatorId[] {
    return this.set.validators.map(({ id }) => id).filter((id) => id !== this.self);
  }
}

export function ofType<T extends Effect['type']>(effects: readonly Effect[], type: T): Extract<Effect, { type: T }>[] {
  return effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
}

export function sent(effects: readonly Effect[]): ConsensusMessage[] {
  return ofType(effects, 'send').map((effect) => effect.message);
}

/** Kinds of own votes sent. */
export function consensusFramesSent(effects: readonly Effect[]): string[] {
  return sent(effects).flatMap((message) => (message.type === 'vote' ? [`${message.kind} ${message.view}`] : []));
}
