/**
 * Building an enclave image: a directory that comes out the same, byte for byte, from one version of the sources, whether they
 * are a checkout or published packages, and whichever Node.js runs this.
 *
 * It holds the enclave's program, the engine's, onnxruntime's native files, and the manifest that names them all and the pinned
 * Node.js. Nothing outside the given directory is written.
 */
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type EnclaveLimits,
  encodeImageManifest,
  IMAGE_MANIFEST_FILE,
  IMAGE_MANIFEST_SCHEMA,
  type ImageFile,
  type ImageManifest,
  imageDigest,
  imageMeasurement,
} from '@cloister/confidential';
import type { Digest, Measurement } from '@cloister/encoding';
import { digestFile } from './digest-file.ts';
import { ImageError } from './image-error.ts';
import { ENGINE_NAME, engineDirectory, engineVersion } from './installed-engine.ts';
import { packageVersion } from './package-version.ts';
import { describePinnedNode } from './pinned-node.ts';
import { ENCLAVE_PROGRAM, NATIVE_BINDING, NATIVE_DIRECTORY, NATIVE_LIBRARY } from './program-names.ts';
import { checkPackedInputs, imagePrograms } from './programs.ts';

export const IMAGE_NAME = 'cloister-enclave';
/** Rises when an older image must no longer be trusted. */
const SECURITY_VERSION = 1;
const NATIVE_FILES = [NATIVE_BINDING, NATIVE_LIBRARY] as const;

/** What an enclave of this image takes. */
export const DEFAULT_ENCLAVE_LIMITS: EnclaveLimits = {
  modelBytesMax: 512 * 1024 * 1024,
  payloadBytesMax: 32 * 1024 * 1024,
  responseBytesMax: 64 * 1024 * 1024,
  runMsMax: 30_000,
  memoryMibMax: 4_096,
};

export interface ImageBuildOptions {
  readonly version?: string;
  /** A debug image measures as zeros and is allowed nowhere. */
  readonly debug?: boolean;
  readonly limits?: Partial<EnclaveLimits>;
}

export interface BuiltImage {
  readonly manifest: ImageManifest;
  readonly measurement: Measurement;
  readonly image: Digest;
}

async function emptyDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const found = await readdir(directory);
  if (found.length > 0) throw new ImageError('IMAGE_NOT_EMPTY', `${directory} is not empty`);
}

/** Builds the image into an empty or missing directory. Throws `ImageError`. */
export async function buildImage(directory: string, options: ImageBuildOptions = {}): Promise<BuiltImage> {
  const native = join(engineDirectory(), 'bin', 'napi-v6', process.platform, process.arch);
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new ImageError(
      'PLATFORM_UNSUPPORTED',
      `images are built for linux/x64, not ${process.platform}/${process.arch}`,
    );
  }
  try {
    await emptyDirectory(directory);
    const written: string[] = [];
    for (const { name, bytes } of await imagePrograms()) {
      await writeFile(join(directory, name), bytes);
      written.push(name);
    }
    await mkdir(join(directory, NATIVE_DIRECTORY));
    for (const name of NATIVE_FILES) {
      const path = `${NATIVE_DIRECTORY}/${name}`;
      await copyFile(join(native, name), join(directory, path));
      written.push(path);
    }
    const files: ImageFile[] = [];
    for (const path of written.sort()) files.push({ path, ...(await digestFile(join(directory, path))) });
    const ownPackage = join(import.meta.dirname, '..', '..', 'package.json');
    const manifest: ImageManifest = {
      schema: IMAGE_MANIFEST_SCHEMA,
      name: IMAGE_NAME,
      version: options.version ?? (await packageVersion(ownPackage)),
      svn: SECURITY_VERSION,
      debug: options.debug ?? false,
      entry: ENCLAVE_PROGRAM,
      node: await describePinnedNode(),
      engine: { name: ENGINE_NAME, version: await engineVersion() },
      files,
      limits: { ...DEFAULT_ENCLAVE_LIMITS, ...options.limits },
    };
    await checkPackedInputs(manifest);
    const bytes = encodeImageManifest(manifest);
    await writeFile(join(directory, IMAGE_MANIFEST_FILE), bytes);
    return { manifest, measurement: imageMeasurement(bytes), image: imageDigest(bytes) };
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError('IMAGE_IO', `cannot build an image in ${dirname(directory)}`, { cause });
  }
}
