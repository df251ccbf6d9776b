/**
 * The secure entry: the one function that runs inference on a tenant's data.
 *
 * It opens a request only with a proof of the event that names this enclave's keyset, and with proven facts of the same
 * header, by which the ledger still lets this enclave run this model. For one task it returns the same bytes every
 * time. No refusal carries plaintext. What concerns the input goes sealed to the tenant, also the reason of a failed
 * run, whose receipt says only that it failed.
 */
import {
  checkFinite,
  contextTaskId,
  decodeTensors,
  type EnclaveLimits,
  encodeReceipt,
  encodeTensors,
  matchTensors,
  type OpenedRequest,
  type OpenRequestCode,
  type Outcome,
  openRequest,
  type ReceiptStatement,
  type ReceiptStatus,
  sealResponse,
} from '@cloister/confidential';
import { sha256 } from '@cloister/crypto';
import { type Digest, fail, ok, type Result } from '@cloister/encoding';
import type { InferenceRequested } from '@cloister/ledger';
import { type Authorised, sealedRequestOf } from '@cloister/proof';
import type { AnsweredTasks } from './answered-tasks.ts';
import type { EngineFailure } from './engines.ts';
import type { AuthorisationRefusal, EnclaveLightClient } from './light-client.ts';
import type { GrantedModel, Models } from './models.ts';
import type { Vault } from './vault.ts';

/** Receipts and responses kept, so that a task asked for again gets the same bytes. */
const RESULTS_KEPT = 4_096;
const RESULT_BYTES_KEPT: number = 256 * 1024 * 1024;

export type InferenceCode =
  | AuthorisationRefusal
  | OpenRequestCode
  | NotRun
  | 'MODEL_NOT_GRANTED'
  | 'TASK_MISMATCH'
  /** This enclave has signed another receipt for the task. */
  | 'ANSWERED_OTHERWISE'
  /** So many tasks were answered since that nobody knows whether this one was. */
  | 'TASK_TOO_OLD'
  | 'PAYLOAD_TOO_LARGE';

/** The engine was not asked; asking again later may help. */
type NotRun = 'ENGINE_NOT_STARTED' | 'MODEL_SUSPENDED' | 'MODEL_NOT_LOADED';
/** The engine was asked and gave no output. */
type RunFailure = Exclude<EngineFailure, NotRun> | 'OUTPUT_MISMATCH' | 'OUTPUT_TOO_LARGE';

/** What a run came to, and whether it is a failure of the run or something that the model's input determines. */
interface Computed {
  readonly status: ReceiptStatus;
  readonly outcome: Outcome;
}

export interface InferenceOrder {
  /** Encoded AuthorityProof of the InferenceRequested event. */
  readonly authority: Uint8Array;
  readonly payload: Uint8Array;
}

export interface InferenceAnswer {
  readonly receipt: Uint8Array;
  readonly response: Uint8Array;
}

export interface InferenceContext {
  readonly vault: Vault;
  readonly lightClient: EnclaveLightClient;
  readonly models: Pick<Models, 'get'>;
  readonly limits: EnclaveLimits;
  readonly engine: { readonly name: string; readonly version: string };
  readonly results: ResultCache;
  readonly answered: AnsweredTasks;
}

/** Results by task, oldest forgotten first. A task under way is shared by whoever asks for it meanwhile. */
export class ResultCache {
  readonly #done = new Map<Digest, InferenceAnswer>();
  readonly #underWay = new Map<Digest, Promise<Result<InferenceAnswer, InferenceCode>>>();
  #bytes = 0;

  async once(
    task: Digest,
    run: () => Promise<Result<InferenceAnswer, InferenceCode>>,
  ): Promise<Result<InferenceAnswer, InferenceCode>> {
    const done = this.#done.get(task);
    if (done !== undefined) return ok(done);
    const underWay = this.#underWay.get(task);
    if (underWay !== undefined) return underWay;
    const running = run();
    this.#underWay.set(task, running);
    try {
      const result = await running;
      if (result.ok) this.#keep(task, result.value);
      return result;
    } finally {
      this.#underWay.delete(task);
    }
  }

  #keep(task: Digest, result: InferenceAnswer): void {
    this.#done.set(task, result);
    this.#bytes += result.receipt.length + result.response.length;
    for (const [oldest, { receipt, response }] of this.#done) {
      if (this.#done.size <= RESULTS_KEPT && this.#bytes <= RESULT_BYTES_KEPT) return;
      this.#done.delete(oldest);
      this.#bytes -= receipt.length + response.length;
    }
  }
}

