/**
 * `processTransaction`: what a validator does for a finalized transaction that requires AI and names its enclave.
 *
 * It stands on the executor's path, after finality and once the request's event is provable; executing a block calls no
 * enclave. Before anything runs, `verifyLocalEnclave` puts a fresh random challenge to the local enclave and appraises the
 * answer in full against the ledger's measurements at the current height: a changed image, another keyset, a replayed or
 * relayed answer all end here. A refusal is this node's own business and never an event: other executors and the deadline
 * take care of the task.
 */
import {
  type AttestationResult,
  type ChallengeCode,
  decodeChallengeAnswer,
  encodeChallenge,
  makeChallenge,
  verifyChallengeAnswer,
} from '@cloister/attestation';
import { contentDigest, encodeModelManifest } from '@cloister/confidential';
import {
  asHeight,
  type Digest,
  type Ed25519KeyPair,
  ok,
  parseBase64,
  type Result,
  toBase64,
  toHex,
} from '@cloister/crypto';
import {
  type EligibilityReason,
  eligible,
  type InferenceRequested,
  MAX_INLINE_BYTES,
  networkOf,
  referenceValuesAt,
  signTransaction,
  type Transaction,
} from '@cloister/ledger';
import {
  type BlobPort,
  type ClockPort,
  type EnclavePort,
  EnclaveUnavailable,
  type InferenceOutput,
  type LedgerPort,
  type ProofPort,
  type RandomPort,
  type TaskAssignment,
} from './ports.ts';

/** Everything outside of the pure core that an execution touches. */
export interface ExecutorPorts {
  readonly chainId: Digest;
  readonly signer: Ed25519KeyPair;
  readonly enclave: EnclavePort;
  readonly ledger: LedgerPort;
  readonly proofs: ProofPort;
  readonly blobs: BlobPort;
  readonly random: RandomPort;
  readonly clock: ClockPort;
}

export type VerifyLocalEnclaveCode =
  /** The enclave did not prove itself to be what the ledger accepted. */
  | 'LOCAL_ENCLAVE_TAMPERED'
  /** The ledger has accepted nothing from this node yet. */
  | 'NOT_ATTESTED'
  /** The enclave process cannot be reached at all. Transient. */
  | 'ENCLAVE_UNAVAILABLE';

/** The words of the refusal, as operators see them. */
export const LOCAL_ENCLAVE_TAMPERED_TEXT = 'local enclave tampered';

/** Why the local enclave was refused; `reason` is the check that failed. */
export interface LocalEnclaveRefusal {
  readonly ok: false;
  readonly code: VerifyLocalEnclaveCode;
  readonly detail: string;
  readonly reason: ChallengeCode | 'MEASUREMENT_MISMATCH' | string;
}

/**
 * Challenges the local enclave with fresh randomness and appraises its answer at the ledger's current height and time.
 * The keyset must be the one that the ledger accepted from this node.
 */
export async function verifyLocalEnclave(
  ports: Pick<ExecutorPorts, 'chainId' | 'signer' | 'enclave' | 'ledger' | 'random'>,
): Promise<{ readonly ok: true; readonly value: AttestationResult } | LocalEnclaveRefusal> {
  const { chainId, signer, enclave, ledger, random } = ports;
  if (!ledger.state().attestations.has(signer.id)) {
    return {
      ok: false,
      code: 'NOT_ATTESTED',
      detail: 'the ledger holds no attestation of this node',
      reason: 'NO_ATTESTATION',
    };
  }
  const challenge = makeChallenge({ chainId, challenger: signer.id, target: signer.id, nonce: random.bytes(32) });
  let answered: Result<Uint8Array>;
  try {
    answered = await enclave.attest({ purpose: 'challenge', challenge: encodeChallenge(challenge) });
  } catch (error) {
    if (!(error instanceof EnclaveUnavailable)) throw error;
    return { ok: false, code: 'ENCLAVE_UNAVAILABLE', detail: error.message, reason: error.code };
  }
  if (!answered.ok) return tampered(answered.code);
  const answer = decodeChallengeAnswer(answered.value);
  if (!answer.ok) return tampered(answer.code);
  // Read after the answer came: a measurement revoked meanwhile counts.
  const state = ledger.state();
  const accepted = state.attestations.get(signer.id);
  if (accepted === undefined) return tampered('NO_ATTESTATION');
  const network = networkOf(state);
  const verified = verifyChallengeAnswer({
    challenge,
    answer: answer.value,
    peer: signer.id,
    ledgerKeyset: accepted.keyset,
    referenceValues: referenceValuesAt(state, state.height),
    policy: network.appraisalPolicy,
    trustAnchors: network.trustAnchors,
    atMs: state.timeMs,
    crlFloors: state.crlFloors,
    statementFloors: state.statementFloors,
  });
  if (!verified.ok) return tampered(verified.code);
  if (verified.value.measurement !== accepted.measurement) return tampered('MEASUREMENT_MISMATCH');
  return verified;
}

