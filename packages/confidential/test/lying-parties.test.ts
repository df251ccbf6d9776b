/**
 * Tenants, owners and executors that hold the right keys and seal the wrong things: what opens must still be checked.
 */
import { aesGcmSeal, hkdfSha256, hpkeSeal, x25519KeyPair } from '@cloister/crypto';
import { ByteWriter, concatBytes, type Digest, digestToBytes, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  contentDigest,
  encodeOutcome,
  encodeTensors,
  INPUT_BYTES_MAX,
  inputCommitment,
  inputSalt,
  keyCommitment,
  modelKeyCommitment,
  openModel,
  openModelKey,
  openPayload,
  openRequest,
  openResponse,
  outputCommitment,
  outputSalt,
  payloadAad,
  type RequestContext,
  requestKeyAad,
  sealModel,
  sealRequest,
} from '../src/index.ts';
import { bytes32, chainId, digest, executorKeys, image, keysets, sealInput, sender, tensors } from './samples.ts';

const K = bytes32(4);
const salt = bytes32(5);
const derive = (secret: Uint8Array, info: Uint8Array): Uint8Array => hkdfSha256(secret, new Uint8Array(0), info, 32);
const good = encodeTensors(tensors);
const plainOf = (tensorBytes: Uint8Array): Uint8Array => new ByteWriter().u8(1).fixed(salt).var(tensorBytes).finish();

const context: RequestContext = {
  chainId,
  sender,
  requestNonce: '09'.repeat(32),
  modelId: digest(0xaa),
  images: [image],
  keysets: [keysets[0]],
  expiryHeight: sealInput().expiryHeight,
  inputCommitment: inputCommitment(inputSalt(salt), good),
  keyCommitment: keyCommitment(K),
};

/** Seals `plain` as it stands, padded with `pad` to 1024 bytes or to `size`. */
function payloadOf(plain: Uint8Array, { pad = 0, size = 1024 } = {}, bound: RequestContext = context) {
  const padded = new Uint8Array(size - 28).fill(pad);
  padded.set(plain);
  const nonce = new Uint8Array(12);
  const key = derive(K, utf8('cloister/request-payload-key/v1'));
  const payload = concatBytes(nonce, aesGcmSeal(key, nonce, payloadAad(bound), padded));
  return { context: bound, payload, payloadDigest: contentDigest(payload) };
}

describe('a tenant who lies', () => {
  it('is understood when it does not', () => {
    expect(openPayload(payloadOf(plainOf(good)), K)).toMatchObject({ ok: true, value: { tensors } });
  });

  it.each([
    ['padding that is not zeros', payloadOf(plainOf(good), { pad: 1 }), 'PAYLOAD_MALFORMED'],
    ['another version', payloadOf(plainOf(good).with(0, 2)), 'PAYLOAD_MALFORMED'],
    ['a length beyond the payload', payloadOf(plainOf(good).with(33, 0xff)), 'PAYLOAD_MALFORMED'],
    ['tensors that are none', payloadOf(plainOf(Uint8Array.of(1, 0))), 'PAYLOAD_MALFORMED'],
    ['a size that is no class', payloadOf(plainOf(good), { size: 1000 }), 'PAYLOAD_SIZE'],
    ['another input than the one committed to', payloadOf(plainOf(good.with(-1, 1))), 'INPUT_COMMITMENT_MISMATCH'],
  ])('is refused for %s', (_, sealed, code) => {
    expect(openPayload(sealed, K)).toMatchObject({ ok: false, code });
  });

  it('is refused for a context out of bounds, a payload under another digest, and a key of another length', async () => {
    const sealed = payloadOf(plainOf(good));
    const bad = { ...sealed, context: { ...context, images: [] as Digest[] } };
    expect(openPayload(bad, K)).toMatchObject({ code: 'CONTEXT_MALFORMED' });
    expect(openPayload({ ...sealed, payloadDigest: digest(1) }, K)).toMatchObject({ code: 'PAYLOAD_DIGEST_MISMATCH' });
    expect(openPayload(sealed, new Uint8Array(31))).toMatchObject({ code: 'KEY_COMMITMENT_MISMATCH' });
    const as = { keyset: keysets[0], image, hpkeSecretKey: executorKeys[0].secretKey };
    expect(await openRequest({ sealed: { ...bad, executors: [] }, ...as })).toMatchObject({
      code: 'CONTEXT_MALFORMED',
    });
    for (const plaintext of [new Uint8Array(31), new Uint8Array(33), bytes32(9)]) {
      const { enc, ciphertext: sealedKey } = await hpkeSeal({
        recipientPublicKey: executorKeys[0].publicKey,
        info: concatBytes(utf8('cloister/inference-request/v1'), digestToBytes(chainId), digestToBytes(keysets[0])),
        aad: requestKeyAad(context, sealed.payloadDigest),
        plaintext,
        ephemeralSeed: bytes32(8),
      });
      const request = { ...sealed, executors: [{ keyset: keysets[0], enc, sealedKey }] };
      expect(await openRequest({ sealed: request, ...as })).toMatchObject({ code: 'KEY_COMMITMENT_MISMATCH' });
    }
  });

  it('is refused for more input than an enclave takes', () => {
    const size = 32 * 1024 * 1024;
    const large = encodeTensors([
      { name: 'x', datatype: 'UINT8', shape: [INPUT_BYTES_MAX + 1], data: new Uint8Array(INPUT_BYTES_MAX + 1) },
    ]);
    const bound = { ...context, inputCommitment: inputCommitment(inputSalt(salt), large) };
    expect(openPayload(payloadOf(plainOf(large), { size }, bound), K)).toMatchObject({
      code: 'PAYLOAD_MALFORMED',
      detail: 'TENSORS_TOO_LARGE',
    });
  });

  it('cannot seal tensors that are none', async () => {
    const [tensor] = tensors;
    const broken = tensor === undefined ? [] : [{ ...tensor, data: new Uint8Array(1) }];
    expect(await sealRequest({ ...sealInput(), tensors: broken })).toMatchObject({ code: 'TENSOR_DATA_LENGTH' });
  });
});

