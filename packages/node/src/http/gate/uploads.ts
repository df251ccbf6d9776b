/** What an upload must show before its first byte is read: a size, the digest of the bytes, and whose room they take. */
import { type AccountId, type Digest, fail, ok, parseDigest, type Result } from '@cloister/encoding';
import { parseUploadClaim, UPLOAD_CLAIM_HEIGHTS_MAX, uploadClaimBytes } from '@cloister/ledger';
import { verifyNatively } from './native-signature.ts';

export const DIGEST_HEADER = 'cloister-digest';
export const CLAIM_HEADER = 'cloister-upload';

export interface UploadRequest {
  readonly digest: Digest;
  readonly size: number;
  /** The account that signed it. Null for an upload that is allowed only because the ledger names it. */
  readonly account: AccountId | null;
}

/** Why an upload is not taken, by whoever finds out. */
export type UploadCode =
  | 'LENGTH_REQUIRED'
  | 'DIGEST_REQUIRED'
  | 'CLAIM_MALFORMED'
  | 'CLAIM_EXPIRED'
  | 'CLAIM_TOO_FAR'
  | 'SIGNATURE_INVALID'
  | 'SENDER_UNKNOWN'
  | 'UPLOAD_NOT_CLAIMED'
  | 'BLOB_TOO_LARGE'
  | 'BLOB_QUOTA_EXCEEDED'
  | 'BLOB_ACCOUNT_QUOTA_EXCEEDED';

type Headers = { readonly [name: string]: string | string[] | undefined };

/** Reads and checks the headers, the cheap checks first and the signature last. */
export function checkUpload(
  headers: Headers,
  at: { readonly chainId: Digest; readonly height: number; readonly blobBytesMax: number },
): Result<UploadRequest, UploadCode> {
  const length = headers['content-length'];
  if (typeof length !== 'string' || !/^[1-9][0-9]{0,15}$/.test(length)) return fail('LENGTH_REQUIRED');
  const size = Number(length);
  if (size > at.blobBytesMax) return fail('BLOB_TOO_LARGE', `at most ${at.blobBytesMax} bytes`);
  const digest = parseDigest(headers[DIGEST_HEADER]);
  if (digest === undefined) return fail('DIGEST_REQUIRED', DIGEST_HEADER);
  const text = headers[CLAIM_HEADER];
  if (text === undefined) return ok({ digest, size, account: null });
  const claim = typeof text === 'string' ? parseUploadClaim(text) : undefined;
  if (claim === undefined) return fail('CLAIM_MALFORMED', CLAIM_HEADER);
  const { account, expiryHeight, signature } = claim;
  if (expiryHeight < at.height) return fail('CLAIM_EXPIRED', `the node is at height ${at.height}`);
  if (expiryHeight > at.height + UPLOAD_CLAIM_HEIGHTS_MAX) return fail('CLAIM_TOO_FAR');
  const signed = uploadClaimBytes({ chainId: at.chainId, account, digest, size, expiryHeight });
  return verifyNatively(account, signed, signature) ? ok({ digest, size, account }) : fail('SIGNATURE_INVALID');
}
