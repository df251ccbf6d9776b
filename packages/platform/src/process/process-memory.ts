/**
 * Resident memory of a process with all that it started, from /proc.
 */
import { readFile } from 'node:fs/promises';

const PAGE_BYTES = 4096;

/** In bytes; 0 for a process that is gone. */
export async function residentBytes(pid: number): Promise<number> {
  try {
    const statm = await readFile(`/proc/${pid}/statm`, 'latin1');
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1').catch(() => '');
    const own = Number(statm.split(' ')[1] ?? 0) * PAGE_BYTES;
    const below = await Promise.all(
      children
        .split(' ')
        .filter(Boolean)
        .map((child) => residentBytes(Number(child))),
    );
    return below.reduce((sum, bytes) => sum + bytes, own);
  } catch {
    return 0;
  }
}
