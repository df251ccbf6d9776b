/**
 * A batch: transactions that one validator packed and signed, the unit of gossip and of a proposal's body.
 *
 * Signed bytes: "CLOISTER/BATCH/1\0" ‖ chainId 32 ‖ author 32 ‖ epoch u64 ‖ lane u8 ‖ expiryHeight u64 ‖ count u32 ‖
 * var(transaction)…; then the author's signature (64). The id covers the signed bytes. A batch is valid or invalid as a
 * whole: a malformed, badly signed or misplaced transaction makes the batch invalid, and any block that names it.
 */

import { type Ed25519KeyPair, hash, verifyEd25519 } from '@cloister/crypto';
import {
  type AccountId,
  accountBytes,
  assert,
  ByteWriter,
  concatBytes,
  DecodeError,
  type Digest,
  decodeWith,
  type Epoch,
  fail,
  type Height,
  ok,
  parseEpoch,
  parseHeight,
  type Result,
  utf8,
  type ValidatorId,
} from '@cloister/encoding';
import { decodeTransaction, MAX_TRANSACTION_BYTES, type Transaction, verifyTransaction } from './transaction.ts';
import type { TransactionKind } from './transaction-payloads.ts';

const PREFIX: Uint8Array = utf8('CLOISTER/BATCH/1\0');
const SIGNATURE_BYTES = 64;

/** Wire bytes of one batch. */
export const MAX_BATCH_BYTES: number = 32 * 1024;
/** Wire bytes of a batch around its transactions; each transaction adds 4 bytes of length. */
export const BATCH_ENVELOPE_BYTES: number = PREFIX.length + 32 + 32 + 8 + 1 + 8 + 4 + SIGNATURE_BYTES;
/** No transaction is smaller than its envelope, so no batch holds more. */
const MAX_TRANSACTIONS = 512;

/** Lanes keep a flood of one kind from starving another; in order of priority. */
export const LANES = ['attestation', 'governance', 'result', 'normal'] as const;
export type Lane = (typeof LANES)[number];

export interface BatchFields {
  readonly chainId: Digest;
  readonly author: ValidatorId;
  readonly epoch: Epoch;
  readonly lane: Lane;
  /** Last height of a block that may name it. */
  readonly expiryHeight: Height;
  /** Wire forms, 1 or more, in order of execution. */
  readonly transactions: readonly Uint8Array[];
}
/** A decoded batch; nothing about its signature or its transactions is checked yet. */
export interface Batch extends BatchFields {
  readonly id: Digest;
  readonly bytes: Uint8Array;
}
/** A batch whose signature and transactions passed. */
export interface VerifiedBatch {
  readonly batch: Batch;
  readonly transactions: readonly Transaction[];
}

export type BatchDecodeCode = 'BATCH_TOO_LARGE' | 'BATCH_MALFORMED';
export type BatchCode =
  | 'BATCH_WRONG_CHAIN'
  | 'BATCH_SIGNATURE_INVALID'
  | 'BATCH_TRANSACTION_INVALID'
  | 'BATCH_TRANSACTION_SIGNATURE_INVALID'
  | 'BATCH_TRANSACTION_WRONG_CHAIN'
  | 'BATCH_TRANSACTION_REPEATED'
  | 'BATCH_LANE_MISMATCH';

/** The lane that a kind of transaction travels in. */
export function laneOf(kind: TransactionKind): Lane {
  switch (kind) {
    case 'submit-attestation':
    case 'refresh-attestation':
    case 'submit-endorsements':
      return 'attestation';
    case 'set-measurement':
    case 'set-policy':
    case 'register-account':
      return 'governance';
    case 'submit-result':
    case 'decline-task':
      return 'result';
    case 'put-record':
    case 'publish-model':
    case 'grant-model-key':
    case 'revoke-model':
    case 'revoke-grant':
    case 'request-inference':
      return 'normal';
  }
}

function signingBytes(fields: BatchFields): Uint8Array {
  const writer = new ByteWriter(MAX_BATCH_BYTES)
    .fixed(PREFIX)
    .digest(fields.chainId)
    .account(fields.author)
    .u64(fields.epoch)
    .u8(LANES.indexOf(fields.lane))
    .u64(fields.expiryHeight)
    .u32(fields.transactions.length);
  for (const transaction of fields.transactions) writer.var(transaction);
  return writer.finish();
}

