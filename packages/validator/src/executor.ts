/**
 * The executor: answers every request that names this node, a few at a time, until each task's fate is known or its
 * deadline has passed.
 *
 * Cheap steps come before expensive ones. A task whose sealed payload is a blob takes no slot before the blob is here.
 * A task of a model that the enclave has refused takes no slot at all. Slots are shared by `FairSlots`. A task that can
 * never succeed is declined on the ledger at once, so that its tenant does not wait for the deadline.
 *
 * It remembers nothing on disk. After a restart the replica finds open tasks in the agreed state and assigns them
 * again; the enclave answers a task that it has run before with the same bytes.
 */
import { asHeight, type Digest, type Height } from '@cloister/encoding';
import type { DeclineCode, Transaction } from '@cloister/ledger';
import type { AdmissionCode, TaskAssignment } from '@cloister/replica';
import { BlockSignal } from './block-signal.ts';
import type { ExecutorPorts } from './executor-ports.ts';
import { FairSlots } from './fair-slots.ts';
import { ModelPauses } from './model-pauses.ts';
import { ModelRefusals } from './model-refusals.ts';
import type { SubmitPort } from './ports.ts';
import { isTransientOutcome, type ProcessOutcome } from './process-outcome.ts';
import { declineTask } from './sign-answer.ts';
import { processTransaction } from './validator.ts';

/** Executions at the same time, in all, of one owner's models and of one model. */
const SLOTS = 8;
const SLOTS_PER_OWNER = 4;
const SLOTS_PER_MODEL = 2;
/** Answers in memory that wait for validators to take their response and hold no slot. Further ones keep their slot. */
export const HAND_OVERS_MAX = 8;
/** Payloads looked for at the same time, of all senders. */
const FETCH_SLOTS = 4;
/** Tasks taken on at one time; further ones are declined. */
export const TASKS_MAX = 1_024;
/** How long a payload or model may take to be found anywhere, in milliseconds. */
export const BLOB_WAIT_MS = 10_000;
const BACKOFF_MS_FIRST = 200;
const BACKOFF_MS_MAX = 10_000;
/** Blocks after which a transaction that was not executed is handed in again. */
const RESUBMIT_BLOCKS = 20;

/** Refusals of a transaction that the replica has already. */
const KNOWN: ReadonlySet<AdmissionCode> = new Set(['ALREADY_PENDING', 'ALREADY_EXECUTED']);

/** What became of an assignment. */
export type ExecutionReport =
  | {
      readonly type: 'attempt-failed';
      readonly assignment: TaskAssignment;
      readonly outcome: ProcessOutcome & { ok: false };
    }
  | { readonly type: 'submitted'; readonly assignment: TaskAssignment; readonly durationMs: number }
  /** The ledger is told that there will be no answer. */
  | {
      readonly type: 'declined';
      readonly assignment: TaskAssignment;
      readonly code: DeclineCode;
      readonly detail: string;
    }
  /** A receipt of this node is on the ledger. */
  | { readonly type: 'accepted'; readonly assignment: TaskAssignment }
  /** Refused for good: locally (`code` of the outcome) or by the ledger (code of the rejection). */
  | { readonly type: 'refused'; readonly assignment: TaskAssignment; readonly code: string; readonly detail: string }
  /** The replica did not take the transaction; it is handed in again later. */
  | { readonly type: 'not-taken'; readonly assignment: TaskAssignment; readonly code: AdmissionCode }
  | { readonly type: 'deadline-passed'; readonly assignment: TaskAssignment };

