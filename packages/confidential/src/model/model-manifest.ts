/**
 * The public description of a model whose weights are sealed.
 *
 * The manifest's digest is the model's id. It binds the ciphertext, the key, the ONNX file (by a digest that only the
 * key's holders can recompute) and the owner's policies; the key is granted under this id alone, so another manifest
 * over the same ciphertext never gets the key.
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
  account,
  array,
  ascending,
  bool,
  count,
  digest,
  distinct,
  literal,
  matching,
  object,
  oneOf,
  refined,
  type Shape,
  text,
} from '@cloister/encoding/shape';
import { type DocumentErrorCode, plainName, readDocument, readValue } from '../document.ts';
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

const tensorSpec = object<TensorSpec>({
  name: refined(text(TENSOR_LIMITS.nameBytes), isTensorName, 'the name of a tensor'),
  datatype: oneOf(TENSOR_DATATYPES),
  shape: array(count({ min: -1, max: TENSOR_LIMITS.dimension }), { max: TENSOR_LIMITS.rank }),
});
const tensorSpecs = distinct(tensorSpec, ({ name }) => name, { min: 1, max: TENSOR_LIMITS.count });

const releasePolicy = object<ReleasePolicy>({
  images: ascending(digest, { min: 1, max: MAX_ALLOWED_IMAGES }),
  platforms: ascending(matching(/^[a-z][a-z0-9-]{0,31}$/, 32, 'the name of a platform'), { min: 1, max: 16 }),
  mayReplicate: bool,
});

const executors = count({ min: 1, max: MAX_EXECUTORS });
const executionPolicy = refined(
  object<ExecutionPolicy>({
    k: executors,
    m: executors,
    minPlatforms: executors,
    assignment: oneOf(['tenant', 'beacon']),
  }),
  ({ k, m, minPlatforms }) => 2 * m > k && m <= k && minPlatforms <= k,
  'm above half of k, and m and minPlatforms at most k',
);

const manifestShape: Shape<ModelManifest> = object<ModelManifest>({
  schema: literal(MODEL_MANIFEST_SCHEMA),
  name: plainName(),
  version: plainName(64),
  owner: account,
  onnxDigest: digest,
  ciphertextDigest: digest,
  size: count({ min: 1, max: MODEL_CIPHERTEXT_BYTES_MAX }),
  inputs: tensorSpecs,
  outputs: tensorSpecs,
  engine: object({ name: plainName(64), version: plainName(64) }),
  keyCommitment: digest,
  releasePolicy,
  executionPolicy,
});

/** A manifest inside another JSON document, such as a transaction's payload. */
export function modelManifestFromJson(value: JsonValue): Result<ModelManifest, 'SCHEMA_VIOLATION' | 'JSON_TOO_LARGE'> {
  const read = readValue(value, manifestShape, 'model');
  if (!read.ok) return read;
  return canonicalManifest(read.value).length <= MODEL_MANIFEST_BYTES_MAX
    ? read
    : { ok: false, code: 'JSON_TOO_LARGE' };
}

/** A manifest in canonical bytes, or why they are none. */
export function parseModelManifest(bytes: Uint8Array): Result<ModelManifest, DocumentErrorCode> {
  return readDocument(bytes, { maxBytes: MODEL_MANIFEST_BYTES_MAX, maxDepth: 4 }, manifestShape, 'model');
}

function canonicalManifest(manifest: ModelManifest): Uint8Array {
  return utf8(canonicalJson(manifest));
}

/** The manifest as the JSON value that `modelManifestFromJson` reads. */
export function modelManifestToJson(manifest: ModelManifest): JsonValue {
  const { inputs, outputs, engine, releasePolicy, executionPolicy, ...plain } = manifest;
  return {
    ...plain,
    inputs: inputs.map((spec) => ({ ...spec })),
    outputs: outputs.map((spec) => ({ ...spec })),
    engine,
    releasePolicy: { ...releasePolicy },
    executionPolicy: { ...executionPolicy },
  };
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
