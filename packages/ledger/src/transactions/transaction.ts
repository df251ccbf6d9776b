/**
 * The envelope of a transaction: what a sender signs, and its one encoding.
 *
 * Signed bytes: "CLOISTER/TX/1\0" ‖ chainId 32 ‖ sender 32 ‖ nonce 16 ‖ expiryHeight u64 ‖ kind u8 ‖ var(payload), the
 * payload in canonical JSON; the wire form appends the Ed25519 signature (64). The id covers the signed bytes and not the
 * signature, so that a second signature of the same content is the same transaction. There are no sequence numbers: a
 * random nonce and an expiry height make a transaction single use.
 */

import { type Ed25519KeyPair, hash, verifyEd25519 } from '@cloister/crypto';
import {
  type AccountId,
  accountBytes,
  assert,
  ByteWriter,
  canonicalJson,
  concatBytes,
  DecodeError,
  type Digest,
  decodeWith,
  fail,
  fromHex,
  type Height,
  ok,
  parseCanonicalJson,
  parseHeight,
  type Result,
  toHex,
  utf8,
} from '@cloister/encoding';
import { KIND_CODES, type PayloadByKind, parsePayload, type TransactionKind } from './transaction-payloads.ts';

const PREFIX: Uint8Array = utf8('CLOISTER/TX/1\0');
const SIGNATURE_BYTES = 64;
/** Everything but the payload. */
const ENVELOPE_BYTES: number = PREFIX.length + 32 + 32 + 16 + 8 + 1 + 4 + SIGNATURE_BYTES;
const MAX_PAYLOAD_DEPTH = 8;

/** Wire bytes of one transaction, signature included; leaves room for a batch's own envelope. */
export const MAX_TRANSACTION_BYTES: number = 31 * 1024;

/** What a sender decides. */
export type TransactionFields = {
  [K in TransactionKind]: {
    readonly chainId: Digest;
    readonly sender: AccountId;
    /** 16 bytes of hex, random. */
    readonly nonce: string;
    /** Last height at which it may be executed. */
    readonly expiryHeight: Height;
    readonly kind: K;
    readonly payload: PayloadByKind[K];
  };
}[TransactionKind];

/** A decoded transaction. `bytes` is its wire form; its signature is checked by `verifyTransaction` alone. */
export type Transaction = TransactionFields & { readonly id: Digest; readonly bytes: Uint8Array };

export type TransactionCode =
  | 'TRANSACTION_TOO_LARGE'
  | 'TRANSACTION_MALFORMED'
  | 'TRANSACTION_KIND_UNKNOWN'
  | 'PAYLOAD_NOT_CANONICAL'
  | 'PAYLOAD_MALFORMED';

const KIND_BY_CODE: ReadonlyMap<number, TransactionKind> = new Map(
  (Object.entries(KIND_CODES) as [TransactionKind, number][]).map(([kind, code]) => [code, kind]),
);

function transactionId(signedBytes: Uint8Array): Digest {
  return hash('cloister/transaction/v1', signedBytes);
}

/** The bytes that the sender signs. */
export function transactionSigningBytes(fields: TransactionFields): Uint8Array {
  const nonce = fromHex(fields.nonce);
  assert(nonce.length === 16, 'a transaction nonce has 16 bytes');
  return new ByteWriter(512)
    .fixed(PREFIX)
    .digest(fields.chainId)
    .account(fields.sender)
    .fixed(nonce)
    .u64(fields.expiryHeight)
    .u8(KIND_CODES[fields.kind])
    .var(utf8(canonicalJson(fields.payload)))
    .finish();
}

/** The wire form. The signature has 64 bytes. Content that `decodeTransaction` would refuse is a bug of the caller. */
export function encodeTransaction(fields: TransactionFields, signature: Uint8Array): Uint8Array {
  assert(signature.length === SIGNATURE_BYTES, 'an Ed25519 signature has 64 bytes');
  return concatBytes(transactionSigningBytes(fields), signature);
}

/** Signs as `fields.sender`, which must be the key pair's id. The result went through `decodeTransaction`. */
export function signTransaction(
  keyPair: Ed25519KeyPair,
  fields: TransactionFields,
): Result<Transaction, TransactionCode> {
  assert(keyPair.id === fields.sender, 'a transaction is signed by its sender');
  const signed = transactionSigningBytes(fields);
  return decodeTransaction(concatBytes(signed, keyPair.sign(signed)));
}

/** Parses the wire form strictly; the signature is only cut off, not checked. Never throws on input. */
export function decodeTransaction(bytes: Uint8Array): Result<Transaction, TransactionCode> {
  if (bytes.length > MAX_TRANSACTION_BYTES) return fail('TRANSACTION_TOO_LARGE', `${bytes.length} bytes`);
  const envelope = decodeWith(bytes, (reader) => {
    const prefix = reader.fixed(PREFIX.length);
    if (prefix.some((byte, index) => byte !== PREFIX[index])) throw new DecodeError('not a transaction');
    const chainId = reader.digest();
    const sender = reader.account();
    const nonce = toHex(reader.fixed(16));
    const expiryHeight = parseHeight(reader.u64());
    if (expiryHeight === undefined) throw new DecodeError('expiryHeight');
    const kindCode = reader.u8();
    const payloadBytes = reader.var(MAX_TRANSACTION_BYTES - ENVELOPE_BYTES);
    reader.fixed(SIGNATURE_BYTES);
    return { chainId, sender, nonce, expiryHeight, kindCode, payloadBytes };
  });
  if (!envelope.ok) return fail('TRANSACTION_MALFORMED', envelope.detail);
  const { kindCode, payloadBytes, ...rest } = envelope.value;
  const kind = KIND_BY_CODE.get(kindCode);
  if (kind === undefined) return fail('TRANSACTION_KIND_UNKNOWN', `kind ${kindCode}`);
  const json = parseCanonicalJson(payloadBytes, { maxBytes: MAX_TRANSACTION_BYTES, maxDepth: MAX_PAYLOAD_DEPTH });
  if (!json.ok) return fail('PAYLOAD_NOT_CANONICAL', json.code);
  const payload = parsePayload(kind, json.value);
  if (!payload.ok) return fail('PAYLOAD_MALFORMED', payload.detail);
  const own = Uint8Array.from(bytes);
  const id = transactionId(own.subarray(0, own.length - SIGNATURE_BYTES));
  return ok({ ...rest, kind, payload: payload.value, id, bytes: own } as Transaction);
}

/** Whether the sender signed it, under the ZIP-215 rule. Callers cache the answer by a digest of the wire bytes. */
export function verifyTransaction(transaction: Transaction): boolean {
  const { bytes, sender } = transaction;
  const split = bytes.length - SIGNATURE_BYTES;
  return verifyEd25519(accountBytes(sender), bytes.subarray(0, split), bytes.subarray(split));
}
