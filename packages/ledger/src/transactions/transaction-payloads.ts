/**
 * What each kind of transaction carries, and the one strict validator of each.
 *
 * Payloads are canonical JSON; binary content is canonical base64, keys and digests are lowercase hex. A validator
 * checks form and bounds alone: whether the content is true or allowed is for the deciders.
 */
import { MAX_BUNDLE_BYTES, PLATFORMS, type Platform } from '@cloister/attestation';
import { LARGEST_SEALED_BYTES, type ModelManifest, modelManifestFromJson } from '@cloister/confidential';
import { HPKE_SEALED_KEY_BYTES, isAcceptableX25519Key } from '@cloister/crypto';
import {
  type AccountId,
  type Digest,
  fromHex,
  type Height,
  type JsonValue,
  type Measurement,
  type Result,
} from '@cloister/encoding';
import {
  account,
  anyJson,
  ascending,
  base64,
  count,
  digest,
  displayName,
  distinct,
  height,
  hex,
  matching,
  measurement,
  nullable,
  object,
  oneOf,
  parseShape,
  refuse,
  type Shape,
  text,
  via,
} from '@cloister/encoding/shape';
import { DECLINE_CODES, type DeclineCode } from './codes.ts';

/** Bytes of a sealed payload or response that travels inline; larger ones are blobs named by digest. */
export const MAX_INLINE_BYTES: number = 16 * 1024;
/** Bytes of a receipt envelope. */
export const MAX_RECEIPT_BYTES: number = 6 * 1024;
/** Executors that any request may name, whatever the parameters say (the bound of a RequestContext). */
export const MAX_EXECUTORS = 16;
/** Images that a request may allow (the bound of a RequestContext). */
export const MAX_IMAGES = 32;
/** Statements beside one receipt: a third of the most validators that a network has. */
export const MAX_HOLDINGS = 171;
const MAX_REFRESH_BYTES = 1024;

/** One value under (namespace, key); the first writer of a namespace owns it. */
export interface PutRecordPayload {
  /** 1 to 64 of a-z, 0-9, '.', '-', '_'. */
  readonly namespace: string;
  /** 1 to 256 characters. */
  readonly key: string;
  /** At most 8192 characters. */
  readonly value: string;
}

/** Evidence for the sender's enclave; the one kind that is taken from an unknown key. */
export interface SubmitAttestationPayload {
  /** base64 of `encodeEvidenceBundle`. */
  readonly bundle: string;
}

/** The enclave's signed word that it still lives, at a recent block. */
export interface RefreshAttestationPayload {
  /** base64 of an encoded, signed RefreshStatement of @cloister/attestation. */
  readonly statement: string;
}

export interface PublishModelPayload {
  /** Its owner is the sender. */
  readonly manifest: ModelManifest;
}

/** A model key sealed by its owner to one attested keyset. */
export interface GrantModelKeyPayload {
  readonly model: Digest;
  readonly keyset: Digest;
  /** HPKE encapsulated key, 32 bytes of hex. */
  readonly enc: string;
  /** base64. */
  readonly sealedKey: string;
}

/** By the owner: nobody executes the model any more, and its key is granted no more. */
export interface RevokeModelPayload {
  readonly model: Digest;
}

/** By the owner: this keyset does not execute the model any more, unless the owner grants it the key again. */
export interface RevokeGrantPayload {
  readonly model: Digest;
  readonly keyset: Digest;
}

/** An executor as a request names it; the node follows from the keyset. */
export interface RequestedExecutor {
  readonly keyset: Digest;
  /** HPKE encapsulated key, 32 bytes of hex. */
  readonly enc: string;
  /** base64 of the request key sealed to this keyset. */
  readonly sealedKey: string;
}

/**
 * A sealed request. The request context that is authenticated by the sealing is {chainId, sender, requestNonce, model,
 * images, keysets of executors in order, the transaction's expiryHeight, inputCommitment, keyCommitment}.
 */
export interface RequestInferencePayload {
  readonly model: Digest;
  /** 32 bytes of hex, fresh for every request; the task id is a function of chain, sender and this. */
  readonly requestNonce: string;
  /** Image digests that the tenant allows, ascending. */
  readonly images: readonly Digest[];
  readonly executors: readonly RequestedExecutor[];
  /** Equal receipts that complete the task: m with 2m > k. */
  readonly threshold: number;
  /** Milliseconds of block time after the block that executes the request within which receipts are taken. */
  readonly timeLimitMs: number;
  readonly inputCommitment: Digest;
  readonly keyCommitment: Digest;
  /** SHA-256 of the sealed payload. */
  readonly payloadDigest: Digest;
  /** Bytes of the sealed payload. */
  readonly payloadSize: number;
  /** base64 of the sealed payload, or null when it is a blob. */
  readonly payload: string | null;
}

