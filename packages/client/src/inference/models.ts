/**
 * What a model owner does: seal a model, publish its manifest, and grant its key to enclaves that the owner verified.
 */
import {
  checkModelManifest,
  contentDigest,
  type ExecutionPolicy,
  isModelSize,
  MODEL_BYTES_MAX,
  MODEL_KEY_BYTES,
  type ModelManifest,
  type ModelSignature,
  modelId,
  modelKeyCommitment,
  modelManifestFromJson,
  type ReleasePolicy,
  type SignatureDifference,
  screenOnnx,
  sealModel,
  sealModelKey,
  type Tensor,
  type TensorSpec,
} from '@cloister/confidential';
import { type AccountId, type Digest, toBase64, toHex } from '@cloister/encoding';
import { expiryHeightAfter, sign, submitAndProve, uploadBlob } from '../chain/submit.ts';
import { type ClientContext, DEFAULT_WAIT_MS, type ProvenTransaction, type WaitOptions } from '../context.ts';
import { ClientError } from '../errors.ts';
import { modelOf } from '../executors/choose-executors.ts';
import { refuseSimulated, type VerifiedEnclave, verifyEnclave } from '../executors/verify-enclave.ts';
import { deadlineAfter } from '../node/polling.ts';

export interface ModelDescription {
  /** The ONNX file. */
  readonly onnx: Uint8Array;
  readonly name: string;
  readonly version: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly engine: { readonly name: string; readonly version: string };
  readonly releasePolicy: ReleasePolicy;
  readonly executionPolicy: ExecutionPolicy;
}

/** What `tryModel` of `@cloister/enclave` takes and gives: it loads a model in the enclave's engine, in a process of its own. */
export type TryModel = (
  subject: ModelSignature &
    Pick<ModelDescription, 'onnx' | 'engine'> & { readonly trialInputs?: readonly Tensor[] | undefined },
) => Promise<
  | { readonly ok: true; readonly value: { readonly ran: string | undefined } }
  | {
      readonly ok: false;
      readonly code: string;
      readonly detail?: string | undefined;
      readonly differences?: readonly SignatureDifference[];
    }
>;

export interface PrepareOptions {
  /**
   * `screen-only` where there is no engine to try it in, as in a browser: then nobody looked whether the file loads, whether
   * it has the inputs and outputs of the manifest, and whether it runs. An enclave refuses a model that does not, and its
   * tenants learn of it.
   */
  readonly tryModel: TryModel | 'screen-only';
  /** Tried in place of zeros and ones: for models with open dimensions, and those that need a sensible input. */
  readonly trialInputs?: readonly Tensor[];
}

/** A sealed model that is not published yet. Whoever loses `modelKey` cannot grant the model to anyone. */
export interface PreparedModel {
  readonly model: Digest;
  readonly manifest: ModelManifest;
  readonly ciphertext: Uint8Array;
  /** Secret, 32 bytes: keep it. */
  readonly modelKey: Uint8Array;
  /** Whether the model was run here before it was sealed. */
  readonly ran: boolean;
}

/** Throws unless the enclave's engine would take the model, as far as can be told here; whether it was run. */
async function checkModel(
  { onnx, inputs, outputs, engine }: ModelDescription,
  { tryModel, trialInputs }: PrepareOptions,
): Promise<boolean> {
  if (onnx.length === 0) throw new ClientError('MODEL_REFUSED', 'ONNX_MALFORMED: the file is empty');
  if (!isModelSize(onnx.length)) {
    throw new ClientError('MODEL_TOO_LARGE', `${onnx.length} bytes, at most ${MODEL_BYTES_MAX} are taken`);
  }
  const screened = screenOnnx(onnx);
  if (!screened.ok) throw new ClientError('MODEL_REFUSED', [screened.code, screened.detail].filter(Boolean).join(': '));
  if (tryModel === 'screen-only') return false;
  const tried = await tryModel({ onnx, inputs, outputs, engine, trialInputs });
  if (tried.ok) return tried.value.ran !== undefined;
  const { code, detail, differences } = tried;
  if (differences !== undefined) throw new ClientError('MODEL_MANIFEST_DIFFERS', detail);
  throw new ClientError('MODEL_REFUSED', [code, detail].filter(Boolean).join(': '));
}

/** Checks a model and seals it under a fresh key, on this machine alone. */
export async function prepareModel(
  { keyPair, edge }: Pick<ClientContext, 'keyPair' | 'edge'>,
  description: ModelDescription,
  options: PrepareOptions,
): Promise<PreparedModel> {
  const ran = await checkModel(description, options);
  const { onnx, ...described } = description;
  const modelKey = edge.randomBytes(MODEL_KEY_BYTES);
  const sealed = sealModel(onnx, modelKey);
  const { ciphertext, ciphertextDigest, size, onnxDigest, keyCommitment } = sealed;
  const manifest: ModelManifest = {
    schema: 'cloister/model/v1',
    ...described,
    owner: keyPair.id,
    onnxDigest,
    ciphertextDigest,
    size,
    keyCommitment,
  };
  const checked = checkModelManifest(manifest);
  if (!checked.ok) throw new ClientError('MODEL_INVALID', checked.detail ?? checked.code);
  return { model: modelId(manifest), manifest, ciphertext, modelKey, ran };
}

