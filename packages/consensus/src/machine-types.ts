/**
 * The interface of the state machine: its inputs, its effects, and what it is created from.
 *
 * The shell feeds inputs one at a time and runs effects first in, first out across steps. The machine owns its state
 * and mutates it inside `step`; for the caller it is opaque.
 */
import type { Digest, Epoch, Height, ValidatorId, View } from '@cloister/encoding';
import type { GuardHead, GuardRecord, GuardState } from './guard/sign-guard.ts';
import type { LeaderRecord } from './leaders/leader-reputation.ts';
import type {
  Block,
  Body,
  ConsensusMessage,
  FaultEvidence,
  Finalization,
  Header,
  Round,
  ValidatorSet,
} from './messages/types.ts';

/** All in milliseconds unless said otherwise. */
export interface Timing {
  /** T0: how long the first view after a finalization may take while work is pending. */
  readonly viewTimeoutMs: number;
  /** α: factor for each further view waited out without finalization, beyond as many as faulty leaders explain. */
  readonly growth: number;
  /** Upper bound of the view timer. */
  readonly capMs: number;
  /** How long a leader without work waits before it proposes an empty block. */
  readonly idleIntervalMs: number;
  readonly retryMs: number;
  /** Bytes that the retry set may add for each retry interval, to each receiver. */
  readonly retryBytes: number;
}

export interface MachineConfig {
  readonly chainId: Digest;
  /** Undefined, or not a member of the set: an observer, which follows and never signs. */
  readonly self: ValidatorId | undefined;
  /** Ed25519 over the given bytes by `self`'s key; 64 bytes. Undefined: never signs. */
  readonly sign: ((bytes: Uint8Array) => Uint8Array) | undefined;
  /** True: nothing is signed before the 'may-sign' input, and own votes that the guard does not know are told of. */
  readonly startsMuted?: boolean;
  /** V_0 = V_1. */
  readonly genesisSet: ValidatorSet;
  /** Block 1 has a later timestamp than this. */
  readonly genesisTimestampMs: number;
  readonly timing: Timing;
}

/** What the shell read from its databases after a restart. */
export interface RecoveredState {
  readonly guard: GuardState;
  /**
   * The last committed block (all of its chain batch is durable) and the finalization it was committed with; that is a
   * descendant's when the process ended in the middle of a long commit.
   */
  readonly committed: { readonly header: Header; readonly finalization: Finalization } | undefined;
  /** Stored blocks above the committed one, in any order. */
  readonly blocks: readonly { readonly header: Header; readonly body: Body }[];
}

export type TimerName = 'view' | 'retry' | 'propose' | 'give-up' | 'quarter';

