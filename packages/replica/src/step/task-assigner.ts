/**
 * Finds the requests that name this node and whose event is provable, and hands each to the executor once. After a
 * restart they are found again in the agreed state.
 *
 * It is told of each request when its block is executed and looks at no other tasks. So a block costs as much as the
 * requests in it, however many tasks a tenant keeps open.
 */
import type { AccountId, Digest, Height } from '@cloister/encoding';
import { type LedgerState, openTasksOf, type Task } from '@cloister/ledger';
import type { TaskAssignment } from './replica-ports.ts';

export class TaskAssigner {
  readonly #self: AccountId;
  /** Not assigned yet, in the order of their requests. */
  readonly #waiting: Digest[] = [];

  constructor(self: AccountId) {
    this.#self = self;
  }

  /** The tasks that were open when the process started. */
  resume(state: LedgerState): void {
    for (const { id } of openTasksOf(state, this.#self)) this.#waiting.push(id);
  }

  /** A request was executed. */
  requested(event: { readonly task: Digest; readonly executors: readonly { readonly node: AccountId }[] }): void {
    if (event.executors.some(({ node }) => node === this.#self)) this.#waiting.push(event.task);
  }

  /** Assignments that have become due: open, and requested at a height that is provable by now. */
  due(state: Pick<LedgerState, 'tasks'>, provableHeight: Height): TaskAssignment[] {
    const due: TaskAssignment[] = [];
    let taken = 0;
    for (const id of this.#waiting) {
      const task = state.tasks.get(id);
      if (task !== undefined && task.height > provableHeight) break;
      taken++;
      const assignment = task?.status === 'open' ? assignmentOf(task, this.#self) : undefined;
      if (assignment !== undefined) due.push(assignment);
    }
    this.#waiting.splice(0, taken);
    return due;
  }
}

function assignmentOf(task: Task, self: AccountId): TaskAssignment | undefined {
  const executor = task.executors.find(({ node }) => node === self);
  if (executor === undefined) return undefined;
  return {
    task: task.id,
    sender: task.sender,
    owner: task.owner,
    model: task.model,
    keyset: executor.keyset,
    requestSequence: task.requestSequence,
    requestHeight: task.height,
    payloadDigest: task.payloadDigest,
    deadlineMs: task.deadlineMs,
  };
}
