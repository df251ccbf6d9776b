/**
 * @cloister/ledger: what is agreed. Transactions, deciders, events, state, eligibility and governance; pure and synchronous.
 */
export type {
  AttestationAccepted,
  AttestationEvicted,
  AttestationReappraised,
  AttestationRefreshed,
  EndorsementsAccepted,
} from './attestation-events.ts';
export {
  BATCH_ENVELOPE_BYTES,
  type Batch,
  type BatchCode,
  type BatchDecodeCode,
  type BatchFields,
  batchIdOf,
  decodeBatch,
  encodeBatch,
  LANES,
  type Lane,
  laneOf,
  MAX_BATCH_BYTES,
  signBatch,
  type VerifiedBatch,
  verifyBatch,
  verifyBatchSignature,
} from './batch.ts';
export {
  type AdmissionRefusal,
  DECLINE_CODES,
  type DeclineCode,
  ELIGIBILITY_REASONS,
  type EligibilityReason,
  FAILURE_CODES,
  type FailureCode,
  REJECTION_CODES,
  type RejectionCode,
} from './codes.ts';
export { admissionRefusal, decide, isKnownSender, ledgerDecider, strangerRefusal } from './decide.ts';
export { exceedsRecordLimit } from './decide-records.ts';
export { taskLimit } from './decide-request.ts';
export type { DecideContext, Decision, ProposalKind, TransactionToDecide } from './decision.ts';
export {
  type Eligibility,
  type EligibilityQuestion,
  eligible,
  isEligibilityReason,
  isLastingReason,
  isStanding,
  revocationReasons,
} from './eligibility.ts';
export type { Cause } from './event-cause.ts';
export { decodeEvent, type EncodedEvent, type EventCode, encodeEvent, MAX_EVENT_BYTES } from './event-codec.ts';
export {
  type AccountRegistered,
  type BlockBegun,
  type GovernanceApproved,
  type LedgerEvent,
  type LedgerEventType,
  type MemberRegistered,
  type NetworkFounded,
  type RecordPut,
  type SnapshotTaken,
  settledBy,
  type TransactionRejected,
  type UnknownSendersCounted,
  type ValidatorEquivocated,
} from './events.ts';
export { evolve } from './evolve.ts';
export { attestationOf } from './evolve-attestation.ts';
export {
  APPRAISALS_PER_SENDER_MAX,
  type BlockToExecute,
  costsAppraisal,
  type Execution,
  type ExecutionFate,
  executeBlock,
} from './execute.ts';
export {
  type AttestationFact,
  FACT_BYTES_MAX,
  type Fact,
  type FactAbout,
  factDocument,
  type GrantFact,
  type ModelFact,
  parseFact,
  type RulesFact,
  reasonsAgainst,
} from './fact-documents.ts';
export {
  FACT_KEY_LENGTH_MAX,
  type FactSubject,
  factKey,
  factsAfter,
  factsOf,
  factsRoot,
  parseFactKey,
  RULES,
} from './facts.ts';
export {
  chainIdOf,
  GENESIS_SCHEMA,
  type Genesis,
  type GenesisAccount,
  type GenesisCode,
  type GenesisReferenceValue,
  type GenesisValidator,
  genesisEvents,
  genesisValidatorSet,
  MAX_GENESIS_BYTES,
  makeGenesis,
  type ParsedGenesis,
  parseGenesis,
} from './genesis.ts';
export { type HeldResponse, isHeldByEnough, signHolding, verifyHolding } from './holding.ts';
export type {
  AuthorisedExecutor,
  EquivocationRecorded,
  ExecutorLapsed,
  InferenceCompleted,
  InferenceDisputed,
  InferenceFailed,
  InferenceRequested,
  ModelGrantRevoked,
  ModelKeyGrantAuthorised,
  ModelPublished,
  ModelRevoked,
  ReceiptAccepted,
  ResponseWithheld,
} from './inference-events.ts';
export {
  ledgerPolicyDigest,
  type MeasurementStanding,
  measurementKey,
  referenceValuesAt,
  referenceValuesOf,
} from './measurement-set.ts';
export { networkOf } from './network-of.ts';
export { DEFAULT_PARAMS, type LedgerParams, PROTOCOL_VERSION, paramsHash } from './params.ts';
export type {
  AppraisalPolicyScheduled,
  AppraisalPolicyTookEffect,
  MeasurementAllowed,
  MeasurementGraced,
  MeasurementRevoked,
} from './policy-events.ts';
export {
  type Account,
  type Attestation,
  type Eviction,
  type EvictionCause,
  initialState,
  type Keyset,
  type LedgerState,
  type MeasurementEntry,
  type Member,
  type Model,
  type Network,
  type ScheduledPolicy,
  type Task,
  type TaskExecutor,
  type TaskReceipt,
  type TaskStatus,
} from './state.ts';
export { decodeState, encodeState, STATE_VERSION, type StateCode, stateDigest } from './state-codec.ts';
export {
  decodeTransaction,
  encodeTransaction,
  MAX_TRANSACTION_BYTES,
  signTransaction,
  type Transaction,
  type TransactionCode,
  type TransactionFields,
  transactionSigningBytes,
  verifyTransaction,
} from './transaction.ts';
export {
  type DeclineTaskPayload,
  type EndorsedPlatform,
  type GrantModelKeyPayload,
  KIND_CODES,
  MAX_EXECUTORS,
  MAX_HOLDINGS,
  MAX_INLINE_BYTES,
  MAX_RECEIPT_BYTES,
  type MeasurementStatus,
  type PayloadByKind,
  type PublishModelPayload,
  type PutRecordPayload,
  parsePayload,
  type RefreshAttestationPayload,
  type RegisterAccountPayload,
  type RequestedExecutor,
  type RequestInferencePayload,
  type RevokeGrantPayload,
  type RevokeModelPayload,
  type SetMeasurementPayload,
  type SetPolicyPayload,
  type SubmitAttestationPayload,
  type SubmitEndorsementsPayload,
  type SubmitResultPayload,
  type TransactionKind,
} from './transaction-payloads.ts';
export {
  parseUploadClaim,
  signUploadClaim,
  UPLOAD_CLAIM_HEIGHTS_MAX,
  type UploadClaim,
  uploadClaimBytes,
} from './upload-claim.ts';
export {
  type AttestationView,
  attestationView,
  type Fate,
  fate,
  inferenceView,
  listAccounts,
  listAttestations,
  listInferences,
  listMeasurements,
  listMembers,
  listModels,
  listValidators,
  type MeasurementView,
  type MemberView,
  type ModelView,
  memberView,
  modelView,
  type NetworkView,
  networkView,
  openTasksOf,
  type RecordView,
  recordView,
} from './views.ts';
