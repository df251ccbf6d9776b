/** A thread that reads a shared database without end; what it saw last is told after each pass. */
import { parentPort, workerData } from 'node:worker_threads';
import { openLevelReader } from '../src/store-level.ts';

const store = await openLevelReader(workerData as string);
for (;;) {
  let last: Uint8Array | undefined;
  for await (const [key] of store.range({})) last = key;
  parentPort?.postMessage(last);
}
