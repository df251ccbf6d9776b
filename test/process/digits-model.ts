/** The digits model on a network under test: published by its owner, and what the bare model would answer. */
import { readFile } from 'node:fs/promises';
import type { Platform } from '@cloister/attestation';
import type { CloisterClient, InferenceResult, PreparedModel } from '@cloister/client';
import type { ExecutionPolicy } from '@cloister/confidential';
import type { Digest } from '@cloister/encoding';
import { DIGIT_PIXELS, DIGITS_MODEL } from '@cloister/node/testnet';
import { tryModel } from '@cloister/platform';

/** `policy`: members that differ from one executor on SEV-SNP. */
export async function publishDigits(
  owner: CloisterClient,
  image: Digest,
  platforms: readonly Platform[] = ['sev-snp'],
  policy: Partial<ExecutionPolicy> = {},
): Promise<PreparedModel> {
  const prepared = await owner.prepareModel(
    {
      onnx: await readFile(DIGITS_MODEL),
      name: 'digits',
      version: '1',
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, DIGIT_PIXELS] }],
      outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10] }],
      engine: { name: 'onnxruntime-node', version: '1.30.0' },
      releasePolicy: { images: [image], platforms, mayReplicate: false },
      executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant', ...policy },
    },
    { tryModel },
  );
  await owner.publishModel(prepared);
  return prepared;
}

/** The ten probabilities of a completed inference. */
export function answerOf({ outcome }: InferenceResult): readonly number[] {
  if (outcome.status !== 'completed') throw new Error(`refused: ${outcome.code} ${outcome.detail}`);
  const [tensor] = outcome.tensors;
  if (tensor === undefined) throw new Error('no output');
  const { buffer, byteOffset, byteLength } = tensor.data;
  return [...new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength))];
}
