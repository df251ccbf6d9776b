/**
 * Executes a block: a fold over its contents, in an order that every replica and every replay shares.
 *
 * BlockBegun → proven faults of validators → a policy whose height has come → deadlines that are due → each
 * transaction, decided on the state after all earlier events → tasks that lost their executors in this block → the
 * counts and the snapshot that end the block. Every event is folded in as soon as it is made. No enclave, no clock and
 * no randomness is used.
 *
 * Appraisals cost most. Submissions of evidence and of endorsements take one each of maxAppraisalsPerBlock, those of
 * one sender APPRAISALS_PER_SENDER_MAX in all: further ones in the block are refused unread and take no appraisal. What
 * newer endorsements re-appraise is taken from the same budget afterwards: the submission that overdraws it is carried
 * out in full, for no result may outlive its revocation, and all later ones of the block wait. A block therefore costs
 * at most maxAppraisalsPerBlock appraisals and one of each held attestation, and another one of each for a policy that
 * takes effect in it, which only governance can decide.
 */
import { faultKey, type ProvenFault } from '@cloister/consensus';
import { assert, type Digest, type Height } from '@cloister/encoding';
import { eligible } from '../attestation/eligibility.ts';
import { policyTakingEffect } from '../attestation/reappraise.ts';
import type { LedgerEvent } from '../events/events.ts';
import { evolve } from '../evolve/evolve.ts';
import { tasksOfLost } from '../inference/lost-executors.ts';
import { conclusion, deadlineCode, failure, silentExecutors } from '../inference/task-outcome.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { LedgerState } from '../state/state.ts';
import { STATE_VERSION, stateDigest } from '../state/state-codec.ts';
import type { Task } from '../state/task.ts';
import type { Batch, VerifiedBatch } from '../transactions/batch.ts';
import type { RejectionCode } from '../transactions/codes.ts';
import type { Transaction } from '../transactions/transaction.ts';
import type { TransactionKind } from '../transactions/transaction-payloads.ts';
import { admissionRefusal, decide } from './decide.ts';
import type { DecideContext, Decision } from './decision.ts';
import { isKnownSender } from './senders.ts';

/** A finalized block; its batches passed `verifyBatch`, in the order of the body. */
export interface BlockToExecute {
  readonly height: Height;
  readonly hash: Digest;
  /** The header's timestamp. */
  readonly timeMs: number;
  readonly batches: readonly VerifiedBatch[];
  /** What the evidence in its body proves. */
  readonly faults?: readonly ProvenFault[];
}

/**
 * IGNORED: expired, expiring too far ahead, for another chain, executed before, or from a sender nobody knows, whose evidence
 * was not admitted.
 */
export type ExecutionFate =
  | { readonly id: Digest; readonly fate: 'COMMITTED' }
  | { readonly id: Digest; readonly fate: 'REJECTED'; readonly code: RejectionCode }
  | { readonly id: Digest; readonly fate: 'IGNORED' };

export interface Execution {
  /** In order; the first is BlockBegun. */
  readonly events: readonly LedgerEvent[];
  /** Sequence of the first event. */
  readonly firstSequence: number;
  /** One for each transaction, in order. */
  readonly fates: readonly ExecutionFate[];
}

const MAX_DETAIL_LENGTH = 512;

/** Appraisals that one sender can have in one block: evidence, and endorsements beside it. */
export const APPRAISALS_PER_SENDER_MAX = 2;

/** Whether deciding a transaction of this kind takes one of a block's appraisals. */
export function costsAppraisal(kind: TransactionKind): boolean {
  return kind === 'submit-attestation' || kind === 'submit-endorsements';
}

/** Executes the block that follows `state`, which it changes in place. */
export function executeBlock(state: LedgerState, block: BlockToExecute): Execution {
  return new BlockExecution(state, block).run(block.batches);
}

