/**
 * The platform's own copy of an image: what is measured is what runs.
 *
 * The files are read once, into sealed memory that no path leads to and that nobody can change any more, root included.
 * They are measured there and run from there. A copy on disk would stay writable to its owner: one that was edited after the
 * measurement gave verified receipts for outputs that no model ever gave. Each start of a program measures its files
 * again all the same, so that a mistake in the sealing is found and not run.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeImageManifest, IMAGE_LIMITS, type ImageFile, type ImageManifest } from '@cloister/confidential';
import { openMemoryFile, sealMemoryFile } from '@cloister/enclave/process';
import { digestFile, nodeDigest } from '../image/digest-file.ts';
import { ImageError } from '../image/image-error.ts';
import { readImageManifest } from '../image/inspect.ts';

const PIECE_BYTES: number = 1024 * 1024;

/**
 * What to do with an image that is not what its manifest says. `refuse` is for operation. `measure` does what hardware
 * does: it measures what is there and runs it, and leaves the judgement to those who appraise the evidence.
 */
export type TamperedImage = 'refuse' | 'measure';

export interface SealedFile extends ImageFile {
  readonly descriptor: number;
}

/** The path of an open file of this process. */
function pathOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

/** Writes all of a piece. */
function writeAll(descriptor: number, piece: Uint8Array): void {
  for (let at = 0; at < piece.length; ) at += writeSync(descriptor, piece, at, piece.length - at);
}

async function sealFile(directory: string, path: string, bytesMax: number): Promise<SealedFile> {
  const descriptor = openMemoryFile(path);
  const source = await open(join(directory, path));
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    for (let size = 0; ; ) {
      const { bytesRead } = await source.read(piece, 0, PIECE_BYTES);
      if (bytesRead === 0) break;
      size += bytesRead;
      if (size > bytesMax) throw new ImageError('IMAGE_TAMPERED', `${path} is changed`);
      writeAll(descriptor, piece.subarray(0, bytesRead));
    }
    sealMemoryFile(descriptor);
    return { path, descriptor, ...(await digestFile(pathOf(descriptor))) };
  } catch (cause) {
    closeSync(descriptor);
    throw cause;
  } finally {
    await source.close();
  }
}

/**
 * A descriptor of its own for one program that is started, after the file was measured once more. The caller closes it.
 * Throws `IMAGE_CHANGED` when the file is not what it was.
 */
export async function openMeasured({ path, descriptor, size, sha384 }: SealedFile): Promise<number> {
  const found = await digestFile(pathOf(descriptor));
  if (found.size !== size || found.sha384 !== sha384) throw new ImageError('IMAGE_CHANGED', `${path} was changed`);
  return openSync(pathOf(descriptor), 'r');
}

/** A measured image in sealed memory. */
export class SealedImage {
  readonly manifest: ImageManifest;
  readonly manifestBytes: Uint8Array;
  readonly #files: ReadonlyMap<string, SealedFile>;

  constructor(manifest: ImageManifest, manifestBytes: Uint8Array, files: readonly SealedFile[]) {
    this.manifest = manifest;
    this.manifestBytes = manifestBytes;
    this.#files = new Map(files.map((file) => [file.path, file]));
  }

  /** Opens files of the image for a program; the caller closes all of them. Throws `ImageError`, and leaves none open then. */
  async open(paths: readonly string[]): Promise<number[]> {
    const opened: number[] = [];
    try {
      for (const path of paths) {
        const file = this.#files.get(path);
        if (file === undefined) throw new ImageError('IMAGE_TAMPERED', `${path} is missing`);
        opened.push(await openMeasured(file));
      }
      return opened;
    } catch (cause) {
      for (const descriptor of opened) closeSync(descriptor);
      throw cause;
    }
  }
}

function sameFile(found: ImageFile, promised: ImageFile): boolean {
  return found.size === promised.size && found.sha384 === promised.sha384;
}

/** Reads, seals and measures an image. Throws `ImageError`, and holds nothing then. */
export async function sealImage(imageDirectory: string, tampered: TamperedImage): Promise<SealedImage> {
  const files: SealedFile[] = [];
  try {
    const { bytes, manifest } = await readImageManifest(imageDirectory);
    for (const { path, size } of manifest.files) {
      files.push(await sealFile(imageDirectory, path, tampered === 'refuse' ? size : IMAGE_LIMITS.fileBytes));
    }
    const actualNode = await nodeDigest();
    if (tampered === 'measure') {
      const actual: ImageManifest = {
        ...manifest,
        files: files.map(({ path, size, sha384 }) => ({ path, size, sha384 })),
        node: { version: process.versions.node, sha384: actualNode },
      };
      return new SealedImage(actual, encodeImageManifest(actual), files);
    }
    for (const [i, promised] of manifest.files.entries()) {
      const found = files[i];
      if (found === undefined || !sameFile(found, promised)) {
        throw new ImageError('IMAGE_TAMPERED', `${promised.path} is changed`);
      }
    }
    if (actualNode !== manifest.node.sha384) {
      throw new ImageError(
        'IMAGE_NODE_MISMATCH',
        `the image is for Node.js ${manifest.node.version} of another digest`,
      );
    }
    return new SealedImage(manifest, bytes, files);
  } catch (cause) {
    for (const { descriptor } of files) closeSync(descriptor);
    if (cause instanceof ImageError) throw cause;
    throw new ImageError('IMAGE_IO', `cannot read the image in ${imageDirectory}`, { cause });
  }
}
