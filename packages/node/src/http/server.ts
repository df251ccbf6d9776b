/**
 * The HTTP server: registers the routes, checks who asks and what it costs, bounds and parses bodies, and turns whatever goes
 * wrong into {code, message}.
 */

import type { Readable } from 'node:stream';
import { parseJson } from '@cloister/encoding';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { codeOf, NodeError } from '../process/errors.ts';
import type { ApiContext } from './api-context.ts';
import { ApiError } from './api-error.ts';
import { addApiMetrics } from './api-metrics.ts';
import type { ApiOptions } from './api-options.ts';
import { ClientBudgets } from './gate/budgets.ts';
import { clientOf } from './gate/client-key.ts';
import { ClientConnections } from './gate/connections.ts';
import type { RouteGroup } from './gate/costs.ts';
import { hostCheck } from './gate/host-check.ts';
import { isForeign } from './gate/origin-check.ts';
import { answerMalformed, errorBody, refusalOf, SIMULATED_HEADER, sendReply } from './routes/replies.ts';
import type { AnyRoute, ApiReply, RawRequest } from './routes/route.ts';
import { routesWithDocument, STREAM_ROUTE } from './routes/routes.ts';
import { EventStreams } from './streams/event-streams.ts';
import { cachedQuestions } from './thread/cached-questions.ts';

export interface ApiServer {
  readonly app: FastifyInstance;
  /** Listens; the address as http://host:port. Throws `NodeError` API_ADDRESS_IN_USE or API_FAILED. */
  listen(): Promise<string>;
  /** Ends streams, lets running requests finish, closes. */
  close(): Promise<void>;
}

const JSON_BODY_BYTES_MAX = 64 * 1024;
/** Time for a whole request. `ClientConnections` ends a body that stalls earlier. */
const REQUEST_MS_MAX = 900_000;

function createApp(simulated: boolean): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: JSON_BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    connectionTimeout: 0,
    keepAliveTimeout: 10_000,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerMalformed,
    frameworkErrors: (_error, _request, reply) => {
      void reply.header(SIMULATED_HEADER, String(simulated));
      void sendReply(reply, { status: 400, json: errorBody(400, 'BAD_REQUEST') }, simulated);
    },
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: false, caseSensitive: true },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    const parsed = parseJson(body as Buffer, { maxBytes: JSON_BODY_BYTES_MAX, maxDepth: 8 });
    if (parsed.ok) done(null, parsed.value);
    else done(new ApiError(400, 'BODY_MALFORMED', parsed.code), undefined);
  });
  // The handler reads it, after it has looked at the headers.
  app.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));
  return app;
}

/** Serves one route within its limits. */
class Service {
  readonly #context: ApiContext;
  readonly #budgets: ClientBudgets;
  readonly #connections: ClientConnections;

  constructor(context: ApiContext, budgets: ClientBudgets, connections: ClientConnections) {
    this.#context = context;
    this.#budgets = budgets;
    this.#connections = connections;
  }

  /** Before the body is read. */
  async admit(one: AnyRoute, { ip, query }: FastifyRequest): Promise<void> {
    await this.#budgets.pay(clientOf(ip), one.groupOf(query), one.cost);
  }

  async serve(one: AnyRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const client = clientOf(request.ip);
    const { params, query, body, headers } = request;
    const group = one.groupOf(query);
    const raw = { params, query, body, asker: client, headers, budgets: this.#budgets };
    const answer = await this.#budgets.run(client, group, async () => {
      const overload = this.#connections.overloadedBy(client);
      if (overload === 'client') throw new ApiError(429, 'RATE_LIMITED', 'earlier answers wait to be read');
      if (overload === 'all') throw new ApiError(503, 'BUSY', 'answers wait to be read');
      this.#budgets.checkDebt(client, group);
      return this.#handle(one, client, group, raw);
    });
    await sendReply(reply, answer, this.#context.simulated, (bytes) =>
      this.#connections.answering(client, bytes, reply.raw),
    );
    return reply;
  }

  async #handle(one: AnyRoute, client: string, group: RouteGroup, raw: RawRequest): Promise<ApiReply> {
    try {
      const answer = await one.handle(this.#context, raw);
      this.#budgets.charge(client, group, answer.cost ?? 0);
      return answer;
    } catch (error) {
      if (error instanceof ApiError) this.#budgets.charge(client, group, error.cost);
      throw error;
    }
  }
}

