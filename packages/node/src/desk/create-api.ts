/** The API of a node: its thread, and the desk that answers its questions, from the parts of the running node. */
import type { Config } from '../config/config-options.ts';
import type { HomeLayout } from '../process/home.ts';
import type { Log } from '../process/log-lines.ts';
import type { NodeContext } from '../process/node-context.ts';
import type { NodeCore } from '../process/node-core.ts';
import { ApiThread } from './api-thread.ts';
import { NodeDesk } from './node-desk.ts';

export interface ApiParts {
  readonly core: NodeCore;
  readonly context: NodeContext;
  readonly config: Config;
  readonly layout: HomeLayout;
  readonly version: string;
  readonly simulated: boolean;
  readonly log: Log;
  readonly monotonicMs: () => number;
}

export function createApi({
  core,
  context,
  config,
  layout,
  version,
  simulated,
  log,
  monotonicMs,
}: ApiParts): ApiThread {
  const { blobs, names, exchange, opened } = core;
  const holdBlob = exchange.hold.bind(exchange);
  return new ApiThread({
    setup: {
      options: {
        host: config['api.host'],
        port: config['api.port'],
        allowedHosts: config['api.allowed_hosts'],
        streamsMax: config['api.streams_max'],
        connectionsMax: config['api.connections_max'],
        connectionsPerClientMax: config['api.connections_per_client'],
        clientTokensPerSecond: config['api.client_rate'],
        version,
      },
      chainId: opened.reader.chainId,
      genesisBytes: opened.reader.genesisBytes,
      simulated,
      chainDirectory: layout.chain,
      indexDirectory: layout.index,
      blobBytesMax: blobs.blobBytesMax,
    },
    context,
    log: opened.log,
    desk: new NodeDesk({ context, blobs, names, holdBlob, monotonicMs }),
    report: log,
    monotonicMs,
  });
}
