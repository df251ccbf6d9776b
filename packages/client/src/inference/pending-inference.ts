/**
 * A pending inference: all that the tenant needs to wait for it again, in this process or another.
 *
 * It holds the request's secrets, so its JSON form is for the tenant's own disk alone.
 */
import { PLATFORMS, type Platform } from '@cloister/attestation';
import { MAX_EXECUTORS } from '@cloister/confidential';
import {
  type AccountId,
  canonicalJson,
  type Digest,
  fromHex,
  type Measurement,
  parseHex,
  parseJson,
  toHex,
  utf8,
} from '@cloister/encoding';
import {
  account,
  array,
  digest,
  hex,
  mapped,
  measurement,
  oneOf,
  openObject,
  parsedBy,
  parseShape,
} from '@cloister/encoding/shape';
import { decodeTransaction, type Transaction } from '@cloister/ledger';
import { ClientError } from '../errors.ts';

/** An executor as the tenant verified it before sealing. */
export interface PendingExecutor {
  readonly node: AccountId;
  readonly keyset: Digest;
  readonly platform: Platform;
  readonly image: Digest;
  readonly measurement: Measurement;
  /** Ed25519, 32 bytes of hex. */
  readonly signKey: string;
}

export interface PendingInference {
  readonly task: Digest;
  readonly transaction: Transaction;
  readonly model: Digest;
  /** Salted ONNX digest of the model's manifest. */
  readonly onnxDigest: Digest;
  readonly executors: readonly PendingExecutor[];
  /** K, 32 bytes: secret. */
  readonly requestKey: Uint8Array;
  /** 32 bytes: secret. */
  readonly salt: Uint8Array;
}

/** Canonical JSON. SECRET: whoever reads it reads the inference. */
export function encodePendingInference(pending: PendingInference): Uint8Array {
  const { transaction, requestKey, salt, executors, ...plain } = pending;
  return utf8(
    canonicalJson({
      ...plain,
      executors: executors.map((executor) => ({ ...executor })),
      transaction: toHex(transaction.bytes),
      requestKey: toHex(requestKey),
      salt: toHex(salt),
    }),
  );
}

const keyBytes = mapped(hex(32), fromHex);

const pendingShape = openObject({
  task: digest,
  transaction: parsedBy((value) => parseHex(value), 'bytes in lowercase hex'),
  model: digest,
  onnxDigest: digest,
  executors: array(
    openObject<PendingExecutor>({
      node: account,
      keyset: digest,
      platform: oneOf(PLATFORMS),
      image: digest,
      measurement,
      signKey: hex(32),
    }),
    { max: MAX_EXECUTORS },
  ),
  requestKey: keyBytes,
  salt: keyBytes,
});

/** Throws PENDING_MALFORMED for what `encodePendingInference` did not make. */
export function decodePendingInference(bytes: Uint8Array): PendingInference {
  const parsed = parseJson(bytes, { maxBytes: 256 * 1024, maxDepth: 4 });
  const read = parsed.ok ? parseShape(pendingShape, parsed.value, 'pending') : parsed;
  if (!read.ok) throw new ClientError('PENDING_MALFORMED', read.detail);
  const transaction = decodeTransaction(read.value.transaction);
  if (!transaction.ok) throw new ClientError('PENDING_MALFORMED', transaction.code);
  return { ...read.value, transaction: transaction.value };
}
