/**
 * The HTTP server: registers the routes, bounds and parses bodies, and turns whatever goes wrong into {code, message}.
 */
import type { Socket } from 'node:net';
import { parseJson } from '@cloister/crypto';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { codeOf, NodeError } from '../errors.ts';
import type { ApiContext } from './api-context.ts';
import { ATTESTATION_ROUTES } from './attestation-routes.ts';
import { CHAIN_ROUTES } from './chain-routes.ts';
import { streamEvents, streamStart } from './event-stream.ts';
import { FACT_ROUTES } from './fact-routes.ts';
import { integerField, optional, parseFields, textField } from './fields.ts';
import { HEALTH_ROUTES } from './health-routes.ts';
import { hostCheck } from './host-check.ts';
import { LEDGER_ROUTES } from './ledger-routes.ts';
import { openApiDocument } from './openapi.ts';
import { type AnyRoute, ApiError, type ApiReply, json, route } from './route.ts';
import { TRANSACTION_ROUTES } from './transaction-routes.ts';

export interface ApiOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly allowedHosts: readonly string[];
  readonly streamsMax: number;
  readonly version: string;
  readonly onError: (error: unknown) => void;
}

export interface ApiServer {
  readonly app: FastifyInstance;
  /** Listens; the address as http://host:port. Throws `NodeError` API_ADDRESS_IN_USE or API_FAILED. */
  listen(): Promise<string>;
  /** Ends streams, lets running requests finish, closes. */
  close(): Promise<void>;
}

const JSON_BODY_BYTES_MAX = 64 * 1024;
const SAFE = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** The stream's route as others see it; its handler is the server's own. */
const STREAM_ROUTE: AnyRoute = {
  ...route({
    method: 'GET',
    path: '/v1/events/stream',
    summary: 'Events as they are committed (server-sent events); resumes after Last-Event-ID',
    query: {
      from: optional(integerField('First sequence; what comes next when absent', SAFE)),
      type: optional(textField('Only this type', 64, '^[A-Za-z]+$')),
    },
    answer: { contentType: 'text/event-stream', schema: { type: 'string' } },
    refusals: [503],
    handle: () => {
      throw new ApiError(500, 'INTERNAL');
    },
  }),
};

const STREAM_QUERY = {
  from: optional(integerField('', SAFE)),
  type: optional(textField('', 64, '^[A-Za-z]+$')),
};

function routesWithDocument(version: string): readonly AnyRoute[] {
  const document: AnyRoute = route({
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document',
    answer: { contentType: 'application/json', schema: { type: 'object' } },
    handle: () => json(openApiDocument(all, version) as object),
  });
  const all: readonly AnyRoute[] = [
    ...CHAIN_ROUTES,
    ...FACT_ROUTES,
    STREAM_ROUTE,
    ...LEDGER_ROUTES,
    ...ATTESTATION_ROUTES,
    ...TRANSACTION_ROUTES,
    document,
    ...HEALTH_ROUTES,
  ];
  return all;
}

const MESSAGES: { readonly [status: number]: string } = {
  400: 'the request is not valid',
  403: 'refused',
  404: 'not found',
  405: 'not allowed here',
  408: 'the request took too long',
  409: 'too late',
  413: 'too large',
  415: 'the content type is not one that is taken here',
  429: 'too many requests',
  500: 'the node failed',
  502: 'the other side refused or cannot be reached',
  503: 'not now',
  507: 'no room',
};

interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
}

function errorBody(status: number, code: string, detail?: string): ErrorBody {
  const message = MESSAGES[status] ?? 'refused';
  return detail === undefined ? { code, message } : { code, message: `${message}: ${detail}`, detail };
}

/** Fastify's own refusals under this API's codes. */
function refusalOf(error: FastifyError | Error): { readonly status: number; readonly body: ErrorBody } | undefined {
  if (error instanceof ApiError)
    return { status: error.status, body: errorBody(error.status, error.code, error.detail) };
  switch (codeOf(error)) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { status: 413, body: errorBody(413, 'BODY_TOO_LARGE') };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { status: 415, body: errorBody(415, 'CONTENT_TYPE_NOT_TAKEN') };
    default: {
      const status = (error as Partial<FastifyError>).statusCode;
      if (status === undefined || status < 400 || status > 499) return undefined;
      return { status, body: errorBody(status, 'BAD_REQUEST') };
    }
  }
}