/** Reads a refused body for a moment: a client that is still sending would take a closed connection for the answer. */
const LINGER_MS = 1_000;

async function linger(body: unknown): Promise<void> {
  const stream = body as Partial<Readable> | null | undefined;
  if (typeof stream?.resume !== 'function' || stream.readableEnded === true || stream.destroyed === true) return;
  const readable = body as Readable;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, LINGER_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    readable.once('end', done).once('close', done).resume();
  });
}

export function createApiServer(
  given: ApiContext,
  options: ApiOptions & { readonly onError: (error: unknown) => void },
): ApiServer {
  const monotonicMs = (): number => performance.now();
  const app = createApp(given.simulated);
  const allowed = hostCheck({ listenHost: options.host, allowed: options.allowedHosts });
  const budgets = new ClientBudgets({ tokensPerSecond: options.clientTokensPerSecond, monotonicMs });
  const limits = { max: options.connectionsMax, perClientMax: options.connectionsPerClientMax };
  const connections = new ClientConnections(limits, monotonicMs);
  const context = { ...given, node: cachedQuestions(given.node, given.follow, monotonicMs) };
  const streams = new EventStreams({ context, budgets, streamsMax: options.streamsMax });
  const service = new Service(context, budgets, connections);
  const answered = addApiMetrics(context.metrics, { connections, budgets, streams });
  connections.watch(app.server);

  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    void reply.header('cross-origin-resource-policy', 'same-origin');
    void reply.header(SIMULATED_HEADER, String(context.simulated));
    // Of two names the parser shows the first, and whatever stands before this server may have gone by the second.
    const hosts = request.raw.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length;
    if (hosts > 1 || !allowed(request.headers.host))
      throw new ApiError(403, 'HOST_NOT_ALLOWED', 'see api.allowed_hosts');
    if (isForeign(request.headers)) throw new ApiError(403, 'ORIGIN_NOT_ALLOWED', 'asked by a page of another origin');
  });
  app.addHook('onResponse', async ({ routeOptions }, { statusCode }) => answered(routeOptions.url, statusCode));
  app.setNotFoundHandler(async (_request, reply) =>
    sendReply(reply, { status: 404, json: errorBody(404, 'NO_SUCH_ROUTE') }, context.simulated),
  );
  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const refusal = refusalOf(error);
    if (refusal === undefined) options.onError(error);
    const { status, code, detail, retryAfterS } = refusal ?? new ApiError(500, codeOf(error));
    if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) {
      await linger(request.body ?? request.raw);
      // Whatever of the body is still to come is not read.
      if (!request.raw.complete) void reply.header('connection', 'close');
    }
    if (retryAfterS !== undefined) void reply.header('retry-after', String(retryAfterS));
    await sendReply(reply, { status, json: errorBody(status, code, detail) }, context.simulated);
    return reply;
  });

  for (const one of routesWithDocument(options.version)) {
    app.route({
      method: one.method,
      url: one.path.replace(/\{([a-z]+)\}/g, ':$1'),
      exposeHeadRoute: false,
      ...(one.body === 'stream' ? { bodyLimit: context.blobBytesMax } : {}),
      onRequest: async (request) => service.admit(one, request),
      handler:
        one === STREAM_ROUTE
          ? async (request, reply) => streams.open(request, reply)
          : async (request, reply) => service.serve(one, request, reply),
    });
  }

  return {
    app,
    listen: async () => {
      try {
        return await app.listen({ host: options.host, port: options.port });
      } catch (error) {
        const where = `${options.host}:${options.port}`;
        const inUse = codeOf(error) === 'EADDRINUSE';
        const message = inUse ? `${where} is in use by another process` : `cannot listen on ${where}`;
        throw new NodeError(inUse ? 'API_ADDRESS_IN_USE' : 'API_FAILED', message, { cause: error });
      }
    },
    close: async () => {
      await streams.close();
      await app.close();
      connections.stop();
    },
  };
}
