/**
 * The shape of each event's payload. They mirror the types of events.ts, which the compiler holds them to.
 */
import { type CrlSeen, MAX_BUNDLE_BYTES, type StatementSeen } from '@cloister/attestation';
import { MAX_EXECUTORS, RECEIPT_STATUSES } from '@cloister/confidential';
import { EVIDENCE_TYPES } from '@cloister/consensus';
import type { AccountId, Digest, ValidatorId } from '@cloister/encoding';
import {
  account,
  anyJson,
  array,
  base64,
  bool,
  count,
  digest,
  displayName,
  epoch,
  height,
  hex,
  measurement,
  nullable,
  object,
  oneOf,
  type Shape,
  text,
  view,
} from '@cloister/encoding/shape';
import { appraisedMembers, attestedMembers } from '../attestation/attested-fields.ts';
import { governance } from '../genesis/genesis.ts';
import { ledgerParams } from '../genesis/params.ts';
import { DECLINE_CODES, ELIGIBILITY_REASONS, FAILURE_CODES, REJECTION_CODES } from '../transactions/codes.ts';
import {
  declineDetail,
  enc,
  endorsedPlatform,
  modelManifest,
  namespaceName,
  platform,
  sealedKey,
} from '../transactions/common-shapes.ts';
import { PROPOSAL_KINDS } from '../transactions/proposal-kinds.ts';
import { executorMembers, MAX_INLINE_BYTES, requestMembers } from '../transactions/request-fields.ts';
import { MAX_HOLDINGS, MAX_RECEIPT_BYTES } from '../transactions/transaction-payloads.ts';
import type { LedgerEvent, LedgerEventType } from './events.ts';
import type { AuthorisedExecutor } from './inference-events.ts';

const MAX_DETAIL_LENGTH = 512;

type PayloadOf<T extends LedgerEventType> = Omit<Extract<LedgerEvent, { type: T }>, 'type'>;
type Fields<T extends LedgerEventType> = { readonly [K in keyof PayloadOf<T>]: Shape<PayloadOf<T>[K]> };

const validator: Shape<ValidatorId> = account as Shape<ValidatorId>;
const cause = { transaction: digest, expiryHeight: height };
const optionalCause = { transaction: nullable(digest), expiryHeight: nullable(height) };
const digests: Shape<readonly Digest[]> = array(digest, { max: MAX_EXECUTORS });
const holders: Shape<readonly AccountId[]> = array(account, { max: MAX_HOLDINGS });
const keyText: Shape<string> = text(256, 1);
const timeMs: Shape<number> = count();
const weight: Shape<number> = count();

const executor: Shape<AuthorisedExecutor> = object<AuthorisedExecutor>({
  ...executorMembers,
  node: account,
  attestationSequence: count(),
});
const crls: Shape<readonly CrlSeen[]> = array(
  object<CrlSeen>({ issuer: digest, number: hex(20), thisUpdateMs: timeMs, nextUpdateMs: timeMs }),
  { max: 16 },
);
const statements: Shape<readonly StatementSeen[]> = array(
  object<StatementSeen>({
    name: text(64, 1),
    issueDateMs: timeMs,
    nextUpdateMs: timeMs,
    tcbEvaluationDataNumber: count(),
  }),
  { max: 16 },
);
const pair = { platform, measurement, image: digest, name: displayName };
const ofAttestation = {
  node: account,
  keyset: digest,
  attestationSequence: count(),
  cause: oneOf(['policy', 'endorsements']),
};

