/**
 * The executor: runs `processTransaction` for every request that names this node, a few at a time, until each task's
 * fate is known or its deadline has passed.
 *
 * It remembers nothing on disk. After a restart the replica finds open tasks in the agreed state and assigns them again;
 * the enclave answers a task that it has run before with the same bytes.
 */
import { asHeight, type Digest, type Height } from '@cloister/crypto';
import { BlockSignal } from './block-signal.ts';
import type { SubmitPort, TaskAssignment } from './ports.ts';
import { type ExecutorPorts, type ProcessOutcome, processTransaction, TRANSIENT_CODES } from './validator.ts';

/** Executions at the same time. */
const CONCURRENCY_DEFAULT = 2;
const BACKOFF_MS_FIRST = 200;
const BACKOFF_MS_MAX = 10_000;
/** Blocks after which a result that was not executed is handed in again. */
const RESUBMIT_BLOCKS = 20;

/** What became of an assignment. */
export type ExecutionReport =
  | {
      readonly type: 'attempt-failed';
      readonly assignment: TaskAssignment;
      readonly outcome: ProcessOutcome & { ok: false };
    }
  | { readonly type: 'submitted'; readonly assignment: TaskAssignment; readonly durationMs: number }
  /** A receipt of this node is on the ledger. */
  | { readonly type: 'accepted'; readonly assignment: TaskAssignment }
  /** Refused for good: locally (`code` of the outcome) or by the ledger (code of the rejection). */
  | { readonly type: 'refused'; readonly assignment: TaskAssignment; readonly code: string; readonly detail: string }
  | { readonly type: 'deadline-passed'; readonly assignment: TaskAssignment };

export interface ExecutorOptions {
  readonly ports: ExecutorPorts;
  readonly submit: SubmitPort;
  readonly report: (report: ExecutionReport) => void;
  readonly concurrency?: number;
}

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #concurrency: number;
  readonly #blocks = new BlockSignal();
  readonly #queue: TaskAssignment[] = [];
  /** Tasks that want to be tried again and wait for a slot. */
  readonly #retries: (() => void)[] = [];
  readonly #known = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #slots: number;
  #stopped = false;

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? CONCURRENCY_DEFAULT;
    this.#slots = this.#concurrency;
  }

  /** Tasks taken on and not settled. */
  get pending(): number {
    return this.#known.size;
  }

  /** Takes on a task; one that is taken on already is ignored. */
  assign(assignment: TaskAssignment): void {
    if (this.#stopped || this.#known.has(assignment.task)) return;
    this.#known.add(assignment.task);
    this.#queue.push(assignment);
    this.#fill();
  }

  /** To be called after each committed block. */
  blockCommitted(): void {
    this.#blocks.announce();
  }

  /** Takes on nothing more and resolves when what runs has come to its next stop. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.length = 0;
    for (const retry of this.#retries.splice(0)) retry();
    this.#blocks.announce();
    await Promise.allSettled(this.#running);
  }

  #fill(): void {
    while (this.#slots > 0) {
      const assignment = this.#queue.shift();
      if (assignment === undefined) return;
      this.#slots--;
      const run = this.#settle(assignment)
        .catch((error: unknown) => {
          // Whatever broke in one execution (a store, say) is reported and ends neither the node nor the others.
          const detail = error instanceof Error ? error.message : String(error);
          this.#options.report({ type: 'refused', assignment, code: 'INTERNAL', detail });
        })
        .finally(() => {
          this.#known.delete(assignment.task);
          this.#running.delete(run);
        });
      this.#running.add(run);
    }
  }

  /** What was never tried goes first: tasks that cannot be done must not keep others waiting. */
  #releaseSlot(): void {
    this.#slots++;
    this.#fill();
    if (this.#slots === 0) return;
    const retry = this.#retries.shift();
    if (retry === undefined) return;
    this.#slots--;
    retry();
  }

  /** Waits before the next attempt without a slot: whoever asks for what cannot be done costs others nothing. */
  async #pause(delayMs: number): Promise<void> {
    this.#releaseSlot();
    await this.#options.ports.clock.sleep(delayMs);
    if (this.#slots > 0) this.#slots--;
    else if (!this.#stopped) await new Promise<void>((resolve) => this.#retries.push(resolve));
  }

  get #height(): Height {
    return this.#options.ports.ledger.state().height;
  }

  async #settle(assignment: TaskAssignment): Promise<void> {
    const outcome = await this.#attempt(assignment).finally(() => this.#releaseSlot());
    if (outcome === undefined) return;
    const { transaction } = outcome;
    while (!this.#stopped) {
      await this.#options.submit.submit(transaction.bytes);
      const settled = await this.#awaitFate(assignment, transaction.id, transaction.expiryHeight);
      if (settled) return;
    }
  }

  /** Tries until there is a result, a refusal for good, or no time left. */
  async #attempt(assignment: TaskAssignment): Promise<(ProcessOutcome & { ok: true }) | undefined> {
    const { ports, report } = this.#options;
    for (let backoffMs = BACKOFF_MS_FIRST; !this.#stopped; backoffMs = Math.min(2 * backoffMs, BACKOFF_MS_MAX)) {
      if (this.#options.ports.ledger.state().timeMs >= assignment.deadlineMs) {
        report({ type: 'deadline-passed', assignment });
        return undefined;
      }
      const startedMs = ports.clock.monotonicMs();
      const outcome = await processTransaction(ports, assignment);
      if (outcome.ok) {
        report({ type: 'submitted', assignment, durationMs: ports.clock.monotonicMs() - startedMs });
        return outcome;
      }
      if (!TRANSIENT_CODES.has(outcome.code)) {
        report({ type: 'refused', assignment, code: outcome.code, detail: outcome.detail });
        return undefined;
      }
      report({ type: 'attempt-failed', assignment, outcome });
      await this.#pause(backoffMs);
    }
    return undefined;
  }

  /** True when the task needs nothing more from here; false when the result should be handed in again. */
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
