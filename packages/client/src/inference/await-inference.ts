/**
 * Waits for the outcome of a request and believes nothing before it is verified: the request, the receipts and the
 * completion are proven events; the receipts are signed by the keys that the tenant attested before it sealed; the
 * response is the one that the receipts name, opens under the request's key, and is what they commit to.
 */
import { type Outcome, openResponse, parseReceipt, type Receipt, verifyReceipt } from '@cloister/confidential';
import { type AccountId, type Digest, fromHex, parseBase64 } from '@cloister/encoding';
import type { InferenceCompleted, InferenceRequested, ReceiptAccepted } from '@cloister/ledger';
import { awaitSettled, ofType } from '../chain/submit.ts';
import type { ProvenEvent } from '../chain/trusted-chain.ts';
import type { ClientContext } from '../context.ts';
import { ClientError } from '../errors.ts';
import { refuseSimulated } from '../executors/verify-enclave.ts';
import type { ListedInference } from '../node/api.ts';
import { type Deadline, poll } from '../node/polling.ts';
import { failedError } from './failure-reasons.ts';
import { fetchResponse, holdersOf } from './fetch-response.ts';
import type { PendingExecutor, PendingInference } from './pending-inference.ts';

/** One verified receipt of the outcome. */
export interface VerifiedReceipt {
  readonly receipt: Receipt;
  /** The DSSE envelope as it stands on the ledger. */
  readonly bytes: Uint8Array;
  readonly executor: PendingExecutor;
  /** Sequence and height of the ReceiptAccepted event. */
  readonly sequence: number;
  readonly height: number;
}

export interface InferenceResult {
  readonly task: Digest;
  readonly transaction: Digest;
  readonly model: Digest;
  readonly outcome: Outcome;
  readonly outputCommitment: Digest;
  /** Salt of the output commitment, for a disclosure. */
  readonly outputSalt: Uint8Array;
  readonly receipts: readonly VerifiedReceipt[];
  /** Validators that signed that they hold the sealed response; none when it stands on the ledger. */
  readonly holders: readonly AccountId[];
  readonly threshold: number;
  /** Height of the block that executed the request, and of the one that completed it. */
  readonly requestHeight: number;
  readonly completedHeight: number;
  readonly requestSequence: number;
  readonly completedSequence: number;
  /** Whether another executor had said something else by then: the completion event says so. */
  readonly disputed: boolean;
  /** Made under simulated trust anchors: no guarantee holds. */
  readonly simulated: boolean;
}

/** Waits for the outcome of a request and verifies all of it. A failed wait leaves `pending` as good as before. */
export async function awaitInference(
  context: ClientContext,
  pending: PendingInference,
  deadline: Deadline,
): Promise<InferenceResult> {
  refuseSimulated(context);
  const request = await provenRequest(context, pending, deadline);
  const listed = await awaitClosed(context, pending, deadline);
  const isTask = (payload: { readonly [key: string]: unknown }): boolean => payload.task === pending.task;
  if (listed.status === 'failed') {
    const failed = await context.chain.find('InferenceFailed', request.sequence, isTask, deadline);
    if (failed.event.task !== pending.task) throw mismatch(pending, 'failure of another task');
    throw await failedError(context, pending, listed, failed.event, deadline);
  }
  const completed = await context.chain.find('InferenceCompleted', request.sequence, isTask, deadline);
  if (completed.event.task !== pending.task) throw mismatch(pending, 'completion of another task');
  const receipts: VerifiedReceipt[] = [];
  const accepted: ProvenEvent<ReceiptAccepted>[] = [];
  const named = listed.receipts.filter(({ keyset }) => completed.event.keysets.includes(keyset));
  // A keyset has one accepted receipt; a node that lists more would have all of them fetched.
  if (named.length > completed.event.keysets.length) throw mismatch(pending, 'more receipts than executors');
  for (const { sequence } of named) {
    const proven = await context.chain.event(sequence, 'ReceiptAccepted', deadline);
    accepted.push(proven);
    receipts.push(verifyOne(context, pending, request, completed.event, proven));
  }
  const distinct = new Set(receipts.map(({ executor }) => executor.keyset)).size;
  const { threshold } = request.event;
  if (distinct < threshold || distinct !== receipts.length) {
    throw new ClientError('RECEIPTS_TOO_FEW', `${distinct} of ${threshold}`, { transaction: pending.transaction.id });
  }
  const events = accepted.map(({ event }) => event);
  const sealed = await fetchResponse(context, events, completed.event.responseDigest, {
    ...deadline,
    transaction: pending.transaction.id,
  });
  const opened = openOutcome(context, pending, completed.event, sealed);
  return {
    task: pending.task,
    transaction: pending.transaction.id,
    model: pending.model,
    outcome: opened.outcome,
    outputCommitment: completed.event.outputCommitment,
    outputSalt: opened.outputSalt,
    receipts,
    holders: holdersOf(events),
    threshold,
    requestHeight: request.height,
    completedHeight: completed.height,
    requestSequence: request.sequence,
    completedSequence: completed.sequence,
    disputed: completed.event.disputed,
    simulated: context.chain.simulated,
  };
}

