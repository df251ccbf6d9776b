/**
 * The platform's own copy of an image: what is measured is what runs.
 *
 * Files are copied to a private directory first and digested there, so that nothing changed in the operator's directory
 * afterwards has any effect.
 */
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeImageManifest, IMAGE_MANIFEST_FILE, type ImageFile, type ImageManifest } from '@cloister/confidential';
import { digestFile, nodeDigest } from '../image/digest-file.ts';
import { ImageError } from '../image/image-error.ts';
import { inspectImage, readManifest } from '../image/inspect.ts';

const COPY_PREFIX = 'enclave-';

/**
 * What to do with an image that is not what its manifest says. `refuse` is for operation. `measure` does what hardware does:
 * it measures what is there and runs it, and leaves the judgement to whoever reads the evidence.
 */
export type TamperedImage = 'refuse' | 'measure';

export interface PrivateCopy {
  readonly directory: string;
  readonly manifestBytes: Uint8Array;
  readonly manifest: ImageManifest;
}

/** Copies left by platforms that were killed; their names carry the process id. */
async function removeLeftovers(dataDirectory: string): Promise<void> {
  for (const name of await readdir(dataDirectory)) {
    const pid = new RegExp(`^${COPY_PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid)))
      await rm(join(dataDirectory, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function copyFiles(from: string, to: string, files: readonly ImageFile[]): Promise<void> {
  for (const { path } of files) {
    const target = join(to, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await copyFile(join(from, path), target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(target, 0o400);
  }
}

/** The manifest of what was actually copied, and of the Node.js that will run it. */
async function actualManifest(directory: string, manifest: ImageManifest): Promise<ImageManifest> {
  const files: ImageFile[] = [];
  for (const { path } of manifest.files) files.push({ path, ...(await digestFile(join(directory, path))) });
  return { ...manifest, files, node: { version: process.versions.node, sha384: await nodeDigest() } };
}

/** Copies and checks an image. Throws `ImageError`, and leaves nothing behind when it does. */
export async function makePrivateCopy(
  imageDirectory: string,
  dataDirectory: string,
  tampered: TamperedImage,
): Promise<PrivateCopy> {
  let directory: string | undefined;
  try {
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
    await removeLeftovers(dataDirectory);
    directory = await mkdtemp(join(dataDirectory, `${COPY_PREFIX}${process.pid}-`));
    const { bytes, manifest } = await readManifest(imageDirectory);
    await copyFiles(imageDirectory, directory, manifest.files);
    if (tampered === 'measure') {
      const actual = await actualManifest(directory, manifest);
      const actualBytes = encodeImageManifest(actual);
      await writeFile(join(directory, IMAGE_MANIFEST_FILE), actualBytes, { mode: 0o400 });
      return { directory, manifestBytes: actualBytes, manifest: actual };
    }
    await writeFile(join(directory, IMAGE_MANIFEST_FILE), bytes, { mode: 0o400 });
    const [deviation] = (await inspectImage(directory)).deviations;
    if (deviation !== undefined) throw new ImageError('IMAGE_TAMPERED', `${deviation.path} is ${deviation.kind}`);
    if ((await nodeDigest()) !== manifest.node.sha384) {
      throw new ImageError(
        'IMAGE_NODE_MISMATCH',
        `the image is for Node.js ${manifest.node.version} of another digest`,
      );
    }
    return { directory, manifestBytes: bytes, manifest };
  } catch (cause) {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    if (cause instanceof ImageError) throw cause;
    throw new ImageError('IMAGE_IO', `cannot copy the image in ${imageDirectory}`, { cause });
  }
}
