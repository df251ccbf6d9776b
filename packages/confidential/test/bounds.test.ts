/** Each bound of the formats, one step within and one step beyond. */
import { aesGcmSeal, SeededRandom } from '@cloister/crypto';
import { ByteWriter, concatBytes, type Digest } from '@cloister/encoding';
import { bytes, int, message, protoText } from '@cloister/testkit/onnx-writer';
import { describe, expect, it } from 'vitest';
import {
  checkModelManifest,
  checkOutcome,
  checkRequestContext,
  checkTensors,
  contentDigest,
  IMAGE_LIMITS,
  isImagePath,
  isModelSize,
  isSealedSize,
  isTensorName,
  LARGEST_SEALED_BYTES,
  MAX_ALLOWED_IMAGES,
  MAX_EXECUTORS,
  MODEL_BYTES_MAX,
  ModelOpening,
  matchTensors,
  openModel,
  openRequest,
  type RequestContext,
  SMALLEST_SEALED_BYTES,
  saltedOnnxDigest,
  screenOnnx,
  sealedSizeClass,
  sealModel,
  sealRequest,
  signatureDifferences,
  TENSOR_LIMITS,
  type Tensor,
  type TensorSpec,
} from '../src/index.ts';
import { chunkAad, chunkKey, chunkNonce, MODEL_MAGIC } from '../src/model/model.ts';
import { bytes32, digest, executorKeys, fp32, image, keysets, modelManifest, sealInput } from './samples.ts';

describe('sizes', () => {
  it('of sealed bytes are the powers of two from the smallest to the largest', () => {
    for (let size = SMALLEST_SEALED_BYTES; size <= LARGEST_SEALED_BYTES; size *= 2) {
      expect([size, isSealedSize(size), isSealedSize(size + 1), isSealedSize(size - 1)]).toEqual([
        size,
        true,
        false,
        false,
      ]);
    }
    expect([isSealedSize(SMALLEST_SEALED_BYTES / 2), isSealedSize(2 * LARGEST_SEALED_BYTES)]).toEqual([false, false]);
    expect(sealedSizeClass(LARGEST_SEALED_BYTES - 28, 28)).toBe(LARGEST_SEALED_BYTES);
    expect(sealedSizeClass(LARGEST_SEALED_BYTES - 27, 28)).toBeUndefined();
  });

  it('of models are at least one byte and at most the largest', () => {
    expect([0, 1, MODEL_BYTES_MAX, MODEL_BYTES_MAX + 1].map(isModelSize)).toEqual([false, true, true, false]);
  });

  it('of paths inside an image have their bound', () => {
    const path = (length: number) => `${'a/'.repeat(length)}`.slice(0, length - 1).concat('b');
    expect(isImagePath(path(IMAGE_LIMITS.pathBytes))).toBe(true);
    expect(isImagePath(path(IMAGE_LIMITS.pathBytes + 2))).toBe(false);
  });
});

describe('a request context', () => {
  const { context } = sealInput() as unknown as { context: RequestContext };

  it('names at most so many images and keysets', async () => {
    const sealed = await sealRequest(sealInput());
    if (!sealed.ok) throw new Error(sealed.code);
    const own = context ?? sealed.value.context;
    const names = (count: number) => Array.from({ length: count }, (_, index) => digest(index)).sort();
    const check = (change: Partial<RequestContext>) => {
      const checked = checkRequestContext({ ...own, ...change });
      return checked.ok ? 'ok' : checked.detail;
    };
    expect(check({ images: names(MAX_ALLOWED_IMAGES) })).toBe('ok');
    expect(check({ images: names(MAX_ALLOWED_IMAGES + 1) })).toBe('number of images');
    expect(check({ keysets: names(MAX_EXECUTORS) })).toBe('ok');
    expect(check({ keysets: names(MAX_EXECUTORS + 1) })).toBe('number of keysets');
  });

  it('is opened by the executor that it names in that place alone', async () => {
    const sealed = await sealRequest(sealInput());
    if (!sealed.ok) throw new Error(sealed.code);
    const swapped = { ...sealed.value, executors: sealed.value.executors.toReversed() };
    const [keyset] = keysets;
    const opened = await openRequest({ sealed: swapped, keyset, image, hpkeSecretKey: executorKeys[0].secretKey });
    expect(opened).toMatchObject({ code: 'NOT_AN_EXECUTOR' });
  });
});

