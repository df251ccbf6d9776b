/**
 * The manifest of an enclave image: what is in it, byte for byte, and therefore what it measures.
 *
 * The manifest is canonical JSON (RFC 8785). Its SHA-384 is the image's measurement and its SHA-256 the image digest
 * that rides in HOST_DATA; both change with any byte of any file, since the manifest names every file's digest. An image
 * marked `debug` measures as all zeros, which no network allows.
 */

import { sha256, sha384 } from '@cloister/crypto';
import {
  asMeasurement,
  assert,
  canonicalJson,
  type Digest,
  digestFromBytes,
  type JsonValue,
  type Measurement,
  type Result,
  toHex,
  utf8,
} from '@cloister/encoding';
import {
  type DocumentErrorCode,
  isStrictlyAscending,
  JsonFields,
  readDocument,
  SchemaViolation,
} from '../json-fields.ts';

export const IMAGE_MANIFEST_SCHEMA = 'cloister/enclave-image/v1';
/** Name of the manifest inside the image's directory; it lists every other file. */
export const IMAGE_MANIFEST_FILE = 'manifest.json';
/** Bounds of a manifest that parses. */
export const IMAGE_LIMITS: {
  readonly manifestBytes: number;
  readonly files: number;
  readonly fileBytes: number;
  readonly imageBytes: number;
  readonly pathBytes: number;
} = { manifestBytes: 1 << 20, files: 4096, fileBytes: 1 << 30, imageBytes: 2 ** 31, pathBytes: 512 };

/** What an enclave started from the image takes at most: bytes, milliseconds, mebibytes. All positive. */
export interface EnclaveLimits {
  readonly modelBytesMax: number;
  readonly payloadBytesMax: number;
  readonly responseBytesMax: number;
  readonly runMsMax: number;
  readonly memoryMibMax: number;
}

export interface ImageFile {
  /** Relative, forward slashes, no segment of dots alone; unique, and in ascending order in the manifest. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly sha384: Measurement;
}

export interface ImageManifest {
  readonly schema: typeof IMAGE_MANIFEST_SCHEMA;
  readonly name: string;
  readonly version: string;
  /** Security version number: rises when an older image must no longer be trusted. */
  readonly svn: number;
  readonly debug: boolean;
  /** Path of the file that is started; one of `files`. */
  readonly entry: string;
  readonly node: { readonly version: string; readonly sha384: Measurement };
  readonly engine: { readonly name: string; readonly version: string };
  readonly files: readonly ImageFile[];
  readonly limits: EnclaveLimits;
}

const SEGMENT: RegExp = /^(?!\.{1,2}$)[A-Za-z0-9_@+.,=-]{1,255}$/;
const U32_MAX = 0xffff_ffff;

/** Whether a path stays below the directory it is resolved against, on every operating system, and has one spelling. */
export function isImagePath(path: string): boolean {
  return path.length <= IMAGE_LIMITS.pathBytes && path.split('/').every((segment) => SEGMENT.test(segment));
}

function readPath(fields: JsonFields, key: string): string {
  const path = fields.text(key, IMAGE_LIMITS.pathBytes);
  if (!isImagePath(path)) throw new SchemaViolation(`${key} leaves the image or is not a plain path`);
  return path;
}

function readFile(value: JsonValue, where: string): ImageFile {
  const fields = new JsonFields(value, where);
  const file: ImageFile = {
    path: readPath(fields, 'path'),
    size: fields.integer('size', 0, IMAGE_LIMITS.fileBytes),
    sha384: fields.measurement('sha384'),
  };
  fields.end();
  return file;
}

function readLimits(fields: JsonFields): EnclaveLimits {
  const limits: EnclaveLimits = {
    modelBytesMax: fields.integer('modelBytesMax', 1, U32_MAX),
    payloadBytesMax: fields.integer('payloadBytesMax', 1, U32_MAX),
    responseBytesMax: fields.integer('responseBytesMax', 1, U32_MAX),
    runMsMax: fields.integer('runMsMax', 1, U32_MAX),
    memoryMibMax: fields.integer('memoryMibMax', 1, U32_MAX),
  };
  fields.end();
  return limits;
}

/** One path cannot be a file and a directory at once, and the manifest cannot list itself. */
function checkFiles(files: readonly ImageFile[], entry: string): void {
  const paths = files.map((file) => file.path);
  if (!isStrictlyAscending(paths)) throw new SchemaViolation('files are not in ascending order of unique paths');
  const known = new Set(paths);
  for (const path of paths) {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      if (known.has(path.slice(0, slash))) throw new SchemaViolation(`${path} lies below a file`);
    }
  }
  if (known.has(IMAGE_MANIFEST_FILE)) throw new SchemaViolation('the manifest lists itself');
  if (!known.has(entry)) throw new SchemaViolation('entry is not one of the files');
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > IMAGE_LIMITS.imageBytes) throw new SchemaViolation('the files together are too large');
}

function readManifest(value: JsonValue): ImageManifest {
  const fields = new JsonFields(value, 'manifest');
  const node = fields.object('node');
  const engine = fields.object('engine');
  const manifest: ImageManifest = {
    schema: fields.literal('schema', [IMAGE_MANIFEST_SCHEMA]),
    name: fields.name('name'),
    version: fields.name('version'),
    svn: fields.integer('svn', 0, U32_MAX),
    debug: fields.boolean('debug'),
    entry: readPath(fields, 'entry'),
    node: { version: node.name('version'), sha384: node.measurement('sha384') },
    engine: { name: engine.name('name'), version: engine.name('version') },
    files: fields.list('files', 1, IMAGE_LIMITS.files, readFile),
    limits: readLimits(fields.object('limits')),
  };
  node.end();
  engine.end();
  fields.end();
  checkFiles(manifest.files, manifest.entry);
  return manifest;
}

/** The manifest in canonical bytes that follow the schema, or why they do not. */
export function parseImageManifest(bytes: Uint8Array): Result<ImageManifest, DocumentErrorCode> {
  return readDocument(bytes, { maxBytes: IMAGE_LIMITS.manifestBytes, maxDepth: 4 }, readManifest);
}

/** Canonical bytes of a manifest. A manifest that `parseImageManifest` would refuse is a bug of the caller. */
export function encodeImageManifest(manifest: ImageManifest): Uint8Array {
  const bytes = utf8(canonicalJson(manifest as unknown as JsonValue));
  const parsed = parseImageManifest(bytes);
  assert(parsed.ok, `encodeImageManifest: ${parsed.ok ? '' : parsed.detail}`);
  return bytes;
}

/** SHA-256 of the manifest's bytes: the `image` of runtime data, HOST_DATA and reference values. */
export function imageDigest(manifestBytes: Uint8Array): Digest {
  return digestFromBytes(sha256(manifestBytes));
}

/** SHA-384 of the manifest's bytes; 48 zeros for a debug image. Bytes that do not parse are a bug of the caller. */
export function imageMeasurement(manifestBytes: Uint8Array): Measurement {
  const manifest = parseImageManifest(manifestBytes);
  assert(manifest.ok, 'imageMeasurement: not an image manifest');
  return asMeasurement(manifest.value.debug ? '0'.repeat(96) : toHex(sha384(manifestBytes)));
}