/** Signs a batch as its author. One above `MAX_BATCH_BYTES` or without transactions is a bug of the caller. */
export function signBatch(keyPair: Ed25519KeyPair, fields: BatchFields): Batch {
  assert((keyPair.id as AccountId) === fields.author, 'a batch is signed by its author');
  const signed = signingBytes(fields);
  const decoded = decodeBatch(concatBytes(signed, keyPair.sign(signed)));
  assert(decoded.ok, 'signBatch: over the limits of a batch');
  return decoded.value;
}

/** The wire form. */
export function encodeBatch(batch: Batch): Uint8Array {
  return batch.bytes;
}

export function decodeBatch(bytes: Uint8Array): Result<Batch, BatchDecodeCode> {
  if (bytes.length > MAX_BATCH_BYTES) return fail('BATCH_TOO_LARGE', `${bytes.length} bytes`);
  const own = Uint8Array.from(bytes);
  const fields = decodeWith(own, (reader): BatchFields => {
    const prefix = reader.fixed(PREFIX.length);
    if (prefix.some((byte, index) => byte !== PREFIX[index])) throw new DecodeError('not a batch');
    const chainId = reader.digest();
    const author = reader.account() as ValidatorId;
    const epoch = parseEpoch(reader.u64());
    const lane = LANES[reader.u8()];
    const expiryHeight = parseHeight(reader.u64());
    const count = reader.u32();
    if (epoch === undefined || lane === undefined || expiryHeight === undefined) throw new DecodeError('header');
    if (count < 1 || count > MAX_TRANSACTIONS) throw new DecodeError('number of transactions');
    const transactions: Uint8Array[] = [];
    for (let i = 0; i < count; i++) transactions.push(reader.var(MAX_TRANSACTION_BYTES));
    reader.fixed(SIGNATURE_BYTES);
    return { chainId, author, epoch, lane, expiryHeight, transactions };
  });
  if (!fields.ok) return fail('BATCH_MALFORMED', fields.detail);
  return ok({ ...fields.value, id: batchIdOf(own), bytes: own });
}

/** The id that a batch of these wire bytes has, whether or not they are one. */
export function batchIdOf(bytes: Uint8Array): Digest {
  return hash('cloister/batch/v1', bytes.subarray(0, Math.max(0, bytes.length - SIGNATURE_BYTES)));
}

/** Whether the author signed the batch; says nothing about its transactions. */
export function verifyBatchSignature(batch: Batch): boolean {
  const split = batch.bytes.length - SIGNATURE_BYTES;
  return verifyEd25519(accountBytes(batch.author), batch.bytes.subarray(0, split), batch.bytes.subarray(split));
}

/**
 * Checks everything about a batch that does not depend on state: chain, author's signature, and each transaction's form,
 * chain, lane and signature. `signatureChecked` lets a caller skip signatures that it verified before: it must answer
 * for exactly these wire bytes, not for the id, which leaves the signature out.
 */
export function verifyBatch(
  batch: Batch,
  rules: { readonly chainId: Digest; readonly signatureChecked?: (transaction: Transaction) => boolean },
): Result<VerifiedBatch, BatchCode> {
  if (batch.chainId !== rules.chainId) return fail('BATCH_WRONG_CHAIN');
  if (!verifyBatchSignature(batch)) return fail('BATCH_SIGNATURE_INVALID');
  const seen = new Set<Digest>();
  const transactions: Transaction[] = [];
  for (const bytes of batch.transactions) {
    const decoded = decodeTransaction(bytes);
    if (!decoded.ok) return fail('BATCH_TRANSACTION_INVALID', `${decoded.code} ${decoded.detail ?? ''}`);
    const transaction = decoded.value;
    if (transaction.chainId !== rules.chainId) return fail('BATCH_TRANSACTION_WRONG_CHAIN', transaction.id);
    if (laneOf(transaction.kind) !== batch.lane) return fail('BATCH_LANE_MISMATCH', transaction.id);
    if (seen.has(transaction.id)) return fail('BATCH_TRANSACTION_REPEATED', transaction.id);
    seen.add(transaction.id);
    transactions.push(transaction);
  }
  for (const transaction of transactions) {
    if (rules.signatureChecked?.(transaction) !== true && !verifyTransaction(transaction)) {
      return fail('BATCH_TRANSACTION_SIGNATURE_INVALID', transaction.id);
    }
  }
  return ok({ batch, transactions });
}
