/** Events about one node's own attestation, members changed at will. */
import { asHeight, asMeasurement, hash, toHex } from '@cloister/crypto';
import type {
  AttestationAccepted,
  AttestationEvicted,
  AttestationReappraised,
  AttestationRefreshed,
  InferenceRequested,
  ModelKeyGrantAuthorised,
} from '@cloister/ledger';
import { IMAGE, keyPair, START_MS, seed } from './fake-chain.ts';

export const node = keyPair('validator 1').id;
export const keyset = hash('test/keyset');
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

export const reappraised = (
  attestationSequence: number,
  change: Partial<AttestationReappraised> = {},
): AttestationReappraised => ({
  type: 'AttestationReappraised',
  node,
  keyset,
  attestationSequence,
  cause: 'endorsements',
  tcbStatus: 'UpToDate',
  advisories: [],
  tcb: {},
  validUntilHeight: asHeight(50),
  validUntilMs: START_MS + 1_000_000,
  aliveUntilHeight: asHeight(10),
  bundle: null,
  height: asHeight(6),
  ...change,
});

export const granted = (
  attestationSequence: number,
  change: Partial<ModelKeyGrantAuthorised> = {},
): ModelKeyGrantAuthorised => ({
  type: 'ModelKeyGrantAuthorised',
  ...cause,
  model: hash('test/model'),
  owner: keyPair('owner').id,
  node,
  keyset,
  measurement: asMeasurement('5a'.repeat(48)),
  image: IMAGE,
  attestationSequence,
  policyDigest: hash('test/policy'),
  enc: hex32,
  sealedKey: 'AA==',
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
  model: hash('test/model'),
  images: [IMAGE],
  executors: [{ node, keyset, attestationSequence, enc: hex32, sealedKey: 'AA==' }],
  threshold: 1,
  owner: keyPair('owner').id,
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