function mismatch(pending: PendingInference, what: string): ClientError {
  return new ClientError('EVENT_MISMATCH', what, { transaction: pending.transaction.id });
}

/** A node says that there is an outcome, and where receipts lie; what the outcome is, the events prove. */
async function awaitClosed(
  { nodes, edge }: ClientContext,
  { task }: PendingInference,
  deadline: Deadline,
): Promise<ListedInference> {
  return poll(edge, deadline, 'the inference has no outcome', (attempt) =>
    nodes.inTurn(attempt, async (api) => {
      const listed = await api.inference(task);
      return listed?.status === 'open' ? undefined : listed;
    }),
  );
}

/** The proven request event; what it says of this task is what was signed, since the ledger executed that transaction. */
async function provenRequest(
  context: ClientContext,
  pending: PendingInference,
  deadline: Deadline,
): Promise<ProvenEvent<InferenceRequested>> {
  const request = ofType(await awaitSettled(context, pending.transaction, deadline), 'InferenceRequested');
  const { event } = request;
  if (event.task !== pending.task || event.transaction !== pending.transaction.id) throw mismatch(pending, 'request');
  const asSealed =
    event.executors.length === pending.executors.length &&
    event.executors.every(({ keyset, node }, i) => {
      const executor = pending.executors[i];
      return executor?.keyset === keyset && executor.node === node;
    });
  if (!asSealed) throw mismatch(pending, 'other executors than the request was sealed to');
  const { transaction } = pending;
  const asSigned = transaction.kind === 'request-inference' && event.threshold === transaction.payload.threshold;
  if (!asSigned) throw mismatch(pending, 'another threshold than was signed');
  return request;
}

function verifyOne(
  { chain }: ClientContext,
  pending: PendingInference,
  request: ProvenEvent<InferenceRequested>,
  completed: InferenceCompleted,
  { event, sequence, height }: ProvenEvent<ReceiptAccepted>,
): VerifiedReceipt {
  const refuse = (what: string): ClientError =>
    new ClientError('RECEIPT_INVALID', `${what} of ${event.keyset}`, { transaction: pending.transaction.id });
  const executor = pending.executors.find((one) => one.keyset === event.keyset);
  if (event.task !== pending.task || executor === undefined) throw refuse('task or executor');
  const bytes = parseBase64(event.receipt);
  const parsed = bytes === undefined ? undefined : parseReceipt(bytes);
  if (bytes === undefined || parsed?.ok !== true) throw refuse('form');
  const signed = verifyReceipt(parsed.value, fromHex(executor.signKey));
  if (!signed.ok) throw refuse(signed.code);
  const { statement } = parsed.value;
  const expected: Partial<typeof statement> = {
    chainId: chain.chainId,
    task: pending.task,
    transaction: pending.transaction.id,
    model: pending.model,
    onnxDigest: pending.onnxDigest,
    inputCommitment: request.event.inputCommitment,
    status: 'completed',
    outputCommitment: completed.outputCommitment,
    responseDigest: completed.responseDigest,
    image: executor.image,
    measurement: executor.measurement,
    policyDigest: request.event.policyDigest,
    height: request.event.height,
    executor: executor.node,
    keyset: executor.keyset,
    simulated: chain.simulated,
  };
  for (const [field, value] of Object.entries(expected)) {
    if (statement[field as keyof typeof statement] !== value) throw refuse(field);
  }
  if (statement.engine.numericClass !== completed.numericClass) throw refuse('numericClass');
  return { receipt: parsed.value, bytes, executor, sequence, height };
}

function openOutcome(
  { chain }: ClientContext,
  pending: PendingInference,
  completed: InferenceCompleted,
  sealed: Uint8Array,
): { readonly outcome: Outcome; readonly outputSalt: Uint8Array } {
  const options = { transaction: pending.transaction.id };
  const opened = openResponse({
    requestKey: pending.requestKey,
    salt: pending.salt,
    chainId: chain.chainId,
    task: pending.task,
    outputCommitment: completed.outputCommitment,
    sealed,
  });
  if (!opened.ok) throw new ClientError('RESPONSE_INVALID', opened.code, options);
  return opened.value;
}
