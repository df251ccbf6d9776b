/**
 * What each kind of transaction carries, and the one strict validator of each.
 *
 * Payloads are canonical JSON; binary content is canonical base64, keys and digests are lowercase hex. A validator
 * checks form and bounds alone: whether the content is true or allowed is for the deciders.
 */

import { MAX_BUNDLE_BYTES, type Platform } from '@cloister/attestation';
import type { ModelManifest } from '@cloister/confidential';
import { MAX_EXECUTORS } from '@cloister/confidential';
import type { AccountId, Digest, Height, JsonValue, Measurement, Result } from '@cloister/encoding';
import {
  account,
  anyJson,
  base64,
  count,
  digest,
  displayName,
  distinct,
  height,
  matching,
  measurement,
  nullable,
  object,
  oneOf,
  parseShape,
  refuse,
  type Shape,
  text,
} from '@cloister/encoding/shape';
import { DECLINE_CODES, type DeclineCode } from './codes.ts';
import {
  declineDetail,
  type EndorsedPlatform,
  enc,
  endorsedPlatform,
  type MeasurementStatus,
  measurementStatus,
  modelManifest,
  namespaceName,
  platform,
  sealedKey,
} from './common-shapes.ts';
import {
  executorMembers,
  MAX_INLINE_BYTES,
  type RequestedExecutor,
  type RequestFields,
  requestMembers,
} from './request-fields.ts';

/** Bytes of a receipt envelope. */
export const MAX_RECEIPT_BYTES: number = 6 * 1024;
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

/** The enclave's signed statement that it still runs, at a recent block. */
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

/**
 * A sealed request. The request context that is authenticated by the sealing is {chainId, sender, requestNonce, model,
 * images, keysets of executors in order, the transaction's expiryHeight, inputCommitment, keyCommitment}.
 */
export interface RequestInferencePayload extends RequestFields {
  readonly executors: readonly RequestedExecutor[];
  /** Milliseconds of block time after the block that executes the request within which receipts are taken. */
  readonly timeLimitMs: number;
}

export interface SubmitResultPayload {
  readonly task: Digest;
  /** base64 of the receipt's DSSE envelope. */
  readonly receipt: string;
  /** base64 of the sealed response, or null when it is a blob. */
  readonly response: string | null;
  /** For a blob: statements of different validators that hold it (`signHolding`). Otherwise none. */
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

const executor: Shape<RequestedExecutor> = object<RequestedExecutor>(executorMembers);

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
    ...requestMembers,
    executors: distinct(executor, ({ keyset }) => keyset, { min: 1, max: MAX_EXECUTORS }),
    timeLimitMs: count({ min: 1 }),
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
