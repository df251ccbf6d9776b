/**
 * What events change about inference tasks: opened, answered, declined, closed, and dropped after their retention.
 *
 * Every change of a task goes through `replace`, which keeps `taskIndex` with it.
 */
import { assert, type Digest, type Height } from '@cloister/encoding';
import { pick } from '@cloister/encoding/shape';
import type {
  AnswerMissed,
  ExecutorDeclined,
  ExecutorLapsed,
  InferenceCompleted,
  InferenceDisputed,
  InferenceFailed,
  InferenceRequested,
  ReceiptAccepted,
  ResponseWithheld,
} from '../events/inference-events.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { HeightQueue, LedgerState } from '../state/state.ts';
import { keptOfRequest, type Task, type TaskExecutor } from '../state/task.ts';

/** Puts an id on a queue, behind those that are due at the same height. */
export function enqueue(queue: HeightQueue, height: Height, id: Digest): void {
  const due = queue.get(height);
  if (due === undefined) queue.set(height, [id]);
  else due.push(id);
}

function taskOf(state: LedgerState, id: Digest): Task {
  const task = state.tasks.get(id);
  assert(task !== undefined, 'event about an unknown task');
  return task;
}

function replace(state: LedgerState, id: Digest, changes: Partial<Task>): void {
  const before = taskOf(state, id);
  const after = { ...before, ...changes };
  state.tasks.set(id, after);
  // Only a task that closes stands elsewhere in the index.
  if (before.status === after.status) return;
  state.taskIndex.remove(before);
  state.taskIndex.add(after);
}

export function openTask(state: LedgerState, event: InferenceRequested): void {
  const { task: id } = event;
  const task: Task = {
    ...pick(keptOfRequest, event),
    id,
    executors: event.executors.map(({ node, keyset, attestationSequence }) => ({
      node,
      keyset,
      attestationSequence,
      lapsed: false,
      declined: null,
      withheld: null,
      missed: null,
    })),
    requestSequence: state.eventCount,
    receipts: [],
    disputed: false,
    status: 'open',
    failure: null,
    agreed: [],
    closedHeight: null,
    keptUntilMs: 0,
  };
  state.tasks.set(id, task);
  state.taskIndex.add(task);
}

export function recordReceipt(state: LedgerState, event: ReceiptAccepted): void {
  const { receipts } = taskOf(state, event.task);
  const { keyset, status, outputCommitment, numericClass, responseDigest, receiptDigest } = event;
  const sequence = state.eventCount;
  const receipt = { keyset, sequence, status, outputCommitment, numericClass, responseDigest, receiptDigest };
  replace(state, event.task, { receipts: [...receipts, receipt] });
}

function changeExecutor(state: LedgerState, task: Digest, keyset: Digest, changes: Partial<TaskExecutor>): void {
  const { executors } = taskOf(state, task);
  replace(state, task, {
    executors: executors.map((executor) => (executor.keyset === keyset ? { ...executor, ...changes } : executor)),
  });
}

export function lapseExecutor(state: LedgerState, event: ExecutorLapsed): void {
  changeExecutor(state, event.task, event.keyset, { lapsed: true });
}

export function declineExecutor(state: LedgerState, event: ExecutorDeclined): void {
  changeExecutor(state, event.task, event.keyset, { declined: { code: event.code, sequence: state.eventCount } });
}

export function recordWithheld(state: LedgerState, event: ResponseWithheld): void {
  changeExecutor(state, event.task, event.keyset, { withheld: state.eventCount });
}

export function recordMissed(state: LedgerState, event: AnswerMissed): void {
  changeExecutor(state, event.task, event.keyset, { missed: state.eventCount });
}

export function disputeTask(state: LedgerState, event: InferenceDisputed): void {
  replace(state, event.task, { disputed: true });
}

export function completeTask(state: LedgerState, event: InferenceCompleted): void {
  close(state, event.task, { status: 'completed', agreed: event.keysets, closedHeight: event.height });
}

export function failTask(state: LedgerState, event: InferenceFailed): void {
  close(state, event.task, { status: 'failed', failure: event.code, closedHeight: event.height });
}

/** A closed task stays at least until its deadline, since further receipts are taken until then, while its sender has room. */
function close(state: LedgerState, id: Digest, changes: Partial<Task>): void {
  const { taskRetentionMs, maxClosedTasksPerSender } = settingsOf(state).params;
  const { sender, deadlineMs } = taskOf(state, id);
  replace(state, id, { ...changes, keptUntilMs: Math.max(state.timeMs, deadlineMs) + taskRetentionMs });
  while (state.taskIndex.closedOfSender(sender) > maxClosedTasksPerSender) {
    const oldest = state.taskIndex.oldestClosedOf(sender);
    assert(oldest !== undefined, 'a counted task is there');
    drop(state, oldest);
  }
}

/** A task's id names the expiry of its transaction too, so after that nobody can make the id again. */
function drop(state: LedgerState, id: Digest): void {
  const task = taskOf(state, id);
  state.taskIndex.remove(task);
  state.tasks.delete(id);
  if (task.expiryHeight < state.height) return;
  state.spentTasks.add(id);
  enqueue(state.spentByExpiry, task.expiryHeight, id);
}

/** Call it as a block begins. Drops tasks whose time in the state is over. */
export function dropOldTasks(state: LedgerState, expired: Height): void {
  for (const id of state.spentByExpiry.get(expired) ?? []) state.spentTasks.delete(id);
  state.spentByExpiry.delete(expired);
  for (const id of state.taskIndex.removable(state.timeMs)) drop(state, id);
}