export interface SubmitResultPayload {
  readonly task: Digest;
  /** base64 of the receipt's DSSE envelope. */
  readonly receipt: string;
  /** base64 of the sealed response, or null when it is a blob. */
  readonly response: string | null;
  /** Of a blob: the statements of validators that hold it (`signHolding`), each of another one. Otherwise none. */
  readonly holdings: readonly string[];
}

/** A named executor's node says that it will not execute, so that nobody waits for it. */
export interface DeclineTaskPayload {
  readonly task: Digest;
  readonly code: DeclineCode;
  /** A code in capitals, or empty; public. */
  readonly detail: string;
}

/** Endorsements of a vendor that are newer than those in use, without any evidence. */
export interface SubmitEndorsementsPayload {
  readonly platform: EndorsedPlatform;
  /** base64 of `encodeEndorsements`. */
  readonly endorsements: string;
}

/** One governance member's approval of the status of a pair of base measurement and image on a platform. */
export interface SetMeasurementPayload {
  readonly platform: Platform;
  readonly measurement: Measurement;
  /** Digest of the image manifest. */
  readonly image: Digest;
  readonly status: MeasurementStatus;
  /** Last height at which a pair in grace counts; null exactly for the other statuses. */
  readonly graceUntilHeight: Height | null;
  readonly name: string;
}

/** One governance member's approval of an appraisal policy. */
export interface SetPolicyPayload {
  /** `appraisalPolicyToJson` of @cloister/attestation. */
  readonly policy: JsonValue;
}

/** One governance member's approval of a new account. */
export interface RegisterAccountPayload {
  readonly account: AccountId;
  readonly name: string;
}

export interface PayloadByKind {
  readonly 'put-record': PutRecordPayload;
  readonly 'submit-attestation': SubmitAttestationPayload;
  readonly 'refresh-attestation': RefreshAttestationPayload;
  readonly 'publish-model': PublishModelPayload;
  readonly 'grant-model-key': GrantModelKeyPayload;
  readonly 'request-inference': RequestInferencePayload;
  readonly 'submit-result': SubmitResultPayload;
  readonly 'set-measurement': SetMeasurementPayload;
  readonly 'register-account': RegisterAccountPayload;
  readonly 'set-policy': SetPolicyPayload;
  readonly 'submit-endorsements': SubmitEndorsementsPayload;
  readonly 'revoke-model': RevokeModelPayload;
  readonly 'revoke-grant': RevokeGrantPayload;
  readonly 'decline-task': DeclineTaskPayload;
}
export type TransactionKind = keyof PayloadByKind;

/** The byte that stands for a kind on the wire. */
export const KIND_CODES: Readonly<Record<TransactionKind, number>> = {
  'put-record': 1,
  'submit-attestation': 2,
  'refresh-attestation': 3,
  'publish-model': 4,
  'grant-model-key': 5,
  'request-inference': 6,
  'submit-result': 7,
  'set-measurement': 8,
  'register-account': 9,
  'set-policy': 10,
  'submit-endorsements': 11,
  'revoke-model': 12,
  'revoke-grant': 13,
  'decline-task': 14,
};

export const namespaceName: Shape<string> = matching(
  /^[a-z0-9._-]+$/,
  64,
  'a namespace of a-z, 0-9, dot, dash, underscore',
);

export const platform: Shape<Platform> = oneOf(PLATFORMS);

/** Platforms whose vendors publish endorsements apart from evidence. */
export type EndorsedPlatform = Exclude<Platform, 'nitro'>;
export const endorsedPlatform: Shape<EndorsedPlatform> = oneOf<EndorsedPlatform>(['sev-snp', 'sgx', 'tdx']);

const MEASUREMENT_STATUSES = ['allowed', 'grace-until', 'revoked'] as const;
/** Allowed for good, allowed up to a height, or not allowed. */
export type MeasurementStatus = (typeof MEASUREMENT_STATUSES)[number];
export const measurementStatus: Shape<MeasurementStatus> = oneOf(MEASUREMENT_STATUSES);

export const modelManifest: Shape<ModelManifest> = via(modelManifestFromJson);

/** Codes alone: free text could carry what an enclave saw. */
export const declineDetail: Shape<string> = matching(/^[A-Z0-9_]*$/, 64, 'a code or nothing');

