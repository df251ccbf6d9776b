/**
 * Digest of a file, read in pieces.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { asMeasurement, type Measurement } from '@cloister/encoding';

const PIECE_BYTES: number = 1024 * 1024;

/** Size in bytes and SHA-384 of a file's contents. */
export async function digestFile(path: string): Promise<{ readonly size: number; readonly sha384: Measurement }> {
  const digest = createHash('sha384');
  const piece = new Uint8Array(PIECE_BYTES);
  const file = await open(path);
  try {
    let size = 0;
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES);
      if (bytesRead === 0) return { size, sha384: asMeasurement(digest.digest('hex')) };
      digest.update(piece.subarray(0, bytesRead));
      size += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** The binary of this process, whatever became of its path since. */
const RUNNING_BINARY = '/proc/self/exe';

let ownDigest: Promise<Measurement> | undefined;

/** SHA-384 of the running Node.js binary, computed once a process. */
export function nodeDigest(): Promise<Measurement> {
  ownDigest ??= digestFile(RUNNING_BINARY).then(({ sha384 }) => sha384);
  return ownDigest;
}
