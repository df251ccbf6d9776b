/** Events about one node's own attestation, members changed at will. */
import { type AppraisalPolicy, appraisalPolicyToJson } from '@cloister/attestation';
import { hash } from '@cloister/crypto';
import { asHeight, asMeasurement, toBase64, toHex } from '@cloister/encoding';
import type {
  AppraisalPolicyTookEffect,
  AttestationAccepted,
  AttestationEvicted,
  AttestationRefreshed,
  InferenceRequested,
  MeasurementRevoked,
  ModelGrantRevoked,
  ModelKeyGrantAuthorised,
  ModelPublished,
  ModelRevoked,
} from '@cloister/ledger';
import { appraisalPolicy, BASE_MEASUREMENT, IMAGE, keyPair, START_MS, seed } from '@cloister/testkit/fake-chain';

export const node = keyPair('validator 1').id;
export const keyset = hash('test/keyset');
const SEALED_KEY = toBase64(new Uint8Array(48));
export const hex32 = toHex(seed('a key'));
export const cause = { transaction: hash('test/transaction'), expiryHeight: asHeight(1000) };
export const evidenceDigest = hash('test/evidence');

export const accepted = (change: Partial<AttestationAccepted> = {}): AttestationAccepted => ({
  type: 'AttestationAccepted',
  ...cause,
  node,
  keyset,
  platform: 'sev-snp',
  product: 'Genoa',
  simulated: true,
  hardwareId: 'ab'.repeat(32),
  measurement: asMeasurement('5a'.repeat(48)),
  image: IMAGE,
  signKey: hex32,
  hpkeKey: hex32,
  tcbStatus: 'UpToDate',
  advisories: [],
  tcb: {},
  evidenceDigest,
  nonceHeight: asHeight(0),
  acceptedHeight: asHeight(1),
  acceptedTimeMs: START_MS + 1000,
  validUntilHeight: asHeight(50),
  validUntilMs: START_MS + 1_000_000,
  aliveUntilHeight: asHeight(10),
  retiredKeyset: null,
  crls: [],
  statements: [],
  policyDigest: hash('test/policy'),
  bundle: 'AA==',
  ...change,
});

export const refreshed = (
  attestationSequence: number,
  aliveUntilHeight: number,
  change: Partial<AttestationRefreshed> = {},
): AttestationRefreshed => ({
  type: 'AttestationRefreshed',
  ...cause,
  node,
  keyset,
  evidenceDigest,
  attestationSequence,
  refreshedHeight: asHeight(5),
  blockHash: hash('test/block'),
  aliveUntilHeight: asHeight(aliveUntilHeight),
  height: asHeight(6),
  ...change,
});

export const evicted = (attestationSequence: number, change: Partial<AttestationEvicted> = {}): AttestationEvicted => ({
  type: 'AttestationEvicted',
  node,
  keyset,
  attestationSequence,
  cause: 'policy',
  code: 'HARDWARE_BARRED',
  height: asHeight(6),
  ...change,
});

export const model = hash('test/model');
const owner = keyPair('owner').id;
const height = asHeight(2);

export const published: ModelPublished = {
  type: 'ModelPublished',
  ...cause,
  model,
  owner,
  manifest: {
    schema: 'cloister/model/v1',
    name: 'digits',
    version: '1',
    owner,
    onnxDigest: hash('onnx'),
    ciphertextDigest: hash('ciphertext'),
    size: 1000,
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 784] }],
    outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 10] }],
    engine: { name: 'onnxruntime-node', version: '1.30.0' },
    keyCommitment: hash('key'),
    releasePolicy: { images: [IMAGE], platforms: ['sev-snp'], mayReplicate: false },
    executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
  },
  height,
};

export const modelRevoked: ModelRevoked = { type: 'ModelRevoked', ...cause, model, owner, height };
export const grantRevoked: ModelGrantRevoked = {
  type: 'ModelGrantRevoked',
  ...cause,
  model,
  owner,
  node,
  keyset,
  height,
};

export const measurementRevoked: MeasurementRevoked = {
  type: 'MeasurementRevoked',
  ...cause,
  platform: 'sev-snp',
  measurement: BASE_MEASUREMENT,
  image: IMAGE,
  name: 'enclave',
  height,
};

/** A policy under which appraisal evicted nobody: the rule itself must see what it bars. */
export const policyTookEffect = (change: Partial<AppraisalPolicy>): AppraisalPolicyTookEffect => ({
  type: 'AppraisalPolicyTookEffect',
  appraisalPolicy: appraisalPolicyToJson({ ...appraisalPolicy, ...change }),
  policyDigest: hash('test/another policy'),
  height,
});

export const granted = (
  attestationSequence: number,
  change: Partial<ModelKeyGrantAuthorised> = {},
): ModelKeyGrantAuthorised => ({
  type: 'ModelKeyGrantAuthorised',
  ...cause,
  model,
  owner,
  node,
  keyset,
  measurement: asMeasurement('5a'.repeat(48)),
  image: IMAGE,
  attestationSequence,
  policyDigest: hash('test/policy'),
  enc: hex32,
  sealedKey: SEALED_KEY,
  height: asHeight(3),
  ...change,
});

export const requested = (
  attestationSequence: number,
  change: Partial<InferenceRequested> = {},
): InferenceRequested => ({
  type: 'InferenceRequested',
  ...cause,
  task: hash('test/task'),
  sender: keyPair('tenant').id,
  requestNonce: hex32,
  model,
  images: [IMAGE],
  executors: [{ node, keyset, attestationSequence, enc: hex32, sealedKey: SEALED_KEY }],
  threshold: 1,
  owner,
  deadlineMs: Number.MAX_SAFE_INTEGER,
  inputCommitment: hash('test/input'),
  keyCommitment: hash('test/key'),
  payloadDigest: hash('test/payload'),
  payloadSize: 1024,
  payload: null,
  policyDigest: hash('test/policy'),
  height: asHeight(3),
  ...change,
});
