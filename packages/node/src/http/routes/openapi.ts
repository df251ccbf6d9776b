/** The OpenAPI 3.1 document, made from the routes that are registered. */
import type { JsonValue } from '@cloister/encoding';
import { API_SCHEMAS } from './api-schemas.ts';
import type { Field, Fields, JsonSchema } from './fields.ts';
import { SIMULATED_HEADER } from './replies.ts';
import { type AnyRoute, answerSchema } from './route.ts';

const ERROR: JsonSchema = answerSchema('Error');

const REFUSAL_TEXTS: { readonly [status: number]: string } = {
  400: 'A parameter or the body is not valid',
  403: 'Refused for who or what asks',
  404: 'Not found',
  409: 'Too late',
  411: 'The length of the body must be said',
  413: 'Too large',
  429: 'Too often, or over quota; Retry-After says when to come back',
  500: 'The node failed',
  502: 'The other node or the enclave refused or cannot be reached',
  503: 'Not now',
  507: 'No room',
};

function headerParameters({ headers }: AnyRoute): JsonValue[] {
  return Object.entries(headers).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    required: false,
    schema: { type: 'string' },
  }));
}

function parameters(fields: Fields<Record<string, unknown>>, place: 'path' | 'query'): JsonValue[] {
  return Object.entries<Field<unknown>>(fields).map(([name, field]) => ({
    name,
    in: place,
    description: field.about,
    required: place === 'path' || field.required,
    schema: field.schema,
  }));
}

function requestBody(route: AnyRoute): { readonly requestBody?: JsonValue } {
  if (route.body === 'none') return {};
  if (route.body === 'stream') {
    const schema = { type: 'string', format: 'binary' };
    return { requestBody: { required: true, content: { 'application/octet-stream': { schema } } } };
  }
  const fields = Object.entries<Field<unknown>>(route.bodyFields);
  const schema: JsonValue = {
    type: 'object',
    required: fields.filter(([, field]) => field.required).map(([name]) => name),
    properties: Object.fromEntries(
      fields.map(([name, { about, schema: own }]) => [name, { ...own, description: about }]),
    ),
    additionalProperties: false,
  };
  return { requestBody: { required: true, content: { 'application/json': { schema } } } };
}

const SIMULATED: JsonValue = {
  [SIMULATED_HEADER]: {
    description: 'true: the chain stands on SIMULATED trust anchors, and no guarantee holds against anyone',
    required: true,
    schema: { type: 'string', enum: ['true', 'false'] },
  },
};

function responses({ answer, refusals }: AnyRoute): JsonValue {
  const content = { [answer.contentType]: answer.schema === undefined ? {} : { schema: answer.schema } };
  const all: { [status: string]: JsonValue } = { '200': { description: 'Done', headers: SIMULATED, content } };
  for (const status of new Set([400, 403, 429, 503, ...refusals, 500])) {
    const description = REFUSAL_TEXTS[status] ?? 'Refused';
    all[`${status}`] = { description, headers: SIMULATED, content: { 'application/json': { schema: ERROR } } };
  }
  return all;
}

export function openApiDocument(routes: readonly AnyRoute[], version: string): JsonValue {
  const paths: { [path: string]: { [method: string]: JsonValue } } = {};
  for (const route of routes) {
    const operations = paths[route.path] ?? {};
    paths[route.path] = operations;
    operations[route.method.toLowerCase()] = {
      summary: route.summary,
      operationId: `${route.method.toLowerCase()}${route.path.replace(/[^A-Za-z0-9]+/g, '_')}`,
      parameters: [
        ...parameters(route.params, 'path'),
        ...parameters(route.query, 'query'),
        ...headerParameters(route),
      ],
      ...requestBody(route),
      responses: responses(route),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cloister node',
      version,
      description: 'Everything here can be checked: nothing that this API says needs to be believed.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: { schemas: API_SCHEMAS },
  };
}
