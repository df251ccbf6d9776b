/**
 * Downloads a blob from one member to the disk. One piece is in memory at a time, and a blob that is not right leaves
 * nothing behind.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type Digest, ok } from '@cloister/encoding';
import { PRIVATE_FILE_MODE } from '../process/atomic-file.ts';
import type { BlobPieces } from './blob-pieces.ts';
import type { BlobStore, Reservation } from './blob-store.ts';

export interface WantedBlob {
  readonly digest: Digest;
  /** What is said of it, when anybody says so. */
  readonly size: number | undefined;
  /** Taken for it already; otherwise room is taken with the first piece. It is given back when nothing comes of it. */
  readonly room?: Reservation;
}

/** Whether the blob lies in the store now. */
export async function downloadBlob(
  store: BlobStore,
  { digest, size, room }: WantedBlob,
  pieces: BlobPieces,
): Promise<boolean> {
  const hash = createHash('sha256');
  let reservation = room;
  let file: FileHandle | undefined;
  try {
    for await (const { total, piece } of pieces) {
      if (file === undefined) {
        if (size !== undefined && size !== total) return false;
        const reserved = reservation === undefined ? store.reserve(digest, total, undefined) : ok(reservation);
        if (!reserved.ok) return false;
        reservation = reserved.value;
        await store.prepareUploads();
        file = await open(reservation.path, 'wx', PRIVATE_FILE_MODE);
      }
      hash.update(piece);
      await file.writeFile(piece);
    }
    if (reservation === undefined || hash.digest('hex') !== digest) return false;
    await file?.sync();
    await store.adopt(reservation);
    return true;
  } finally {
    await file?.close();
    // Nothing happens to one that was taken in.
    if (reservation !== undefined) await store.release(reservation);
  }
}
