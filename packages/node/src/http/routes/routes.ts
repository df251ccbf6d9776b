/** Every route of the API, and the document that describes them. */

import { ApiError } from '../api-error.ts';
import { ATTESTATION_ROUTES } from './attestation-routes.ts';
import { BLOB_ROUTES } from './blob-routes.ts';
import { CHAIN_ROUTES } from './chain-routes.ts';
import { FACT_ROUTES } from './fact-routes.ts';
import { type Fields, integerField, optionalField, textField } from './fields.ts';
import { HEALTH_ROUTES } from './health-routes.ts';
import { LEDGER_ROUTES } from './ledger-routes.ts';
import { openApiDocument } from './openapi.ts';
import { type AnyRoute, jsonText, route } from './route.ts';
import { TRANSACTION_ROUTES } from './transaction-routes.ts';

export const STREAM_QUERY: Fields<{ readonly from: number | undefined; readonly type: string | undefined }> = {
  from: optionalField(
    integerField('First sequence; what comes next when absent', { min: 0, max: Number.MAX_SAFE_INTEGER }),
  ),
  type: optionalField(textField('Only this type', 64, '^[A-Za-z]+$')),
};

/** The stream's route as others see it; its handler is the server's own. */
export const STREAM_ROUTE: AnyRoute = route({
  method: 'GET',
  path: '/v1/events/stream',
  summary: 'Events as they are committed (server-sent events); resumes after Last-Event-ID',
  group: 'bulk',
  cost: 4,
  query: STREAM_QUERY,
  answer: { contentType: 'text/event-stream', schema: { type: 'string' } },
  refusals: [429, 503],
  handle: () => {
    throw new ApiError(500, 'INTERNAL');
  },
});

export function routesWithDocument(version: string): readonly AnyRoute[] {
  let text: string | undefined;
  const document: AnyRoute = route({
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document',
    group: 'probe',
    cost: 2,
    answer: { contentType: 'application/json', schema: { type: 'object' } },
    handle: () => {
      text ??= JSON.stringify(openApiDocument(all, version));
      return jsonText(text);
    },
  });
  const all: readonly AnyRoute[] = [
    ...CHAIN_ROUTES,
    ...FACT_ROUTES,
    STREAM_ROUTE,
    ...LEDGER_ROUTES,
    ...ATTESTATION_ROUTES,
    ...TRANSACTION_ROUTES,
    ...BLOB_ROUTES,
    document,
    ...HEALTH_ROUTES,
  ];
  return all;
}
