/**
 * A sealed inference request.
 *
 * The tenant draws a key K, a salt and a nonce, seals the padded tensors under a key derived from K, and seals K to
 * each executor's attested key by HPKE. What both are bound to is in request-context. All randomness comes in from the
 * caller; the codes of `openRequest` say which check failed, and not whose fault that is.
 */

import { aesGcmOpen, aesGcmSeal, hpkeOpen, hpkeSeal, isAcceptableX25519Key } from '@cloister/crypto';
import {
  type AccountId,
  assert,
  ByteReader,
  ByteWriter,
  concatBytes,
  DecodeError,
  type Digest,
  fail,
  type Height,
  ok,
  type Result,
  utf8,
} from '@cloister/encoding';
import {
  contentDigest,
  deriveKey,
  inputCommitment,
  inputSalt,
  keyCommitment,
  REQUEST_KEY_BYTES,
  SALT_BYTES,
} from '../receipt/commitments.ts';
import { AEAD_TAG_BYTES, isSealedSize, padToClass } from './padding.ts';
import { checkRequestContext, hpkeInfo, payloadAad, type RequestContext, requestKeyAad } from './request-context.ts';
import {
  checkInputs,
  decodeTensors,
  encodeTensors,
  INPUT_BYTES_MAX,
  type Tensor,
  type TensorErrorCode,
} from './tensors.ts';

const NONCE_BYTES = 12;

/** K, sealed to one executor. */
export interface SealedExecutorKey {
  readonly keyset: Digest;
  /** HPKE encapsulated key, 32 bytes. */
  readonly enc: Uint8Array;
  /** K under HPKE, 48 bytes. */
  readonly sealedKey: Uint8Array;
}

export interface SealedRequest {
  readonly context: RequestContext;
  /** Nonce of 12 bytes ‖ AES-256-GCM ciphertext and tag; its length is a size class. */
  readonly payload: Uint8Array;
  /** SHA-256 of `payload`. */
  readonly payloadDigest: Digest;
  /** In the order of `context.keysets`. */
  readonly executors: readonly SealedExecutorKey[];
}

/** Secret randomness of one request: fresh each time, retries included. */
export interface RequestRandomness {
  /** K, 32 bytes. */
  readonly requestKey32: Uint8Array;
  readonly salt32: Uint8Array;
  readonly payloadNonce12: Uint8Array;
  /** One of 32 bytes per executor. */
  readonly ephemeralSeeds: readonly Uint8Array[];
}

export interface SealRequestInput {
  readonly chainId: Digest;
  readonly sender: AccountId;
  readonly requestNonce: string;
  readonly modelId: Digest;
  readonly images: readonly Digest[];
  readonly expiryHeight: Height;
  readonly tensors: readonly Tensor[];
  /** Attested keysets; `hpkeKey` has 32 bytes and comes from verified evidence. */
  readonly executors: readonly { readonly keyset: Digest; readonly hpkeKey: Uint8Array }[];
  readonly random: RequestRandomness;
}

export interface OpenedRequest {
  readonly tensors: readonly Tensor[];
  /** Encoded form of `tensors`, as committed to. */
  readonly tensorBytes: Uint8Array;
  readonly salt: Uint8Array;
  /** K. */
  readonly requestKey: Uint8Array;
}

export type SealRequestCode = 'CONTEXT_MALFORMED' | 'EXECUTOR_KEY_UNACCEPTABLE' | TensorErrorCode;

export type OpenRequestCode =
  | 'CONTEXT_MALFORMED'
  | 'NOT_AN_EXECUTOR'
  | 'IMAGE_NOT_ALLOWED'
  | 'PAYLOAD_SIZE'
  | 'PAYLOAD_DIGEST_MISMATCH'
  | 'REQUEST_KEY_NOT_OPENED'
  | 'KEY_COMMITMENT_MISMATCH'
  | 'PAYLOAD_NOT_OPENED'
  | 'PAYLOAD_MALFORMED'
  | 'INPUT_COMMITMENT_MISMATCH';

function payloadKey(requestKey: Uint8Array): Uint8Array {
  return deriveKey(requestKey, utf8('cloister/request-payload-key/v1'));
}

function requestInfo(chainId: Digest, keyset: Digest): Uint8Array {
  return hpkeInfo('cloister/inference-request/v1', chainId, keyset);
}

