/** Signs the transactions with which a node answers a task: a result, or a word that there will be none. */
import { contentDigest } from '@cloister/confidential';
import { asHeight, assert, type Digest, toBase64, toHex } from '@cloister/encoding';
import {
  type DeclineCode,
  type DeclineTaskPayload,
  type InferenceRequested,
  isHeldByEnough,
  MAX_INLINE_BYTES,
  type SubmitResultPayload,
  settingsOf,
  signTransaction,
  type Transaction,
} from '@cloister/ledger';
import type { ExecutorPorts } from './executor-ports.ts';
import type { InferenceOutput } from './ports.ts';
import { type ProcessOutcome, refuseTask } from './process-outcome.ts';

/** A signed submit-result. A large response first becomes a blob that other validators hold. */
export async function submitResult(
  ports: ExecutorPorts,
  event: InferenceRequested,
  { receipt, response }: InferenceOutput,
): Promise<ProcessOutcome> {
  const { signer, ledger, blobs, holdings } = ports;
  const { task } = event;
  const result = { task, receipt: toBase64(receipt) };
  if (response.length <= MAX_INLINE_BYTES) {
    return signResult(ports, { ...result, response: toBase64(response), holdings: [] }, receipt);
  }
  const responseDigest = contentDigest(response);
  try {
    await blobs.put(responseDigest, response);
  } catch {
    return refuseTask('BLOB_UNAVAILABLE', `no room for the sealed response ${responseDigest}`);
  }
  const held = await holdings.collect({ task, responseDigest, size: response.length, receipt });
  // The ledger would take a receipt with fewer holders for one whose response is withheld.
  if (!isHeldByEnough(ledger.state(), signer.id, [...held.keys()])) {
    return refuseTask('RESPONSE_NOT_HELD', `${held.size} validators took the sealed response ${responseDigest}`);
  }
  return signResult(ports, { ...result, response: null, holdings: [...held.values()] }, receipt);
}

function signResult(ports: ExecutorPorts, payload: SubmitResultPayload, receipt: Uint8Array): ProcessOutcome {
  const signed = signAnswer(ports, { kind: 'submit-result', payload });
  return signed.ok
    ? { ok: true, transaction: signed.value, receipt }
    : refuseTask('RESULT_INVALID', signed.detail ?? signed.code, signed.code);
}

type AnswerPorts = Pick<ExecutorPorts, 'chainId' | 'signer' | 'random' | 'ledger'>;

function signAnswer(
  { chainId, signer, random, ledger }: AnswerPorts,
  answer:
    | { readonly kind: 'submit-result'; readonly payload: SubmitResultPayload }
    | { readonly kind: 'decline-task'; readonly payload: DeclineTaskPayload },
): ReturnType<typeof signTransaction> {
  const state = ledger.state();
  const window = settingsOf(state).params.transactionWindow;
  const expiryHeight = asHeight(state.height + window);
  return signTransaction(signer, {
    chainId,
    sender: signer.id,
    nonce: toHex(random.bytes(16)),
    expiryHeight,
    ...answer,
  });
}

/** A signed decline-task. `detail` is turned into a code, since nothing else may stand there. */
export function declineTask(ports: AnswerPorts, task: Digest, code: DeclineCode, reason: string): Transaction {
  const detail = /^[A-Z0-9_]{1,64}$/.test(reason) ? reason : '';
  const signed = signAnswer(ports, { kind: 'decline-task', payload: { task, code, detail } });
  assert(signed.ok, 'declineTask: a lawful payload');
  return signed.value;
}
