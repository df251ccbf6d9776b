/** Routes that take something in: transactions and blobs, and what became of them. */
import { parseDigest } from '@cloister/crypto';
import { decodeTransaction, MAX_TRANSACTION_BYTES } from '@cloister/ledger';
import type { AdmissionCode } from '@cloister/validator';
import { NodeError } from '../errors.ts';
import { base64Field, digestField } from './fields.ts';
import { type AnyRoute, ApiError, json, jsonAnswer, route } from './route.ts';

const STATUS_OF: { readonly [Code in AdmissionCode]: number } = {
  TRANSACTION_TOO_LARGE: 413,
  TRANSACTION_MALFORMED: 400,
  WRONG_CHAIN: 400,
  TRANSACTION_EXPIRED: 409,
  EXPIRY_TOO_FAR: 400,
  SENDER_UNKNOWN: 403,
  SIGNATURE_INVALID: 403,
  ALREADY_PENDING: 200,
  ALREADY_EXECUTED: 200,
  QUOTA_EXCEEDED: 429,
  BACKPRESSURE: 503,
  HALTED: 503,
};

const submit = route({
  method: 'POST',
  path: '/v1/transactions',
  summary: 'Hands in a signed transaction; handing it in again changes nothing',
  body: { transaction: base64Field('Wire form of the transaction', MAX_TRANSACTION_BYTES) },
  answer: jsonAnswer('Submitted'),
  refusals: [403, 409, 413, 429, 503],
  handle: async (context, { body: { transaction } }) => {
    const taken = await context.submit(transaction);
    if (taken.ok) return json({ id: taken.value.id, known: false });
    if (taken.code === 'ALREADY_PENDING' || taken.code === 'ALREADY_EXECUTED') {
      const decoded = decodeTransaction(transaction);
      if (decoded.ok) return json({ id: decoded.value.id, known: true });
    }
    throw new ApiError(STATUS_OF[taken.code], taken.code, taken.detail);
  },
});

const fate = route({
  method: 'GET',
  path: '/v1/transactions/{id}',
  summary: 'What became of a transaction',
  params: { id: digestField('Transaction id') },
  answer: jsonAnswer('Fate'),
  handle: async (context, { params: { id } }) => {
    const found = await context.fateOf(id);
    if (!('height' in found)) return json({ id, ...found });
    const detail = found.fate === 'REJECTED' ? await rejectionDetail(context.chain.log, found.sequence) : undefined;
    const provable = found.height <= context.provableHeight();
    return json({ id, ...found, ...(detail === undefined ? {} : { detail }), provable });
  },
});

async function rejectionDetail(
  log: { readonly get: (sequence: number) => Promise<{ readonly payload: Uint8Array } | undefined> },
  sequence: number,
): Promise<string | undefined> {
  const event = await log.get(sequence);
  if (event === undefined) return undefined;
  const { detail } = JSON.parse(new TextDecoder().decode(event.payload)) as { readonly detail?: unknown };
  return typeof detail === 'string' ? detail : undefined;
}

const STATUS_OF_BLOB: { readonly [code: string]: number } = { BLOB_TOO_LARGE: 413, BLOB_QUOTA_EXCEEDED: 507 };

const putBlob = route<Record<never, never>, Record<never, never>, Uint8Array>({
  method: 'POST',
  path: '/v1/blobs',
  summary: 'Keeps a sealed payload or model under its SHA-256',
  body: 'bytes',
  answer: jsonAnswer('BlobTaken'),
  refusals: [413, 507],
  handle: async ({ blobs }, { body }) => {
    try {
      return json({ digest: await blobs.put(body) });
    } catch (error) {
      const status = error instanceof NodeError ? STATUS_OF_BLOB[error.code] : undefined;
      if (status !== undefined && error instanceof NodeError) throw new ApiError(status, error.code, error.message);
      throw error;
    }
  },
});

const getBlob = route({
  method: 'GET',
  path: '/v1/blobs/{digest}',
  summary: 'A blob by its SHA-256, from this node or its peers',
  params: { digest: { ...digestField('SHA-256 of the bytes'), parse: parseDigest } },
  answer: { contentType: 'application/octet-stream', schema: { type: 'string', format: 'binary' } },
  refusals: [404],
  handle: async ({ fetchBlob }, { params: { digest } }) => {
    const bytes = await fetchBlob(digest);
    if (bytes === undefined) throw new ApiError(404, 'NOT_FOUND', 'neither this node nor a connected member has it');
    return { status: 200, bytes, contentType: 'application/octet-stream' };
  },
});

export const TRANSACTION_ROUTES: readonly AnyRoute[] = [submit, fate, putBlob, getBlob];
