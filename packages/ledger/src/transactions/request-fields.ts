/**
 * What a request for an inference says, once: the transaction and the event that it becomes are made of these members, and so
 * are their shapes.
 */
import { LARGEST_SEALED_BYTES, MAX_ALLOWED_IMAGES, MAX_EXECUTORS } from '@cloister/confidential';
import type { Digest } from '@cloister/encoding';
import { ascending, base64, count, digest, hex, type Members, nullable } from '@cloister/encoding/shape';
import { enc, sealedKey } from './common-shapes.ts';

/** Bytes of a sealed payload or response that travels inline; larger ones are blobs named by digest. */
export const MAX_INLINE_BYTES: number = 16 * 1024;

/** An executor as a request names it; the node follows from the keyset. */
export interface RequestedExecutor {
  readonly keyset: Digest;
  /** HPKE encapsulated key, 32 bytes of hex. */
  readonly enc: string;
  /** base64 of the request key sealed to this keyset. */
  readonly sealedKey: string;
}

export const executorMembers: Members<RequestedExecutor> = { keyset: digest, enc, sealedKey };

export interface RequestFields {
  readonly model: Digest;
  /** 32 bytes of hex, fresh for every request; the task id is a function of chain, sender and this. */
  readonly requestNonce: string;
  /** Image digests that the tenant allows, ascending. */
  readonly images: readonly Digest[];
  /** Equal receipts that complete the task: m with 2m > k. */
  readonly threshold: number;
  readonly inputCommitment: Digest;
  readonly keyCommitment: Digest;
  /** SHA-256 of the sealed payload. */
  readonly payloadDigest: Digest;
  /** Bytes of the sealed payload. */
  readonly payloadSize: number;
  /** base64 of the sealed payload, or null when it is a blob. */
  readonly payload: string | null;
}

export const requestMembers: Members<RequestFields> = {
  model: digest,
  requestNonce: hex(32),
  images: ascending(digest, { min: 1, max: MAX_ALLOWED_IMAGES }),
  threshold: count({ min: 1, max: MAX_EXECUTORS }),
  inputCommitment: digest,
  keyCommitment: digest,
  payloadDigest: digest,
  payloadSize: count({ min: 1, max: LARGEST_SEALED_BYTES }),
  payload: nullable(base64(MAX_INLINE_BYTES, 1)),
};