async function send(reply: FastifyReply, answer: ApiReply): Promise<void> {
  void reply.code(answer.status);
  if ('json' in answer) await reply.type('application/json; charset=utf-8').send(JSON.stringify(answer.json));
  else if ('text' in answer) await reply.type(answer.contentType).send(answer.text);
  else
    await reply
      .type(answer.contentType)
      .send(Buffer.from(answer.bytes.buffer, answer.bytes.byteOffset, answer.bytes.length));
}

/** What a client that does not speak HTTP gets. */
function onClientError(_error: Error, socket: Socket): void {
  if (!socket.writable) return;
  const body = JSON.stringify(errorBody(400, 'HTTP_MALFORMED'));
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
  socket.end(`${head}\r\n\r\n${body}`);
}

function createApp(blobBytesMax: number): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: JSON_BODY_BYTES_MAX,
    requestTimeout: 60_000,
    connectionTimeout: 0,
    keepAliveTimeout: 10_000,
    forceCloseConnections: 'idle',
    clientErrorHandler: onClientError,
    frameworkErrors: (_error, _request, reply) => {
      void send(reply, { status: 400, json: errorBody(400, 'BAD_REQUEST') });
    },
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: false, caseSensitive: true },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    const parsed = parseJson(body as Buffer, { maxBytes: JSON_BODY_BYTES_MAX, maxDepth: 8 });
    if (parsed.ok) done(null, parsed.value);
    else done(new ApiError(400, 'BODY_MALFORMED', parsed.code), undefined);
  });
  app.addContentTypeParser(
    'application/octet-stream',
    { parseAs: 'buffer', bodyLimit: blobBytesMax },
    (_request, body, done) => done(null, body),
  );
  return app;
}

function register(app: FastifyInstance, one: AnyRoute, context: ApiContext): void {
  app.route({
    method: one.method,
    url: one.path.replace(/\{([a-z]+)\}/g, ':$1'),
    exposeHeadRoute: false,
    ...(one.body === 'bytes' ? { bodyLimit: context.blobs.blobBytesMax } : {}),
    handler: async (request, reply) => {
      const { params, query, body, ip } = request;
      await send(reply, await one.handle(context, { params, query, body, asker: ip }));
      return reply;
    },
  });
}

export function createApiServer(context: ApiContext, options: ApiOptions): ApiServer {
  const app = createApp(context.blobs.blobBytesMax);
  const allowed = hostCheck({ listenHost: options.host, allowed: options.allowedHosts });
  const ending = new AbortController();
  const streams = new Set<Promise<void>>();

  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
    if (!allowed(request.headers.host)) throw new ApiError(403, 'HOST_NOT_ALLOWED', 'see api.allowed_hosts');
  });
  app.setNotFoundHandler(async (_request, reply) =>
    send(reply, { status: 404, json: errorBody(404, 'NO_SUCH_ROUTE') }),
  );
  app.setErrorHandler(async (error: FastifyError, _request, reply) => {
    const refusal = refusalOf(error);
    if (refusal === undefined) options.onError(error);
    const { status, body } = refusal ?? { status: 500, body: errorBody(500, codeOf(error)) };
    await send(reply, { status, json: body });
    return reply;
  });

  for (const one of routesWithDocument(options.version)) if (one !== STREAM_ROUTE) register(app, one, context);
  app.route({
    method: 'GET',
    url: STREAM_ROUTE.path,
    exposeHeadRoute: false,
    handler: async (request: FastifyRequest, reply) => {
      const query = parseFields(STREAM_QUERY, request.query);
      if (!query.ok) throw new ApiError(400, query.code, query.detail);
      const lastId = request.headers['last-event-id'];
      const from = streamStart(String(lastId ?? ''), query.value.from, context.chain.log.head.count);
      if (from === undefined) throw new ApiError(400, 'INVALID_PARAMETER', 'Last-Event-ID is not a sequence');
      if (streams.size >= options.streamsMax)
        throw new ApiError(503, 'TOO_MANY_STREAMS', `at most ${options.streamsMax}`);
      reply.hijack();
      const stream = streamEvents(context, reply.raw, { from, type: query.value.type }, ending.signal);
      streams.add(stream);
      void stream.finally(() => streams.delete(stream));
    },
  });

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
      ending.abort();
      await Promise.allSettled(streams);
      await app.close();
    },
  };
}
