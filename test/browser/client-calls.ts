/** What a page does with the client, and Node does as well: the answer is a text in which every difference shows. */
import { ClientError, CloisterClient, createHttpApi, type ModelDescription } from '@cloister/client';
import { ed25519KeyPair, hpkeOpen, hpkeSeal, x25519KeyPair } from '@cloister/crypto';
import { asDigest, parseBase64, toHex, utf8 } from '@cloister/encoding';

export interface ClientCalls {
  /** Where the node's API answers. */
  readonly baseUrl: string;
  readonly chainId: string;
  /** In base64. */
  readonly onnx: string;
}

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7);

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return 'none';
  } catch (error) {
    return error instanceof ClientError ? error.code : String(error);
  }
}

/** Connects by HTTP to the chain, and to one of another name; seals a model, and a text to a key, with fixed randomness. */
export async function callClient({ baseUrl, chainId, onnx }: ClientCalls): Promise<string> {
  const api = createHttpApi({ baseUrl });
  const keyPair = ed25519KeyPair(bytes(32));
  const options = { api, keyPair, randomBytes: bytes, acceptSimulated: true };
  const client = await CloisterClient.connect({ ...options, chainId: asDigest(chainId) });
  const otherChain = await codeOf(CloisterClient.connect({ ...options, chainId: asDigest('ab'.repeat(32)) }));
  const description: ModelDescription = {
    onnx: parseBase64(onnx) ?? new Uint8Array(),
    name: 'digits',
    version: '1',
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 784] }],
    outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 10] }],
    engine: { name: 'onnxruntime-node', version: '1.30.0' },
    releasePolicy: { images: [asDigest('bb'.repeat(32))], platforms: ['sev-snp'], mayReplicate: false },
    executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
  };
  const { model, ciphertext, modelKey } = await client.prepareModel(description, { tryModel: 'screen-only' });
  const recipient = x25519KeyPair(bytes(32));
  const context = { info: utf8('info'), aad: utf8('aad') };
  const sealed = await hpkeSeal({
    ...context,
    recipientPublicKey: recipient.publicKey,
    plaintext: utf8('a text'),
    ephemeralSeed: bytes(32),
  });
  const opened = await hpkeOpen({ ...context, ...sealed, recipientSecretKey: recipient.secretKey });
  return JSON.stringify({
    simulated: client.simulated,
    otherChain,
    model,
    ciphertext: toHex(ciphertext.subarray(0, 64)),
    modelKey: toHex(modelKey),
    enc: toHex(sealed.enc),
    sealed: toHex(sealed.ciphertext),
    opened: opened === undefined ? 'not opened' : new TextDecoder().decode(opened),
  });
}
