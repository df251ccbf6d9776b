/**
 * `processTransaction`: what a validator does for a finalized transaction that asks its enclave for an inference.
 *
 * The executor calls it once the event of the request is provable. Executing a block calls no enclave. Before anything
 * runs, `verifyLocalEnclave` sends a fresh random challenge to the local enclave. The answer is evidence, which is
 * appraised in full against the ledger's measurements at the current height. While such evidence is fresh, a signature
 * of the attested key is enough. A changed image, another keyset, a replayed and a relayed answer are all refused here.
 * A refusal stays within this node and is never an event. Other executors may answer the task, or its deadline ends it.
 */

import {
  type AttestationResult,
  type Challenge,
  decodeChallengeAnswer,
  encodeChallenge,
  makeChallenge,
  verifyChallengeAnswer,
  verifyPresence,
} from '@cloister/attestation';
import { contentDigest, encodeModelManifest } from '@cloister/confidential';
import { type Digest, ok, parseBase64, type Result } from '@cloister/encoding';
import {
  eligible,
  type InferenceRequested,
  isEligibilityReason,
  referenceValuesAt,
  settingsOf,
} from '@cloister/ledger';
import type { TaskAssignment } from '@cloister/replica';
import type { ExecutorPorts } from './executor-ports.ts';
import { type BlobPort, BlobUnavailable, EnclaveUnavailable, type InferenceOutput } from './ports.ts';
import {
  MODEL_FAULTS,
  notEligible,
  type ProcessOutcome,
  REQUEST_FAULTS,
  refuseTask,
  type VerifyLocalEnclaveCode,
} from './process-outcome.ts';
import { executionSubjects } from './shown-facts.ts';
import { submitResult } from './sign-answer.ts';

/** The text of the refusal that operators see. */
export const LOCAL_ENCLAVE_TAMPERED_TEXT = 'local enclave tampered';

/** Why the local enclave was refused; `reason` is the code of the check that failed, or the enclave's own. */
export interface LocalEnclaveRefusal {
  readonly ok: false;
  readonly code: VerifyLocalEnclaveCode;
  readonly detail: string;
  readonly reason: string;
}

/**
 * Challenges the local enclave with fresh randomness and appraises its answer at the ledger's current height and time.
 * The keyset must be the one that the ledger accepted from this node.
 */
export async function verifyLocalEnclave(
  ports: Pick<ExecutorPorts, 'chainId' | 'signer' | 'enclave' | 'ledger' | 'random' | 'proven'>,
): Promise<{ readonly ok: true; readonly value: AttestationResult } | LocalEnclaveRefusal> {
  const { chainId, signer, enclave, ledger, random, proven } = ports;
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
    const present = await provePresence(ports, challenge);
    if (present !== undefined) return ok(present);
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
  const network = settingsOf(state);
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
  proven?.proven(state, signer.id, verified.value);
  return verified;
}

/**
 * The earlier proof, if it holds both before and after the attested key signed this challenge. Undefined: evidence is
 * needed.
 */
async function provePresence(
  { signer, enclave, ledger, proven }: Pick<ExecutorPorts, 'signer' | 'enclave' | 'ledger' | 'proven'>,
  challenge: Challenge,
): Promise<AttestationResult | undefined> {
  if (proven?.provenAttestation(ledger.state(), signer.id) === undefined) return undefined;
  const answered = await enclave.attest({ purpose: 'presence', challenge: encodeChallenge(challenge) });
  // Read after the answer came: a measurement revoked meanwhile counts.
  const standing = proven.provenAttestation(ledger.state(), signer.id);
  if (!answered.ok || standing === undefined) return undefined;
  return verifyPresence(challenge, answered.value, standing.attestation.signKey) ? standing.result : undefined;
}

function tampered(reason: string): LocalEnclaveRefusal {
  return { ok: false, code: 'LOCAL_ENCLAVE_TAMPERED', detail: LOCAL_ENCLAVE_TAMPERED_TEXT, reason };
}

/**
 * Runs the inference that a finalized transaction asks of this node; refuses before anything runs unless the enclave
 * proves itself. `onExecuted` is called when the enclave has answered. After that the node may have to wait until
 * others have taken the response.
 */
