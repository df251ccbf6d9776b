/**
 * Routes for transactions: handing one in, and asking what became of it. Signatures are checked here, so that the
 * thread that votes sees only good ones.
 */
import { type Digest, parseJson } from '@cloister/encoding';
import { decodeTransaction, MAX_TRANSACTION_BYTES, type Transaction, transactionSigningBytes } from '@cloister/ledger';
import type { AdmissionCode } from '@cloister/replica';
import type { ApiContext } from '../api-context.ts';
import { ApiError } from '../api-error.ts';
import { REFUSED_SUBMISSION_COST } from '../gate/costs.ts';
import { verifyNatively } from '../gate/native-signature.ts';
import { base64Field, digestField } from './fields.ts';
import { type AnyRoute, json, jsonAnswer, route } from './route.ts';

const STATUS_OF: { readonly [Code in AdmissionCode]: number } = {
  TRANSACTION_TOO_LARGE: 413,
  TRANSACTION_MALFORMED: 400,
  WRONG_CHAIN: 400,
  TRANSACTION_EXPIRED: 409,
  EXPIRY_TOO_FAR: 400,
  SENDER_UNKNOWN: 403,
  EVIDENCE_NOT_ADMITTED: 403,
  SIGNATURE_INVALID: 403,
  ALREADY_PENDING: 200,
  ALREADY_EXECUTED: 200,
  QUOTA_EXCEEDED: 429,
  TASK_LIMIT: 429,
  RECORD_LIMIT: 403,
  BACKPRESSURE: 503,
  HALTED: 503,
};

/** Codes that are not the fault of the client that handed the transaction in: others may have filled what is full. */
const BLAMELESS: ReadonlySet<AdmissionCode> = new Set(['QUOTA_EXCEEDED', 'TASK_LIMIT', 'BACKPRESSURE', 'HALTED']);

function refused(code: AdmissionCode, detail?: string): ApiError {
  return new ApiError(STATUS_OF[code], code, detail, { cost: BLAMELESS.has(code) ? 0 : REFUSED_SUBMISSION_COST });
}

/** The cheap checks first; a signature is verified only for what could be taken with a good one. */
function checkedTransaction({ chainId, follow }: ApiContext, bytes: Uint8Array): Transaction {
  const decoded = decodeTransaction(bytes);
  if (!decoded.ok) throw refused('TRANSACTION_MALFORMED', decoded.detail ?? decoded.code);
  const transaction = decoded.value;
  if (transaction.chainId !== chainId) throw refused('WRONG_CHAIN');
  if (transaction.expiryHeight <= follow.position.height) throw refused('TRANSACTION_EXPIRED');
  return transaction;
}

function isSigned(transaction: Transaction): boolean {
  const signed = transactionSigningBytes(transaction);
  return verifyNatively(transaction.sender, signed, transaction.bytes.subarray(signed.length));
}

const submit = route({
  method: 'POST',
  path: '/v1/transactions',
  summary: 'Hands in a signed transaction; handing it in again changes nothing',
  group: 'submit',
  cost: 1,
  body: { transaction: base64Field('Wire form of the transaction', MAX_TRANSACTION_BYTES) },
  answer: jsonAnswer('Submitted'),
  refusals: [403, 409, 413, 429, 503],
  handle: async (context, { body, budgets }) => {
    const transaction = checkedTransaction(context, body.transaction);
    if (!isSigned(transaction)) throw refused('SIGNATURE_INVALID');
    budgets.payAccount(transaction.sender);
    const taken = await context.node.submit(transaction.bytes);
    // What is taken is paid for by its account, from the room that it has in the pool.
    if (taken.ok) return { status: 200, json: { id: taken.value.id, known: false }, cost: -1 };
    if (STATUS_OF[taken.code] === 200) return json({ id: transaction.id, known: true });
    throw refused(taken.code, taken.detail);
  },
});

const fate = route({
  method: 'GET',
  path: '/v1/transactions/{id}',
  summary: 'What became of a transaction',
  group: 'fate',
  cost: 1,
  params: { id: digestField('Transaction id') },
  answer: jsonAnswer('Fate'),
  handle: async (context, { params: { id } }) => fateJson(context, id),
});

async function fateJson({ node, chain, follow }: ApiContext, id: Digest) {
  const found = await node.fate(id);
  if (!('height' in found)) return json({ id, ...found });
  const detail = found.fate === 'REJECTED' ? await rejectionDetail(chain, found.sequence) : undefined;
  const provable = found.height <= follow.position.provableHeight;
  return json({ id, ...found, ...(detail === undefined ? {} : { detail }), provable });
}

async function rejectionDetail({ log }: ApiContext['chain'], sequence: number): Promise<string | undefined> {
  const event = await log.get(sequence);
  const payload = event === undefined ? undefined : parseJson(event.payload, { maxBytes: 1 << 20, maxDepth: 8 });
  const { detail } = payload?.ok ? (payload.value as { readonly detail?: unknown }) : {};
  return typeof detail === 'string' ? detail : undefined;
}

export const TRANSACTION_ROUTES: readonly AnyRoute[] = [submit, fate];
