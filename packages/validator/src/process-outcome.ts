/** The possible outcomes of one attempt at a task, and after which of them another attempt is worth it. */
import { type EligibilityReason, isLastingReason, type Transaction } from '@cloister/ledger';

export type VerifyLocalEnclaveCode =
  /** The enclave did not prove itself to be what the ledger accepted. */
  | 'LOCAL_ENCLAVE_TAMPERED'
  /** The ledger has accepted nothing from this node yet. */
  | 'NOT_ATTESTED'
  /** The enclave process cannot be reached at all. Transient. */
  | 'ENCLAVE_UNAVAILABLE';

/** Codes of the enclave about a request that will never change. */
export const REQUEST_FAULTS: ReadonlySet<string> = new Set([
  'TASK_MISMATCH',
  'PAYLOAD_TOO_LARGE',
  'CONTEXT_MALFORMED',
  'NOT_AN_EXECUTOR',
  'IMAGE_NOT_ALLOWED',
  'PAYLOAD_SIZE',
  'PAYLOAD_DIGEST_MISMATCH',
  'REQUEST_KEY_NOT_OPENED',
  'KEY_COMMITMENT_MISMATCH',
  'PAYLOAD_NOT_OPENED',
  'PAYLOAD_MALFORMED',
  'INPUT_COMMITMENT_MISMATCH',
  'ANSWERED_OTHERWISE',
  'TASK_TOO_OLD',
]);

/** Codes of the enclave about a model that will not change, or that cost an engine each time. */
export const MODEL_FAULTS: ReadonlySet<string> = new Set([
  'MANIFEST_MALFORMED',
  'MANIFEST_OTHER_MODEL',
  'RELEASE_POLICY',
  'ENGINE_MISMATCH',
  'MODEL_TOO_LARGE',
  'GRANT_MALFORMED',
  'MODEL_KEY_NOT_OPENED',
  'MODEL_SIZE_MISMATCH',
  'CIPHERTEXT_DIGEST_MISMATCH',
  'KEY_COMMITMENT_MISMATCH',
  'MODEL_MALFORMED',
  'MODEL_NOT_OPENED',
  'ONNX_DIGEST_MISMATCH',
  'ONNX_TEXT',
  'ONNX_MALFORMED',
  'ONNX_TOO_DEEP',
  'ONNX_TOO_MANY_FIELDS',
  'ONNX_EXTERNAL_DATA',
  'ONNX_CUSTOM_OPERATOR',
  'ONNX_RANDOM_OPERATOR',
  'ONNX_TRAINING',
  'MODEL_LOAD_FAILED',
  'MODEL_UNSUPPORTED_TYPE',
  'MODEL_SIGNATURE_MISMATCH',
  'ENGINE_TIMEOUT',
  'ENGINE_CRASHED',
]);

const TRANSIENT_CODES: ReadonlySet<string> = new Set([
  'ENCLAVE_UNAVAILABLE',
  'NOT_ATTESTED',
  'NOT_PROVABLE',
  'BLOB_UNAVAILABLE',
  'ENCLAVE_REFUSED',
]);

/** Whether trying again later may help. */
export function isTransientOutcome({ code, reasons = [] }: ProcessOutcome & { readonly ok: false }): boolean {
  return TRANSIENT_CODES.has(code) || (code === 'NOT_ELIGIBLE' && !reasons.some(isLastingReason));
}

export type ProcessTransactionCode =
  | VerifyLocalEnclaveCode
  /** The event at that sequence asks for no inference by this node. */
  | 'NO_INFERENCE_REQUIRED'
  /** The task is answered, closed or past its deadline. */
  | 'TASK_CLOSED'
  /**
   * The ledger does not let this node execute, by this node's state or by the facts that the enclave was shown.
   * Transient if the reason can pass.
   */
  | 'NOT_ELIGIBLE'
  /** No finalized header covers an event that the enclave wants to see. Transient. */
  | 'NOT_PROVABLE'
  /** Nobody holds the sealed payload or model now, or there is no room for the response. Transient. */
  | 'BLOB_UNAVAILABLE'
  /** The enclave refused, with its own code as reason. Transient. */
  | 'ENCLAVE_REFUSED'
  /** The enclave does not take this model, with its own code as reason. */
  | 'MODEL_REFUSED'
  /** The enclave cannot open this request, with its own code as reason. */
  | 'REQUEST_REFUSED'
  /** Too few validators took a response that is too large for the ledger. */
  | 'RESPONSE_NOT_HELD'
  /** The answer does not fit a transaction. */
  | 'RESULT_INVALID';

/** The outcome of one attempt. `transaction` is a signed submit-result. */
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

export function refuseTask(
  code: ProcessTransactionCode,
  detail: string,
  reason?: string,
): ProcessOutcome & { readonly ok: false } {
  return reason === undefined ? { ok: false, code, detail } : { ok: false, code, detail, reason };
}

/** `reason` is the one that will not pass, if there is one. */
export function notEligible(reasons: readonly EligibilityReason[]): ProcessOutcome & { readonly ok: false } {
  const reason = reasons.find(isLastingReason) ?? reasons[0];
  return { ...refuseTask('NOT_ELIGIBLE', reasons.join(', '), reason), reasons };
}
