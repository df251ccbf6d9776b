/**
 * The interface of a replica: its inputs, its effects, and its status.
 *
 * A replica does no I/O. A shell (the node, or the simulator) hands it inputs one at a time, each with its own reading
 * of the clocks, and carries out the effects first in, first out across steps.
 */
import type { LeaderRecord } from '@cloister/consensus';
import type { AccountId, Digest, Epoch, Height, Offence, Result, ValidatorId, View } from '@cloister/encoding';
import type { PreparedAppend, StoreOp } from '@cloister/event-log';
import type { ExecutionFate, LedgerEvent } from '@cloister/ledger';

/** Lower leaves first. Certificates 0, votes 1, proposals 2, everything else 3. */
export type SendPriority = 0 | 1 | 2 | 3;

/**
 * The two clocks of a shell, in milliseconds. Timestamps are read from the wall clock, durations from the monotonic one:
 * a wall clock that is stepped by an hour must neither end a wait nor stretch it.
 */
export interface ReplicaClocks {
  /** Wall clock; an operator, a time server or a resumed machine may step it either way. */
  readonly nowMs: number;
  /** Since any moment before this replica's start; never goes back. */
  readonly monotonicMs: number;
}

/** What a shell tells a replica, with its clocks' readings at that moment. */
export type ReplicaInput = ReplicaClocks & UntimedInput;

export type UntimedInput =
  | { readonly type: 'start' }
  /** Bytes from an authenticated member; any content. */
  | { readonly type: 'frame'; readonly channel: 'consensus'; readonly from: ValidatorId; readonly bytes: Uint8Array }
  /** A gossiped batch; `from` passed it on: a member's id, or the name by which the network knows a stranger. */
  | { readonly type: 'frame'; readonly channel: 'batch'; readonly from: string; readonly bytes: Uint8Array }
  /** The answer to a `request` effect; undefined when it failed, timed out or was refused. */
  | {
      readonly type: 'response';
      readonly requestId: number;
      readonly from?: string;
      readonly bytes: Uint8Array | undefined;
    }
  /** A timer set by `set-timer` fired. A later `set-timer` of the same id replaces the earlier. */
  | { readonly type: 'timer'; readonly id: string }
  /** The writes of the `store` effect with this token are durable. A failed write must stop the node instead. */
  | { readonly type: 'stored'; readonly token: number }
  /** A transaction from a client; answered by one `admission` effect with the same `ref` in the same step. */
  | {
      readonly type: 'submit';
      readonly ref: number;
      readonly bytes: Uint8Array;
      /** The shell has verified its signature already, in another thread. */
      readonly verified?: boolean;
    }
  /** A connection to a peer came or went; `id` is a validator or member id, or the transport's own name of a stranger. */
  | { readonly type: 'peer'; readonly id: string; readonly up: boolean };

/** What a replica asks its shell to do. */
export type ReplicaEffect =
  | {
      readonly type: 'send';
      readonly to: ValidatorId | 'all';
      readonly channel: 'consensus';
      readonly priority: SendPriority;
      readonly bytes: Uint8Array;
    }
  /** One encoded batch for the gossip topic. */
  | { readonly type: 'gossip'; readonly bytes: Uint8Array }
  /**
   * One request of the sync protocol, to be answered by a `response` input. `to` = 'any': the shell picks a connected peer.
   * `to` = this node's own id: the shell answers from the own database (`serveSync`).
   */
  | {
      readonly type: 'request';
      readonly requestId: number;
      readonly to: string;
      readonly bytes: Uint8Array;
      readonly timeoutMs: number;
      readonly maxBytes: number;
    }
  /**
   * First `chain` as one synced batch of the chain database, then `guard` as one of the guard's, synced if `guardSync`;
   * an empty list is no write. Then the event log adopts `append` in order (`EventLog.adopt`), and `stored`
   * comes back. `carryOutStore` does it.
   */
  | {
      readonly type: 'store';
      readonly token: number;
      readonly chain: readonly StoreOp[];
      readonly guard: readonly StoreOp[];
      readonly guardSync: boolean;
      readonly append: readonly PreparedAppend[];
    }
  | { readonly type: 'set-timer'; readonly id: string; readonly delayMs: number }
  /** The verdict on a gossiped batch, for the network's scoring, in the same step as its frame. */
  | { readonly type: 'batch-verdict'; readonly verdict: 'accept' | 'reject' | 'ignore'; readonly code?: string }
  /** Outcome of a `submit`: the transaction's id, or why it was not taken. */
  | {
      readonly type: 'admission';
      readonly ref: number;
      readonly result: Result<{ readonly id: Digest }, AdmissionCode>;
    }
  /** A block's events are durable. `provableHeight`: the highest height whose events a finalized header's root covers. */
  | {
      readonly type: 'committed';
      readonly height: Height;
      readonly hash: Digest;
      readonly timeMs: number;
      readonly proposer: ValidatorId;
      readonly transactionCount: number;
      readonly firstSequence: number;
      readonly events: readonly LedgerEvent[];
      /** The fate of every transaction in the block, in order. */
      readonly fates: readonly ExecutionFate[];
      readonly provableHeight: Height;
      /** How many events that is: those with lower sequences are provable. */
      readonly provableCount: number;
    }
  /** A request that names this node became provable, or was found pending at start; the shell hands it to the executor. */
  | { readonly type: 'execute'; readonly task: TaskAssignment }
  /** A fault seen and queued for a block, for logs and metrics. */
  | { readonly type: 'evidence'; readonly against: ValidatorId; readonly kind: string; readonly key: string }
  /** A frame or response was refused; for metrics and peer scoring. */
  | { readonly type: 'refused'; readonly from: string; readonly code: string; readonly detail?: string }
  /**
   * This peer sent something that no honest peer sends; `peer` is the name by which its frames, answers and requests
   * come. The network cuts off whoever does so repeatedly. It is no offence to pass on what was good when it was sent,
   * such as an old certificate or a batch that has expired since.
   */
  | { readonly type: 'blame'; readonly peer: string; readonly offence: Offence }
  /** The replica signs nothing more and answers no further input. */
  | { readonly type: 'halt'; readonly code: string; readonly detail: string };

