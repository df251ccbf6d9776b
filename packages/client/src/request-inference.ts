/**
 * Making a request: choose executors, verify each one's evidence, seal the input to them, sign and hand in.
 *
 * PRIVACY: a request sealed to k executors can be read by each of them, so its privacy is that of the weakest of the k.
 * More executors buy integrity and cost privacy; k = 1 is lawful.
 */
import { contextTaskId, type ModelManifest, matchTensors, sealRequest, type Tensor } from '@cloister/confidential';
import { type AccountId, asHeight, type Digest, toBase64, toHex } from '@cloister/crypto';
import { MAX_INLINE_BYTES } from '@cloister/ledger';
import type { ListedAttestation } from './api.ts';
import type { ClientContext } from './context.ts';
import { ClientError } from './errors.ts';
import { checkRelease, fetchModel } from './models.ts';
import type { PendingInference } from './pending-inference.ts';
import type { Deadline } from './polling.ts';
import { expiryHeightAfter, sign, trustedStatus, uploadBlob } from './submit.ts';
import { refuseSimulated, type VerifiedEnclave, verifyEnclave } from './verify-enclave.ts';

/** For people who choose k. */
export const PRIVACY_NOTE: string =
  'Each of the k executors can read the input inside its enclave: the privacy of a request is that of the weakest of the k.';

/** Blocks after the request within which receipts are taken, unless the caller says otherwise. */
export const DEFAULT_DEADLINE_BLOCKS = 120;

export interface InferenceRequest {
  readonly model: Digest;
  readonly inputs: readonly Tensor[];
  /** Nodes whose enclaves are to execute, in order; by default the first eligible ones that hold the model's key. */
  readonly executors?: readonly AccountId[];
  /** How many, when `executors` is not given; by default as many as the model and the appraisal policy ask. */
  readonly executorCount?: number;
  /** Equal receipts that are needed; by default the model's, and at least a majority of the executors. */
  readonly threshold?: number;
  /** Images that the tenant takes, beside being allowed on the ledger; by default any that is. */
  readonly images?: readonly Digest[];
  readonly deadlineBlocks?: number;
}

async function chooseNodes(
  context: ClientContext,
  request: InferenceRequest,
  manifest: ModelManifest,
  grants: readonly Digest[],
  deadline: Deadline,
): Promise<readonly AccountId[]> {
  if (request.executors !== undefined) return request.executors;
  const platformsMin = await platformsWanted(context, manifest, deadline);
  const wanted = request.executorCount ?? Math.max(manifest.executionPolicy.k, platformsMin);
  const listed = await context.api.attestations();
  const able = listed.filter(({ eligible, keyset }) => eligible && grants.includes(keyset));
  if (able.length < wanted) throw new ClientError('NOT_ENOUGH_EXECUTORS', `${able.length} of ${wanted}`);
  return spread(able, platformsMin)
    .slice(0, wanted)
    .map(({ node }) => node);
}

/** Distinct platforms that the model's owner or the policy in force asks for, whichever is more. */
async function platformsWanted({ chain }: ClientContext, manifest: ModelManifest, deadline: Deadline): Promise<number> {
  const { minimumDistinctPlatforms } = await chain.appraisalPolicy(deadline);
  return Math.max(manifest.executionPolicy.minPlatforms, minimumDistinctPlatforms);
}

/** First one of each platform until `platforms` of them are there, then the others, each in the order given. */
function spread(able: readonly ListedAttestation[], platforms: number): readonly ListedAttestation[] {
  const seen = new Set<string>();
  const first = able.filter(({ platform }) => {
    const isNew = seen.size < platforms && !seen.has(platform);
    if (isNew) seen.add(platform);
    return isNew;
  });
  return [...first, ...able.filter((one) => !first.includes(one))];
}

/** The threshold of a request of k executors, within the model's policy. */
function thresholdOf(request: InferenceRequest, manifest: ModelManifest, k: number): number {
  const { executionPolicy } = manifest;
  const threshold = request.threshold ?? Math.max(executionPolicy.m, Math.floor(k / 2) + 1);
  const lawful = k >= executionPolicy.k && threshold >= executionPolicy.m && threshold <= k && 2 * threshold > k;
  if (!lawful) throw new ClientError('EXECUTION_POLICY_UNMET', `${threshold} of ${k}`);
  return threshold;
}

async function verifyExecutors(
  context: ClientContext,
  nodes: readonly AccountId[],
  request: InferenceRequest,
  manifest: ModelManifest,
  deadline: Deadline,
): Promise<readonly VerifiedEnclave[]> {
  const enclaves: VerifiedEnclave[] = [];
  for (const node of nodes) {
    const enclave = await verifyEnclave(context, node, deadline);
    checkRelease(manifest, enclave);
    if (request.images !== undefined && !request.images.includes(enclave.result.image)) {
      throw new ClientError('EVIDENCE_REFUSED', `the image of ${node} is not one that the caller takes`);
    }
    enclaves.push(enclave);
  }
  const hardware = new Set(enclaves.map(({ result }) => result.hardwareId));
  if (hardware.size !== enclaves.length) throw new ClientError('PLATFORMS_NOT_DISTINCT', 'two on one machine');
  const platforms = new Set(enclaves.map(({ result }) => result.platform)).size;
  const wanted = await platformsWanted(context, manifest, deadline);
  if (platforms < wanted) throw new ClientError('PLATFORMS_NOT_DISTINCT', `${platforms} of ${wanted} platforms`);
  return enclaves;
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
  const { manifest, grants } = await fetchModel(context, request.model);
  const matched = matchTensors(request.inputs, manifest.inputs);
  if (!matched.ok) throw new ClientError('INPUT_MISMATCH', [matched.code, matched.detail].filter(Boolean).join(' '));
  const nodes = await chooseNodes(context, request, manifest, grants, deadline);
  const threshold = thresholdOf(request, manifest, nodes.length);
  const enclaves = await verifyExecutors(context, nodes, request, manifest, deadline);
  const status = await trustedStatus(context);
  const expiryHeight = expiryHeightAfter(context, status);
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
  const window = Math.min(
    request.deadlineBlocks ?? DEFAULT_DEADLINE_BLOCKS,
    chain.genesis.genesis.params.deadlineWindow,
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
      deadlineHeight: asHeight(status.height + window),
      inputCommitment: sealedContext.inputCommitment,
      keyCommitment: sealedContext.keyCommitment,
      payloadDigest,
      payloadSize: payload.length,
      payload: inline ? toBase64(payload) : null,
    },
    expiryHeight,
  );
  if (!inline) await uploadBlob(context, payload, payloadDigest, status);
  await api.submitTransaction(transaction.bytes);
  return {
    task: contextTaskId(sealedContext),
    transaction,
    model: request.model,
    onnxDigest: manifest.onnxDigest,
    executors: enclaves.map(({ node, result }) => ({
      node,
      keyset: result.keyset,
      platform: result.platform,
      image: result.image,
      measurement: result.measurement,
      signKey: result.runtime.sign_key,
    })),
    requestKey: random.requestKey32,
    salt: random.salt32,
    fromSequence: status.eventCount,
  };
}