export type Input =
  /** Once, first. */
  | { readonly type: 'start' }
  /** `from` is the authenticated sender, who need not be a validator. The decoder has checked form and size. */
  | { readonly type: 'message'; readonly from: ValidatorId; readonly message: ConsensusMessage }
  /** Ends the state of `startsMuted`. Nothing is signed at or below `floor`. */
  | { readonly type: 'may-sign'; readonly floor: Round | undefined }
  /** Answers 'continue', after whatever else waits. */
  | { readonly type: 'continue' }
  | { readonly type: 'timer'; readonly timer: TimerName; readonly epoch: Epoch; readonly view: View }
  /** Answers build-block. May come as late as the shell likes (for instance after executing what it must vouch for). */
  | {
      readonly type: 'block-built';
      readonly epoch: Epoch;
      readonly view: View;
      readonly header: Header;
      readonly body: Body;
    }
  /** Answers verify-block, when every batch is stored and header.lastFinal's block is executed here. */
  | {
      readonly type: 'block-verified';
      readonly blockHash: Digest;
      readonly verdict: 'valid' | 'invalid';
      readonly reason?: string;
    }
  /**
   * Answers fetch-block, with as many of its ancestors as came along, the parent first. A block that was not asked for is
   * ignored, and so are ancestors from the first on that is not the parent of the one before.
   */
  | {
      readonly type: 'block-arrived';
      readonly header: Header;
      readonly body: Body;
      readonly ancestors?: readonly { readonly header: Header; readonly body: Body }[];
    }
  /**
   * Answers catch-up, or comes from a follower's sync: consecutive blocks whose last one the finalization certifies.
   * Blocks already committed are skipped; the machine checks the certificate and the hash chain itself. No blocks: the next
   * certificate is too many blocks away for a range, so that they must be fetched by hash, down from the certified one.
   */
  | {
      readonly type: 'chain-arrived';
      readonly from: ValidatorId;
      readonly blocks: readonly { readonly header: Header; readonly body: Body }[];
      readonly finalization: Finalization;
    }
  /** The persist effect with this token is durable. */
  | { readonly type: 'persisted'; readonly token: number }
  | { readonly type: 'validator-set'; readonly epoch: Epoch; readonly set: ValidatorSet }
  /** Batches wait for a block, or an executed event (an empty block's `BlockBegun` aside) is not yet provable. */
  | { readonly type: 'work-pending'; readonly pending: boolean }
  /** The chain batch of this committed height is durable. */
  | { readonly type: 'executed'; readonly height: Height; readonly hash: Digest }
  /** Last durable event, for the guard's records. Before 'start', and after each chain batch. */
  | { readonly type: 'chain-head'; readonly head: GuardHead };

/**
 * AGREEMENT_BROKEN: a quorum signed what honest validators never do, so a third of the weight or more is faulty.
 * SIGNED_ELSEWHERE: a good signature by this validator's key that its guard does not know: the key signs in a second
 * place, or the guard's database was rolled back.
 */
export type HaltCode = 'AGREEMENT_BROKEN' | 'SIGNED_ELSEWHERE';

/**
 * Why a message was refused. No honest sender causes a code of `FORGERY_CODES`. The other codes may be due to a sender
 * that is ahead, is behind or asks too much.
 */
export type MessageRejectionCode =
  | 'UNKNOWN_SIGNER'
  | 'NOT_THE_SIGNER'
  | 'NOT_THE_LEADER'
  | 'BAD_SIGNATURE'
  | 'BAD_CERTIFICATE'
  | 'OTHER_EPOCH'
  | 'OUTSIDE_WINDOW'
  | 'PROPOSAL_MISMATCH'
  | 'UNSOLICITED_BLOCK'
  /** The shell's rule for starting asked for these answers, and takes them before the machine. */
  | 'UNSOLICITED_RECALL'
  | 'TOO_MANY_REQUESTS'
  | 'NOT_CONNECTED'
  | 'BAD_EVIDENCE'
  /** A block of this node's own making that the rules do not allow; it is not proposed. */
  | 'OWN_BLOCK_UNSOUND';

export const FORGERY_CODES: ReadonlySet<MessageRejectionCode> = new Set([
  'NOT_THE_SIGNER',
  'NOT_THE_LEADER',
  'BAD_SIGNATURE',
  'BAD_CERTIFICATE',
  'PROPOSAL_MISMATCH',
  'BAD_EVIDENCE',
]);