function tampered(reason: string): LocalEnclaveRefusal {
  return { ok: false, code: 'LOCAL_ENCLAVE_TAMPERED', detail: LOCAL_ENCLAVE_TAMPERED_TEXT, reason };
}

/** Codes after which trying again later may help. */
export const TRANSIENT_CODES: ReadonlySet<string> = new Set([
  'ENCLAVE_UNAVAILABLE',
  'NOT_ATTESTED',
  'NOT_PROVABLE',
  'BLOB_UNAVAILABLE',
  'ENCLAVE_REFUSED',
]);

export type ProcessTransactionCode =
  | VerifyLocalEnclaveCode
  /** The event at that sequence asks for no inference by this node. */
  | 'NO_INFERENCE_REQUIRED'
  /** The task is answered, closed or past its deadline. */
  | 'TASK_CLOSED'
  | 'NOT_ELIGIBLE'
  /** No finalized header covers an event that the enclave wants to see. Transient. */
  | 'NOT_PROVABLE'
  /** Nobody holds the sealed payload or model now, or there is no room for the response. Transient. */
  | 'BLOB_UNAVAILABLE'
  /** The enclave said no, with its own code as reason. */
  | 'ENCLAVE_REFUSED'
  /** The answer does not fit a transaction. */
  | 'RESULT_INVALID';

/** What came of one attempt. `transaction` is a signed submit-result. */
export type ProcessOutcome =
  | { readonly ok: true; readonly transaction: Transaction; readonly receipt: Uint8Array }
  | {
      readonly ok: false;
      readonly code: ProcessTransactionCode;
      readonly detail: string;
      /** The check or the enclave's code behind `code`. */
      readonly reason?: string;
      readonly reasons?: readonly EligibilityReason[];
    };

/** Runs the inference that a finalized transaction asks of this node; refuses before anything runs unless the enclave proves itself. */
export async function processTransaction(ports: ExecutorPorts, assignment: TaskAssignment): Promise<ProcessOutcome> {
  const event = await ports.ledger.event(assignment.requestSequence);
  const executor =
    event?.type === 'InferenceRequested' ? event.executors.find(({ node }) => node === ports.signer.id) : undefined;
  if (event?.type !== 'InferenceRequested' || executor === undefined) {
    return refuse('NO_INFERENCE_REQUIRED', `event ${assignment.requestSequence} asks for no inference by this node`);
  }
  const enclave = await verifyLocalEnclave(ports);
  if (!enclave.ok) return enclave;
  const standing = checkStanding(ports, event, executor.keyset);
  if (standing !== undefined) return standing;
  try {
    const output = await execute(ports, event, executor.keyset, assignment.requestSequence);
    return output.ok ? await submitResult(ports, event, output.value) : output;
  } catch (error) {
    if (error instanceof EnclaveUnavailable) return refuse('ENCLAVE_UNAVAILABLE', error.message, error.code);
    throw error;
  }
}

function refuse(
  code: ProcessTransactionCode,
  detail: string,
  reason?: string,
): ProcessOutcome & { readonly ok: false } {
  return reason === undefined ? { ok: false, code, detail } : { ok: false, code, detail, reason };
}

