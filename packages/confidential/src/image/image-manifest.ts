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
  type Measurement,
  type Result,
  toHex,
  utf8,
} from '@cloister/encoding';
import {
  array,
  bool,
  count,
  isStrictlyAscending,
  literal,
  measurement,
  object,
  refined,
  refuse,
  type Shape,
  text,
} from '@cloister/encoding/shape';
import { type DocumentErrorCode, plainName, readDocument } from '../document.ts';

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

/**
 * Upper limits of an enclave that is started from the image, in bytes, milliseconds and mebibytes. All are positive.
 */
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

const imagePath = refined(text(IMAGE_LIMITS.pathBytes), isImagePath, 'a plain path inside the image');
const positive = count({ min: 1, max: U32_MAX });

const manifestShape = object<ImageManifest>({
  schema: literal(IMAGE_MANIFEST_SCHEMA),
  name: plainName(),
  version: plainName(),
  svn: count({ max: U32_MAX }),
  debug: bool,
  entry: imagePath,
  node: object({ version: plainName(), sha384: measurement }),
  engine: object({ name: plainName(), version: plainName() }),
  files: array(
    object<ImageFile>({ path: imagePath, size: count({ max: IMAGE_LIMITS.fileBytes }), sha384: measurement }),
    { min: 1, max: IMAGE_LIMITS.files },
  ),
  limits: object<EnclaveLimits>({
    modelBytesMax: positive,
    payloadBytesMax: positive,
    responseBytesMax: positive,
    runMsMax: positive,
    memoryMibMax: positive,
  }),
});

/** One path cannot be a file and a directory at once, and the manifest cannot list itself. */
function checkFiles(files: readonly ImageFile[], entry: string, where: string): void {
  const paths = files.map((file) => file.path);
  if (!isStrictlyAscending(paths)) refuse(where, 'ascending order of unique paths');
  const known = new Set(paths);
  for (const path of paths) {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      if (known.has(path.slice(0, slash))) refuse(where, `no path below a file, as ${path} is`);
    }
  }
  if (known.has(IMAGE_MANIFEST_FILE)) refuse(where, 'files without the manifest itself');
  if (!known.has(entry)) refuse(where, 'the entry among the files');
  const total = files.reduce((sum, file) => sum + file.size, 0);
  if (total > IMAGE_LIMITS.imageBytes) refuse(where, `at most ${IMAGE_LIMITS.imageBytes} bytes together`);
}

const checkedManifest: Shape<ImageManifest> = (value, path) => {
  const manifest = manifestShape(value, path);
  checkFiles(manifest.files, manifest.entry, `${path}.files`);
  return manifest;
};

/** The manifest in canonical bytes that follow the schema, or why they do not. */
export function parseImageManifest(bytes: Uint8Array): Result<ImageManifest, DocumentErrorCode> {
  return readDocument(bytes, { maxBytes: IMAGE_LIMITS.manifestBytes, maxDepth: 4 }, checkedManifest, 'manifest');
}

/** Canonical bytes of a manifest. A manifest that `parseImageManifest` would refuse is a bug of the caller. */
export function encodeImageManifest(manifest: ImageManifest): Uint8Array {
  const bytes = utf8(canonicalJson(manifest));
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
