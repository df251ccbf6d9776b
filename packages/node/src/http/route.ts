/**
 * A route of the API: what it takes, what it answers and the handler, in one value. The server registers them and the
 * OpenAPI document is made from them, so the two cannot differ.
 */
import type { JsonValue } from '@cloister/crypto';
import type { ApiContext } from './api-context.ts';
import { type Fields, type JsonSchema, parseFields } from './fields.ts';

export type ApiReply =
  | { readonly status: number; readonly json: unknown }
  /** JSON that is text already. */
  | { readonly status: number; readonly text: string; readonly contentType: string }
  | { readonly status: number; readonly bytes: Uint8Array; readonly contentType: string };

/** A refusal; the body is {code, message, detail?}. */
export class ApiError extends Error {
  override readonly name: string = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly detail: string | undefined;

  constructor(status: number, code: string, detail?: string) {
    super(detail === undefined ? code : `${code}: ${detail}`);
    this.status = status;
    this.code = code;
    this.detail = detail;
  }
}

export interface ApiRequest<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Who asks, for rate limits: the remote address. */
  readonly asker: string;
}

export type RouteBody = 'none' | 'json' | 'bytes';

export interface AnyRoute {
  readonly method: 'GET' | 'POST';
  /** OpenAPI form: /v1/models/{id}. */
  readonly path: string;
  readonly summary: string;
  readonly params: Fields<Record<string, unknown>>;
  readonly query: Fields<Record<string, unknown>>;
  readonly body: RouteBody;
  readonly bodyFields: Fields<Record<string, unknown>>;
  /** Of the successful answer. */
  readonly answer: { readonly contentType: string; readonly schema?: JsonSchema };
  /** Statuses of refusals beside 400 and 500. */
  readonly refusals: readonly number[];
  readonly handle: (
    context: ApiContext,
    raw: { readonly params: unknown; readonly query: unknown; readonly body: unknown; readonly asker: string },
  ) => Promise<ApiReply>;
}

export interface RouteDefinition<P, Q, B> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly summary: string;
  readonly params?: Fields<P>;
  readonly query?: Fields<Q>;
  /** Fields of a JSON body; or 'bytes' for application/octet-stream. */
  readonly body?: Fields<B> | 'bytes';
  readonly answer: AnyRoute['answer'];
  readonly refusals?: readonly number[];
  readonly handle: (context: ApiContext, request: ApiRequest<P, Q, B>) => Promise<ApiReply> | ApiReply;
}

function checked<T>(fields: Fields<T>, given: unknown): T {
  const parsed = parseFields(fields, given);
  if (parsed.ok) return parsed.value;
  throw new ApiError(400, parsed.code, parsed.detail);
}

/** Binds a definition's checks to its handler; `handle` of the result throws `ApiError` for what does not fit. */
export function route<P = Record<never, never>, Q = Record<never, never>, B = Record<never, never>>(
  definition: RouteDefinition<P, Q, B>,
): AnyRoute {
  const { params = {} as Fields<P>, query = {} as Fields<Q>, body, handle } = definition;
  const bodyFields = (typeof body === 'object' ? body : {}) as Fields<B>;
  return {
    method: definition.method,
    path: definition.path,
    summary: definition.summary,
    params: params as AnyRoute['params'],
    query: query as AnyRoute['query'],
    body: body === undefined ? 'none' : body === 'bytes' ? 'bytes' : 'json',
    bodyFields: bodyFields as AnyRoute['bodyFields'],
    answer: definition.answer,
    refusals: definition.refusals ?? [],
    handle: async (context, raw) =>
      handle(context, {
        params: checked(params, raw.params),
        query: checked(query, raw.query),
        body: body === 'bytes' ? (bytesOf(raw.body) as B) : checked(bodyFields, raw.body ?? {}),
        asker: raw.asker,
      }),
  };
}

function bytesOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array && body.length > 0) return body;
  throw new ApiError(400, 'BODY_EMPTY', 'bytes are expected as application/octet-stream');
}

export function json(value: JsonValue | object): ApiReply {
  return { status: 200, json: value };
}

/** A reference to a schema of the OpenAPI document. */
export function jsonAnswer(schema: string): AnyRoute['answer'] {
  return { contentType: 'application/json', schema: { $ref: `#/components/schemas/${schema}` } };
}
