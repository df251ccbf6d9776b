/** A blob from one member onto the disk: a piece is in memory at a time, and what is not wholly right leaves nothing behind. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { Digest } from '@cloister/crypto';
import { PRIVATE_FILE_MODE } from './atomic-file.ts';
import type { BlobPieces } from './blob-pieces.ts';
import type { BlobStore, Reservation } from './blob-store.ts';

/** Whether the blob lies in the store now. `size`: what the ledger says of it, when it says so. */
export async function downloadBlob(
  store: BlobStore,
  { digest, size }: { readonly digest: Digest; readonly size: number | undefined },
  pieces: BlobPieces,
): Promise<boolean> {
  const hash = createHash('sha256');
  let reservation: Reservation | undefined;
  let file: FileHandle | undefined;
  try {
    for await (const { total, piece } of pieces) {
      if (reservation === undefined) {
        const reserved = size === undefined || size === total ? store.reserve(digest, total, undefined) : undefined;
        if (reserved?.ok !== true) return false;
        reservation = reserved.value;
        await store.prepareUploads();
        file = await open(reservation.path, 'wx', PRIVATE_FILE_MODE);
      }
      hash.update(piece);
      await file?.writeFile(piece);
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
