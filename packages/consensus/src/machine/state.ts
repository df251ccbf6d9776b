/**
 * The machine's state: what is known of the current epoch's rounds, the blocks above the committed one, and what waits.
 *
 * All voting state lives inside one `EpochState`, so it is keyed by (epoch, view) by construction. The state is owned by the
 * machine and mutated in place; nothing outside this folder looks into it.
 */

import {
  asHeight,
  assert,
  asView,
  type Digest,
  type Epoch,
  type Height,
  type ValidatorId,
  type View,
} from '@cloister/encoding';
import type { SignatureCache } from '../certificates/signature-cache.ts';
import { weightOf } from '../certificates/validator-set.ts';
import type { SignGuard, SigningKey } from '../guard/sign-guard.ts';
import { leaderOf } from '../leaders/leader.ts';
import type { LeaderReputation } from '../leaders/leader-reputation.ts';
import type { Effect, HaltCode, Input, MachineConfig, MessageRejectionCode } from '../machine-types.ts';
import type {
  Block,
  Certificate,
  Finalization,
  Header,
  Justification,
  Notarization,
  Nullification,
  Proposal,
  Round,
  SignedStatement,
  ValidatorSet,
  Vote,
  VoteKind,
} from '../messages/types.ts';
import type { Rules } from '../rules.ts';

/** A block above the committed one. */
export interface BlockEntry {
  readonly block: Block;
  /** 'asked': verify-block is out. */
  verdict: 'unknown' | 'asked' | 'valid' | 'invalid';
  /** Durable in the chain database. */
  stored: boolean;
}

/** Own messages of a round whose records are durable: what the retry timer sends again. */
export interface OwnMessages {
  propose?: Proposal;
  notarize?: Vote;
  nullify?: Vote;
  finalize?: Vote;
}

export interface RoundState {
  readonly round: Round;
  readonly leader: ValidatorId;
  /** The first PROPOSE statement with the leader's signature. */
  proposed: SignedStatement | undefined;
  /** The first proposal whose bytes hash to its signed P. */
  proposal: Proposal | undefined;
  equivocated: boolean;
  /** Set when the proposal was found not to be OK. */
  refused: boolean;
  /** Set when the proposal's justification is provably bad. */
  unjustified: boolean;
  readonly votes: Readonly<Record<VoteKind, Map<ValidatorId, Vote>>>;
  notarization: Notarization | undefined;
  nullification: Nullification | undefined;
  finalization: Finalization | undefined;
  readonly own: OwnMessages;
}

export interface EpochState {
  readonly epoch: Epoch;
  readonly set: ValidatorSet;
  /** Hash of the block that view 0 stands for. */
  readonly anchorHash: Digest;
  view: View;
  /** Whether the leader may stop waiting for work in this view. */
  proposeDue: boolean;
  /** Proposal being built for the current view. */
  building: { readonly view: View; readonly parentView: View; readonly justification: Justification } | undefined;
  readonly rounds: Map<View, RoundState>;
  /** Highest finalization known; its block may not be here yet. */
  finalized: Finalization | undefined;
  /** Keys of evidence given out or heard: at most one for each kind of fault and validator. */
  readonly accused: Set<string>;
  /** Views since the last finalization that ran into their timer here. */
  timeouts: number;
  /** Whether the current view has lasted as long as it must before it may be given up early. */
  giveUpDue: boolean;
  /** Whether the current leader's proposal came in time or still may. Undefined where there was no work to propose. */
  punctual: boolean | undefined;
}

export interface Committed {
  readonly height: Height;
  readonly hash: Digest;
  readonly view: View;
  /** Undefined for genesis. */
  readonly header: Header | undefined;
  readonly timestampMs: number;
}

/** What is sent and counted once its record is durable. */
export interface Unpersisted {
  readonly message: Proposal | Vote;
  readonly blockHash: Digest | undefined;
}

