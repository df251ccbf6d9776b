/**
 * The few file operations through which configfs-tsm is used, and their adapter over Node.
 */
import { constants } from 'node:fs';
import { mkdir, open, rmdir } from 'node:fs/promises';
import { readBounded } from '../endorsements/read-bounded.ts';

/** Rejections carry the `code` of the failed system call, such as "EBUSY". */
export interface TsmFileSystem {
  mkdir(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  /** From the start to the end; one byte more than `bytesMax` when there are more. */
  read(path: string, bytesMax: number): Promise<Uint8Array>;
  /** All bytes with one write to an existing file, through a descriptor of its own. */
  write(path: string, bytes: Uint8Array): Promise<void>;
}

export const NODE_TSM_FILE_SYSTEM: TsmFileSystem = {
  mkdir: async (path) => {
    await mkdir(path, { mode: 0o700 });
  },
  rmdir: (path) => rmdir(path),
  read: readBounded,
  write: async (path, bytes) => {
    const file = await open(path, constants.O_WRONLY);
    try {
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, null);
      if (bytesWritten !== bytes.length) {
        throw Object.assign(new Error(`wrote ${bytesWritten} of ${bytes.length} bytes`), { code: 'EIO' });
      }
    } finally {
      // configfs takes binary attributes over upon close, and says nothing about refusing them.
      await file.close();
    }
  },
};
