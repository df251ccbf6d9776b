/**
 * Reading an image from disk: its manifest, what it measures, and whether its files are the ones that it names.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import {
  IMAGE_LIMITS,
  IMAGE_MANIFEST_FILE,
  type ImageFile,
  type ImageManifest,
  imageDigest,
  imageMeasurement,
  parseImageManifest,
} from '@cloister/confidential';
import type { Digest, Measurement } from '@cloister/encoding';
import { digestFile } from './digest-file.ts';
import { ImageError } from './image-error.ts';

/** The publisher's signature; it may lie beside the manifest and is not part of the image. */
export const IMAGE_SIGNATURE_FILE = 'manifest.dsse.json';

export interface ReadManifest {
  readonly bytes: Uint8Array;
  readonly manifest: ImageManifest;
}

/** One difference between an image and its manifest. */
export interface ImageDeviation {
  readonly path: string;
  readonly kind: 'changed' | 'missing' | 'unexpected';
}

export interface ImageInspection extends ReadManifest {
  /** Measurement of the manifest as it is, whatever the files are. */
  readonly measurement: Measurement;
  readonly image: Digest;
  /** Empty when every file is as the manifest says. */
  readonly deviations: readonly ImageDeviation[];
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Reads the manifest; the files are not looked at. Throws `ImageError`. */
export async function readImageManifest(directory: string): Promise<ReadManifest> {
  const path = join(directory, IMAGE_MANIFEST_FILE);
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > IMAGE_LIMITS.manifestBytes) throw new ImageError('IMAGE_MANIFEST_INVALID', `${path} is too large`);
    bytes = new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError('IMAGE_IO', `cannot read ${path}`, { cause });
  }
  const parsed = parseImageManifest(bytes);
  if (!parsed.ok) throw new ImageError('IMAGE_MANIFEST_INVALID', `${path}: ${parsed.detail ?? parsed.code}`);
  return { bytes, manifest: parsed.value };
}

/** Compares one file with its line in the manifest. */
async function fileDeviation(directory: string, file: ImageFile): Promise<ImageDeviation | undefined> {
  try {
    const found = await digestFile(join(directory, file.path));
    const same = found.size === file.size && found.sha384 === file.sha384;
    return same ? undefined : { path: file.path, kind: 'changed' };
  } catch (cause) {
    if (isMissing(cause)) return { path: file.path, kind: 'missing' };
    throw new ImageError('IMAGE_IO', `cannot read ${file.path}`, { cause });
  }
}

async function unexpectedFiles(directory: string, manifest: ImageManifest): Promise<ImageDeviation[]> {
  const named = new Set([...manifest.files.map(({ path }) => path), IMAGE_MANIFEST_FILE, IMAGE_SIGNATURE_FILE]);
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !named.has(path))
    .sort()
    .map((path) => ({ path, kind: 'unexpected' }));
}

/** What the image measures and every way in which it deviates from its manifest. Throws `ImageError`. */
export async function inspectImage(directory: string): Promise<ImageInspection> {
  const { bytes, manifest } = await readImageManifest(directory);
  const deviations: ImageDeviation[] = [];
  for (const file of manifest.files) {
    const deviation = await fileDeviation(directory, file);
    if (deviation !== undefined) deviations.push(deviation);
  }
  deviations.push(...(await unexpectedFiles(directory, manifest)));
  return { bytes, manifest, measurement: imageMeasurement(bytes), image: imageDigest(bytes), deviations };
}

/** Measurement and digest of an image whose files are as its manifest says; throws `IMAGE_TAMPERED` otherwise. */
export async function measureImage(
  directory: string,
): Promise<{ readonly measurement: Measurement; readonly image: Digest }> {
  const { measurement, image, deviations } = await inspectImage(directory);
  const [first] = deviations;
  if (first !== undefined) throw new ImageError('IMAGE_TAMPERED', `${first.path} is ${first.kind}`);
  return { measurement, image };
}
