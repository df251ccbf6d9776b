/**
 * The public description of a model whose weights are sealed.
 *
 * The manifest's digest is the model's id. It binds the ciphertext, the key, the ONNX file (by a digest that only the
 * key's holders can recompute) and the owner's policies; whoever holds the key grants it under this id alone, so no
 * other manifest over the same ciphertext can come by the key.
 */

import { hash } from '@cloister/crypto';
import {
  type AccountId,
  assert,
  canonicalJson,
  type Digest,
  type JsonValue,
  ok,
  type Result,
  utf8,
} from '@cloister/encoding';
import {
  type DocumentErrorCode,
  isStrictlyAscending,
  JsonFields,
  readDocument,
  readValue,
  SchemaViolation,
} from '../json-fields.ts';
import { MAX_ALLOWED_IMAGES, MAX_EXECUTORS } from '../request/request-context.ts';
import { isTensorName, TENSOR_DATATYPES, TENSOR_LIMITS, type TensorSpec } from '../request/tensors.ts';

export const MODEL_MANIFEST_SCHEMA = 'cloister/model/v1';
export const MODEL_MANIFEST_BYTES_MAX: number = 16 * 1024;
/** Largest sealed model. */
export const MODEL_CIPHERTEXT_BYTES_MAX: number = 512 * 1024 * 1024;

/** Where the key may be released to. */
export interface ReleasePolicy {
  /** Image digests, ascending. */
  readonly images: readonly Digest[];
  /** Platform names, ascending, such as 'sev-snp'. */
  readonly platforms: readonly string[];
  /** Whether a granted enclave may grant the key on to another that fits this policy. */
  readonly mayReplicate: boolean;
}

/** How a request for this model is executed; a request may ask for more executors and a higher threshold, never less. */
export interface ExecutionPolicy {
  /** Least number of executors. */
  readonly k: number;
  /** Least number of equal receipts; 2m > k. */
  readonly m: number;
  /** Least number of distinct platforms among the executors; at most k. */
  readonly minPlatforms: number;
  /** Who picks the executors. */
  readonly assignment: 'tenant' | 'beacon';
}

export interface ModelManifest {
  readonly schema: typeof MODEL_MANIFEST_SCHEMA;
  readonly name: string;
  readonly version: string;
  readonly owner: AccountId;
  /** Digest of the ONNX file under a salt derived from the model's key. */
  readonly onnxDigest: Digest;
  /** SHA-256 of the sealed model. */
  readonly ciphertextDigest: Digest;
  /** Bytes of the sealed model. */
  readonly size: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly engine: { readonly name: string; readonly version: string };
  readonly keyCommitment: Digest;
  readonly releasePolicy: ReleasePolicy;
  readonly executionPolicy: ExecutionPolicy;
}

function readSpec(value: JsonValue, where: string): TensorSpec {
  const fields = new JsonFields(value, where);
  const spec: TensorSpec = {
    name: fields.text('name', TENSOR_LIMITS.nameBytes),
    datatype: fields.literal('datatype', TENSOR_DATATYPES),
    shape: fields.list('shape', 0, TENSOR_LIMITS.rank, (dimension) => {
      const inBounds = typeof dimension === 'number' && Number.isInteger(dimension) && dimension >= -1;
      if (!inBounds || dimension > TENSOR_LIMITS.dimension) throw new SchemaViolation(`${where} has a bad dimension`);
      return dimension;
    }),
  };
  fields.end();
  if (!isTensorName(spec.name)) throw new SchemaViolation(`${where} has a bad name`);
  return spec;
}

function readSpecs(fields: JsonFields, key: string): TensorSpec[] {
  const specs = fields.list(key, 1, TENSOR_LIMITS.count, readSpec);
  if (new Set(specs.map((spec) => spec.name)).size !== specs.length) throw new SchemaViolation(`${key} repeats a name`);
  return specs;
}

