/**
 * A route of the API: what it takes, what it answers and the handler, in one value. The server registers them and the
 * OpenAPI document is made from them, so the two cannot differ.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { JsonValue } from '@cloister/encoding';
import type { ApiContext } from '../api-context.ts';
import { ApiError } from '../api-error.ts';
import type { ClientBudgets } from '../gate/budgets.ts';
import { ITEMS_PER_TOKEN, type RouteGroup } from '../gate/costs.ts';
import { type Fields, fieldsReader, type JsonSchema } from './fields.ts';

export type ApiReply = {
  readonly status: number;
  /** Tokens that the answer turned out to cost beside those of its route; below zero gives some of them back. */
  readonly cost?: number;
} & (
  | { readonly json: object }
  /** Text as it is; JSON that is text already says `simulated` by itself. */
  | { readonly text: string; readonly contentType: string }
  | { readonly bytes: Uint8Array; readonly contentType: string }
  /** From disk, never wholly in memory. */
  | { readonly stream: Readable; readonly size: number; readonly contentType: string }
);

export interface ApiRequest<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Who asks, for budgets: see `clientOf`. */
  readonly asker: string;
  readonly headers: IncomingHttpHeaders;
  readonly budgets: ClientBudgets;
}

/** What a handler is given before its fields are checked. */
export type RawRequest = ApiRequest<unknown, unknown, unknown>;

export type RouteBody = 'none' | 'json' | 'stream';

export interface AnyRoute {
  readonly method: 'GET' | 'POST';
  /** OpenAPI form: /v1/models/{id}. */
  readonly path: string;
  readonly summary: string;
  /** By the query as it was sent, before any of it is checked. */
  readonly groupOf: (query: unknown) => RouteGroup;
  /** Tokens that it costs before anything is done. */
  readonly cost: number;
  readonly params: Fields<Record<string, unknown>>;
  readonly query: Fields<Record<string, unknown>>;
  readonly body: RouteBody;
  readonly bodyFields: Fields<Record<string, unknown>>;
  readonly headers: { readonly [name: string]: string };
  /** Form of the successful answer. */
  readonly answer: { readonly contentType: string; readonly schema?: JsonSchema };
  /** Statuses of refusals beside 400 and 500. */
  readonly refusals: readonly number[];
  readonly handle: (context: ApiContext, raw: RawRequest) => Promise<ApiReply>;
}

export interface RouteDefinition<P, Q, B> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly summary: string;
  readonly group: RouteGroup | ((query: unknown) => RouteGroup);
  readonly cost: number;
  readonly params?: Fields<P>;
  readonly query?: Fields<Q>;
  /** Fields of a JSON body; or 'stream' for application/octet-stream, which the handler reads. */
  readonly body?: Fields<B> | 'stream';
  /** Headers that mean something here, and what. */
  readonly headers?: { readonly [name: string]: string };
  readonly answer: AnyRoute['answer'];
  readonly refusals?: readonly number[];
  readonly handle: (context: ApiContext, request: ApiRequest<P, Q, B>) => Promise<ApiReply> | ApiReply;
}

function checker<T extends object>(fields: Fields<T>): (given: unknown) => T {
  const read = fieldsReader(fields);
  return (given) => {
    const parsed = read(given);
    if (parsed.ok) return parsed.value;
    throw new ApiError(400, parsed.code, parsed.detail);
  };
}

/** Binds a definition's checks to its handler; `handle` of the result throws `ApiError` for what does not fit. */
export function route<
  P extends object = Record<never, never>,
  Q extends object = Record<never, never>,
  B extends object = Record<never, never>,
>(definition: RouteDefinition<P, Q, B>): AnyRoute {
  const { params = {} as Fields<P>, query = {} as Fields<Q>, body, handle, group } = definition;
  const bodyFields = (typeof body === 'object' ? body : {}) as Fields<B>;
  const [checkParams, checkQuery, checkBody] = [checker(params), checker(query), checker(bodyFields)];
  return {
    method: definition.method,
    path: definition.path,
    summary: definition.summary,
    groupOf: typeof group === 'function' ? group : () => group,
    cost: definition.cost,
    headers: definition.headers ?? {},
    params: params as AnyRoute['params'],
    query: query as AnyRoute['query'],
    body: body === undefined ? 'none' : body === 'stream' ? 'stream' : 'json',
    bodyFields: bodyFields as AnyRoute['bodyFields'],
    answer: definition.answer,
    refusals: definition.refusals ?? [],
    handle: async (context, raw) =>
      handle(context, {
        params: checkParams(raw.params),
        query: checkQuery(raw.query),
        body: body === 'stream' ? (raw.body as B) : checkBody(raw.body ?? {}),
        asker: raw.asker,
        headers: raw.headers,
        budgets: raw.budgets,
      }),
  };
}

/** An object as JSON, and what its items cost. */
export function json(value: { readonly [key: string]: JsonValue } | object, items = 0): ApiReply {
  return { status: 200, json: value, cost: Math.floor(items / ITEMS_PER_TOKEN) };
}

/** JSON that another thread made. */
export function jsonText(text: string, cost = 0): ApiReply {
  return { status: 200, text, contentType: 'application/json; charset=utf-8', cost };
}

/** An answer of a schema of the OpenAPI document. Like every JSON answer it says whether the chain is simulated. */
export function answerSchema(name: string): JsonSchema {
  return { allOf: [name, 'Simulated'].map((one) => ({ $ref: `#/components/schemas/${one}` })) };
}

export function jsonAnswer(schema: string): AnyRoute['answer'] {
  return { contentType: 'application/json', schema: answerSchema(schema) };
}
