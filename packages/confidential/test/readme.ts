import assert from 'node:assert/strict';
import { openRequest, sealRequest, type Tensor } from '@cloister/confidential';
import { hash, sha256, x25519KeyPair } from '@cloister/crypto';
import { asAccountId, asHeight, toHex, utf8 } from '@cloister/encoding';

/** Stands for fresh randomness, which the caller brings. */
const fresh = (label: string): Uint8Array => sha256(utf8(label));

const enclave = x25519KeyPair(fresh('made inside the enclave'));
const [keyset, image] = [hash('the keyset'), hash('the image')];
const data = new Uint8Array(Float32Array.of(0.5, 1).buffer);
const tensors: readonly Tensor[] = [{ name: 'input', datatype: 'FP32', shape: [1, 2], data }];
const sealed = await sealRequest({
  chainId: hash('the chain'),
  sender: asAccountId('aa'.repeat(32)),
  requestNonce: toHex(fresh('nonce')),
  modelId: hash('the model'),
  images: [image],
  expiryHeight: asHeight(100),
  tensors,
  executors: [{ keyset, hpkeKey: enclave.publicKey }],
  random: {
    requestKey32: fresh('key'),
    salt32: fresh('salt'),
    payloadNonce12: fresh('iv').subarray(0, 12),
    ephemeralSeeds: [fresh('seed')],
  },
});
assert(sealed.ok);

// Only an enclave of an allowed image opens it, with the key of the keyset that the request names.
const own = { sealed: sealed.value, keyset, hpkeSecretKey: enclave.secretKey };
const opened = await openRequest({ ...own, image });
assert(opened.ok);
assert.deepEqual(opened.value.tensors, tensors);
const refused = await openRequest({ ...own, image: hash('another image') });
assert(!refused.ok && refused.code === 'IMAGE_NOT_ALLOWED');