class BlockExecution {
  readonly #state: LedgerState;
  readonly #block: BlockToExecute;
  readonly #context: DecideContext;
  readonly #events: LedgerEvent[] = [];
  readonly #fates: ExecutionFate[] = [];
  readonly #byAuthor = new Map<Batch['author'], number>();
  readonly #appraisalsBySender = new Map<Transaction['sender'], number>();
  #appraisals = 0;
  #strangersAppraisals = 0;

  constructor(state: LedgerState, block: BlockToExecute) {
    this.#state = state;
    this.#block = block;
    this.#context = { height: block.height, timeMs: block.timeMs };
  }

  run(batches: readonly VerifiedBatch[]): Execution {
    const { height, hash, timeMs } = this.#block;
    const firstSequence = this.#state.eventCount;
    this.#emit({ type: 'BlockBegun', height, hash, timeMs });
    for (const fault of this.#block.faults ?? []) this.#recordFault(fault);
    this.#policyIfDue();
    for (const id of this.#state.taskIndex.overdue(timeMs)) this.#meetDeadline(id);
    const unknown = batches.map(({ batch, transactions }) => ({ batch, count: this.#runBatch(batch, transactions) }));
    for (const id of tasksOfLost(this.#state, this.#events)) this.#closeIfLost(id);
    for (const { batch, count } of unknown) {
      if (count === 0) continue;
      this.#emit({ type: 'UnknownSendersCounted', batch: batch.id, author: batch.author, count, height });
    }
    this.#snapshotIfDue();
    return { events: this.#events, firstSequence, fates: this.#fates };
  }

  #emit(event: LedgerEvent): void {
    evolve(this.#state, event);
    this.#events.push(event);
  }

  #recordFault(fault: ProvenFault): void {
    if (this.#state.equivocations.has(faultKey(fault))) return;
    const { validator, kind, epoch, view } = fault;
    this.#emit({ type: 'ValidatorEquivocated', validator, kind, epoch, view, height: this.#block.height });
  }

  /** Runs a batch's transactions; the number of those whose sender nobody knows. */
  #runBatch(batch: Batch, transactions: readonly Transaction[]): number {
    let unknownSenders = 0;
    for (const transaction of transactions) {
      const refusal = admissionRefusal(this.#state, transaction, this.#block.height);
      const stranger =
        refusal === 'SENDER_UNKNOWN' || (refusal === undefined && this.#isUnappraisedStranger(transaction));
      if (stranger || refusal !== undefined) {
        if (stranger) unknownSenders++;
        this.#fates.push({ id: transaction.id, fate: 'IGNORED' });
      } else if (this.#runTransaction(transaction, batch) === 'UNKNOWN_SENDER') unknownSenders++;
    }
    return unknownSenders;
  }

  /**
   * Strangers get half of a block's appraisals, so that they cannot keep members from theirs. Evidence of a stranger
   * beyond that, or beyond what one sender gets, leaves no event of its own, or anyone could fill the log.
   */
  #isUnappraisedStranger(transaction: Transaction): boolean {
    if (transaction.kind !== 'submit-attestation' || isKnownSender(this.#state, transaction.sender)) return false;
    const { maxAppraisalsPerBlock } = settingsOf(this.#state).params;
    if (this.#appraisals >= maxAppraisalsPerBlock || this.#isAtSenderLimit(transaction)) return true;
    if (this.#strangersAppraisals >= Math.ceil(maxAppraisalsPerBlock / 2)) return true;
    this.#strangersAppraisals++;
    return false;
  }

  #isAtSenderLimit({ sender }: Transaction): boolean {
    return (this.#appraisalsBySender.get(sender) ?? 0) >= APPRAISALS_PER_SENDER_MAX;
  }

  #limited(batch: Batch, transaction: Transaction): Decision | undefined {
    const { params } = settingsOf(this.#state);
    const ofAuthor = (this.#byAuthor.get(batch.author) ?? 0) + 1;
    this.#byAuthor.set(batch.author, ofAuthor);
    if (ofAuthor > params.maxTransactionsPerAuthor) return { ok: false, code: 'AUTHOR_LIMIT' };
    if (!costsAppraisal(transaction.kind)) return undefined;
    if (this.#isAtSenderLimit(transaction)) return { ok: false, code: 'APPRAISAL_LIMIT' };
    const { sender } = transaction;
    this.#appraisalsBySender.set(sender, (this.#appraisalsBySender.get(sender) ?? 0) + 1);
    this.#appraisals++;
    return this.#appraisals > params.maxAppraisalsPerBlock ? { ok: false, code: 'APPRAISAL_LIMIT' } : undefined;
  }

  #decide(transaction: Transaction): Decision {
    return decide(this.#state, transaction, this.#context);
  }

  /**
   * A stranger's evidence that is not admitted leaves no event, because events are kept for ever and anybody can make
   * any number of strangers.
   */
  #runTransaction(transaction: Transaction, batch: Batch): 'UNKNOWN_SENDER' | undefined {
    const { id, sender, expiryHeight } = transaction;
    const decision = this.#limited(batch, transaction) ?? this.#decide(transaction);
    if (!decision.ok && !isKnownSender(this.#state, sender)) {
      this.#fates.push({ id, fate: 'IGNORED' });
      return 'UNKNOWN_SENDER';
    }
    if (decision.ok) {
      for (const event of decision.value) {
        this.#emit(event);
        const reappraised = event.type === 'AttestationReappraised' || event.type === 'AttestationEvicted';
        if (reappraised && event.cause === 'endorsements') this.#appraisals++;
      }
      this.#fates.push({ id, fate: 'COMMITTED' });
      return undefined;
    }
    const { height } = this.#block;
    const { code } = decision;
    const detail = (decision.detail ?? '').slice(0, MAX_DETAIL_LENGTH).toWellFormed();
    for (const fact of decision.facts ?? []) this.#emit(fact);
    this.#emit({ type: 'TransactionRejected', id, expiryHeight, sender, code, detail, height });
    this.#fates.push({ id, fate: 'REJECTED', code });
    return undefined;
  }

  #policyIfDue(): void {
    const due = this.#state.scheduledPolicy;
    if (due === null || due.effectiveHeight > this.#block.height) return;
    for (const event of policyTakingEffect(this.#state, due.appraisalPolicy, this.#context)) this.#emit(event);
  }

  #meetDeadline(id: Digest): void {
    const task = this.#state.tasks.get(id);
    if (task?.status !== 'open') return;
    const { height } = this.#block;
    const left = this.#lapseExecutors(task);
    for (const { node, keyset } of silentExecutors(left)) {
      this.#emit({ type: 'AnswerMissed', task: id, node, keyset, height });
    }
    this.#emit(failure(left, deadlineCode(left), height));
  }

  #closeIfLost(id: Digest): void {
    const task = this.#state.tasks.get(id);
    if (task?.status !== 'open') return;
    const end = conclusion(this.#state, this.#lapseExecutors(task), this.#block.height);
    if (end !== undefined) this.#emit(end);
  }

  /** Records each executor that the task waits for and that may not execute; the task as it is then. */
  #lapseExecutors(task: Task): Task {
    const { height } = this.#block;
    for (const { node, keyset } of silentExecutors(task)) {
      const answer = eligible({ state: this.#state, validator: node, keyset, model: task.model, ...this.#context });
      if (answer.eligible) continue;
      this.#emit({ type: 'ExecutorLapsed', task: task.id, node, keyset, reasons: answer.reasons, height });
    }
    const left = this.#state.tasks.get(task.id);
    assert(left !== undefined, 'a lapse closes no task');
    return left;
  }

  #snapshotIfDue(): void {
    const { height } = this.#block;
    const { snapshotInterval } = settingsOf(this.#state).params;
    if (snapshotInterval === 0 || height % snapshotInterval !== 0) return;
    this.#emit({
      type: 'SnapshotTaken',
      stateVersion: STATE_VERSION,
      stateDigest: stateDigest(this.#state),
      eventCount: this.#state.eventCount,
      height,
    });
  }
}
