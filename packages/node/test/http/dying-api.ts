/** Stands in for the API's program: says that it listens on the port it is given, or on one that it picks, and dies. */
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerSetup } from '../../src/http/thread/worker-messages.ts';

const { options } = workerData as WorkerSetup;
parentPort?.postMessage({ type: 'listening', url: `http://127.0.0.1:${options.port === 0 ? 4321 : options.port}` });
setImmediate(() => {
  throw new Error(`died on port ${options.port}`);
});
