/**
 * An inference under way: all that the tenant needs to wait for it again, in this process or another.
 *
 * It holds the request's secrets. Its JSON form is for the tenant's own disk.
 */
import { PLATFORMS, type Platform } from '@cloister/attestation';
import {
  type AccountId,
  canonicalJson,
  type Digest,
  type JsonValue,
  type Measurement,
  parseAccountId,
  parseDigest,
  parseHex,
  parseJson,
  parseMeasurement,
  toHex,
  utf8,
} from '@cloister/encoding';
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

function refuse(): never {
  throw new ClientError('PENDING_MALFORMED');
}

function readExecutor(value: JsonValue): PendingExecutor {
  const fields = value as Record<string, JsonValue>;
  const { signKey } = fields;
  const platform = PLATFORMS.find((one) => one === fields.platform) ?? refuse();
  if (typeof signKey !== 'string' || parseHex(signKey, 32) === undefined) refuse();
  return {
    node: parseAccountId(fields.node) ?? refuse(),
    keyset: parseDigest(fields.keyset) ?? refuse(),
    platform,
    image: parseDigest(fields.image) ?? refuse(),
    measurement: parseMeasurement(fields.measurement) ?? refuse(),
    signKey,
  };
}

/** Throws PENDING_MALFORMED for what `encodePendingInference` did not make. */
export function decodePendingInference(bytes: Uint8Array): PendingInference {
  const parsed = parseJson(bytes, { maxBytes: 256 * 1024, maxDepth: 4 });
  if (!parsed.ok || typeof parsed.value !== 'object' || parsed.value === null) return refuse();
  const fields = parsed.value as Record<string, JsonValue>;
  const { executors } = fields;
  const isList = Array.isArray(executors) && executors.every((one) => typeof one === 'object' && one !== null);
  if (!isList) return refuse();
  const transaction = decodeTransaction(parseHex(fields.transaction) ?? refuse());
  if (!transaction.ok) return refuse();
  return {
    task: parseDigest(fields.task) ?? refuse(),
    transaction: transaction.value,
    model: parseDigest(fields.model) ?? refuse(),
    onnxDigest: parseDigest(fields.onnxDigest) ?? refuse(),
    executors: (executors as readonly JsonValue[]).map(readExecutor),
    requestKey: parseHex(fields.requestKey, 32) ?? refuse(),
    salt: parseHex(fields.salt, 32) ?? refuse(),
  };
}
