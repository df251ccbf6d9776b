/** The program of the API's thread: opens the shared databases for reading, listens, and asks the other thread the rest. */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { assert } from '@cloister/encoding';
import { StoredLog } from '@cloister/event-log';
import { ChainStore } from '@cloister/replica';
import { openLevelReader } from '@cloister/store-level';
import { proveEvent } from '../../chain/proof-port.ts';
import { TypeIndex } from '../../chain/type-index.ts';
import { codeOf, messageOf } from '../../process/errors.ts';
import { MetricsRegistry } from '../../status/metrics.ts';
import type { ApiContext } from '../api-context.ts';
import { createApiServer } from '../server.ts';
import { Follow } from './follow.ts';
import { QuestionClient } from './question-client.ts';
import type { FromApi, ToApi, WorkerSetup } from './worker-messages.ts';

/** Where cores are short, the thread that votes comes first. */
const NICE = 2;

function yieldToVoting(): void {
  try {
    // Linux gives each thread a priority of its own, under the thread's id.
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);
  } catch {
    // Elsewhere both threads have the same.
  }
}

async function run(setup: WorkerSetup, send: (message: FromApi) => void, port: MessagePort): Promise<void> {
  const { chainId, genesisBytes, simulated } = setup;
  const follow = new Follow(setup.position);
  const client = new QuestionClient((ask) => send({ type: 'ask', ask }));
  const [chainStore, indexStore] = [
    await openLevelReader(setup.chainDirectory),
    await openLevelReader(setup.indexDirectory),
  ];
  const chain = new ChainStore(chainStore, new StoredLog(chainStore, () => follow.position.head), {
    chainId,
    bytes: genesisBytes,
  });
  const context: ApiContext = {
    chainId,
    simulated,
    chain,
    eventProof: (sequence) => proveEvent(chain, sequence),
    types: new TypeIndex(indexStore),
    follow,
    node: client.questions,
    blobBytesMax: setup.blobBytesMax,
    metrics: new MetricsRegistry('api-thread'),
  };
  const onError = (error: unknown): void => send({ type: 'error', message: messageOf(error) });
  const server = createApiServer(context, { ...setup.options, onError });
  const close = async (): Promise<void> => {
    await server.close();
    await Promise.all([chainStore.close(), indexStore.close()]);
    port.close();
  };
  port.on('message', (message: ToApi) => {
    if (message.type === 'answer') client.answered(message.answer);
    else if (message.type === 'position') follow.moved(message.position);
    else close().catch(onError);
  });
  send({ type: 'listening', url: await server.listen() });
}

const port = parentPort;
assert(port !== null, 'the program of a thread');
const send = (message: FromApi): void => port.postMessage(message);
yieldToVoting();
try {
  await run(workerData as WorkerSetup, send, port);
} catch (error) {
  send({ type: 'failed', code: codeOf(error), message: messageOf(error) });
  port.close();
}