function checkStanding(
  { ledger, signer }: ExecutorPorts,
  event: InferenceRequested,
  keyset: Digest,
): (ProcessOutcome & { readonly ok: false }) | undefined {
  const state = ledger.state();
  const task = state.tasks.get(event.task);
  const answered = task?.receipts.some((receipt) => receipt.keyset === keyset) === true;
  if (task?.status !== 'open' || answered || state.timeMs >= event.deadlineMs) {
    return refuse('TASK_CLOSED', `task ${event.task} takes no receipt of this node any more`);
  }
  const answer = eligible({
    state,
    validator: signer.id,
    keyset,
    model: event.model,
    height: state.height,
    timeMs: state.timeMs,
  });
  if (answer.eligible) return undefined;
  return { ...refuse('NOT_ELIGIBLE', answer.reasons.join(', ')), reasons: answer.reasons };
}

type Step<T> = { readonly ok: true; readonly value: T } | (ProcessOutcome & { readonly ok: false });

async function execute(
  ports: ExecutorPorts,
  event: InferenceRequested,
  keyset: Digest,
  requestSequence: number,
): Promise<Step<InferenceOutput>> {
  const provisioned = await provision(ports, event.model, keyset);
  if (!provisioned.ok) return provisioned;
  const payload =
    event.payload === null ? await fetchBlob(ports.blobs, event.payloadDigest) : parseBase64(event.payload);
  if (payload === undefined) return refuse('BLOB_UNAVAILABLE', `sealed payload ${event.payloadDigest}`);
  const requestProof = await ports.proofs.eventProof(requestSequence);
  if (requestProof === undefined) return refuse('NOT_PROVABLE', `event ${requestSequence}`);
  const output = await ports.enclave.runInference({ requestProof, payload });
  return output.ok ? output : refuse('ENCLAVE_REFUSED', output.detail ?? output.code, output.code);
}

/** Loads the model into the enclave unless it is there. */
async function provision(ports: ExecutorPorts, id: Digest, keyset: Digest): Promise<Step<void>> {
  const { models } = await ports.enclave.describe();
  if (models.includes(id)) return ok(undefined);
  const model = ports.ledger.state().models.get(id);
  const grant = model?.grants.get(keyset);
  if (model === undefined || grant === undefined) return refuse('NOT_ELIGIBLE', 'MODEL_KEY_NOT_GRANTED');
  const { manifest } = model;
  const ciphertext = await fetchBlob(ports.blobs, manifest.ciphertextDigest);
  if (ciphertext === undefined) return refuse('BLOB_UNAVAILABLE', `model ciphertext ${manifest.ciphertextDigest}`);
  const grantProof = await ports.proofs.eventProof(grant.sequence);
  if (grantProof === undefined) return refuse('NOT_PROVABLE', `event ${grant.sequence}`);
  const loaded = await ports.enclave.provisionModel({
    grantProof,
    manifest: encodeModelManifest(manifest),
    ciphertext,
  });
  return loaded.ok ? ok(undefined) : refuse('ENCLAVE_REFUSED', loaded.detail ?? loaded.code, loaded.code);
}

async function fetchBlob(blobs: BlobPort, digest: Digest): Promise<Uint8Array | undefined> {
  const bytes = await blobs.get(digest);
  return bytes !== undefined && contentDigest(bytes) === digest ? bytes : undefined;
}

async function submitResult(
  { chainId, signer, random, ledger, blobs }: ExecutorPorts,
  event: InferenceRequested,
  { receipt, response }: InferenceOutput,
): Promise<ProcessOutcome> {
  const inline = response.length <= MAX_INLINE_BYTES;
  if (!inline) {
    const digest = contentDigest(response);
    try {
      await blobs.put(digest, response);
    } catch {
      return refuse('BLOB_UNAVAILABLE', `no room for the sealed response ${digest}`);
    }
  }
  const state = ledger.state();
  const window = networkOf(state).params.transactionWindow;
  const signed = signTransaction(signer, {
    chainId,
    sender: signer.id,
    nonce: toHex(random.bytes(16)),
    expiryHeight: asHeight(state.height + window),
    kind: 'submit-result',
    payload: { task: event.task, receipt: toBase64(receipt), response: inline ? toBase64(response) : null },
  });
  return signed.ok
    ? { ok: true, transaction: signed.value, receipt }
    : refuse('RESULT_INVALID', signed.detail ?? signed.code, signed.code);
}
