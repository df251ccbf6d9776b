import { SeededRandom, x25519KeyPair } from '@cloister/crypto';
import { canonicalJson, concatBytes, type JsonValue, utf8 } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkModelManifest,
  contentDigest,
  encodeModelManifest,
  MODEL_CHUNK_BYTES,
  ModelOpening,
  modelId,
  modelManifestFromJson,
  modelManifestToJson,
  openModel,
  openModelKey,
  parseModelManifest,
  type SealedModel,
  saltedOnnxDigest,
  sealModel,
  sealModelKey,
} from '../src/index.ts';
import { bytes32, chainId, digest, hostile, modelManifest, mutated } from './samples.ts';

const onnx = new SeededRandom('onnx').bytes(2 * MODEL_CHUNK_BYTES + 100);
const modelKey = bytes32(0x55);
const sealed = sealModel(onnx, modelKey);
const MAGIC = 17;
const HEADER = MAGIC + 8 + 32;
const STEP = MODEL_CHUNK_BYTES + 16;
/** A manifest that names `ciphertext`, so that only the chunks themselves can refuse it. */
const opening = (ciphertext: Uint8Array, model: SealedModel = sealed) =>
  openModel({
    ciphertext,
    modelKey,
    manifest: { ...model, size: ciphertext.length, ciphertextDigest: contentDigest(ciphertext) },
  });