describe('an executor that lies', () => {
  const task = digest(0x20);
  const outcome = encodeOutcome({ status: 'completed', tensors });
  const committed = outputCommitment(outputSalt(salt), outcome);

  /** Seals `plain` as the response under a commitment, with the right key. */
  function responseOf(plain: Uint8Array, commitment: Digest, pad = 0) {
    const padded = new Uint8Array(1024 - 16).fill(pad);
    padded.set(plain);
    const key = derive(K, concatBytes(utf8('cloister/response/v1'), digestToBytes(task), digestToBytes(commitment)));
    const aad = new ByteWriter().str('cloister/response/v1').digest(chainId).digest(task).digest(commitment).finish();
    const sealed = aesGcmSeal(key, new Uint8Array(12), aad, padded);
    return openResponse({ requestKey: K, salt, chainId, task, outputCommitment: commitment, sealed });
  }
  const responsePlain = (bytes: Uint8Array): Uint8Array =>
    new ByteWriter().u8(1).fixed(outputSalt(salt)).var(bytes).finish();

  it('is understood when it does not', () => {
    expect(responseOf(responsePlain(outcome), committed)).toMatchObject({ ok: true });
  });

  it('is refused for padding, versions, lengths and outcomes that are none', () => {
    expect(responseOf(responsePlain(outcome), committed, 1)).toMatchObject({ code: 'RESPONSE_MALFORMED' });
    expect(responseOf(responsePlain(outcome).with(0, 2), committed)).toMatchObject({ code: 'RESPONSE_MALFORMED' });
    expect(responseOf(responsePlain(outcome).with(33, 0xff), committed)).toMatchObject({ code: 'RESPONSE_MALFORMED' });
    const none = Uint8Array.of(9);
    const commitment = outputCommitment(outputSalt(salt), none);
    expect(responseOf(responsePlain(none), commitment)).toMatchObject({ code: 'RESPONSE_MALFORMED' });
  });

  it('is refused for an output under the commitment of another', () => {
    const other = encodeOutcome({ status: 'refused', code: 'X', detail: '' });
    expect(responseOf(responsePlain(other), committed)).toMatchObject({ code: 'OUTPUT_COMMITMENT_MISMATCH' });
  });
});

describe('an owner who lies', () => {
  const enclave = x25519KeyPair(bytes32(0x31));

  it('is refused for a key of another length, sealed or not', async () => {
    const sealed = sealModel(bytes32(1), bytes32(2));
    const opening = { ciphertext: sealed.ciphertext, manifest: sealed };
    expect(openModel({ ...opening, modelKey: new Uint8Array(31) })).toMatchObject({ code: 'KEY_COMMITMENT_MISMATCH' });
    const { enc, ciphertext: sealedKey } = await hpkeSeal({
      recipientPublicKey: enclave.publicKey,
      info: concatBytes(utf8('cloister/model-key/v1'), digestToBytes(chainId), digestToBytes(digest(0xe1))),
      aad: digestToBytes(digest(0xaa)),
      plaintext: new Uint8Array(31),
      ephemeralSeed: bytes32(0x32),
    });
    const grant = {
      enc,
      sealedKey,
      modelId: digest(0xaa),
      keyCommitment: modelKeyCommitment(bytes32(2)),
      chainId,
      keyset: digest(0xe1),
    };
    expect(await openModelKey({ ...grant, hpkeSecretKey: enclave.secretKey })).toMatchObject({
      code: 'MODEL_KEY_NOT_OPENED',
    });
  });

  it('is refused for a header without the magic', () => {
    const { ciphertext, ...manifest } = sealModel(bytes32(1), bytes32(2));
    const changed = ciphertext.with(0, 0);
    const opened = openModel({
      ciphertext: changed,
      modelKey: bytes32(2),
      manifest: { ...manifest, ciphertextDigest: contentDigest(changed) },
    });
    expect(opened).toMatchObject({ code: 'MODEL_MALFORMED' });
  });
});