/** Why a transaction was not taken into the pool. */
export type AdmissionCode =
  | 'TRANSACTION_TOO_LARGE'
  | 'TRANSACTION_MALFORMED'
  | 'WRONG_CHAIN'
  | 'TRANSACTION_EXPIRED'
  | 'EXPIRY_TOO_FAR'
  | 'SENDER_UNKNOWN'
  /** Evidence of a node that is no member, which the ledger would reject; the detail says why. */
  | 'EVIDENCE_NOT_ADMITTED'
  | 'SIGNATURE_INVALID'
  | 'ALREADY_PENDING'
  | 'ALREADY_EXECUTED'
  | 'QUOTA_EXCEEDED'
  /** The sender has as many tasks open, or records, as the ledger lets one account have. */
  | 'TASK_LIMIT'
  | 'RECORD_LIMIT'
  | 'BACKPRESSURE'
  | 'HALTED';

/** One inference that this node is named for. `requestSequence` is the sequence of its InferenceRequested event. */
export interface TaskAssignment {
  readonly task: Digest;
  readonly sender: AccountId;
  /** Owner of the model. */
  readonly owner: AccountId;
  readonly model: Digest;
  readonly keyset: Digest;
  readonly requestSequence: number;
  readonly requestHeight: Height;
  readonly payloadDigest: Digest;
  /** Block time after which no receipt is taken. */
  readonly deadlineMs: number;
}

/** Whether this node signs, and what it waits for before it does; see start-rule.ts. */
export interface SigningStatus {
  /** `observer`: never, it has no weight. `resyncing`: the log is rebuilt first. */
  readonly state: 'observer' | 'resyncing' | 'asking' | 'observing' | 'confirming' | 'signing';
  /** Why it does not sign at once: every start asks; a guard that holds nothing or lacks votes makes it observe. */
  readonly cause: 'START' | 'GUARD_EMPTY' | 'GUARD_OLD';
  /** Validators whose answer is awaited. */
  readonly missing: readonly ValidatorId[];
  readonly signsAboveView: View | undefined;
  /** No view can end without this validator's vote, so only its operator can end the waiting. */
  readonly needsOverride: boolean;
}

/** A position of the consensus, for status pages. */
export interface ReplicaStatus {
  readonly role: 'validator' | 'observer';
  readonly epoch: Epoch;
  readonly view: View;
  readonly finalizedHeight: Height;
  readonly executedHeight: Height;
  readonly provableHeight: Height;
  /** Validators whose turns to propose gave no block since this node started, by the committed chain. */
  readonly leaders: readonly LeaderRecord[];
  /** What consensus keeps in memory of what is not final. */
  readonly held: { readonly rounds: number; readonly blocks: number; readonly fetches: number };
  readonly signing: SigningStatus;
  readonly pendingTransactions: number;
  readonly pendingBatches: number;
  readonly halted: { readonly code: string; readonly detail: string } | undefined;
  /** The newest block whose execution is durable: all of one moment. */
  readonly tip: TipStatus;
  /** Monotonic clock when a new certificate was last heard, and when a new finalization was; the start before the first. */
  readonly certificateMs: number;
  readonly finalityMs: number;
  /** How far the wall clock is ahead of the others', negative when behind; undefined before any block was heard. */
  readonly clockSkewMs: number | undefined;
  /**
   * False in three cases: peers showed blocks that are not executed here, no finalization was heard for long, or the
   * newest block is old. A node that hears nothing cannot know whether it is behind.
   */
  readonly synced: boolean;
}

export interface TipStatus {
  readonly height: Height;
  readonly hash: Digest;
  readonly timeMs: number;
  readonly eventCount: number;
  readonly eventRoot: Digest;
}
