/**
 * Reading files whose stated size means nothing: those of configfs and of others' folders.
 */
import { open } from 'node:fs/promises';
import { concatBytes } from '@cloister/encoding';

const CHUNK_BYTES = 16 * 1024;

/** From the start to the end, through one descriptor; one byte more than `bytesMax` when there are more. Rejects as `open` does. */
export async function readBounded(path: string, bytesMax: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (length <= bytesMax) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytesMax + 1 - length));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
      if (bytesRead === 0) break;
      chunks.push(chunk.subarray(0, bytesRead));
      length += bytesRead;
    }
    return concatBytes(...chunks);
  } finally {
    await file.close();
  }
}

/** The code of a failed system call, such as "ENOENT"; undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

export function isMissing(error: unknown): boolean {
  return systemCode(error) === 'ENOENT';
}
