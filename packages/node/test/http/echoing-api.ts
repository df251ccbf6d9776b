/** Stands in for the API's program: says that it listens, and reports each position that it is told. */
import { parentPort } from 'node:worker_threads';
import type { ToApi } from '../../src/http/thread/worker-messages.ts';

parentPort?.on('message', (message: ToApi) => {
  if (message.type === 'close') parentPort?.close();
  if (message.type === 'position') {
    parentPort?.postMessage({ type: 'error', message: `indexed ${message.position.indexed}` });
  }
});
parentPort?.postMessage({ type: 'listening', url: 'http://127.0.0.1:4321' });