describe('sealed model', () => {
  it('opens to the file at every boundary of a chunk', () => {
    for (const length of [1, MODEL_CHUNK_BYTES - 1, MODEL_CHUNK_BYTES, MODEL_CHUNK_BYTES + 1, onnx.length]) {
      const model = sealModel(onnx.slice(0, length), modelKey);
      expect(openModel({ ciphertext: model.ciphertext, modelKey, manifest: model })).toEqual({
        ok: true,
        value: onnx.slice(0, length),
      });
    }
  });

  it('opens the same in pieces of any size, and gives no more than the header says', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1_000, max: 2 * STEP }), { minLength: 1 }), (sizes) => {
        const started = ModelOpening.start(modelKey, sealed);
        if (!started.ok) throw new Error(started.code);
        const chunks: Uint8Array[] = [];
        for (let at = 0, i = 0; at < sealed.ciphertext.length; i++) {
          const piece = sealed.ciphertext.subarray(at, at + (sizes[i % sizes.length] ?? 1));
          chunks.push(...started.value.push(piece));
          at += piece.length;
        }
        expect(started.value.length).toBe(onnx.length);
        expect(started.value.finish()).toEqual({ ok: true, value: undefined });
        expect(concatBytes(...chunks)).toEqual(onnx);
      }),
      { numRuns: 8 },
    );
    const longer = ModelOpening.start(modelKey, sealed);
    if (!longer.ok) throw new Error(longer.code);
    longer.value.push(sealed.ciphertext);
    expect(longer.value.push(Uint8Array.of(1))).toEqual([]);
    expect(longer.value.finish()).toMatchObject({ code: 'MODEL_SIZE_MISMATCH' });
  });

  it('never uses one key stream for two files under one model key', () => {
    const other = sealModel(
      Uint8Array.from(onnx, (byte) => byte ^ 0xff),
      modelKey,
    );
    const keyStream = (model: SealedModel, flip: number) =>
      model.ciphertext.slice(HEADER, HEADER + 32).map((byte, i) => byte ^ (onnx[i] ?? 0) ^ flip);
    expect(keyStream(other, 0xff)).not.toEqual(keyStream(sealed, 0));
  });

  it('hides the digest of the file from whoever does not hold the key', () => {
    expect(saltedOnnxDigest(modelKey, onnx)).toBe(sealed.onnxDigest);
    expect(saltedOnnxDigest(bytes32(0x56), onnx)).not.toBe(sealed.onnxDigest);
  });

  it('refuses what the manifest does not name, each with its code', () => {
    const manifest = sealed;
    expect(openModel({ ciphertext: sealed.ciphertext.slice(1), modelKey, manifest })).toMatchObject({
      code: 'MODEL_SIZE_MISMATCH',
    });
    const flipped = sealed.ciphertext.slice();
    flipped[100] = (flipped[100] ?? 0) ^ 1;
    expect(openModel({ ciphertext: flipped, modelKey, manifest })).toMatchObject({
      code: 'CIPHERTEXT_DIGEST_MISMATCH',
    });
    expect(openModel({ ciphertext: sealed.ciphertext, modelKey: bytes32(1), manifest })).toMatchObject({
      code: 'KEY_COMMITMENT_MISMATCH',
    });
    expect(opening(flipped)).toMatchObject({ code: 'MODEL_NOT_OPENED' });
    expect(opening(sealed.ciphertext, { ...sealed, onnxDigest: digest(7) })).toMatchObject({
      code: 'ONNX_DIGEST_MISMATCH',
    });
  });

  it('refuses chunks that were swapped, dropped or cut', () => {
    const { ciphertext } = sealed;
    const chunk = (i: number): Uint8Array => ciphertext.slice(HEADER + i * STEP, HEADER + (i + 1) * STEP);
    const build = (length: number, ...parts: Uint8Array[]): Uint8Array => {
      const header = ciphertext.slice(0, HEADER);
      new DataView(header.buffer).setBigUint64(MAGIC, BigInt(length));
      return Uint8Array.from([...header, ...parts.flatMap((part) => [...part])]);
    };
    expect(opening(build(onnx.length, chunk(1), chunk(0), chunk(2)))).toMatchObject({ code: 'MODEL_NOT_OPENED' });
    expect(opening(build(2 * MODEL_CHUNK_BYTES, chunk(0), chunk(1)))).toMatchObject({ code: 'MODEL_NOT_OPENED' });
    expect(opening(build(onnx.length, chunk(0), chunk(1)))).toMatchObject({ code: 'MODEL_MALFORMED' });
    expect(opening(build(2 ** 40, chunk(0)))).toMatchObject({ code: 'MODEL_MALFORMED' });
  });

  it('never throws on hostile bytes, and opens no mutation', () => {
    const small = sealModel(onnx.slice(0, 300), modelKey);
    fc.assert(
      fc.property(hostile(small.ciphertext), (ciphertext) => {
        fc.pre(contentDigest(ciphertext) !== small.ciphertextDigest);
        expect(opening(ciphertext, small).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe('model key grant', () => {
  const enclave = x25519KeyPair(bytes32(0x31));
  const grant = {
    modelKey,
    modelId: digest(0xaa),
    chainId,
    keyset: digest(0xe1),
    hpkeKey: enclave.publicKey,
    ephemeralSeed: bytes32(0x32),
  };

  it('opens for its enclave and for no other model, keyset, chain or key', async () => {
    const made = await sealModelKey(grant);
    if (!made.ok) throw new Error(made.code);
    const open = {
      ...made.value,
      modelId: grant.modelId,
      keyCommitment: sealed.keyCommitment,
      chainId,
      keyset: grant.keyset,
      hpkeSecretKey: enclave.secretKey,
    };
    expect(await openModelKey(open)).toEqual({ ok: true, value: modelKey });
    for (const change of [
      { modelId: digest(1) },
      { keyset: digest(1) },
      { chainId: digest(1) },
      { hpkeSecretKey: x25519KeyPair(bytes32(1)).secretKey },
      { enc: new Uint8Array(31) },
    ]) {
      expect(await openModelKey({ ...open, ...change })).toMatchObject({ code: 'MODEL_KEY_NOT_OPENED' });
    }
    expect(await openModelKey({ ...open, keyCommitment: digest(1) })).toMatchObject({
      code: 'KEY_COMMITMENT_MISMATCH',
    });
    expect(await sealModelKey({ ...grant, hpkeKey: new Uint8Array(32) })).toMatchObject({
      code: 'EXECUTOR_KEY_UNACCEPTABLE',
    });
    await fc.assert(
      fc.asyncProperty(mutated(made.value.sealedKey), async (sealedKey) => {
        fc.pre(contentDigest(sealedKey) !== contentDigest(made.value.sealedKey));
        expect((await openModelKey({ ...open, sealedKey })).ok).toBe(false);
      }),
      { numRuns: 50 },
    );
  });
});

describe('model manifest', () => {
  const changed = (change: object): Uint8Array =>
    utf8(canonicalJson({ ...modelManifest, ...change } as unknown as JsonValue));

  it('round-trips as bytes and as JSON, and its id covers every field', () => {
    const bytes = encodeModelManifest(modelManifest);
    expect(parseModelManifest(bytes)).toEqual({ ok: true, value: modelManifest });
    expect(modelManifestFromJson(modelManifestToJson(modelManifest))).toEqual({ ok: true, value: modelManifest });
    const lax = { ...modelManifest, releasePolicy: { ...modelManifest.releasePolicy, mayReplicate: true } };
    expect(modelId(lax)).not.toBe(modelId(modelManifest));
  });

  it.each([
    ['an unknown member', { extra: 1 }],
    ['a threshold without majority', { executionPolicy: { k: 4, m: 2, minPlatforms: 1, assignment: 'tenant' } }],
    ['more platforms than executors', { executionPolicy: { k: 1, m: 1, minPlatforms: 2, assignment: 'tenant' } }],
    ['no images', { releasePolicy: { ...modelManifest.releasePolicy, images: [] } }],
    ['images out of order', { releasePolicy: { ...modelManifest.releasePolicy, images: [digest(2), digest(1)] } }],
    ['an input twice', { inputs: [...modelManifest.inputs, ...modelManifest.inputs] }],
    ['a dimension of -2', { inputs: [{ name: 'x', datatype: 'FP32', shape: [-2] }] }],
    ['an unknown datatype', { inputs: [{ name: 'x', datatype: 'FP8', shape: [1] }] }],
    ['an empty ciphertext', { size: 0 }],
    ['an input without a name', { inputs: [{ name: '', datatype: 'FP32', shape: [1] }] }],
    ['a platform that is no name', { releasePolicy: { ...modelManifest.releasePolicy, platforms: ['SEV SNP'] } }],
    ['platforms out of order', { releasePolicy: { ...modelManifest.releasePolicy, platforms: ['tdx', 'sev-snp'] } }],
    ['a name with control characters', { name: 'a\u001b[0m' }],
    ['a name that ends in a space', { name: 'a ' }],
  ])('refuses %s', (_, change) => {
    expect(parseModelManifest(changed(change))).toMatchObject({ ok: false, code: 'SCHEMA_VIOLATION' });
    expect(modelManifestFromJson({ ...modelManifest, ...change } as unknown as JsonValue).ok).toBe(false);
    expect(checkModelManifest({ ...modelManifest, ...change } as typeof modelManifest).ok).toBe(false);
  });

  it('never throws on hostile bytes', () => {
    fc.assert(
      fc.property(hostile(encodeModelManifest(modelManifest)), (bytes) => {
        const parsed = parseModelManifest(bytes);
        if (parsed.ok) expect(encodeModelManifest(parsed.value)).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.jsonValue(), (value) => void modelManifestFromJson(value as JsonValue)));
  });
});
