/**
 * The sealed response: the same bytes from every executor that computed the same output.
 *
 * Its key is derived from K, the task and the output's commitment, so one key never seals two outputs and the nonce can
 * be fixed. K alone opens it later, from public facts and the sealed bytes: the salt of the commitment lies inside.
 */
import { aesGcmOpen, aesGcmSeal } from '@cloister/crypto';
import {
  assert,
  ByteReader,
  ByteWriter,
  concatBytes,
  DecodeError,
  type Digest,
  digestToBytes,
  equalBytes,
  fail,
  ok,
  type Result,
  utf8,
} from '@cloister/encoding';
import { contentDigest, deriveKey, outputCommitment, outputSalt, SALT_BYTES } from '../receipt/commitments.ts';
import { AEAD_TAG_BYTES, isSealedSize, LARGEST_SEALED_BYTES, padToClass } from '../request/padding.ts';
import { decodeOutcome, encodeOutcome, type Outcome } from './outcome.ts';

const FIXED_NONCE: Uint8Array = new Uint8Array(12);

export interface SealedResponse {
  /** AES-256-GCM ciphertext and tag; its length is a size class. */
  readonly sealed: Uint8Array;
  readonly outputCommitment: Digest;
  /** SHA-256 of `sealed`. */
  readonly responseDigest: Digest;
}

export interface OpenedResponse {
  readonly outcome: Outcome;
  /** Encoded form of `outcome`, as committed to. */
  readonly outcomeBytes: Uint8Array;
  /** Salt of the output commitment, for a disclosure. */
  readonly outputSalt: Uint8Array;
}

export type OpenResponseCode =
  | 'RESPONSE_SIZE'
  | 'RESPONSE_NOT_OPENED'
  | 'RESPONSE_MALFORMED'
  | 'OUTPUT_SALT_MISMATCH'
  | 'OUTPUT_COMMITMENT_MISMATCH';

function responseKey(requestKey: Uint8Array, task: Digest, commitment: Digest): Uint8Array {
  return deriveKey(
    requestKey,
    concatBytes(utf8('cloister/response/v1'), digestToBytes(task), digestToBytes(commitment)),
  );
}

function responseAad(chainId: Digest, task: Digest, commitment: Digest): Uint8Array {
  return new ByteWriter().str('cloister/response/v1').digest(chainId).digest(task).digest(commitment).finish();
}

/** Seals an outcome for the tenant who drew `requestKey` (K) and `salt`. A function of its arguments. */
export function sealResponse(response: {
  readonly requestKey: Uint8Array;
  readonly salt: Uint8Array;
  readonly chainId: Digest;
  readonly task: Digest;
  readonly outcome: Outcome;
}): SealedResponse {
  const { requestKey, chainId, task } = response;
  const outcomeBytes = encodeOutcome(response.outcome);
  const saltOut = outputSalt(response.salt);
  const commitment = outputCommitment(saltOut, outcomeBytes);
  const plain = padToClass(new ByteWriter().u8(1).fixed(saltOut).var(outcomeBytes).finish(), AEAD_TAG_BYTES);
  const key = responseKey(requestKey, task, commitment);
  const sealed = aesGcmSeal(key, FIXED_NONCE, responseAad(chainId, task, commitment), plain);
  return { sealed, outputCommitment: commitment, responseDigest: contentDigest(sealed) };
}

function readPlain(plain: Uint8Array): { saltOut: Uint8Array; outcomeBytes: Uint8Array } | undefined {
  try {
    const reader = new ByteReader(plain);
    if (reader.u8() !== 1) return undefined;
    const saltOut = reader.fixed(SALT_BYTES);
    const outcomeBytes = reader.var(LARGEST_SEALED_BYTES);
    if (reader.fixed(reader.remaining).some((byte) => byte !== 0)) return undefined;
    return { saltOut, outcomeBytes };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Opens a sealed response and checks that its outcome is the one committed to. `salt` is checked when it is known. */
export function openResponse(response: {
  readonly requestKey: Uint8Array;
  readonly salt?: Uint8Array;
  readonly chainId: Digest;
  readonly task: Digest;
  readonly outputCommitment: Digest;
  readonly sealed: Uint8Array;
}): Result<OpenedResponse, OpenResponseCode> {
  const { requestKey, salt, chainId, task, outputCommitment: commitment, sealed } = response;
  assert(salt === undefined || salt.length === SALT_BYTES, 'openResponse: a salt has 32 bytes');
  if (!isSealedSize(sealed.length)) return fail('RESPONSE_SIZE');
  const key = responseKey(requestKey, task, commitment);
  const plain = aesGcmOpen(key, FIXED_NONCE, responseAad(chainId, task, commitment), sealed);
  if (plain === undefined) return fail('RESPONSE_NOT_OPENED');
  const read = readPlain(plain);
  if (read === undefined) return fail('RESPONSE_MALFORMED');
  const { saltOut, outcomeBytes } = read;
  if (salt !== undefined && !equalBytes(outputSalt(salt), saltOut)) return fail('OUTPUT_SALT_MISMATCH');
  if (outputCommitment(saltOut, outcomeBytes) !== commitment) return fail('OUTPUT_COMMITMENT_MISMATCH');
  const outcome = decodeOutcome(outcomeBytes);
  if (!outcome.ok) return fail('RESPONSE_MALFORMED', outcome.detail);
  return ok({ outcome: outcome.value, outcomeBytes, outputSalt: saltOut });
}