function readReleasePolicy(fields: JsonFields): ReleasePolicy {
  const platforms = fields.list('platforms', 1, 16, (element, where) => {
    if (typeof element !== 'string' || !/^[a-z][a-z0-9-]{0,31}$/.test(element)) {
      throw new SchemaViolation(`${where} is not a platform`);
    }
    return element;
  });
  if (!isStrictlyAscending(platforms)) throw new SchemaViolation('platforms are not sorted and unique');
  const policy: ReleasePolicy = {
    images: fields.digestSet('images', 1, MAX_ALLOWED_IMAGES),
    platforms,
    mayReplicate: fields.boolean('mayReplicate'),
  };
  fields.end();
  return policy;
}

function readExecutionPolicy(fields: JsonFields): ExecutionPolicy {
  const k = fields.integer('k', 1, MAX_EXECUTORS);
  const m = fields.integer('m', Math.floor(k / 2) + 1, k);
  const policy: ExecutionPolicy = {
    k,
    m,
    minPlatforms: fields.integer('minPlatforms', 1, k),
    assignment: fields.literal('assignment', ['tenant', 'beacon']),
  };
  fields.end();
  return policy;
}

function readManifest(value: JsonValue): ModelManifest {
  const fields = new JsonFields(value, 'model');
  const engine = fields.object('engine');
  const manifest: ModelManifest = {
    schema: fields.literal('schema', [MODEL_MANIFEST_SCHEMA]),
    name: fields.name('name'),
    version: fields.name('version', 64),
    owner: fields.account('owner'),
    onnxDigest: fields.digest('onnxDigest'),
    ciphertextDigest: fields.digest('ciphertextDigest'),
    size: fields.integer('size', 1, MODEL_CIPHERTEXT_BYTES_MAX),
    inputs: readSpecs(fields, 'inputs'),
    outputs: readSpecs(fields, 'outputs'),
    engine: { name: engine.name('name', 64), version: engine.name('version', 64) },
    keyCommitment: fields.digest('keyCommitment'),
    releasePolicy: readReleasePolicy(fields.object('releasePolicy')),
    executionPolicy: readExecutionPolicy(fields.object('executionPolicy')),
  };
  engine.end();
  fields.end();
  return manifest;
}

/** A manifest inside another JSON document, such as a transaction's payload. */
export function modelManifestFromJson(value: JsonValue): Result<ModelManifest, 'SCHEMA_VIOLATION' | 'JSON_TOO_LARGE'> {
  const read = readValue(value, readManifest);
  if (!read.ok) return read;
  return canonicalManifest(read.value).length <= MODEL_MANIFEST_BYTES_MAX
    ? read
    : { ok: false, code: 'JSON_TOO_LARGE' };
}

/** A manifest in canonical bytes, or why they are none. */
export function parseModelManifest(bytes: Uint8Array): Result<ModelManifest, DocumentErrorCode> {
  return readDocument(bytes, { maxBytes: MODEL_MANIFEST_BYTES_MAX, maxDepth: 4 }, readManifest);
}

function canonicalManifest(manifest: ModelManifest): Uint8Array {
  return utf8(canonicalJson(modelManifestToJson(manifest)));
}

/** The manifest as the JSON value that `modelManifestFromJson` reads. */
export function modelManifestToJson(manifest: ModelManifest): JsonValue {
  return manifest as unknown as JsonValue;
}

/** Canonical bytes of a manifest. One that `parseModelManifest` would refuse is a bug of the caller. */
export function encodeModelManifest(manifest: ModelManifest): Uint8Array {
  const bytes = canonicalManifest(manifest);
  const parsed = parseModelManifest(bytes);
  assert(parsed.ok, `encodeModelManifest: ${parsed.ok ? '' : parsed.detail}`);
  return bytes;
}

/** Whether a manifest keeps the schema: for one made from a person's input. */
export function checkModelManifest(manifest: ModelManifest): Result<void, DocumentErrorCode> {
  const parsed = parseModelManifest(canonicalManifest(manifest));
  return parsed.ok ? ok(undefined) : parsed;
}

/** The model's id: the digest of its manifest's canonical bytes. */
export function modelId(manifest: ModelManifest): Digest {
  return hash('cloister/model/v1', encodeModelManifest(manifest));
}