/** Seals tensors for the executors. Randomness of the wrong length is a bug of the caller. */
export async function sealRequest(input: SealRequestInput): Promise<Result<SealedRequest, SealRequestCode>> {
  const { random, executors } = input;
  assert(random.requestKey32.length === REQUEST_KEY_BYTES, 'sealRequest: K has 32 bytes');
  assert(random.salt32.length === SALT_BYTES, 'sealRequest: the salt has 32 bytes');
  assert(random.payloadNonce12.length === NONCE_BYTES, 'sealRequest: the nonce has 12 bytes');
  assert(random.ephemeralSeeds.length === executors.length, 'sealRequest: a seed for each executor');
  const checked = checkInputs(input.tensors);
  if (!checked.ok) return checked;
  const tensorBytes = encodeTensors(input.tensors);
  const context: RequestContext = {
    chainId: input.chainId,
    sender: input.sender,
    requestNonce: input.requestNonce,
    modelId: input.modelId,
    images: input.images,
    keysets: executors.map((executor) => executor.keyset),
    expiryHeight: input.expiryHeight,
    inputCommitment: inputCommitment(inputSalt(random.salt32), tensorBytes),
    keyCommitment: keyCommitment(random.requestKey32),
  };
  const bounded = checkRequestContext(context);
  if (!bounded.ok) return bounded;
  if (!executors.every((executor) => isAcceptableX25519Key(executor.hpkeKey))) return fail('EXECUTOR_KEY_UNACCEPTABLE');
  const plain = padToClass(
    new ByteWriter().u8(1).fixed(random.salt32).var(tensorBytes).finish(),
    NONCE_BYTES + AEAD_TAG_BYTES,
  );
  const key = payloadKey(random.requestKey32);
  const sealed = aesGcmSeal(key, random.payloadNonce12, payloadAad(context), plain);
  const payload = concatBytes(random.payloadNonce12, sealed);
  const payloadDigest = contentDigest(payload);
  const aad = requestKeyAad(context, payloadDigest);
  const sealedKeys = await Promise.all(
    executors.map(async ({ keyset, hpkeKey }, i): Promise<SealedExecutorKey> => {
      const { enc, ciphertext } = await hpkeSeal({
        recipientPublicKey: hpkeKey,
        info: requestInfo(context.chainId, keyset),
        aad,
        plaintext: random.requestKey32,
        ephemeralSeed: random.ephemeralSeeds[i] ?? new Uint8Array(0),
      });
      return { keyset, enc, sealedKey: ciphertext };
    }),
  );
  return ok({ context, payload, payloadDigest, executors: sealedKeys });
}

/** Reads version, salt and tensors, and refuses padding other than zeros. */
function readPlain(plain: Uint8Array): { salt: Uint8Array; tensorBytes: Uint8Array } | undefined {
  try {
    const reader = new ByteReader(plain);
    if (reader.u8() !== 1) return undefined;
    const salt = reader.fixed(SALT_BYTES);
    const tensorBytes = reader.var(2 * INPUT_BYTES_MAX);
    if (reader.fixed(reader.remaining).some((byte) => byte !== 0)) return undefined;
    return { salt, tensorBytes };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Opens the payload when K is known: the tenant's own way, and the second half of the enclave's. */
export function openPayload(
  sealed: Pick<SealedRequest, 'context' | 'payload' | 'payloadDigest'>,
  requestKey: Uint8Array,
): Result<OpenedRequest, OpenRequestCode> {
  const { context, payload } = sealed;
  const bounded = checkRequestContext(context);
  if (!bounded.ok) return bounded;
  if (!isSealedSize(payload.length)) return fail('PAYLOAD_SIZE');
  if (contentDigest(payload) !== sealed.payloadDigest) return fail('PAYLOAD_DIGEST_MISMATCH');
  if (requestKey.length !== REQUEST_KEY_BYTES) return fail('KEY_COMMITMENT_MISMATCH');
  if (keyCommitment(requestKey) !== context.keyCommitment) return fail('KEY_COMMITMENT_MISMATCH');
  const nonce = payload.subarray(0, NONCE_BYTES);
  const plain = aesGcmOpen(payloadKey(requestKey), nonce, payloadAad(context), payload.subarray(NONCE_BYTES));
  if (plain === undefined) return fail('PAYLOAD_NOT_OPENED');
  const read = readPlain(plain);
  if (read === undefined) return fail('PAYLOAD_MALFORMED');
  const tensors = decodeTensors(read.tensorBytes);
  if (!tensors.ok) return fail('PAYLOAD_MALFORMED', tensors.code);
  const within = checkInputs(tensors.value);
  if (!within.ok) return fail('PAYLOAD_MALFORMED', within.code);
  const committed = inputCommitment(inputSalt(read.salt), read.tensorBytes);
  if (committed !== context.inputCommitment) return fail('INPUT_COMMITMENT_MISMATCH');
  return ok({ tensors: tensors.value, tensorBytes: read.tensorBytes, salt: read.salt, requestKey });
}

/**
 * Opens a request as the executor that owns `keyset`, runs `image` and holds the HPKE secret key of 32 bytes. Chain,
 * tenant, task, model, images, executors, expiry and commitments hold when it opens, since all of them are bound to it;
 * that the ledger's event says the same is the caller's check.
 */
export async function openRequest(request: {
  readonly sealed: SealedRequest;
  readonly keyset: Digest;
  readonly image: Digest;
  readonly hpkeSecretKey: Uint8Array;
}): Promise<Result<OpenedRequest, OpenRequestCode>> {
  const { sealed, keyset } = request;
  const bounded = checkRequestContext(sealed.context);
  if (!bounded.ok) return bounded;
  const place = sealed.context.keysets.indexOf(keyset);
  const own = sealed.executors[place];
  if (own === undefined || own.keyset !== keyset) return fail('NOT_AN_EXECUTOR');
  if (!sealed.context.images.includes(request.image)) return fail('IMAGE_NOT_ALLOWED');
  if (contentDigest(sealed.payload) !== sealed.payloadDigest) return fail('PAYLOAD_DIGEST_MISMATCH');
  const requestKey = await hpkeOpen({
    recipientSecretKey: request.hpkeSecretKey,
    enc: own.enc,
    info: requestInfo(sealed.context.chainId, keyset),
    aad: requestKeyAad(sealed.context, sealed.payloadDigest),
    ciphertext: own.sealedKey,
  });
  return requestKey === undefined ? fail('REQUEST_KEY_NOT_OPENED') : openPayload(sealed, requestKey);
}
