/**
 * Decides about a receipt. It is taken from an executor that the request named and that may still execute, if it agrees
 * with the request event and the attestation. Completion, dispute or equivocation may follow.
 *
 * A second, different receipt under one keyset is proof of equivocation by itself, whoever submits it.
 */
import { contentDigest, parseReceipt, type ReceiptStatement, verifyReceipt } from '@cloister/confidential';
import { type AccountId, assert, fromHex, parseBase64 } from '@cloister/encoding';
import { type Eligibility, eligible } from '../attestation/eligibility.ts';
import type { LedgerEvent } from '../events/events.ts';
import type { ReceiptAccepted } from '../events/inference-events.ts';
import { isHeldByEnough, validHolders } from '../inference/holding.ts';
import { agree, conclusion, type ExecutionResult } from '../inference/task-outcome.ts';
import { settingsOf } from '../state/settings-of.ts';
import type { Attestation, Keyset, LedgerState } from '../state/state.ts';
import type { Task, TaskExecutor, TaskReceipt } from '../state/task.ts';
import type { RejectionCode } from '../transactions/codes.ts';
import { accept, type Command, causeOf, type DecideContext, type Decision, reject } from './decision.ts';

export function decideSubmitResult(
  state: LedgerState,
  command: Command<'submit-result'>,
  context: DecideContext,
): Decision {
  const { payload, sender } = command;
  const task = state.tasks.get(payload.task);
  if (task === undefined) return reject(state.spentTasks.has(payload.task) ? 'TASK_CLOSED' : 'TASK_UNKNOWN');
  const bytes = parseBase64(payload.receipt);
  assert(bytes !== undefined, 'the payload was validated');
  const receipt = parseReceipt(bytes);
  if (!receipt.ok) return reject('RECEIPT_MALFORMED', receipt.detail ?? receipt.code);
  const { statement } = receipt.value;
  const executor = task.executors.find(({ keyset }) => keyset === statement.keyset);
  const keyset = state.keysets.get(statement.keyset);
  if (executor === undefined || keyset === undefined) return reject('NOT_AN_EXECUTOR');
  const mismatch = requestMismatch(state, task, executor, statement);
  if (mismatch !== undefined) return reject('RECEIPT_MISMATCH', mismatch);
  if (!verifyReceipt(receipt.value, fromHex(keyset.signKey)).ok) return reject('RECEIPT_SIGNATURE_INVALID');

  const earlier = task.receipts.find((taken) => taken.keyset === statement.keyset);
  if (earlier !== undefined)
    return decideSecondReceipt(command, context, { task, executor, keyset, statement, earlier });
  if (sender !== executor.node) return reject('NOT_AN_EXECUTOR');
  if (task.status === 'failed' || context.timeMs > task.deadlineMs) return reject('TASK_CLOSED');
  if (executor.declined !== null) return reject('EXECUTOR_DECLINED');
  if (executor.withheld !== null) return reject('RESPONSE_WITHHELD');
  const answer = eligible({ state, validator: executor.node, keyset: executor.keyset, model: task.model, ...context });
  if (!answer.eligible) return rejectLapsed(task, executor, answer, context);
  if (answer.attestation.measurement !== statement.measurement || answer.attestation.image !== statement.image) {
    return reject('RECEIPT_MISMATCH', 'measurement or image');
  }
  const refusal = responseRefusal(command, statement);
  if (refusal !== undefined) return reject(refusal);
  const good = { task, executor, statement, receiptBytes: bytes, attestation: answer.attestation };
  if (payload.response !== null) return acceptReceipt(state, command, context, { ...good, holders: [] });
  const holders = validHolders(state, executor.node, statement, payload.holdings);
  return isHeldByEnough(state, executor.node, holders)
    ? acceptReceipt(state, command, context, { ...good, holders })
    : withhold(state, command, context, { ...good, holders });
}

/** The first member in which a receipt differs from what the request event and the chain determine. */
function requestMismatch(
  state: LedgerState,
  task: Task,
  executor: TaskExecutor,
  statement: ReceiptStatement,
): string | undefined {
  const { chainId, trustAnchors } = settingsOf(state);
  const expected: Partial<ReceiptStatement> = {
    chainId,
    task: task.id,
    transaction: task.transaction,
    model: task.model,
    inputCommitment: task.inputCommitment,
    policyDigest: task.policyDigest,
    height: task.height,
    executor: executor.node,
    keyset: executor.keyset,
    simulated: trustAnchors.simulated,
  };
  const onnxDigest = state.models.get(task.model)?.manifest.onnxDigest;
  if (statement.onnxDigest !== onnxDigest) return 'onnxDigest';
  return (Object.keys(expected) as (keyof ReceiptStatement)[]).find((key) => statement[key] !== expected[key]);
}

interface SecondReceipt {
  readonly task: Task;
  readonly executor: TaskExecutor;
  readonly keyset: Keyset;
  readonly statement: ReceiptStatement;
  readonly earlier: TaskReceipt;
}

function decideSecondReceipt(
  command: Command<'submit-result'>,
  { height }: DecideContext,
  { task, executor, keyset, statement, earlier }: SecondReceipt,
): Decision {
  if (agree(earlier, resultOf(statement))) return reject('RECEIPT_REPEATED');
  if (keyset.status === 'distrusted') return reject('KEYSET_DISTRUSTED');
  return accept({
    type: 'EquivocationRecorded',
    ...causeOf(command),
    task: task.id,
    node: executor.node,
    keyset: executor.keyset,
    acceptedReceiptDigest: earlier.receiptDigest,
    conflictingReceipt: command.payload.receipt,
    reporter: command.sender,
    height,
  });
}

