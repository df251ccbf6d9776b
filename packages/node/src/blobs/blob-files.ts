/** Files of blobs, read a piece at a time: the largest are sealed models, which are too large for memory. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Digest, parseDigest } from '@cloister/encoding';
import { BlobUnavailable } from '@cloister/validator';

const PIECE_BYTES: number = 1024 * 1024;

/** The file from its beginning to its end. Nothing is open before the first piece is taken. */
export async function* piecesOf(path: string): AsyncGenerator<Uint8Array> {
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES })) {
    const { buffer, byteOffset, length } = piece as Buffer;
    yield new Uint8Array(buffer, byteOffset, length);
  }
}

/** SHA-256 of a file; undefined for one that cannot be read. */
export async function digestOfFile(path: string): Promise<Digest | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const piece of piecesOf(path)) hash.update(piece);
  } catch {
    return undefined;
  }
  return parseDigest(hash.digest('hex'));
}

/** At most `bytes` bytes from an offset on. */
export async function readPiece(path: string, offset: number, bytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const piece = new Uint8Array(bytes);
    let length = 0;
    while (length < bytes) {
      const { bytesRead } = await file.read(piece, length, bytes - length, offset + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return piece.subarray(0, length);
  } finally {
    await file.close();
  }
}

/** Gives pieces on, the last one only when all of them together are the blob. Throws `BlobUnavailable`. */
export async function* checkedPieces(
  pieces: AsyncIterable<Uint8Array>,
  { digest, size }: { readonly digest: Digest; readonly size: number },
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let length = 0;
  let held: Uint8Array | undefined;
  try {
    for await (const piece of pieces) {
      hash.update(piece);
      length += piece.length;
      if (held !== undefined) yield held;
      held = piece;
    }
  } catch (cause) {
    throw new BlobUnavailable('BLOB_BROKEN_OFF', `the blob ${digest} broke off`, { cause });
  }
  if (held === undefined || length !== size || hash.digest('hex') !== digest) {
    throw new BlobUnavailable('BLOB_MISMATCH', `the blob ${digest} is another one`);
  }
  yield held;
}