/** Runs one sealed request that the ledger authorised for this enclave, and signs the receipt. */
export async function runInference(
  context: InferenceContext,
  request: InferenceOrder,
): Promise<Result<InferenceAnswer, InferenceCode>> {
  const authorised = context.lightClient.authoriseInference(request.authority);
  if (!authorised.ok) return authorised;
  const { event } = authorised.value;
  const { answered, lightClient } = context;
  // An answered task gets the same answer again, also when the model is not run any more.
  return context.results.once(event.task, async () => {
    if (!answered.mayRun(event)) return fail('TASK_TOO_OLD');
    const model = context.models.get(event.model);
    if (model === undefined) return fail('MODEL_NOT_GRANTED');
    if (request.payload.length > context.limits.payloadBytesMax) return fail('PAYLOAD_TOO_LARGE');
    const result = await execute(context, authorised.value, model, request.payload);
    if (!result.ok || answered.admits(event, sha256(result.value.receipt), lightClient.timeMs)) return result;
    return fail('ANSWERED_OTHERWISE');
  });
}

async function execute(
  context: InferenceContext,
  authorised: Authorised<InferenceRequested>,
  model: GrantedModel,
  payload: Uint8Array,
): Promise<Result<InferenceAnswer, InferenceCode>> {
  const { vault, limits } = context;
  const { event } = authorised;
  const { chainId, keyset, image } = vault.identity;
  const sealed = sealedRequestOf(chainId, event, payload);
  if (contextTaskId(sealed.context) !== event.task) return fail('TASK_MISMATCH');
  const opened = await openRequest({ sealed, keyset, image, hpkeSecretKey: vault.hpkeSecretKey });
  if (!opened.ok) return opened;
  try {
    const computed = await compute(event.model, model, opened.value);
    if (!computed.ok) return computed;
    const { requestKey, salt } = opened.value;
    const { outcome } = computed.value;
    const seal = (said: Outcome) => sealResponse({ requestKey, salt, chainId, task: event.task, outcome: said });
    let { status } = computed.value;
    let response = seal(outcome);
    if (outcome.status === 'completed') for (const { data } of outcome.tensors) data.fill(0);
    if (response.sealed.length > limits.responseBytesMax) {
      const tooLarge = failedRun('OUTPUT_TOO_LARGE');
      status = tooLarge.status;
      response = seal(tooLarge.outcome);
    }
    const receipt = signReceipt(context, authorised, model, { ...response, status });
    return ok({ receipt, response: response.sealed });
  } finally {
    forgetRequest(opened.value);
  }
}

/** Overwrites what was opened: the garbage collector would leave it in memory for whoever reads that later. */
function forgetRequest({ requestKey, salt, tensorBytes, tensors }: OpenedRequest): void {
  for (const secret of [requestKey, salt, tensorBytes, ...tensors.map(({ data }) => data)]) secret.fill(0);
}

/**
 * What the tenant reads. An input that the model does not take is an outcome like any other, since every executor finds the
 * same; a run that gave no output is told to the tenant alone, under a receipt that says 'failed'.
 */
async function compute(id: Digest, model: GrantedModel, request: OpenedRequest): Promise<Result<Computed, NotRun>> {
  const { manifest, engine } = model;
  const fits = matchTensors(request.tensors, manifest.inputs);
  const finite = checkFinite(request.tensors);
  const refused = fits.ok ? finite : fits;
  if (!refused.ok) {
    const outcome: Outcome = { status: 'refused', code: refused.code, detail: refused.detail ?? '' };
    return ok({ status: 'completed', outcome });
  }
  const tensorBytes = encodeTensors(request.tensors);
  const output = await engine.run(id, tensorBytes);
  tensorBytes.fill(0);
  if (!output.ok) return isNotRun(output.code) ? fail(output.code) : ok(failedRun(output.code));
  const tensors = decodeTensors(output.value);
  if (!tensors.ok || !matchTensors(tensors.value, manifest.outputs).ok) return ok(failedRun('OUTPUT_MISMATCH'));
  return ok({ status: 'completed', outcome: { status: 'completed', tensors: tensors.value } });
}

function isNotRun(code: EngineFailure): code is NotRun {
  return code === 'ENGINE_NOT_STARTED' || code === 'MODEL_SUSPENDED' || code === 'MODEL_NOT_LOADED';
}

function failedRun(code: RunFailure): Computed {
  return { status: 'failed', outcome: { status: 'refused', code, detail: '' } };
}

function signReceipt(
  { vault, lightClient, engine }: InferenceContext,
  { event, attestation }: Authorised<InferenceRequested>,
  { manifest, numericClass }: GrantedModel,
  response: Pick<ReceiptStatement, 'status' | 'outputCommitment' | 'responseDigest'>,
): Uint8Array {
  const { chainId, nodeId, keyset, image } = vault.identity;
  return encodeReceipt(
    {
      chainId,
      task: event.task,
      transaction: event.transaction,
      model: event.model,
      onnxDigest: manifest.onnxDigest,
      inputCommitment: event.inputCommitment,
      status: response.status,
      outputCommitment: response.outputCommitment,
      responseDigest: response.responseDigest,
      image,
      measurement: attestation.measurement,
      policyDigest: event.policyDigest,
      height: event.height,
      engine: { name: engine.name, version: engine.version, numericClass },
      executor: nodeId,
      keyset,
      simulated: lightClient.genesis.genesis.trustAnchors.simulated,
    },
    vault.sign,
  );
}