function rejectLapsed(
  task: Task,
  { node, keyset, lapsed }: TaskExecutor,
  { reasons }: Extract<Eligibility, { eligible: false }>,
  { height }: DecideContext,
): Decision {
  const facts: LedgerEvent[] = lapsed ? [] : [{ type: 'ExecutorLapsed', task: task.id, node, keyset, reasons, height }];
  return { ok: false, code: 'EXECUTOR_NOT_ELIGIBLE', detail: reasons.join(' '), facts };
}

function responseRefusal(command: Command<'submit-result'>, statement: ReceiptStatement): RejectionCode | undefined {
  const { response } = command.payload;
  if (response === null) return undefined;
  const bytes = parseBase64(response);
  assert(bytes !== undefined, 'the payload was validated');
  return contentDigest(bytes) === statement.responseDigest ? undefined : 'RESPONSE_DIGEST_MISMATCH';
}

interface GoodReceipt {
  readonly task: Task;
  readonly executor: TaskExecutor;
  readonly statement: ReceiptStatement;
  readonly receiptBytes: Uint8Array;
  readonly attestation: Attestation;
  /** Who holds the response, when it is not on the ledger. */
  readonly holders: readonly AccountId[];
}

/**
 * A receipt whose response too few validators hold. An honest executor asks validators first, and declines when too few
 * take the response. So an executor that submits such a receipt is named, and nobody waits for it any more.
 */
function withhold(
  state: LedgerState,
  command: Command<'submit-result'>,
  { height }: DecideContext,
  { task, executor: { node, keyset }, statement: { responseDigest }, holders }: GoodReceipt,
): Decision {
  const withheld = state.eventCount;
  const executors = task.executors.map((one) => (one.keyset === keyset ? { ...one, withheld } : one));
  const end = task.status === 'open' ? conclusion(state, { ...task, executors }, height) : undefined;
  const { receipt } = command.payload;
  return accept(
    {
      type: 'ResponseWithheld',
      ...causeOf(command),
      task: task.id,
      node,
      keyset,
      responseDigest,
      receipt,
      holders,
      height,
    },
    ...(end === undefined ? [] : [end]),
  );
}

function acceptReceipt(
  state: LedgerState,
  command: Command<'submit-result'>,
  { height }: DecideContext,
  { task, executor, statement, receiptBytes, attestation, holders }: GoodReceipt,
): Decision {
  const result = resultOf(statement);
  const accepted: ReceiptAccepted = {
    type: 'ReceiptAccepted',
    ...causeOf(command),
    task: task.id,
    requestSequence: task.requestSequence,
    node: executor.node,
    keyset: executor.keyset,
    attestationSequence: attestation.sequence,
    model: task.model,
    inputCommitment: task.inputCommitment,
    ...result,
    payloadDigest: task.payloadDigest,
    policyDigest: state.policyDigest,
    receiptDigest: contentDigest(receiptBytes),
    receipt: command.payload.receipt,
    response: command.payload.response,
    holders,
    height,
  };
  const answered: Task = { ...task, receipts: [...task.receipts, { ...accepted, sequence: state.eventCount }] };
  const events: LedgerEvent[] = [accepted];
  const outputs = [...task.receipts.filter(({ status }) => status === 'completed'), accepted];
  if (!task.disputed && accepted.status === 'completed' && !outputs.every((taken) => agree(taken, accepted))) {
    events.push({ type: 'InferenceDisputed', task: task.id, keysets: outputs.map(({ keyset }) => keyset), height });
  }
  const disputed = task.disputed || events.length > 1;
  const end = task.status === 'open' ? conclusion(state, { ...answered, disputed }, height) : undefined;
  if (end !== undefined) events.push(end);
  return accept(...events);
}

/**
 * A named executor's node says that it will not answer. This ends the waiting and proves nothing against anyone, since
 * the node could have kept silent instead.
 */
export function decideDeclineTask(
  state: LedgerState,
  command: Command<'decline-task'>,
  { height, timeMs }: DecideContext,
): Decision {
  const { sender, payload } = command;
  const task = state.tasks.get(payload.task);
  if (task === undefined) return reject(state.spentTasks.has(payload.task) ? 'TASK_CLOSED' : 'TASK_UNKNOWN');
  const executor = task.executors.find(({ node }) => node === sender);
  if (executor === undefined) return reject('NOT_AN_EXECUTOR');
  if (task.status !== 'open' || timeMs > task.deadlineMs) return reject('TASK_CLOSED');
  if (executor.declined !== null) return reject('EXECUTOR_DECLINED');
  if (executor.withheld !== null) return reject('RESPONSE_WITHHELD');
  if (task.receipts.some(({ keyset }) => keyset === executor.keyset)) return reject('RECEIPT_REPEATED');
  const { node, keyset } = executor;
  const { code, detail } = payload;
  const declined = { code, sequence: state.eventCount };
  const executors = task.executors.map((one) => (one.keyset === keyset ? { ...one, declined } : one));
  const end = conclusion(state, { ...task, executors }, height);
  return accept(
    { type: 'ExecutorDeclined', ...causeOf(command), task: task.id, node, keyset, code, detail, height },
    ...(end === undefined ? [] : [end]),
  );
}

function resultOf({ status, outputCommitment, responseDigest, engine }: ReceiptStatement): ExecutionResult {
  return { status, outputCommitment, numericClass: engine.numericClass, responseDigest };
}
