/** An engine process in this one, which answers calls as a test wants it. */
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JsonValue, ok } from '@cloister/encoding';
import { type CallHandler, RpcChannel } from '../src/channel/rpc.ts';
import type { EngineLauncher } from '../src/inside/platform-link.ts';

/** Two ends of a socket: what is sent is copied, as between processes. */
async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer().listen(join(mkdtempSync(join(tmpdir(), 'cloister-engines-')), 'socket'));
  await once(server, 'listening');
  const near = connect(String(server.address()));
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  return [near, far];
}

export function launcherOf(onCall: CallHandler): EngineLauncher & { readonly stopped: number[] } {
  const stopped: number[] = [];
  let next = 0;
  return {
    stopped,
    startEngine: async () => {
      const [near, far] = await socketPair();
      new RpcChannel(far, { messageBytesMax: 1 << 20, onCall });
      return { engine: next++, stream: near };
    },
    stopEngine: (engine) => void stopped.push(engine),
  };
}

/** Loads whatever it is given. */
export const loads: CallHandler = async (method) =>
  ok({ head: method === 'load-end' ? { numericClass: 'avx2', inputs: [], outputs: [] } : {}, parts: [] });

/** Loads files, and says this of them. */
export function saysOfModels(head: JsonValue): CallHandler {
  return async (method, call) => (method === 'load-end' ? ok({ head, parts: [] }) : loads(method, call));
}