export interface MachineState {
  readonly config: MachineConfig;
  readonly chainId: Digest;
  readonly rules: Rules;
  readonly signatures: SignatureCache;
  /** Undefined for an observer. */
  readonly key: SigningKey | undefined;
  readonly guard: SignGuard;
  readonly sets: Map<Epoch, ValidatorSet>;
  readonly current: EpochState;
  committed: Committed;
  /**
   * Leaders that missed turns, by the committed chain. Nodes that committed the same blocks since they started count
   * the same.
   */
  readonly reputation: LeaderReputation;
  /** Leaders that made this node wait, though the view gave a block. */
  readonly lateness: LeaderReputation;
  readonly blocks: Map<Digest, BlockEntry>;
  /** Requests made since the last retry. */
  readonly fetching: Set<Digest>;
  readonly requestedViews: Set<View>;
  /** The highest view that each member has shown, or claimed, to have left. */
  readonly left: Map<ValidatorId, View>;
  /** Leaders of whom a proposal beyond the window was taken since the last retry. */
  readonly farProposals: Set<ValidatorId>;
  /** Certificates that came in proposals and are not verified yet, by sender; the next in turn first. */
  readonly backlog: Map<ValidatorId, Carried>;
  catchingUp: boolean;
  /** A peer showed a certificate that is too far above for a range: blocks are fetched by hash until it is committed. */
  inStretch: boolean;
  /** Commits whose chain batch is not known to be durable: the guard's floor follows them. */
  readonly floors: { readonly height: Height; readonly hash: Digest; readonly round: Round }[];
  readonly unpersisted: Map<number, Unpersisted>;
  nextToken: number;
  workPending: boolean;
  /** False until the write-ahead records are counted again. */
  started: boolean;
  /** True while nothing may be signed; see `MachineConfig.startsMuted`. */
  muted: boolean;
  halted: boolean;
  retries: number;
  /** View and finalized view at the last retry. If both have moved since, nothing needs to be sent again. */
  lastRetry: { readonly view: View; readonly finalizedView: View };
  retryBudget: number;
  readonly served: Map<ValidatorId, number>;
  readonly greeted: Set<ValidatorId>;
  /** Own messages on their way back in. */
  readonly queue: Input[];
  effects: Effect[];
}

/** The view of the highest finalization, or 0 for the anchor. */
export function finalizedView(machine: MachineState): View {
  return machine.current.finalized?.view ?? asView(0);
}

export function findRound(machine: MachineState, view: View): RoundState | undefined {
  return machine.current.rounds.get(view);
}

/** The round of a view ≥ 1 of the current epoch, made when there is none. The caller bounds the view. */
export function roundAt(machine: MachineState, view: View): RoundState {
  const { rounds, epoch, set } = machine.current;
  let state = rounds.get(view);
  if (state === undefined) {
    assert(view >= 1, 'view 0 is the anchor');
    const round: Round = { epoch, view };
    state = {
      round,
      leader: leaderOf(set, round),
      proposed: undefined,
      proposal: undefined,
      equivocated: false,
      refused: false,
      unjustified: false,
      votes: { notarize: new Map(), nullify: new Map(), finalize: new Map() },
      notarization: undefined,
      nullification: undefined,
      finalization: undefined,
      own: {},
    };
    rounds.set(view, state);
  }
  return state;
}

/** Certificates held for a view. */
export function certificatesOf(machine: MachineState, view: View): Certificate[] {
  const round = findRound(machine, view);
  const all = [round?.finalization, round?.notarization, round?.nullification];
  return all.filter((certificate) => certificate !== undefined);
}

/** A parent's height, time and lastFinal height; undefined when its block is not here. */
export function parentFacts(
  machine: MachineState,
  hash: Digest,
):
  | {
      readonly height: Height;
      readonly timestampMs: number;
      readonly lastFinalHeight: Height;
      readonly header: Header | undefined;
    }
  | undefined {
  const { committed } = machine;
  const header = hash === committed.hash ? committed.header : machine.blocks.get(hash)?.block.header;
  if (header !== undefined) {
    const { height, timestampMs, lastFinal } = header;
    return { height, timestampMs, lastFinalHeight: lastFinal.height, header };
  }
  if (hash !== committed.hash) return undefined;
  return { height: committed.height, timestampMs: committed.timestampMs, lastFinalHeight: asHeight(0), header };
}

/** The uncommitted blocks from the committed one (exclusive) to `hash` (inclusive), or the first that is not here. */
export function chainTo(
  machine: MachineState,
  hash: Digest,
): { readonly blocks: Block[] } | { readonly missing: Digest; readonly blocks: Block[] } | { readonly fork: Block } {
  const blocks: Block[] = [];
  for (let at = hash; at !== machine.committed.hash; ) {
    const block = machine.blocks.get(at)?.block;
    if (block === undefined) return { missing: at, blocks: blocks.reverse() };
    if (block.header.height <= machine.committed.height + 1 && block.header.parentHash !== machine.committed.hash) {
      return { fork: block };
    }
    blocks.push(block);
    at = block.header.parentHash;
  }
  return { blocks: blocks.reverse() };
}

/** Whether this node is a voting member of the current epoch, and may sign. */
export function isVoter(machine: MachineState): boolean {
  return !machine.muted && machine.key !== undefined && weightOf(machine.current.set, machine.key.id) > 0n;
}

export function emit(machine: MachineState, effect: Effect): void {
  machine.effects.push(effect);
}

export function rejectMessage(machine: MachineState, from: ValidatorId, code: MessageRejectionCode): void {
  emit(machine, { type: 'rejected', from, code });
}

/** Stops the machine for good. */
export function halt(machine: MachineState, code: HaltCode, detail: string): void {
  if (machine.halted) return;
  machine.halted = true;
  emit(machine, { type: 'halt', code, detail });
}

export interface Carried {
  /** View of the proposal. */
  readonly view: View;
  /** The next one last. */
  readonly certificates: Certificate[];
}