export interface ExecutorOptions {
  readonly ports: ExecutorPorts;
  readonly submit: SubmitPort;
  readonly report: (report: ExecutionReport) => void;
}

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #blocks = new BlockSignal();
  readonly #slots: FairSlots;
  readonly #fetches: FairSlots;
  readonly #refusals: ModelRefusals;
  readonly #pauses: ModelPauses;
  readonly #known = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #handingOver = 0;
  #stopped = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    const nowMs = (): number => options.ports.clock.monotonicMs();
    this.#slots = new FairSlots({
      slots: SLOTS,
      slotsPerOwner: SLOTS_PER_OWNER,
      slotsPerModel: SLOTS_PER_MODEL,
      nowMs,
    });
    const each = { slotsPerOwner: FETCH_SLOTS - 1, slotsPerModel: FETCH_SLOTS - 1 };
    this.#fetches = new FairSlots({ slots: FETCH_SLOTS, ...each, nowMs });
    this.#refusals = new ModelRefusals(nowMs);
    this.#pauses = new ModelPauses(nowMs);
  }

  /** Tasks that were taken on and are not settled. */
  get pending(): number {
    return this.#known.size;
  }

  /** Takes on a task; one that is taken on already is ignored. */
  assign(assignment: TaskAssignment): void {
    if (this.#stopped || this.#known.has(assignment.task)) return;
    const busy = this.#known.size >= TASKS_MAX;
    this.#known.add(assignment.task);
    const run = this.#settle(assignment, busy)
      .catch((error: unknown) => {
        // A failure in one execution, of a store for example, is reported. It ends neither the node nor other
        // executions.
        const detail = error instanceof Error ? error.message : String(error);
        this.#options.report({ type: 'refused', assignment, code: 'INTERNAL', detail });
      })
      .finally(() => {
        this.#known.delete(assignment.task);
        this.#running.delete(run);
      });
    this.#running.add(run);
  }

  /** Call it after each committed block. */
  blockCommitted(): void {
    this.#blocks.announce();
  }

  /** Takes on nothing more and resolves when what runs has come to its next stop. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#slots.stop();
    this.#fetches.stop();
    this.#blocks.announce();
    await Promise.allSettled(this.#running);
  }

  get #height(): Height {
    return this.#options.ports.ledger.state().height;
  }

  async #settle(assignment: TaskAssignment, busy: boolean): Promise<void> {
    const transaction = busy ? this.#decline(assignment, 'EXECUTOR_BUSY', '') : await this.#answer(assignment);
    if (transaction === undefined) return;
    while (!this.#stopped) {
      const taken = await this.#options.submit.submit(transaction.bytes);
      if (!taken.ok && !KNOWN.has(taken.code))
        this.#options.report({ type: 'not-taken', assignment, code: taken.code });
      const settled = await this.#awaitFate(assignment, transaction.id, transaction.expiryHeight);
      if (settled) return;
    }
  }

  #decline(assignment: TaskAssignment, code: DeclineCode, detail: string): Transaction {
    this.#options.report({ type: 'declined', assignment, code, detail });
    return declineTask(this.#options.ports, assignment.task, code, detail);
  }

  /** Whether no receipt of this node is taken any more: its deadline has passed, or the task ended without it. */
  #isOver({ task, deadlineMs }: TaskAssignment): boolean {
    const { timeMs, tasks } = this.#options.ports.ledger.state();
    const found = tasks.get(task);
    return timeMs >= deadlineMs || (found !== undefined && found.status !== 'open');
  }

  /** The transaction that answers the task, or undefined when there is none to hand in. */
  async #answer(assignment: TaskAssignment): Promise<Transaction | undefined> {
    const { ports, report } = this.#options;
    const sinceMs = ports.clock.monotonicMs();
    if (!(await this.#awaitPayload(assignment, sinceMs))) return this.#decline(assignment, 'PAYLOAD_MISSING', '');
    for (let backoffMs = BACKOFF_MS_FIRST; !this.#stopped; backoffMs = Math.min(2 * backoffMs, BACKOFF_MS_MAX)) {
      if (this.#isOver(assignment)) {
        report({ type: 'deadline-passed', assignment });
        return undefined;
      }
      const refused = this.#refusals.of(ports.ledger.state(), assignment);
      if (refused !== undefined) return this.#decline(assignment, 'MODEL_REFUSED', refused);
      const pauseMs = this.#pauses.of(assignment.model);
      if (pauseMs > 0) await ports.clock.sleep(Math.min(pauseMs, BACKOFF_MS_MAX));
      const outcome = await this.#execute(assignment);
      if (outcome === 'paused') continue;
      if (outcome === undefined) return undefined;
      if (outcome.ok) return outcome.transaction;
      const decline = this.#declineOf(assignment, outcome, sinceMs);
      if (decline !== undefined) return this.#decline(assignment, decline, outcome.reason ?? '');
      if (!isTransientOutcome(outcome)) {
        report({ type: 'refused', assignment, code: outcome.code, detail: outcome.detail });
        return undefined;
      }
      report({ type: 'attempt-failed', assignment, outcome });
      await ports.clock.sleep(backoffMs);
    }
    return undefined;
  }

  /** False when the sealed payload is a blob that nobody has. */
  async #awaitPayload(assignment: TaskAssignment, sinceMs: number): Promise<boolean> {
    const { ports } = this.#options;
    const event = await ports.ledger.event(assignment.requestSequence);
    if (event?.type !== 'InferenceRequested' || event.payload !== null) return true;
    for (let backoffMs = BACKOFF_MS_FIRST; !this.#stopped && !this.#isOver(assignment); backoffMs *= 2) {
      const slot = await this.#fetches.acquire(assignment);
      try {
        if (slot === undefined || (await ports.blobs.get(event.payloadDigest)) !== undefined) return true;
      } finally {
        slot?.release();
      }
      if (ports.clock.monotonicMs() - sinceMs >= BLOB_WAIT_MS) return false;
      await ports.clock.sleep(backoffMs);
    }
    return true;
  }

  /**
   * One attempt, in a slot of its own; undefined when the executor stops. While the enclave does not run a model,
   * nothing is read or fetched for it.
   */
  async #execute(assignment: TaskAssignment): Promise<ProcessOutcome | 'paused' | undefined> {
    const { ports, report } = this.#options;
    const slot = await this.#slots.acquire(assignment);
    if (slot === undefined) return undefined;
    const startedMs = ports.clock.monotonicMs();
    let handsOver = false;
    const executed = (): void => {
      if (this.#handingOver >= HAND_OVERS_MAX) return;
      handsOver = true;
      this.#handingOver++;
      slot.release();
    };
    try {
      if (this.#pauses.of(assignment.model) > 0) return 'paused';
      const outcome = await processTransaction(ports, assignment, executed);
      if (outcome.ok) this.#pauses.clear(assignment.model);
      else if (outcome.reason === 'MODEL_SUSPENDED') this.#pauses.add(assignment.model);
      if (outcome.ok) report({ type: 'submitted', assignment, durationMs: ports.clock.monotonicMs() - startedMs });
      return outcome;
    } finally {
      slot.release();
      if (handsOver) this.#handingOver--;
    }
  }

  /** The code under which an outcome is told to the ledger, or undefined for one that is not. */
  #declineOf(
    assignment: TaskAssignment,
    outcome: ProcessOutcome & { ok: false },
    sinceMs: number,
  ): DeclineCode | undefined {
    const { ports } = this.#options;
    const { code, reason = '' } = outcome;
    switch (code) {
      case 'NOT_ELIGIBLE':
        return isTransientOutcome(outcome) ? undefined : code;
      case 'REQUEST_REFUSED':
      case 'RESPONSE_NOT_HELD':
        return code;
      case 'MODEL_REFUSED':
        this.#refusals.add(ports.ledger.state(), assignment, reason);
        return code;
      case 'BLOB_UNAVAILABLE': {
        const waited = ports.clock.monotonicMs() - sinceMs >= BLOB_WAIT_MS;
        return waited && (reason === 'PAYLOAD_MISSING' || reason === 'MODEL_MISSING') ? reason : undefined;
      }
      default:
        return undefined;
    }
  }

  /** True when the task needs nothing more from here; false when the transaction should be handed in again. */
  async #awaitFate(assignment: TaskAssignment, id: Digest, expiryHeight: Height): Promise<boolean> {
    const { ports, report } = this.#options;
    const again = asHeight(Math.min(this.#height + RESUBMIT_BLOCKS, expiryHeight));
    for (;;) {
      if (this.#stopped) return true;
      const state = ports.ledger.state();
      const task = state.tasks.get(assignment.task);
      if (task?.receipts.some(({ keyset }) => keyset === assignment.keyset)) {
        report({ type: 'accepted', assignment });
        return true;
      }
      const declined = task?.executors.some(
        ({ keyset, declined: word }) => keyset === assignment.keyset && word !== null,
      );
      if (declined === true) return true;
      const rejection = state.executed.get(id);
      if (typeof rejection === 'string') {
        report({ type: 'refused', assignment, code: rejection, detail: `transaction ${id}` });
        return true;
      }
      if (task?.status !== 'open' || state.timeMs >= assignment.deadlineMs) {
        report({ type: 'deadline-passed', assignment });
        return true;
      }
      if (state.height >= again) return false;
      await this.#blocks.next();
    }
  }
}