describe('tensors', () => {
  it('have names of well-formed text within a bound of bytes', () => {
    expect(isTensorName('x'.repeat(TENSOR_LIMITS.nameBytes))).toBe(true);
    expect(isTensorName('x'.repeat(TENSOR_LIMITS.nameBytes + 1))).toBe(false);
    expect(isTensorName('é'.repeat(TENSOR_LIMITS.nameBytes / 2 + 1))).toBe(false);
    expect(isTensorName('\ud800')).toBe(false);
  });

  it('have whole dimensions within a bound', () => {
    const shaped = (shape: readonly number[]) => checkTensors([{ ...fp32('x', [0], []), shape }]);
    expect(shaped([0, TENSOR_LIMITS.dimension]).ok).toBe(true);
    expect(shaped([0, TENSOR_LIMITS.dimension + 1])).toMatchObject({ code: 'TENSOR_SHAPE' });
    expect(shaped([0, 0.5])).toMatchObject({ code: 'TENSOR_SHAPE' });
  });

  it('of bytes end where their last element ends', () => {
    const ofBytes = (data: readonly number[]): Tensor => ({
      name: 't',
      datatype: 'BYTES',
      shape: [1],
      data: Uint8Array.from(data),
    });
    expect(checkTensors([ofBytes([1, 0, 0, 0, 65])]).ok).toBe(true);
    const short = checkTensors([ofBytes([9, 0, 0, 0, 65])]);
    const long = checkTensors([ofBytes([1, 0, 0, 0, 65, 66])]);
    expect([short.ok, long.ok]).toEqual([false, false]);
    expect(!short.ok && !long.ok && short.code).toBe(!long.ok && long.code);
  });

  it('of bytes take no character that ends in the next element', () => {
    const data = Uint8Array.from([1, 0, 0, 0, 0xc2, 0x80, 0, 0, 0, ...new Uint8Array(0x80).fill(65)]);
    expect(checkTensors([{ name: 't', datatype: 'BYTES', shape: [2], data }])).toMatchObject({
      code: 'TENSOR_DATA_VALUE',
    });
  });

  it('match a declaration in which each name stands once', () => {
    const spec: TensorSpec = { name: 'x', datatype: 'FP32', shape: [2] };
    const x = fp32('x', [2], [1, 2]);
    expect(matchTensors([x], [spec]).ok).toBe(true);
    expect(matchTensors([x, fp32('y', [2], [1, 2])], [spec])).toMatchObject({ code: 'TENSOR_UNEXPECTED' });
    expect(matchTensors([x, x], [spec])).toMatchObject({ code: 'TENSOR_UNEXPECTED' });
    expect(matchTensors([x, x], [spec, spec])).toMatchObject({ code: 'TENSOR_UNEXPECTED' });
  });

  it('that are none make an outcome that cannot be encoded', () => {
    const outcome = { status: 'completed', tensors: [{ ...fp32('x', [2], [1, 2]), name: '' }] } as const;
    expect(checkOutcome(outcome)).toMatchObject({ code: 'OUTCOME_UNENCODABLE', detail: 'TENSOR_NAME' });
  });
});

