/**
 * The file beside a database that says which process has it open. Information for people only: what keeps a second
 * process out is LevelDB's own lock.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';

const pidFileOf = (directory: string): string => `${directory}.pid`;

/** Records this process as the holder. */
export async function writePidFile(directory: string): Promise<void> {
  const path = pidFileOf(directory);
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${process.pid}\n`);
  await rename(temporary, path);
}

/** Removes the record, if it still names this process. */
export async function removePidFile(directory: string): Promise<void> {
  if ((await readPid(directory)) === process.pid) await rm(pidFileOf(directory), { force: true });
}

async function readPid(directory: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(pidFileOf(directory), 'utf8')).trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Says in words which process holds the database. A record of a process that is gone does not count. */
export async function describeHolder(directory: string): Promise<string> {
  const pid = await readPid(directory);
  if (pid === process.pid) return `this process itself (${pid})`;
  return pid !== undefined && isAlive(pid) ? `process ${pid}` : 'another process (it left no valid pid file)';
}

/** Whether a living process, perhaps this one, is recorded as the holder. */
export async function isHeld(directory: string): Promise<boolean> {
  const pid = await readPid(directory);
  return pid !== undefined && isAlive(pid);
}
