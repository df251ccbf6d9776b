/**
 * The receipt: an executor's signed statement of what computed which output from which input.
 *
 * A DSSE envelope over an in-toto Statement v1 whose subject is the output's commitment. Every field is a function of the
 * request event, the attested enclave and the output, and Ed25519 is deterministic, so an executor has one receipt for
 * one result, byte for byte.
 */
import {
  type AccountId,
  assert,
  canonicalJson,
  type Digest,
  type Height,
  type Measurement,
  ok,
  type Result,
  utf8,
} from '@cloister/encoding';
import {
  account,
  bool,
  digest,
  height,
  literal,
  mapped,
  measurement,
  object,
  oneOf,
  single,
} from '@cloister/encoding/shape';
import { type DocumentErrorCode, plainName, readDocument } from '../document.ts';
import { type DsseEnvelope, dssePae, encodeDsse, IN_TOTO_PAYLOAD_TYPE, parseDsse, verifyDsse } from './dsse.ts';

export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const RECEIPT_PREDICATE_TYPE = 'urn:cloister:inference-receipt:v2';
export const RECEIPT_BYTES_MAX: number = 6 * 1024;
const STATEMENT_BYTES_MAX: number = 4 * 1024;
/** Name of the digest in the statement's subject: not the plain SHA-256 of an artifact, hence a name of its own. */
const COMMITMENT_DIGEST = 'cloisterOutputV1';

/** Engine build and the class within which its results are bit-identical, such as 'avx2' or 'wasm'. */
export interface ReceiptEngine {
  readonly name: string;
  readonly version: string;
  readonly numericClass: string;
}

export const RECEIPT_STATUSES = ['completed', 'failed'] as const;
export type ReceiptStatus = (typeof RECEIPT_STATUSES)[number];

export interface ReceiptStatement {
  readonly chainId: Digest;
  readonly task: Digest;
  /** Id of the request transaction. */
  readonly transaction: Digest;
  readonly model: Digest;
  /** Salted ONNX digest of the model's manifest. */
  readonly onnxDigest: Digest;
  readonly inputCommitment: Digest;
  /**
   * 'failed': the run gave no output for a reason that another executor may not meet (it took too long, the engine died).
   * Commitment and response are then of the reason, which the tenant alone can read.
   */
  readonly status: ReceiptStatus;
  readonly outputCommitment: Digest;
  /** SHA-256 of the sealed response. */
  readonly responseDigest: Digest;
  /** Digest of the enclave image's manifest. */
  readonly image: Digest;
  /** Base measurement of the accepted evidence. */
  readonly measurement: Measurement;
  readonly policyDigest: Digest;
  /** Height of the request event. */
  readonly height: Height;
  readonly engine: ReceiptEngine;
  readonly executor: AccountId;
  readonly keyset: Digest;
  /** Whether the enclave's evidence stands on simulated trust anchors. */
  readonly simulated: boolean;
}

/** A parsed receipt. `verifyReceipt` says whether it is signed. */
export interface Receipt {
  readonly statement: ReceiptStatement;
  readonly envelope: DsseEnvelope;
}

export type ReceiptErrorCode = DocumentErrorCode | 'PAYLOAD_TYPE' | 'KEY_ID_MISMATCH';

/** Canonical bytes of the in-toto statement. */
export function buildReceiptStatement(statement: ReceiptStatement): Uint8Array {
  const { outputCommitment, ...predicate } = statement;
  const bytes = utf8(
    canonicalJson({
      _type: STATEMENT_TYPE,
      subject: [{ name: 'output', digest: { [COMMITMENT_DIGEST]: outputCommitment } }],
      predicateType: RECEIPT_PREDICATE_TYPE,
      predicate,
    }),
  );
  const parsed = parseReceiptStatement(bytes);
  assert(parsed.ok, `buildReceiptStatement: ${parsed.ok ? '' : parsed.detail}`);
  return bytes;
}

const predicateShape = object<Omit<ReceiptStatement, 'outputCommitment'>>({
  chainId: digest,
  task: digest,
  transaction: digest,
  model: digest,
  onnxDigest: digest,
  inputCommitment: digest,
  status: oneOf(RECEIPT_STATUSES),
  responseDigest: digest,
  image: digest,
  measurement,
  policyDigest: digest,
  height,
  engine: object<ReceiptEngine>({ name: plainName(64), version: plainName(64), numericClass: plainName(64) }),
  executor: account,
  keyset: digest,
  simulated: bool,
});

const statementShape = mapped(
  object({
    _type: literal(STATEMENT_TYPE),
    subject: single(object({ name: literal('output'), digest: object({ [COMMITMENT_DIGEST]: digest }) })),
    predicateType: literal(RECEIPT_PREDICATE_TYPE),
    predicate: predicateShape,
  }),
  ({ subject, predicate }): ReceiptStatement => ({ ...predicate, outputCommitment: subject.digest[COMMITMENT_DIGEST] }),
);

/** The statement in canonical bytes, or why they are none. */
export function parseReceiptStatement(bytes: Uint8Array): Result<ReceiptStatement, DocumentErrorCode> {
  return readDocument(bytes, { maxBytes: STATEMENT_BYTES_MAX, maxDepth: 4 }, statementShape, 'statement');
}

/** Builds, signs and encodes a receipt. `sign` is Ed25519 under the attested sign key. */
export function encodeReceipt(statement: ReceiptStatement, sign: (message: Uint8Array) => Uint8Array): Uint8Array {
  const payload = buildReceiptStatement(statement);
  const signature = sign(dssePae(IN_TOTO_PAYLOAD_TYPE, payload));
  return encodeDsse({ payloadType: IN_TOTO_PAYLOAD_TYPE, payload, keyId: statement.keyset, signature });
}

/** A receipt in canonical bytes of at most 6 KiB. The signature is not checked here. */
export function parseReceipt(bytes: Uint8Array): Result<Receipt, ReceiptErrorCode> {
  const envelope = parseDsse(bytes, RECEIPT_BYTES_MAX);
  if (!envelope.ok) return envelope;
  if (envelope.value.payloadType !== IN_TOTO_PAYLOAD_TYPE) return { ok: false, code: 'PAYLOAD_TYPE' };
  const statement = parseReceiptStatement(envelope.value.payload);
  if (!statement.ok) return statement;
  // The key id is outside the signature: holding it to the signed keyset leaves one spelling of a receipt.
  if (envelope.value.keyId !== statement.value.keyset) return { ok: false, code: 'KEY_ID_MISMATCH' };
  return ok({ statement: statement.value, envelope: envelope.value });
}

/** Whether a receipt is signed by the attested sign key, an Ed25519 public key of 32 bytes. */
export function verifyReceipt(receipt: Receipt, signKey: Uint8Array): Result<void, 'SIGNATURE_INVALID'> {
  return verifyDsse(receipt.envelope, signKey);
}
