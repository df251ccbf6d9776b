/**
 * Which requests this node owes an answer to, and whose event is provable: handed to the executor once in this life of
 * the process. After a restart the agreed state names them again.
 */
import type { AccountId, Digest, Height } from '@cloister/crypto';
import { type LedgerState, openTasksOf, type Task } from '@cloister/ledger';
import type { TaskAssignment } from './ports.ts';

export class TaskAssigner {
  readonly #self: AccountId;
  readonly #assigned = new Set<Digest>();

  constructor(self: AccountId) {
    this.#self = self;
  }

  /** Assignments that have become due. */
  due(state: LedgerState, provableHeight: Height): TaskAssignment[] {
    const open = openTasksOf(state, this.#self);
    for (const id of this.#assigned) if (!open.some((task) => task.id === id)) this.#assigned.delete(id);
    const due: TaskAssignment[] = [];
    for (const task of open) {
      const assignment = assignmentOf(task, this.#self);
      if (assignment === undefined || task.height > provableHeight || this.#assigned.has(task.id)) continue;
      this.#assigned.add(task.id);
      due.push(assignment);
    }
    return due;
  }
}

function assignmentOf(task: Task, self: AccountId): TaskAssignment | undefined {
  const executor = task.executors.find(({ node }) => node === self);
  if (executor === undefined) return undefined;
  return {
    task: task.id,
    model: task.model,
    keyset: executor.keyset,
    requestSequence: task.requestSequence,
    requestHeight: task.height,
    payloadDigest: task.payloadDigest,
    deadlineHeight: task.deadlineHeight,
  };
}
