/**
 * Making a request: choose executors, verify each one's evidence, seal the input to them, sign and hand in.
 *
 * PRIVACY: a request sealed to k executors can be read by each of them, so its privacy is that of the weakest of the k.
 * More executors buy integrity and cost privacy; k = 1 is lawful.
 */

import { checkFinite, contextTaskId, type ModelManifest, matchTensors, sealRequest } from '@cloister/confidential';
import { toBase64, toHex } from '@cloister/encoding';
import { MAX_INLINE_BYTES } from '@cloister/ledger';
import { expiryHeightAfter, sign, uploadBlob } from '../chain/submit.ts';
import type { ClientContext } from '../context.ts';
import { ClientError } from '../errors.ts';
import { refuseSimulated } from '../executors/verify-enclave.ts';
import { verifyExecutors } from '../executors/verify-executors.ts';
import type { Deadline } from '../node/polling.ts';
import type { InferenceRequest } from './inference-request.ts';
import { fetchModel } from './models.ts';
import type { PendingInference } from './pending-inference.ts';

/** For people who choose k. */
export const PRIVACY_NOTE: string =
  'Each of the k executors can read the input inside its enclave: the privacy of a request is that of the weakest of the k.';

/** Milliseconds of block time after the request within which receipts are taken, unless the caller says otherwise. */
export const DEFAULT_TIME_LIMIT_MS = 120_000;

/** The threshold of a request of k executors, within the model's policy. */
function thresholdOf(request: InferenceRequest, manifest: ModelManifest, k: number): number {
  const { executionPolicy } = manifest;
  const threshold = request.threshold ?? Math.max(executionPolicy.m, Math.floor(k / 2) + 1);
  const lawful = k >= executionPolicy.k && threshold >= executionPolicy.m && threshold <= k && 2 * threshold > k;
  if (!lawful) throw new ClientError('EXECUTION_POLICY_UNMET', `${threshold} of ${k}`);
  return threshold;
}

/** What can be refused before any executor is asked. */
function checkRequest(request: InferenceRequest, manifest: ModelManifest): void {
  const matched = matchTensors(request.inputs, manifest.inputs);
  if (!matched.ok) throw new ClientError('INPUT_MISMATCH', [matched.code, matched.detail].filter(Boolean).join(' '));
  const finite = checkFinite(request.inputs);
  if (!finite.ok) throw new ClientError('INPUT_INVALID', `${finite.code} ${finite.detail ?? ''}`.trim());
  const { executors: named } = request;
  if (named !== undefined) thresholdOf(request, manifest, named.length);
  else if (request.executorCount !== undefined) thresholdOf(request, manifest, request.executorCount);
}

/**
 * Verifies the executors, seals the inputs to them, and hands the request in. When this returns, the request may or may
 * not be in a block: `awaitInference` waits for its outcome. All randomness is fresh with every call.
 */
export async function requestInference(
  context: ClientContext,
  request: InferenceRequest,
  deadline: Deadline,
): Promise<PendingInference> {
  refuseSimulated(context);
  const { api, chain, keyPair, edge } = context;
  const model = await fetchModel(context, request.model);
  const { manifest } = model;
  checkRequest(request, manifest);
  const verified = await verifyExecutors(context, { request, model, deadline });
  const { enclaves } = verified;
  const { head } = verified.facts;
  const threshold = thresholdOf(request, manifest, enclaves.length);
  const expiryHeight = expiryHeightAfter(context, head);
  const images = [...new Set(enclaves.map(({ result }) => result.image))].sort();
  const random = {
    requestKey32: edge.randomBytes(32),
    salt32: edge.randomBytes(32),
    payloadNonce12: edge.randomBytes(12),
    ephemeralSeeds: enclaves.map(() => edge.randomBytes(32)),
  };
  const sealed = await sealRequest({
    chainId: chain.chainId,
    sender: keyPair.id,
    requestNonce: toHex(edge.randomBytes(32)),
    modelId: request.model,
    images,
    expiryHeight,
    tensors: request.inputs,
    executors: enclaves.map(({ result, hpkeKey }) => ({ keyset: result.keyset, hpkeKey })),
    random,
  });
  if (!sealed.ok) throw new ClientError('INPUT_INVALID', [sealed.code, sealed.detail].filter(Boolean).join(' '));
  const { context: sealedContext, payload, payloadDigest, executors } = sealed.value;
  const inline = payload.length <= MAX_INLINE_BYTES;
  const timeLimitMs = Math.min(
    request.timeLimitMs ?? DEFAULT_TIME_LIMIT_MS,
    chain.genesis.genesis.params.maxTimeLimitMs,
  );
  const transaction = sign(
    context,
    'request-inference',
    {
      model: request.model,
      requestNonce: sealedContext.requestNonce,
      images,
      executors: executors.map((one) => ({
        keyset: one.keyset,
        enc: toHex(one.enc),
        sealedKey: toBase64(one.sealedKey),
      })),
      threshold,
      timeLimitMs,
      inputCommitment: sealedContext.inputCommitment,
      keyCommitment: sealedContext.keyCommitment,
      payloadDigest,
      payloadSize: payload.length,
      payload: inline ? toBase64(payload) : null,
    },
    expiryHeight,
  );
  if (!inline) await uploadBlob(context, payload, payloadDigest, head);
  await api.submitTransaction(transaction.bytes);
  return {
    task: contextTaskId(sealedContext),
    transaction,
    model: request.model,
    onnxDigest: manifest.onnxDigest,
    executors: enclaves.map(({ node, result: { keyset, platform, image, measurement, runtime } }) => {
      return { node, keyset, platform, image, measurement, signKey: runtime.sign_key };
    }),
    requestKey: random.requestKey32,
    salt: random.salt32,
  };
}
