/**
 * Keeps a hung run from outliving its enclave.
 *
 * `session.run` blocks the thread, so a closed channel would go unnoticed while it lasts. A second thread waits on a
 * descriptor that nobody writes to, and kills the process the moment its other end is gone: exiting in order would wait for
 * the hung run.
 */
import { Worker } from 'node:worker_threads';
import { ENGINE_LIFELINE_DESCRIPTOR } from '../channel/descriptors.ts';

/** A text of its own: the program comes from memory, and a thread cannot be started from it again. */
const WATCH = `
const { readSync } = process.getBuiltinModule('node:fs');
try { while (readSync(${ENGINE_LIFELINE_DESCRIPTOR}, new Uint8Array(1)) !== 0); }
finally { process.kill(process.pid, 'SIGKILL'); }
`;

/** Starts the watching thread. The descriptor must be one that blocks. */
export function holdLifeline(): void {
  new Worker(WATCH, { eval: true, env: {} }).unref();
}