export type Effect =
  /**
   * Sync `block` (with its batches) to the chain database first, then `record` at `guardRecordKey(record)` to the guard
   * database, in the same batch deleting guard keys below `guardFloorKey(record.floor)`; then answer 'persisted'. A failed write stops the node.
   */
  | {
      readonly type: 'persist';
      readonly token: number;
      readonly record: GuardRecord;
      readonly block?: { readonly header: Header; readonly body: Body };
    }
  /** 'all' is every other validator. */
  | { readonly type: 'send'; readonly to: ValidatorId | 'all'; readonly message: ConsensusMessage }
  /** Replaces the timer of that name. Those that fire in another view are ignored; retry is periodic. */
  | {
      readonly type: 'set-timer';
      readonly timer: TimerName;
      readonly epoch: Epoch;
      readonly view: View;
      readonly delayMs: number;
    }
  /**
   * Check what needs the ledger, the store or the clock: batches, evidence, paramsHash, drift, and that header.lastFinal is the block
   * of that height here with the same event root. The machine has checked the links and lastFinalCert. `ancestors` are the uncommitted ones, oldest first.
   */
  | {
      readonly type: 'verify-block';
      readonly header: Header;
      readonly body: Body;
      readonly blockHash: Digest;
      readonly ancestors: readonly Block[];
    }
  /** `parent.header` is undefined for genesis. `lastFinal` is the committed block, the highest that the header may name. */
  | {
      readonly type: 'build-block';
      readonly epoch: Epoch;
      readonly view: View;
      readonly parent: { readonly hash: Digest; readonly height: Height; readonly header: Header | undefined };
      readonly lastFinal: { readonly height: Height; readonly hash: Digest };
      readonly ancestors: readonly Block[];
    }
  /**
   * Look in the own chain database, then ask `from` (best first) by sync, for the block and its ancestors above a height;
   * repeated on each retry until it arrives.
   */
  | {
      readonly type: 'fetch-block';
      readonly hash: Digest;
      readonly aboveHeight: Height;
      readonly from: readonly ValidatorId[];
    }
  /** Send the block as a `block` message, if the chain database has it. */
  | { readonly type: 'serve-block'; readonly to: ValidatorId; readonly hash: Digest }
  /** Send a `CertRequest` to one of `from`; the answers come as certificate messages. */
  | {
      readonly type: 'fetch-certificates';
      readonly epoch: Epoch;
      readonly fromView: View;
      readonly toView: View;
      readonly from: readonly ValidatorId[];
    }
  /** Too far behind for single blocks: fetch the range with finalizations by sync and answer with 'chain-arrived'. */
  | {
      readonly type: 'catch-up';
      readonly fromHeight: Height;
      readonly toHeight: Height;
      readonly from: readonly ValidatorId[];
    }
  /** Execute in order; the finalization is of the last one. Then 'executed' for each height (or the last). */
  | { readonly type: 'commit'; readonly blocks: readonly Block[]; readonly finalization: Finalization }
  | { readonly type: 'evidence'; readonly evidence: FaultEvidence }
  | { readonly type: 'enter-epoch'; readonly epoch: Epoch }
  /** While muted: a good signature by the own key that the guard does not know, above the guard's floor. */
  | { readonly type: 'own-unknown'; readonly round: Round }
  /** Certificates wait to be verified: feed 'continue' soon, and other inputs before it. */
  | { readonly type: 'continue' }
  /** A message was refused. Nothing else happened. */
  | { readonly type: 'rejected'; readonly from: ValidatorId; readonly code: MessageRejectionCode }
  /** Stop the node: the machine takes no further input. */
  | { readonly type: 'halt'; readonly code: HaltCode; readonly detail: string };

/** For a network of a few milliseconds up to some hundred. */
export const DEFAULT_TIMING: Timing = {
  viewTimeoutMs: 1_000,
  growth: 1.25,
  capMs: 30_000,
  idleIntervalMs: 1_000,
  retryMs: 1_000,
  retryBytes: 64 * 1024,
};

/** A snapshot for status pages, metrics and checkers. */
export interface MachineStatus {
  readonly epoch: Epoch;
  readonly view: View;
  readonly leader: ValidatorId;
  readonly committed: { readonly height: Height; readonly hash: Digest; readonly view: View };
  /** View of the highest finalization known, committed or not. */
  readonly finalized: Round;
  /** Leaders whose turns gave no block in the committed chain since this node started. */
  readonly leaders: readonly LeaderRecord[];
  /** Rounds, blocks and fetches held: what memory is bounded by. */
  readonly held: { readonly rounds: number; readonly blocks: number; readonly fetches: number };
}
