/** The open event streams: how many there are, in all and of one client, and their end with the server's. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiContext } from '../api-context.ts';
import { ApiError } from '../api-error.ts';
import type { ClientBudgets } from '../gate/budgets.ts';
import { clientOf } from '../gate/client-key.ts';
import { fieldsReader } from '../routes/fields.ts';
import { STREAM_QUERY } from '../routes/routes.ts';
import { streamEvents, streamStart } from './event-stream.ts';

const readStreamQuery = fieldsReader(STREAM_QUERY);

/** Event streams of one client. */
export const STREAMS_PER_CLIENT_MAX = 16;

export interface EventStreamsOptions {
  readonly context: ApiContext;
  readonly budgets: ClientBudgets;
  readonly streamsMax: number;
}

export class EventStreams {
  readonly #options: EventStreamsOptions;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #perClient = new Map<string, number>();

  constructor(options: EventStreamsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#running.size;
  }

  async open(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { context, budgets, streamsMax } = this.#options;
    const query = readStreamQuery(request.query);
    if (!query.ok) throw new ApiError(400, query.code, query.detail);
    const { from, type } = query.value;
    const lastId = request.headers['last-event-id'];
    const start = streamStart(String(lastId ?? ''), from, context.chain.log.head.count);
    if (start === undefined) throw new ApiError(400, 'INVALID_PARAMETER', 'Last-Event-ID is not a sequence');
    if (this.#running.size >= streamsMax) throw new ApiError(503, 'TOO_MANY_STREAMS', `at most ${streamsMax}`);
    const client = clientOf(request.ip);
    const own = this.#perClient.get(client) ?? 0;
    if (own >= STREAMS_PER_CLIENT_MAX) {
      throw new ApiError(429, 'TOO_MANY_STREAMS', `at most ${STREAMS_PER_CLIENT_MAX} of one client`);
    }
    this.#perClient.set(client, own + 1);
    for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value ?? '');
    reply.hijack();
    const reader = { client, budgets };
    const stream = streamEvents(context, reply.raw, { from: start, type }, reader, this.#ending.signal);
    this.#running.add(stream);
    void stream.finally(() => {
      this.#running.delete(stream);
      const left = (this.#perClient.get(client) ?? 1) - 1;
      if (left > 0) this.#perClient.set(client, left);
      else this.#perClient.delete(client);
    });
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.allSettled(this.#running);
  }
}