/** A key under HPKE in the exact form of its suite: what no enclave could open takes no slot of a task. */
export const sealedKey: Shape<string> = base64(HPKE_SEALED_KEY_BYTES, HPKE_SEALED_KEY_BYTES);

const encapsulated: Shape<string> = hex(32);
/** The encapsulated key beside it: one of small order opens to nothing. */
export const enc: Shape<string> = (value, path) => {
  const text = encapsulated(value, path);
  if (!isAcceptableX25519Key(fromHex(text))) refuse(path, 'no point of small order');
  return text;
};

const executor: Shape<RequestedExecutor> = object<RequestedExecutor>({ keyset: digest, enc, sealedKey });

const setMeasurementFields: Shape<SetMeasurementPayload> = object<SetMeasurementPayload>({
  platform,
  measurement,
  image: digest,
  status: measurementStatus,
  graceUntilHeight: nullable(height),
  name: displayName,
});

const setMeasurement: Shape<SetMeasurementPayload> = (value, path) => {
  const payload = setMeasurementFields(value, path);
  if ((payload.graceUntilHeight !== null) !== (payload.status === 'grace-until')) {
    refuse(`${path}.graceUntilHeight`, 'exactly with grace-until');
  }
  return payload;
};

/** The holder in hex, and a signature of 64 bytes in base64. */
const holding: Shape<string> = matching(/^[0-9a-f]{64}[0-9A-Za-z+/]{85}[AQgw]==$/, 152, 'a statement of a holder');

const submitResultFields: Shape<SubmitResultPayload> = object<SubmitResultPayload>({
  task: digest,
  receipt: base64(MAX_RECEIPT_BYTES, 2),
  response: nullable(base64(MAX_INLINE_BYTES, 1)),
  holdings: distinct(holding, (text) => text.slice(0, 64), { max: MAX_HOLDINGS }),
});

const submitResult: Shape<SubmitResultPayload> = (value, path) => {
  const payload = submitResultFields(value, path);
  if (payload.response !== null && payload.holdings.length > 0) {
    refuse(`${path}.holdings`, 'with a blob alone');
  }
  return payload;
};

const PAYLOADS: { readonly [K in TransactionKind]: Shape<PayloadByKind[K]> } = {
  'put-record': object<PutRecordPayload>({ namespace: namespaceName, key: text(256, 1), value: text(8192) }),
  'submit-attestation': object<SubmitAttestationPayload>({ bundle: base64(MAX_BUNDLE_BYTES, 1) }),
  'refresh-attestation': object<RefreshAttestationPayload>({ statement: base64(MAX_REFRESH_BYTES, 1) }),
  'publish-model': object<PublishModelPayload>({ manifest: modelManifest }),
  'grant-model-key': object<GrantModelKeyPayload>({ model: digest, keyset: digest, enc, sealedKey }),
  'request-inference': object<RequestInferencePayload>({
    model: digest,
    requestNonce: hex(32),
    images: ascending(digest, { min: 1, max: MAX_IMAGES }),
    executors: distinct(executor, ({ keyset }) => keyset, { min: 1, max: MAX_EXECUTORS }),
    threshold: count({ min: 1, max: MAX_EXECUTORS }),
    timeLimitMs: count({ min: 1 }),
    inputCommitment: digest,
    keyCommitment: digest,
    payloadDigest: digest,
    payloadSize: count({ min: 1, max: LARGEST_SEALED_BYTES }),
    payload: nullable(base64(MAX_INLINE_BYTES, 1)),
  }),
  'submit-result': submitResult,
  'set-measurement': setMeasurement,
  'register-account': object<RegisterAccountPayload>({ account, name: displayName }),
  'set-policy': object<SetPolicyPayload>({ policy: anyJson }),
  'submit-endorsements': object<SubmitEndorsementsPayload>({
    platform: endorsedPlatform,
    endorsements: base64(MAX_BUNDLE_BYTES, 1),
  }),
  'revoke-model': object<RevokeModelPayload>({ model: digest }),
  'revoke-grant': object<RevokeGrantPayload>({ model: digest, keyset: digest }),
  'decline-task': object<DeclineTaskPayload>({ task: digest, code: oneOf(DECLINE_CODES), detail: declineDetail }),
};

/** The payload of a kind from its parsed JSON, or 'SHAPE_MISMATCH' with the path of the first violation. */
export function parsePayload<K extends TransactionKind>(
  kind: K,
  value: JsonValue,
): Result<PayloadByKind[K], 'SHAPE_MISMATCH'> {
  return parseShape<PayloadByKind[K]>(PAYLOADS[kind], value);
}