export async function processTransaction(
  ports: ExecutorPorts,
  assignment: TaskAssignment,
  onExecuted: () => void = () => undefined,
): Promise<ProcessOutcome> {
  const event = await ports.ledger.event(assignment.requestSequence);
  const executor =
    event?.type === 'InferenceRequested' ? event.executors.find(({ node }) => node === ports.signer.id) : undefined;
  if (event?.type !== 'InferenceRequested' || executor === undefined) {
    return refuseTask(
      'NO_INFERENCE_REQUIRED',
      `event ${assignment.requestSequence} asks for no inference by this node`,
    );
  }
  const enclave = await verifyLocalEnclave(ports);
  if (!enclave.ok) return enclave;
  const standing = checkStanding(ports, event, executor.keyset);
  if (standing !== undefined) return standing;
  try {
    const output = await execute(ports, event, executor.keyset, assignment.requestSequence);
    if (!output.ok) return output;
    onExecuted();
    return await submitResult(ports, event, output.value);
  } catch (error) {
    if (error instanceof EnclaveUnavailable) return refuseTask('ENCLAVE_UNAVAILABLE', error.message, error.code);
    if (error instanceof BlobUnavailable) return refuseTask('BLOB_UNAVAILABLE', error.message, 'MODEL_MISSING');
    throw error;
  }
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
    return refuseTask('TASK_CLOSED', `task ${event.task} takes no receipt of this node any more`);
  }
  const answer = eligible({
    state,
    validator: signer.id,
    keyset,
    model: event.model,
    height: state.height,
    timeMs: state.timeMs,
  });
  return answer.eligible ? undefined : notEligible(answer.reasons);
}

/**
 * How many headers are shown to the enclave for one call. Other calls may show it a newer header while a proof is made.
 */
const HEADERS_MAX = 4;

/**
 * Calls the enclave with what authorises it under the newest header, and calls it again if it has seen a newer one
 * meanwhile.
 */
async function authorised<T>(
  { proofs, signer }: ExecutorPorts,
  { sequence, model, keyset }: { readonly sequence: number; readonly model: Digest; readonly keyset: Digest },
  call: (authority: Uint8Array) => Promise<Result<T>>,
): Promise<Step<Result<T>>> {
  const subjects = executionSubjects(signer.id, model, keyset);
  for (let headers = 1; ; headers++) {
    const authority = await proofs.authority(sequence, subjects);
    if (authority === undefined) return refuseTask('NOT_PROVABLE', `event ${sequence}`);
    const answer = await call(authority);
    if (answer.ok || answer.code !== 'HEADER_NOT_NEWEST' || headers === HEADERS_MAX) return ok(answer);
  }
}

/** What the enclave's refusal means for a task; `faults` are those that blame `code`. */
function enclaveRefusal(
  answer: Result<unknown> & { readonly ok: false },
  faults: ReadonlySet<string>,
  code: 'MODEL_REFUSED' | 'REQUEST_REFUSED',
): ProcessOutcome & { readonly ok: false } {
  if (isEligibilityReason(answer.code)) return notEligible([answer.code]);
  return refuseTask(faults.has(answer.code) ? code : 'ENCLAVE_REFUSED', answer.detail ?? answer.code, answer.code);
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
  if (payload === undefined)
    return refuseTask('BLOB_UNAVAILABLE', `sealed payload ${event.payloadDigest}`, 'PAYLOAD_MISSING');
  const request = { sequence: requestSequence, model: event.model, keyset };
  const asked = await authorised(ports, request, (authority) => ports.enclave.runInference({ authority, payload }));
  if (!asked.ok) return asked;
  const output = asked.value;
  return output.ok ? output : enclaveRefusal(output, REQUEST_FAULTS, 'REQUEST_REFUSED');
}

/** Loads the model into the enclave unless it is there. */
async function provision(ports: ExecutorPorts, id: Digest, keyset: Digest): Promise<Step<void>> {
  const { models } = await ports.enclave.describe();
  if (models.includes(id)) return ok(undefined);
  const model = ports.ledger.state().models.get(id);
  const grant = model?.grants.get(keyset);
  if (model === undefined || grant === undefined) return notEligible(['MODEL_KEY_NOT_GRANTED']);
  const { manifest } = model;
  const ciphertext = await ports.blobs.open(manifest.ciphertextDigest, manifest.size);
  if (ciphertext === undefined) {
    return refuseTask('BLOB_UNAVAILABLE', `model ciphertext ${manifest.ciphertextDigest}`, 'MODEL_MISSING');
  }
  const encoded = encodeModelManifest(manifest);
  const asked = await authorised(ports, { sequence: grant.sequence, model: id, keyset }, (authority) =>
    ports.enclave.provisionModel({ authority, manifest: encoded, ciphertext }),
  );
  if (!asked.ok) return asked;
  return asked.value.ok ? ok(undefined) : enclaveRefusal(asked.value, MODEL_FAULTS, 'MODEL_REFUSED');
}

async function fetchBlob(blobs: BlobPort, digest: Digest): Promise<Uint8Array | undefined> {
  const bytes = await blobs.get(digest);
  return bytes !== undefined && contentDigest(bytes) === digest ? bytes : undefined;
}