/** Hands the ciphertext to the node, publishes the manifest, and proves that it stands on the ledger. */
export async function publishModel(
  context: ClientContext,
  prepared: Pick<PreparedModel, 'manifest' | 'ciphertext'>,
  { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {},
): Promise<ProvenTransaction & { readonly model: Digest }> {
  refuseSimulated(context);
  const { manifest, ciphertext } = prepared;
  if (manifest.owner !== context.keyPair.id) throw new ClientError('NOT_MODEL_OWNER', manifest.owner);
  if (contentDigest(ciphertext) !== manifest.ciphertextDigest) throw new ClientError('BLOB_MISMATCH');
  const head = await context.chain.head(deadlineAfter(context.edge, timeoutMs));
  const transaction = sign(context, 'publish-model', { manifest }, expiryHeightAfter(context, head));
  const deadline = deadlineAfter(context.edge, timeoutMs, transaction.id);
  await uploadBlob(context, ciphertext, manifest.ciphertextDigest, head);
  const { height, sequence } = await submitAndProve(context, transaction, 'ModelPublished', deadline);
  return { transaction: transaction.id, height, sequence, model: modelId(manifest) };
}

/** The manifest of a model on the ledger, from a node that has it. Its id is its hash, so no node can give another. */
export async function fetchModel(
  { nodes }: Pick<ClientContext, 'nodes'>,
  model: Digest,
): Promise<{ readonly id: Digest; readonly manifest: ModelManifest; readonly grants: readonly Digest[] }> {
  return nodes.first(async (api) => {
    const listed = await api.model(model);
    if (listed === undefined) throw new ClientError('MODEL_UNKNOWN', model);
    const manifest = modelManifestFromJson(listed.manifest);
    if (!manifest.ok) throw new ClientError('MODEL_INVALID', manifest.code);
    if (modelId(manifest.value) !== model) throw new ClientError('MODEL_INVALID', 'the manifest has another id');
    return { id: model, manifest: manifest.value, grants: listed.grants };
  });
}

/** Throws unless the model's owner allows the enclave's image and platform. */
export function checkRelease(manifest: ModelManifest, { node, result }: VerifiedEnclave): void {
  const { images, platforms } = manifest.releasePolicy;
  if (!images.includes(result.image))
    throw new ClientError('RELEASE_POLICY_REFUSED', `image ${result.image} of ${node}`);
  if (!platforms.includes(result.platform)) {
    throw new ClientError('RELEASE_POLICY_REFUSED', `platform ${result.platform} of ${node}`);
  }
}

/**
 * Verifies the enclave of a node, seals the model's key to it, and proves the grant. Every known node is asked for the head that
 * this rests on, and the newest counts: a node alone cannot hide a revocation from an owner who knows two. A key once released
 * cannot be recalled: revoking stops new grants and executions, and a new version of the model has a new key.
 */
export async function grantModelKey(
  context: ClientContext,
  grant: { readonly model: Digest; readonly modelKey: Uint8Array; readonly node: AccountId },
  { timeoutMs = DEFAULT_WAIT_MS }: WaitOptions = {},
): Promise<ProvenTransaction & { readonly enclave: VerifiedEnclave }> {
  refuseSimulated(context);
  const { chain, keyPair, edge } = context;
  const { manifest } = await fetchModel(context, grant.model);
  if (manifest.owner !== keyPair.id) throw new ClientError('NOT_MODEL_OWNER', manifest.owner);
  const fits =
    grant.modelKey.length === MODEL_KEY_BYTES && modelKeyCommitment(grant.modelKey) === manifest.keyCommitment;
  if (!fits) throw new ClientError('KEY_NOT_OF_MODEL', grant.model);
  const also = [{ about: 'model', model: grant.model }] as const;
  const { enclave, facts } = await verifyEnclave(context, grant.node, deadlineAfter(edge, timeoutMs), also);
  checkRelease(manifest, enclave);
  modelOf(facts, grant.model);
  const sealed = await sealModelKey({
    modelKey: grant.modelKey,
    modelId: grant.model,
    chainId: chain.chainId,
    keyset: enclave.result.keyset,
    hpkeKey: enclave.hpkeKey,
    ephemeralSeed: edge.randomBytes(32),
  });
  if (!sealed.ok) throw new ClientError('EVIDENCE_REFUSED', sealed.code);
  const payload = {
    model: grant.model,
    keyset: enclave.result.keyset,
    enc: toHex(sealed.value.enc),
    sealedKey: toBase64(sealed.value.sealedKey),
  };
  const transaction = sign(context, 'grant-model-key', payload, expiryHeightAfter(context, facts.head));
  const deadline = deadlineAfter(edge, timeoutMs, transaction.id);
  const { height, sequence } = await submitAndProve(context, transaction, 'ModelKeyGrantAuthorised', deadline);
  return { transaction: transaction.id, height, sequence, enclave };
}
