/**
 * Keeps a hung run from outliving its enclave.
 *
 * `session.run` blocks the thread, so a closed channel would go unnoticed while it lasts. A second thread waits on
 * descriptor 0, which nobody writes to, and ends the process the moment its other end is gone.
 */
import { readSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';

const LIFELINE_DESCRIPTOR = 0;

/** Starts the watching thread from the file of the program itself. */
export function holdLifeline(programFile: string): void {
  new Worker(programFile, { env: {} }).unref();
}

/** True in the watching thread, which never gets further than this call. */
export function isLifelineThread(): boolean {
  return !isMainThread;
}

/** Blocks until the lifeline is cut, then kills the process: exiting in order would wait for the hung run. */
export function watchLifeline(): void {
  try {
    while (readSync(LIFELINE_DESCRIPTOR, new Uint8Array(1)) !== 0);
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}
