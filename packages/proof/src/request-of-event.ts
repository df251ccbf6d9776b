/**
 * The sealed request that an InferenceRequested event carries: what an enclave opens after it has authorised the event.
 */
import type { SealedRequest } from '@cloister/confidential';
import { assert, type Digest, fromHex, parseBase64 } from '@cloister/encoding';
import type { InferenceRequested } from '@cloister/ledger';

/**
 * The event's context and sealed keys with a payload that the host supplies; `openRequest` holds the payload against the
 * event's digest. The event comes from the ledger's strict decoder, so its base64 is canonical.
 */
export function sealedRequestOf(chainId: Digest, event: InferenceRequested, payload: Uint8Array): SealedRequest {
  return {
    context: {
      chainId,
      sender: event.sender,
      requestNonce: event.requestNonce,
      modelId: event.model,
      images: event.images,
      keysets: event.executors.map(({ keyset }) => keyset),
      expiryHeight: event.expiryHeight,
      inputCommitment: event.inputCommitment,
      keyCommitment: event.keyCommitment,
    },
    payload,
    payloadDigest: event.payloadDigest,
    executors: event.executors.map(({ keyset, enc, sealedKey }) => {
      const key = parseBase64(sealedKey);
      assert(key !== undefined, 'sealedRequestOf: not a decoded event');
      return { keyset, enc: fromHex(enc), sealedKey: key };
    }),
  };
}