describe('a model', () => {
  const onnx = new SeededRandom('onnx').bytes(100);
  const key = bytes32(0x55);
  const sealed = sealModel(onnx, key);

  it('has an execution policy of m receipts of k executors at most', () => {
    const policy = (k: number, m: number, minPlatforms = 1) =>
      checkModelManifest({ ...modelManifest, executionPolicy: { k, m, minPlatforms, assignment: 'tenant' } }).ok;
    expect([policy(3, 2), policy(3, 3), policy(3, 4), policy(3, 1), policy(2, 2, 3)]).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('is nothing beyond its header', () => {
    const header = sealed.ciphertext.slice(0, 57);
    const manifest = { ...sealed, size: header.length, ciphertextDigest: contentDigest(header) };
    expect(openModel({ ciphertext: header, modelKey: key, manifest })).toMatchObject({ code: 'MODEL_SIZE_MISMATCH' });
    const longer = ModelOpening.start(key, sealed);
    if (!longer.ok) throw new Error(longer.code);
    expect(longer.value.push(concatBytes(sealed.ciphertext, Uint8Array.of(1)))).toEqual([]);
  });

  it('is refused when its owner sealed another file than its header names, or none', () => {
    const sealedUnder = (onnxDigest: Digest, file: Uint8Array) => {
      const header = new ByteWriter(57).fixed(MODEL_MAGIC).u64(file.length).digest(onnxDigest).finish();
      const aad = chunkAad(onnxDigest, file.length, 0, true);
      const ciphertext = concatBytes(header, aesGcmSeal(chunkKey(key, onnxDigest), chunkNonce(0), aad, file));
      const manifest = { ...sealed, onnxDigest, size: ciphertext.length, ciphertextDigest: contentDigest(ciphertext) };
      return openModel({ ciphertext, modelKey: key, manifest });
    };
    expect(sealedUnder(sealed.onnxDigest, onnx)).toEqual({ ok: true, value: onnx });
    expect(sealedUnder(sealed.onnxDigest, onnx.toReversed())).toMatchObject({ code: 'ONNX_DIGEST_MISMATCH' });
    const none = new Uint8Array(0);
    expect(sealedUnder(saltedOnnxDigest(key, none), none)).toMatchObject({ code: 'MODEL_MALFORMED' });
  });

  it('differs from its manifest by names, datatypes, numbers of dimensions and sizes', () => {
    const spec = (change: Partial<TensorSpec> = {}): TensorSpec => ({
      name: 'x',
      datatype: 'FP32',
      shape: [-1, 4],
      ...change,
    });
    const codes = (file: readonly TensorSpec[], manifest: readonly TensorSpec[]) =>
      signatureDifferences({ inputs: file, outputs: [] }, { inputs: manifest, outputs: [] }).map(({ code }) => code);
    expect(codes([spec()], [spec({ shape: [7, -1] })])).toEqual([]);
    expect(codes([], [spec()])).toEqual(['NOT_IN_FILE']);
    expect(codes([spec()], [])).toEqual(['NOT_IN_MANIFEST']);
    expect(codes([spec()], [spec({ datatype: 'INT8' })])).toEqual(['DATATYPE_DIFFERS']);
    expect(codes([spec()], [spec({ shape: [-1, 5] })])).toEqual(['SHAPE_DIFFERS']);
    expect(codes([spec()], [spec({ shape: [-1, 4, -1] })])).toEqual(['SHAPE_DIFFERS']);
  });
});

describe('a file that is screened', () => {
  const graph = message(7, message(1, protoText(4, 'Relu')));
  it.each<[string, Uint8Array, string]>([
    ['a number cut short', concatBytes(graph, Uint8Array.of(1 * 8, 0x80)), 'varint'],
    ['a length beyond the end', concatBytes(graph, Uint8Array.of(2 * 8 + 2, 100, 1)), 'length'],
    ['a fixed number cut short', concatBytes(graph, Uint8Array.of(1 * 8 + 5, 1, 2)), 'length'],
    ['field 0', concatBytes(graph, Uint8Array.of(0, 1)), 'field number'],
    ['a group', concatBytes(graph, Uint8Array.of(1 * 8 + 3)), 'wire type'],
    ['an operator that is no text', message(7, message(1, bytes(4, Uint8Array.of(0xff, 0xfe)))), 'text'],
    [
      'the format of the runtime',
      concatBytes(Uint8Array.of(8, 0, 0, 0), new TextEncoder().encode('ORTM'), graph),
      'another format',
    ],
    ['nothing', new Uint8Array(0), 'no graph'],
    ['no graph', int(1, 8), 'no graph'],
  ])('is refused for %s by that name', (_, file, detail) => {
    expect(screenOnnx(file)).toEqual({ ok: false, code: 'ONNX_MALFORMED', detail });
  });

  it('passes without it', () => {
    expect(screenOnnx(graph)).toEqual({ ok: true, value: undefined });
  });
});
