/** Sample values of the tests: deterministic keys, a digit-like tensor, a manifest and a receipt. */

import { ed25519KeyPair, x25519KeyPair } from '@cloister/crypto';
import { type AccountId, asDigest, asHeight, asMeasurement, type Digest, toHex } from '@cloister/encoding';
import fc from 'fast-check';
import type { ImageManifest, ModelManifest, ReceiptStatement, SealRequestInput, Tensor } from '../src/index.ts';

export const digest = (byte: number): Digest => asDigest(byte.toString(16).padStart(2, '0').repeat(32));
export const bytes32 = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
export const sender: AccountId = ed25519KeyPair(bytes32(1)).id;
export const executorKeys = [x25519KeyPair(bytes32(2)), x25519KeyPair(bytes32(3))] as const;
export const chainId: Digest = digest(0xc1);
export const keysets = [digest(0xe1), digest(0xe0)] as const;
export const image: Digest = digest(0x11);

export function fp32(name: string, shape: readonly number[], values: readonly number[]): Tensor {
  return { name, datatype: 'FP32', shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

export const tensors: readonly Tensor[] = [fp32('input', [1, 4], [0, 0.5, -1, 3])];

export function sealInput(): SealRequestInput {
  return {
    chainId,
    sender,
    requestNonce: toHex(bytes32(9)),
    modelId: digest(0xaa),
    images: [image, digest(0x12)],
    expiryHeight: asHeight(100),
    tensors,
    executors: executorKeys.map((key, i) => ({ keyset: keysets[i] ?? digest(0), hpkeKey: key.publicKey })),
    random: {
      requestKey32: bytes32(4),
      salt32: bytes32(5),
      payloadNonce12: new Uint8Array(12).fill(6),
      ephemeralSeeds: [bytes32(7), bytes32(8)],
    },
  };
}

export const imageManifest: ImageManifest = {
  schema: 'cloister/enclave-image/v1',
  name: 'cloister-enclave',
  version: '0.1.0',
  svn: 1,
  debug: false,
  entry: 'enclave.mjs',
  node: { version: 'v26.10.0', sha384: asMeasurement('ab'.repeat(48)) },
  engine: { name: 'onnxruntime-node', version: '1.30.0' },
  files: [
    { path: 'enclave.mjs', size: 10, sha384: asMeasurement('01'.repeat(48)) },
    { path: 'engine/lib.node', size: 20, sha384: asMeasurement('02'.repeat(48)) },
  ],
  limits: {
    modelBytesMax: 1 << 28,
    payloadBytesMax: 1 << 25,
    responseBytesMax: 1 << 25,
    runMsMax: 30_000,
    memoryMibMax: 512,
  },
};

export const modelManifest: ModelManifest = {
  schema: 'cloister/model/v1',
  name: 'digits',
  version: '1',
  owner: sender,
  onnxDigest: digest(1),
  ciphertextDigest: digest(2),
  size: 1000,
  inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 4] }],
  outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 10] }],
  engine: { name: 'onnxruntime-node', version: '1.30.0' },
  keyCommitment: digest(3),
  releasePolicy: { images: [image], platforms: ['sev-snp'], mayReplicate: false },
  executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
};

export const statement: ReceiptStatement = {
  chainId,
  task: digest(0x20),
  transaction: digest(0x21),
  model: digest(0x22),
  onnxDigest: digest(0x23),
  inputCommitment: digest(0x24),
  status: 'completed',
  outputCommitment: digest(0x25),
  responseDigest: digest(0x26),
  image,
  measurement: asMeasurement('77'.repeat(48)),
  policyDigest: digest(0x27),
  height: asHeight(42),
  engine: { name: 'onnxruntime-node', version: '1.30.0', numericClass: 'avx2' },
  executor: sender,
  keyset: digest(0xe1),
  simulated: true,
};

/** Mutations of one byte string: flipped bits, cut tails, inserted and removed bytes. */
export function mutated(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc
    .array(fc.tuple(fc.constantFrom('flip', 'cut', 'insert', 'remove'), fc.nat(), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    })
    .map((edits) => {
      let bytes = [...original];
      for (const [kind, position, value] of edits) {
        const at = bytes.length === 0 ? 0 : position % bytes.length;
        if (kind === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (value === 0 ? 1 : value);
        else if (kind === 'cut') bytes = bytes.slice(0, at);
        else if (kind === 'insert') bytes.splice(at, 0, value);
        else bytes.splice(at, 1);
      }
      return Uint8Array.from(bytes);
    });
}

/** Random bytes, and mutations of valid ones. */
export function hostile(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated(original));
}
