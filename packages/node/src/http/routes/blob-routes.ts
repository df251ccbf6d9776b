/** Blobs: taken in for an account or for what the ledger names, and given out, both through the disk and never whole in memory. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { digestOfFile } from '../../blobs/blob-files.ts';
import { ApiError } from '../api-error.ts';
import { BLOB_BYTES_PER_TOKEN, REFUSED_UPLOAD_COST } from '../gate/costs.ts';
import { CLAIM_HEADER, checkUpload, DIGEST_HEADER, type UploadCode } from '../gate/uploads.ts';
import { digestField } from './fields.ts';
import { type AnyRoute, jsonAnswer, route } from './route.ts';

const STATUS_OF: { readonly [Code in UploadCode]: number } = {
  LENGTH_REQUIRED: 411,
  DIGEST_REQUIRED: 400,
  CLAIM_MALFORMED: 400,
  CLAIM_EXPIRED: 403,
  CLAIM_TOO_FAR: 403,
  SIGNATURE_INVALID: 403,
  SENDER_UNKNOWN: 403,
  UPLOAD_NOT_CLAIMED: 403,
  BLOB_TOO_LARGE: 413,
  BLOB_QUOTA_EXCEEDED: 507,
  BLOB_ACCOUNT_QUOTA_EXCEEDED: 507,
};

function refused({ code, detail }: { readonly code: UploadCode; readonly detail?: string | undefined }): ApiError {
  return new ApiError(STATUS_OF[code], code, detail, { cost: REFUSED_UPLOAD_COST });
}

/** Writes a body of exactly `size` bytes; its digest. */
async function writeBody(body: AsyncIterable<Uint8Array>, path: string, size: number): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  try {
    let length = 0;
    for await (const chunk of body) {
      length += chunk.length;
      // The parser holds a body to its length; this holds if it ever did not.
      if (length > size) throw new ApiError(413, 'BLOB_TOO_LARGE');
      hash.update(chunk);
      await file.write(chunk);
    }
    if (length < size) throw new ApiError(400, 'BODY_MALFORMED', `${length} of ${size} bytes`);
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

async function discard(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

const putBlob = route<Record<never, never>, Record<never, never>, Readable>({
  method: 'POST',
  path: '/v1/blobs',
  summary: 'Keeps a sealed payload or model under its SHA-256, for an account or because the ledger names it',
  group: 'blob',
  cost: 2,
  body: 'stream',
  headers: {
    [DIGEST_HEADER]: 'SHA-256 of the bytes, in hex',
    [CLAIM_HEADER]:
      'account.expiryHeight.signature, where the account signed "CLOISTER/UPLOAD/1\\0", chain id, account, digest, size u64 and expiry height u64; not needed for a blob that the ledger names',
  },
  answer: jsonAnswer('BlobTaken'),
  refusals: [403, 411, 413, 429, 503, 507],
  handle: async ({ node, chainId, follow, blobBytesMax }, { body, headers }) => {
    const checked = checkUpload(headers, { chainId, height: follow.position.height, blobBytesMax });
    if (!checked.ok) throw refused(checked);
    const { digest, size } = checked.value;
    const opened = await node.openUpload(checked.value);
    if (!opened.ok) throw refused(opened);
    const cost = Math.floor(size / BLOB_BYTES_PER_TOKEN);
    if (opened.value === 'held') {
      await discard(body);
      return { status: 200, json: { digest }, cost };
    }
    const { ticket, path } = opened.value;
    let whole = false;
    try {
      whole = (await writeBody(body, path, size)) === digest;
    } finally {
      await node.closeUpload(ticket, whole);
    }
    if (!whole) throw new ApiError(400, 'BLOB_MISMATCH', 'the bytes have another digest', { cost });
    return { status: 200, json: { digest }, cost };
  },
});

const getBlob = route({
  method: 'GET',
  path: '/v1/blobs/{digest}',
  summary: 'A blob by its SHA-256, from this node or, when the ledger names it, its peers',
  group: 'blob',
  cost: 2,
  params: { digest: digestField('SHA-256 of the bytes') },
  answer: { contentType: 'application/octet-stream', schema: { type: 'string', format: 'binary' } },
  refusals: [404],
  handle: async ({ node }, { params: { digest } }) => {
    const file = await node.blob(digest);
    // A damaged file is not served. The blob store finds the damage when it reads the file.
    if (file === undefined || (await digestOfFile(file.path)) !== digest) {
      throw new ApiError(404, 'NOT_FOUND', 'neither this node nor a connected member has it', { cost: 2 });
    }
    const cost = Math.floor(file.size / BLOB_BYTES_PER_TOKEN);
    const stream = createReadStream(file.path);
    return { status: 200, stream, size: file.size, contentType: 'application/octet-stream', cost };
  },
});

export const BLOB_ROUTES: readonly AnyRoute[] = [putBlob, getBlob];