export const FIELDS: { readonly [T in LedgerEventType]: Fields<T> } = {
  NetworkFounded: {
    chainId: digest,
    name: displayName,
    timeMs,
    params: ledgerParams,
    governance,
    trustAnchors: anyJson,
    appraisalPolicy: anyJson,
  },
  BlockBegun: { height, hash: digest, timeMs },
  RecordPut: { ...cause, sender: account, namespace: namespaceName, key: keyText, value: text(8192) },
  AccountRegistered: { ...optionalCause, account, name: displayName, height },
  MemberRegistered: { member: validator, name: displayName, weight, replaces: nullable(validator), height },
  GovernanceApproved: {
    ...cause,
    proposal: digest,
    kind: oneOf(PROPOSAL_KINDS),
    member: account,
    approvals: count({ min: 1 }),
    threshold: count({ min: 1 }),
    lapsesHeight: height,
    height,
  },
  MeasurementAllowed: { ...optionalCause, ...pair, effectiveHeight: height, height },
  MeasurementGraced: { ...cause, ...pair, graceUntilHeight: height, height },
  MeasurementRevoked: { ...cause, ...pair, height },
  AppraisalPolicyScheduled: {
    ...cause,
    appraisalPolicy: anyJson,
    loosenings: array(text(64, 1), { max: 64 }),
    effectiveHeight: height,
    height,
  },
  AppraisalPolicyTookEffect: { appraisalPolicy: anyJson, policyDigest: digest, height },
  AttestationAccepted: {
    ...cause,
    ...attestedMembers,
    retiredKeyset: nullable(digest),
    crls,
    statements,
    policyDigest: digest,
  },
  AttestationRefreshed: {
    ...cause,
    node: account,
    keyset: digest,
    evidenceDigest: digest,
    attestationSequence: count(),
    refreshedHeight: height,
    blockHash: digest,
    aliveUntilHeight: height,
    height,
  },
  AttestationReappraised: {
    ...ofAttestation,
    ...appraisedMembers,
    bundle: nullable(base64(MAX_BUNDLE_BYTES, 1)),
    height,
  },
  AttestationEvicted: { ...ofAttestation, code: text(64, 1), height },
  EndorsementsAccepted: {
    ...cause,
    platform: endorsedPlatform,
    crls,
    statements,
    endorsements: base64(MAX_BUNDLE_BYTES, 1),
    height,
  },
  ModelPublished: { ...cause, model: digest, owner: account, manifest: modelManifest, height },
  ModelKeyGrantAuthorised: {
    ...cause,
    model: digest,
    owner: account,
    node: account,
    keyset: digest,
    measurement,
    image: digest,
    attestationSequence: count(),
    policyDigest: digest,
    enc,
    sealedKey,
    height,
  },
  ModelRevoked: { ...cause, model: digest, owner: account, height },
  ModelGrantRevoked: { ...cause, model: digest, owner: account, node: account, keyset: digest, height },
  InferenceRequested: {
    ...cause,
    task: digest,
    sender: account,
    ...requestMembers,
    owner: account,
    executors: array(executor, { min: 1, max: MAX_EXECUTORS }),
    deadlineMs: timeMs,
    policyDigest: digest,
    height,
  },
  ReceiptAccepted: {
    ...cause,
    task: digest,
    requestSequence: count(),
    node: account,
    keyset: digest,
    attestationSequence: count(),
    model: digest,
    inputCommitment: digest,
    status: oneOf(RECEIPT_STATUSES),
    outputCommitment: digest,
    numericClass: text(64, 1),
    payloadDigest: digest,
    responseDigest: digest,
    policyDigest: digest,
    receiptDigest: digest,
    receipt: base64(MAX_RECEIPT_BYTES, 2),
    response: nullable(base64(MAX_INLINE_BYTES, 1)),
    holders,
    height,
  },
  ResponseWithheld: {
    ...cause,
    task: digest,
    node: account,
    keyset: digest,
    responseDigest: digest,
    receipt: base64(MAX_RECEIPT_BYTES, 2),
    holders,
    height,
  },
  InferenceCompleted: {
    task: digest,
    model: digest,
    sender: account,
    inputCommitment: digest,
    outputCommitment: digest,
    numericClass: text(64, 1),
    responseDigest: digest,
    keysets: digests,
    nodes: array(account, { max: MAX_EXECUTORS }),
    threshold: count({ min: 1 }),
    disputed: bool,
    height,
  },
  InferenceDisputed: { task: digest, keysets: digests, height },
  InferenceFailed: { task: digest, code: oneOf(FAILURE_CODES), receipts: count(), threshold: count(), height },
  ExecutorLapsed: {
    task: digest,
    node: account,
    keyset: digest,
    reasons: array(oneOf(ELIGIBILITY_REASONS), { min: 1, max: ELIGIBILITY_REASONS.length }),
    height,
  },
  AnswerMissed: { task: digest, node: account, keyset: digest, height },
  ExecutorDeclined: {
    ...cause,
    task: digest,
    node: account,
    keyset: digest,
    code: oneOf(DECLINE_CODES),
    detail: declineDetail,
    height,
  },
  EquivocationRecorded: {
    ...cause,
    task: digest,
    node: account,
    keyset: digest,
    acceptedReceiptDigest: digest,
    conflictingReceipt: base64(MAX_RECEIPT_BYTES, 2),
    reporter: account,
    height,
  },
  TransactionRejected: {
    id: digest,
    expiryHeight: height,
    sender: account,
    code: oneOf(REJECTION_CODES),
    detail: text(MAX_DETAIL_LENGTH),
    height,
  },
  UnknownSendersCounted: { batch: digest, author: validator, count: count({ min: 1 }), height },
  ValidatorEquivocated: { validator, kind: oneOf(EVIDENCE_TYPES), epoch, view, height },
  SnapshotTaken: { stateVersion: count({ min: 1 }), stateDigest: digest, eventCount: count(), height },
};
