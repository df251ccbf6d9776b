/**
 * Why a request failed, from each executor that said so: proven events, and reasons that its enclave sealed to the tenant.
 */

import { openResponse, parseReceipt, verifyReceipt } from '@cloister/confidential';
import { fromHex, parseBase64 } from '@cloister/encoding';
import type { InferenceFailed, ReceiptAccepted } from '@cloister/ledger';
import type { ClientContext } from '../context.ts';
import { ClientError } from '../errors.ts';
import type { ListedInference } from '../node/api.ts';
import type { Deadline } from '../node/polling.ts';
import type { FailureReason } from './failure-reason.ts';
import type { PendingInference } from './pending-inference.ts';

/** What the enclave sealed, or undefined when the receipt is not a failure of this very request that it signed. */
function sealedReason(
  { chain }: ClientContext,
  pending: PendingInference,
  event: ReceiptAccepted,
): FailureReason | undefined {
  const executor = pending.executors.find(({ keyset }) => keyset === event.keyset);
  const bytes = parseBase64(event.receipt);
  const sealed = event.response === null ? undefined : parseBase64(event.response);
  const receipt = bytes === undefined ? undefined : parseReceipt(bytes);
  if (executor === undefined || sealed === undefined || receipt?.ok !== true) return undefined;
  const { statement } = receipt.value;
  const isOwn = statement.task === pending.task && statement.transaction === pending.transaction.id;
  if (!isOwn || statement.status !== 'failed') return undefined;
  if (!verifyReceipt(receipt.value, fromHex(executor.signKey)).ok) return undefined;
  const { requestKey, salt, task } = pending;
  const { outputCommitment } = statement;
  const opened = openResponse({ requestKey, salt, chainId: chain.chainId, task, outputCommitment, sealed });
  if (!opened.ok || opened.value.outcome.status !== 'refused') return undefined;
  const { code, detail } = opened.value.outcome;
  return { node: executor.node, from: 'enclave', code, detail };
}

/** Every reason that can be proven; what a node lists wrongly is left out. */
async function failureReasons(
  context: ClientContext,
  pending: PendingInference,
  listed: ListedInference,
  deadline: Deadline,
): Promise<readonly FailureReason[]> {
  const reasons: FailureReason[] = [];
  const most = pending.executors.length;
  for (const { sequence } of listed.receipts.slice(0, most)) {
    const { event } = await context.chain.event(sequence, 'ReceiptAccepted', deadline);
    const reason = event.task === pending.task ? sealedReason(context, pending, event) : undefined;
    if (reason !== undefined) reasons.push(reason);
  }
  for (const sequence of listed.declines.slice(0, most)) {
    const { event } = await context.chain.event(sequence, 'ExecutorDeclined', deadline);
    const { task, node, code, detail } = event;
    if (task === pending.task) reasons.push({ node, from: 'node', code, detail });
  }
  for (const sequence of listed.withheld.slice(0, most)) {
    const { event } = await context.chain.event(sequence, 'ResponseWithheld', deadline);
    const { task, node } = event;
    if (task === pending.task) reasons.push({ node, from: 'ledger', code: 'RESPONSE_WITHHELD', detail: `by ${node}` });
  }
  for (const sequence of listed.missed.slice(0, most)) {
    const { event } = await context.chain.event(sequence, 'AnswerMissed', deadline);
    const { task, node } = event;
    if (task === pending.task) reasons.push({ node, from: 'ledger', code: 'ANSWER_MISSED', detail: `by ${node}` });
  }
  return reasons;
}

/** The error of a request whose failure is proven. */
export async function failedError(
  context: ClientContext,
  pending: PendingInference,
  listed: ListedInference,
  { code }: InferenceFailed,
  deadline: Deadline,
): Promise<ClientError> {
  const reasons = await failureReasons(context, pending, listed, deadline);
  const words = reasons.map((reason) => [reason.code, reason.detail].filter(Boolean).join(' '));
  const detail = [code, ...new Set(words.filter((word) => word !== code))].join(': ');
  return new ClientError('INFERENCE_FAILED', detail, { transaction: pending.transaction.id, reasons });
}
