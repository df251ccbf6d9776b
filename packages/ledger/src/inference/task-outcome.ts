/**
 * The state of a task by its answers so far: completed by enough equal receipts, failed as soon as the threshold cannot
 * be met any more, else open.
 *
 * A receipt of status 'failed' neither agrees with another receipt nor disputes it, since a run may take too long on
 * one machine and not on another. It only ends the task for the executor that signed it, as a decline and a withheld
 * response do.
 */
import type { Digest, Height } from '@cloister/encoding';
import type { InferenceCompleted, InferenceFailed } from '../events/inference-events.ts';
import type { LedgerState } from '../state/state.ts';
import type { Task, TaskExecutor, TaskReceipt } from '../state/task.ts';
import type { FailureCode } from '../transactions/codes.ts';

/** What executors must agree on; model and input commitment are the request's already. */
export type ExecutionResult = Pick<TaskReceipt, 'status' | 'outputCommitment' | 'numericClass' | 'responseDigest'>;

export function agree(a: ExecutionResult, b: ExecutionResult): boolean {
  return (
    a.status === b.status &&
    a.outputCommitment === b.outputCommitment &&
    a.numericClass === b.numericClass &&
    a.responseDigest === b.responseDigest
  );
}

/** Executors that may still answer: they neither answered nor declined, withheld nothing, and were not found to have lapsed. */
export function silentExecutors(task: Task): readonly TaskExecutor[] {
  const answered = new Set(task.receipts.map(({ keyset }) => keyset));
  return task.executors.filter(
    ({ keyset, declined, withheld, lapsed }) =>
      declined === null && withheld === null && !lapsed && !answered.has(keyset),
  );
}

/** Receipts of outputs, without those of keysets that are no longer trusted. */
export function trustedOutputs(state: Pick<LedgerState, 'keysets'>, task: Task): readonly TaskReceipt[] {
  return task.receipts.filter(
    ({ keyset, status }) => status === 'completed' && state.keysets.get(keyset)?.status !== 'distrusted',
  );
}

/** How an open task ends now, or undefined while it can still go either way. */
export function conclusion(
  state: Pick<LedgerState, 'keysets'>,
  task: Task,
  height: Height,
): InferenceCompleted | InferenceFailed | undefined {
  const outputs = trustedOutputs(state, task);
  let agreeing: readonly TaskReceipt[] = [];
  for (const receipt of outputs) {
    const same = outputs.filter((other) => agree(receipt, other));
    if (same.length > agreeing.length) agreeing = same;
  }
  const [result] = agreeing;
  if (result !== undefined && agreeing.length >= task.threshold) {
    return completion(task, result, new Set(agreeing.map(({ keyset }) => keyset)), height);
  }
  if (agreeing.length + silentExecutors(task).length >= task.threshold) return undefined;
  return failure(task, exhaustionCode(task), height);
}

function completion(
  task: Task,
  { outputCommitment, numericClass, responseDigest }: ExecutionResult,
  agreeing: ReadonlySet<Digest>,
  height: Height,
): InferenceCompleted {
  const executors = task.executors.filter(({ keyset }) => agreeing.has(keyset));
  return {
    type: 'InferenceCompleted',
    task: task.id,
    model: task.model,
    sender: task.sender,
    inputCommitment: task.inputCommitment,
    outputCommitment,
    numericClass,
    responseDigest,
    keysets: executors.map(({ keyset }) => keyset),
    nodes: executors.map(({ node }) => node),
    threshold: task.threshold,
    disputed: task.disputed,
    height,
  };
}

export function failure(task: Task, code: FailureCode, height: Height): InferenceFailed {
  const { id, receipts, threshold } = task;
  return { type: 'InferenceFailed', task: id, code, receipts: receipts.length, threshold, height };
}

/**
 * Why a task failed though all its executors answered: the one reason that they gave, or that they gave different ones.
 */
function exhaustionCode(task: Task): FailureCode {
  if (task.disputed) return 'DISPUTED';
  const codes = new Set<FailureCode>(task.executors.flatMap(({ declined }) => declined?.code ?? []));
  if (task.receipts.some(({ status }) => status === 'failed')) codes.add('EXECUTION_FAILED');
  if (task.executors.some(({ declined, lapsed }) => lapsed && declined === null)) codes.add('EXECUTORS_LAPSED');
  if (task.executors.some(({ withheld }) => withheld !== null)) codes.add('RESPONSE_WITHHELD');
  const [code = 'EXECUTORS_FAILED'] = codes;
  return codes.size === 1 ? code : 'EXECUTORS_FAILED';
}

/** Why a task failed whose time is over. */
export function deadlineCode(task: Task): FailureCode {
  if (task.disputed) return 'DISPUTED';
  const left = task.executors.filter(({ lapsed }) => !lapsed).length;
  return left < task.threshold ? 'EXECUTORS_LAPSED' : 'DEADLINE_PASSED';
}
