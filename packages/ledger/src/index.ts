/**
 * @cloister/ledger: what is agreed. Transactions, deciders, events, state, eligibility and governance; pure and synchronous.
 */

export {
  type Eligibility,
  type EligibilityQuestion,
  eligible,
  isEligibilityReason,
  isLastingReason,
  isStanding,
  revocationReasons,
} from './attestation/eligibility.ts';
export {
  ledgerPolicyDigest,
  type MeasurementPhase,
  measurementKey,
  referenceValuesAt,
  referenceValuesOf,
} from './attestation/measurement-set.ts';
export { admissionRefusal, decide, ledgerDecider, strangerRefusal } from './decide/decide.ts';
export { exceedsRecordLimit } from './decide/decide-records.ts';
export { taskLimit } from './decide/decide-request.ts';
export type { DecideContext, Decision, TransactionToDecide } from './decide/decision.ts';
export {
  APPRAISALS_PER_SENDER_MAX,
  type BlockToExecute,
  costsAppraisal,
  type Execution,
  type ExecutionFate,
  executeBlock,
} from './decide/execute.ts';
export { isKnownSender } from './decide/senders.ts';
export type {
  AttestationAccepted,
  AttestationEvicted,
  AttestationReappraised,
  AttestationRefreshed,
  EndorsementsAccepted,
  EvictionCause,
} from './events/attestation-events.ts';
export type { Cause } from './events/event-cause.ts';
export { decodeEvent, type EncodedEvent, type EventCode, encodeEvent, MAX_EVENT_BYTES } from './events/event-codec.ts';
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
} from './events/events.ts';
export type {
  AnswerMissed,
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
} from './events/inference-events.ts';
export type {
  AppraisalPolicyScheduled,
  AppraisalPolicyTookEffect,
  MeasurementAllowed,
  MeasurementGraced,
  MeasurementRevoked,
} from './events/policy-events.ts';
export { evolve } from './evolve/evolve.ts';
export { attestationOf } from './evolve/evolve-attestation.ts';
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
} from './facts/fact-documents.ts';
export type { FactSubject } from './facts/fact-subject.ts';
export {
  FACT_KEY_LENGTH_MAX,
  factKey,
  factsAfter,
  factsRoot,
  factTreeOf,
  parseFactKey,
  RULES_SUBJECT,
  standingSubjects,
} from './facts/facts.ts';
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
} from './genesis/genesis.ts';
export { DEFAULT_PARAMS, type LedgerParams, PROTOCOL_VERSION, paramsHash } from './genesis/params.ts';
export { type HeldResponse, isHeldByEnough, signHolding, verifyHolding } from './inference/holding.ts';
export {
  type AttestationProjection,
  type Fate,
  fate,
  listAccounts,
  listAttestations,
  listInferences,
  listMeasurements,
  listMembers,
  listModels,
  listValidators,
  type MeasurementProjection,
  type MemberProjection,
  type ModelProjection,
  type NetworkProjection,
  openTasksOf,
  projectAttestation,
  projectInference,
  projectMember,
  projectModel,
  projectNetwork,
  projectRecord,
  type RecordProjection,
} from './state/projections.ts';
export { settingsOf } from './state/settings-of.ts';
export {
  type Account,
  type Attestation,
  type Eviction,
  initialState,
  type Keyset,
  type LedgerState,
  type MeasurementEntry,
  type Member,
  type Model,
  type NetworkSettings,
  type ScheduledPolicy,
} from './state/state.ts';
export { decodeState, encodeState, STATE_VERSION, type StateCode, stateDigest } from './state/state-codec.ts';
export type { Task, TaskExecutor, TaskReceipt, TaskStatus } from './state/task.ts';
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
} from './transactions/batch.ts';
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
} from './transactions/codes.ts';
export type { EndorsedPlatform, MeasurementStatus } from './transactions/common-shapes.ts';
export type { ProposalKind } from './transactions/proposal-kinds.ts';
export { MAX_INLINE_BYTES, type RequestedExecutor } from './transactions/request-fields.ts';
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
} from './transactions/transaction.ts';
export {
  type DeclineTaskPayload,
  type GrantModelKeyPayload,
  KIND_CODES,
  MAX_HOLDINGS,
  MAX_RECEIPT_BYTES,
  type PayloadByKind,
  type PublishModelPayload,
  type PutRecordPayload,
  parsePayload,
  type RefreshAttestationPayload,
  type RegisterAccountPayload,
  type RequestInferencePayload,
  type RevokeGrantPayload,
  type RevokeModelPayload,
  type SetMeasurementPayload,
  type SetPolicyPayload,
  type SubmitAttestationPayload,
  type SubmitEndorsementsPayload,
  type SubmitResultPayload,
  type TransactionKind,
} from './transactions/transaction-payloads.ts';
export {
  parseUploadClaim,
  signUploadClaim,
  UPLOAD_CLAIM_HEIGHTS_MAX,
  type UploadClaim,
  uploadClaimBytes,
} from './transactions/upload-claim.ts';
