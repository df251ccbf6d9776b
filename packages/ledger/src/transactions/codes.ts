/**
 * The codes with which the ledger refuses: a transaction, an executor, or an outcome of a task.
 *
 * Codes end up in events and so in stored bytes: a code is never renamed, and a new one is added at the end.
 */

/** Why a transaction in a block had no effect; the code of its `TransactionRejected`. */
export const REJECTION_CODES = [
  'PAYLOAD_MALFORMED',
  'AUTHOR_LIMIT',
  'APPRAISAL_LIMIT',
  'NAMESPACE_NOT_OWNED',
  'NOT_GOVERNANCE',
  'ALREADY_APPROVED',
  'ACCOUNT_EXISTS',
  'KEY_UNACCEPTABLE',
  'MEASUREMENT_UNCHANGED',
  'MEASUREMENT_DEBUG',
  'EVIDENCE_MALFORMED',
  'EVIDENCE_PURPOSE',
  'EVIDENCE_CHAIN_MISMATCH',
  'EVIDENCE_NODE_MISMATCH',
  'EVIDENCE_NOT_NEWER',
  'EVIDENCE_REFUSED',
  'NONCE_BLOCK_UNKNOWN',
  'NONCE_MISMATCH',
  'KEY_REUSED',
  'KEYSET_RETIRED',
  'KEYSET_DISTRUSTED',
  'KEYSET_UNKNOWN',
  'PLATFORM_BOUND',
  'NO_ATTESTATION',
  'ATTESTATION_LAPSED',
  'REFRESH_MALFORMED',
  'REFRESH_MISMATCH',
  'REFRESH_NOT_NEWER',
  'REFRESH_BLOCK_UNKNOWN',
  'REFRESH_SIGNATURE_INVALID',
  'MODEL_OWNER_MISMATCH',
  'MODEL_EXISTS',
  'MODEL_UNKNOWN',
  'MODEL_NOT_OWNED',
  'MODEL_POLICY_NOT_OFFERED',
  'EXECUTOR_NOT_ELIGIBLE',
  'EXECUTORS_INVALID',
  'THRESHOLD_INVALID',
  'EXECUTION_POLICY_UNMET',
  'IMAGE_NOT_NAMED',
  'DEADLINE_INVALID',
  'TASK_EXISTS',
  'TASK_UNKNOWN',
  'TASK_CLOSED',
  'PAYLOAD_DIGEST_MISMATCH',
  'NOT_AN_EXECUTOR',
  'RECEIPT_MALFORMED',
  'RECEIPT_MISMATCH',
  'RECEIPT_SIGNATURE_INVALID',
  'RECEIPT_REPEATED',
  'RESPONSE_DIGEST_MISMATCH',
  'POLICY_MALFORMED',
  'POLICY_UNSAFE',
  'POLICY_UNCHANGED',
  'GRACE_INVALID',
  'ENDORSEMENTS_REFUSED',
  'ENDORSEMENTS_NOT_NEWER',
  'ATTESTATION_EVICTED',
  'MODEL_REVOKED',
  'GRANT_UNKNOWN',
  'SENDER_TASK_LIMIT',
  'OWNER_TASK_LIMIT',
  'EXECUTOR_TASK_LIMIT',
  'RECORD_LIMIT',
  'MODEL_LIMIT',
  'ACCOUNT_LIMIT',
  'MEMBER_LIMIT',
  'EXECUTOR_DECLINED',
  'RESPONSE_WITHHELD',
  'ACCOUNT_REQUIRED',
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];

/** Why a transaction is not taken before it is ever decided; in a block such a transaction executes to nothing. */
export type AdmissionRefusal =
  | 'WRONG_CHAIN'
  | 'TRANSACTION_EXPIRED'
  | 'EXPIRY_TOO_FAR'
  | 'SENDER_UNKNOWN'
  | 'ALREADY_EXECUTED';

/** Why a node may not execute for a model at a height; every reason that holds is listed. */
export const ELIGIBILITY_REASONS = [
  'NO_ATTESTATION',
  'KEYSET_RETIRED',
  'KEYSET_DISTRUSTED',
  'ATTESTATION_LAPSED_HEIGHT',
  'ATTESTATION_LAPSED_TIME',
  'NOT_REFRESHED',
  'MEASUREMENT_NOT_ALLOWED',
  'MEASUREMENT_REVOKED',
  'STATUS_NOT_ACCEPTED',
  'PLATFORM_BARRED',
  'MODEL_UNKNOWN',
  'MODEL_NOT_RELEASED_TO_IMAGE',
  'MODEL_NOT_RELEASED_TO_PLATFORM',
  'MODEL_KEY_NOT_GRANTED',
  'EVICTED',
  'MEASUREMENT_GRACE_ENDED',
  'ADVISORY_NOT_ACCEPTED',
  'MODEL_REVOKED',
  'MODEL_GRANT_REVOKED',
  'PLATFORM_NOT_LISTED',
] as const;
export type EligibilityReason = (typeof ELIGIBILITY_REASONS)[number];

/**
 * Why a node says that it will not execute a task that names it. None of them says anything about the input. What the
 * enclave found after it opened the request goes to the tenant alone, sealed, with a receipt of status 'failed'.
 */
export const DECLINE_CODES = [
  /** Nobody that the node reached holds the sealed payload. */
  'PAYLOAD_MISSING',
  /** The same of the sealed model. */
  'MODEL_MISSING',
  /** The enclave does not take the model: it is not what its manifest says, or nothing that the engine runs. */
  'MODEL_REFUSED',
  /** The enclave cannot open the request. */
  'REQUEST_REFUSED',
  /** The node has as many tasks waiting as it keeps. */
  'EXECUTOR_BUSY',
  /** Too few validators took the sealed response, which is too large for the ledger. */
  'RESPONSE_NOT_HELD',
  /** Attestation, measurement, model or grant do not stand any more; `detail` is the reason. */
  'NOT_ELIGIBLE',
] as const;
export type DeclineCode = (typeof DECLINE_CODES)[number];

/** Why a task ended without an answer. */
export type FailureCode =
  | 'DEADLINE_PASSED'
  | 'DISPUTED'
  | 'EXECUTORS_LAPSED'
  | 'MODEL_REVOKED'
  /** Enclaves signed that there is no output. */
  | 'EXECUTION_FAILED'
  /** So many executors gave no answer, for different reasons, that no threshold can be met. */
  | 'EXECUTORS_FAILED'
  /** An executor showed a receipt of a response that it keeps to itself. */
  | 'RESPONSE_WITHHELD'
  | DeclineCode;
export const FAILURE_CODES: readonly FailureCode[] = [
  'DEADLINE_PASSED',
  'DISPUTED',
  'EXECUTORS_LAPSED',
  'MODEL_REVOKED',
  'EXECUTION_FAILED',
  'EXECUTORS_FAILED',
  'RESPONSE_WITHHELD',
  ...DECLINE_CODES,
];
