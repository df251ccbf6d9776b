/**
 * @cloister/consensus: stake-weighted Simplex as a pure state machine, with its messages, evidence and light client.
 */

export {
  bareCertificate,
  type CertificateCode,
  checkSignature,
  isBare,
  makeCertificate,
  type SignatureCheck,
  signersOf,
  verifyCertificate,
  votesOf,
} from './certificates/certificate.ts';
export {
  decodeFinalityProof,
  encodeFinalityProof,
  readFinalityProof,
  writeFinalityProof,
} from './certificates/finality-codec.ts';
export { justificationHash } from './certificates/justification.ts';
export { makeValidatorSet, quorumOf, validatorIndex, weightOf } from './certificates/validator-set.ts';
export {
  conflictEvidence,
  conflictOf,
  evidenceKey,
  type FaultEvidenceCode,
  faultKey,
  faultOf,
  verifyFaultEvidence,
} from './evidence/evidence.ts';
export { decodeFaultEvidence, EVIDENCE_TYPES, encodeFaultEvidence } from './evidence/evidence-codec.ts';
export {
  decodeGuardRecord,
  encodeGuardRecord,
  type GuardRecordCode,
  guardFloorKey,
  guardRecordKey,
  recoverGuard,
} from './guard/guard-codec.ts';
export {
  compareRounds,
  emptyGuard,
  type GuardHead,
  type GuardRecord,
  type GuardRefusal,
  type GuardState,
  type OwnVotes,
  SignGuard,
  type SigningContext,
  type SigningKey,
} from './guard/sign-guard.ts';
export { leaderOf, leaderSchedule } from './leaders/leader.ts';
export type { LeaderRecord } from './leaders/leader-reputation.ts';
export {
  acceptHeader,
  enterEpoch,
  type FinalityCode,
  type GenesisTrust,
  type LightClientState,
  trustGenesis,
  verifyFinality,
} from './light-client/light-client.ts';
export { createMachine } from './machine/create.ts';
export type { MachineState } from './machine/state.ts';
export { blockHolders, machineStatus, step } from './machine/step.ts';
export { type Useless, uselessAtAGlimpse } from './machine/useful.ts';
export {
  DEFAULT_TIMING,
  type Effect,
  FORGERY_CODES,
  type HaltCode,
  type Input,
  type MachineConfig,
  type MachineStatus,
  type MessageRejectionCode,
  type RecoveredState,
  type TimerName,
  type Timing,
} from './machine-types.ts';
export {
  blockHashOf,
  blockOf,
  bodyHashOf,
  decodeBody,
  decodeCertificate,
  decodeHeader,
  type EncodedBlock,
  encodeBody,
  encodeCertificate,
  encodedBlockOf,
  encodeHeader,
  HEADER_VERSION,
} from './messages/block-codec.ts';
export {
  MAX_BATCHES_PER_BLOCK,
  MAX_BODY_BYTES,
  MAX_EVIDENCE_AGE_VIEWS,
  MAX_EVIDENCE_BYTES,
  MAX_EVIDENCE_PER_BLOCK,
  MAX_PROOF_PATH,
  MAX_PROPOSAL_BYTES,
  MAX_VALIDATORS,
  MAX_VOTE_FRAME_BYTES,
} from './messages/limits.ts';
export {
  decodeMessage,
  encodeMessage,
  type Glimpse,
  glimpseMessage,
  MESSAGE_LIMITS,
  type MessageLimits,
} from './messages/message-codec.ts';
export { parseStatementBytes, sameProposition, sameStatement, statementBytes } from './messages/signed-bytes.ts';
export type {
  BadJustificationEvidence,
  Block,
  BlockMessage,
  BlockRequest,
  Body,
  Certificate,
  CertRequest,
  ConflictEvidence,
  ConflictType,
  ConsensusMessage,
  FaultEvidence,
  FaultEvidenceType,
  FinalityProof,
  Finalization,
  Header,
  Justification,
  LastFinal,
  Notarization,
  Nullification,
  NullifyStatement,
  NullifyVote,
  Proposal,
  Proposition,
  PropositionCertificate,
  PropositionKind,
  PropositionStatement,
  PropositionVote,
  ProvenFault,
  Recall,
  RecallRequest,
  Round,
  SignedStatement,
  Statement,
  StatementKind,
  Status,
  Validator,
  ValidatorSet,
  Vote,
  VoteKind,
} from './messages/types.ts';
