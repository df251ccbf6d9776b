/**
 * What a sealed request is bound to.
 *
 * Every field goes, injectively encoded, into the associated data of both ciphertexts, so that neither opens for another
 * model, image, tenant, task, executor set or chain.
 */
import {
  type AccountId,
  assert,
  ByteWriter,
  type Digest,
  digestToBytes,
  fail,
  fromHex,
  type Height,
  ok,
  type Result,
  utf8,
} from '@cloister/encoding';
import { isStrictlyAscending } from '@cloister/encoding/shape';
import { isRequestNonce, taskId } from '../receipt/commitments.ts';

export const MAX_EXECUTORS = 16;
export const MAX_ALLOWED_IMAGES = 32;

export interface RequestContext {
  readonly chainId: Digest;
  /** The tenant. */
  readonly sender: AccountId;
  /** 32 random bytes in lowercase hex, fresh for every request, retries included. */
  readonly requestNonce: string;
  readonly modelId: Digest;
  /** Digests of the enclave images that may open the request, ascending. */
  readonly images: readonly Digest[];
  /** Keyset digests of the executors, in the order of the sealed keys; unique. */
  readonly keysets: readonly Digest[];
  readonly expiryHeight: Height;
  readonly inputCommitment: Digest;
  readonly keyCommitment: Digest;
}

/** Whether a context keeps its bounds. Digests and the sender are taken to have been parsed. */
export function checkRequestContext(context: RequestContext): Result<void, 'CONTEXT_MALFORMED'> {
  const { images, keysets } = context;
  if (!isRequestNonce(context.requestNonce)) return fail('CONTEXT_MALFORMED', 'request nonce');
  if (images.length === 0 || images.length > MAX_ALLOWED_IMAGES) return fail('CONTEXT_MALFORMED', 'number of images');
  if (!isStrictlyAscending(images)) return fail('CONTEXT_MALFORMED', 'images not sorted and unique');
  if (keysets.length === 0 || keysets.length > MAX_EXECUTORS) return fail('CONTEXT_MALFORMED', 'number of keysets');
  if (new Set(keysets).size !== keysets.length) return fail('CONTEXT_MALFORMED', 'keyset named twice');
  return ok(undefined);
}

/** The task that a context names. */
export function contextTaskId(context: RequestContext): Digest {
  return taskId(context.chainId, context.sender, context.requestNonce, context.expiryHeight);
}

function writeContext(writer: ByteWriter, context: RequestContext): ByteWriter {
  assert(checkRequestContext(context).ok, 'request context out of bounds');
  writer.digest(context.chainId).account(context.sender).fixed(fromHex(context.requestNonce)).digest(context.modelId);
  writer.u16(context.images.length);
  for (const image of context.images) writer.digest(image);
  writer.u16(context.keysets.length);
  for (const keyset of context.keysets) writer.digest(keyset);
  return writer.u64(context.expiryHeight).digest(context.inputCommitment).digest(context.keyCommitment);
}

/** Associated data of the payload's AEAD. */
export function payloadAad(context: RequestContext): Uint8Array {
  return writeContext(new ByteWriter().str('cloister/request-payload/v1'), context).finish();
}

/** Associated data of the HPKE ciphertexts: the context and the digest of the sealed payload. */
export function requestKeyAad(context: RequestContext, payloadDigest: Digest): Uint8Array {
  return writeContext(new ByteWriter().str('cloister/request-key/v1'), context).digest(payloadDigest).finish();
}

/** HPKE info: a fixed label followed by two fields of fixed length. */
export function hpkeInfo(label: string, chainId: Digest, keyset: Digest): Uint8Array {
  return new ByteWriter().fixed(utf8(label)).fixed(digestToBytes(chainId)).fixed(digestToBytes(keyset)).finish();
}
