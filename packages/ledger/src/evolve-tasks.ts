/**
 * What events change about inference tasks: opened, answered, closed, and dropped after their retention.
 */
import { asHeight, assert, type Digest, type Height } from '@cloister/crypto';
import type {
  ExecutorLapsed,
  InferenceCompleted,
  InferenceDisputed,
  InferenceFailed,
  InferenceRequested,
  ReceiptAccepted,
} from './inference-events.ts';
import { networkOf } from './network-of.ts';
import type { HeightQueue, LedgerState, Task } from './state.ts';

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

export function openTask(state: LedgerState, event: InferenceRequested): void {
  const { task: id, transaction, sender, model, threshold, deadlineHeight, height } = event;
  const { inputCommitment, payloadDigest, policyDigest } = event;
  state.tasks.set(id, {
    id,
    transaction,
    sender,
    model,
    executors: event.executors.map(({ node, keyset, attestationSequence }) => ({
      node,
      keyset,
      attestationSequence,
      lapsed: false,
    })),
    threshold,
    deadlineHeight,
    inputCommitment,
    payloadDigest,
    policyDigest,
    height,
    requestSequence: state.eventCount,
    receipts: [],
    disputed: false,
    status: 'open',
    failure: null,
    agreed: [],
    closedHeight: null,
  });
  enqueue(state.deadlines, asHeight(deadlineHeight + 1), id);
}

export function recordReceipt(state: LedgerState, event: ReceiptAccepted): void {
  const task = taskOf(state, event.task);
  const { keyset, outputCommitment, numericClass, responseDigest, receiptDigest } = event;
  const receipt = { keyset, sequence: state.eventCount, outputCommitment, numericClass, responseDigest, receiptDigest };
  state.tasks.set(task.id, { ...task, receipts: [...task.receipts, receipt] });
}

export function lapseExecutor(state: LedgerState, event: ExecutorLapsed): void {
  const task = taskOf(state, event.task);
  const executors = task.executors.map((executor) =>
    executor.keyset === event.keyset ? { ...executor, lapsed: true } : executor,
  );
  state.tasks.set(task.id, { ...task, executors });
}

export function disputeTask(state: LedgerState, event: InferenceDisputed): void {
  state.tasks.set(event.task, { ...taskOf(state, event.task), disputed: true });
}

export function completeTask(state: LedgerState, event: InferenceCompleted): void {
  const task = taskOf(state, event.task);
  close(state, { ...task, status: 'completed', agreed: event.keysets, closedHeight: event.height });
}

export function failTask(state: LedgerState, event: InferenceFailed): void {
  const task = taskOf(state, event.task);
  close(state, { ...task, status: 'failed', failure: event.code, closedHeight: event.height });
}

/** A closed task stays at least until its deadline, since further receipts are taken until then. */
function close(state: LedgerState, task: Task): void {
  state.tasks.set(task.id, task);
  const { taskRetention } = networkOf(state).params;
  enqueue(state.taskRemovals, asHeight(Math.max(state.height, task.deadlineHeight) + taskRetention + 1), task.id);
}

export function removeClosedTasks(state: LedgerState, height: Height): void {
  for (const id of state.taskRemovals.get(height) ?? []) {
    state.tasks.delete(id);
    state.spentTasks.add(id);
  }
  state.taskRemovals.delete(height);
  // Tasks due at this height are failed by events of this very block.
  state.deadlines.delete(asHeight(height - 1));
}
