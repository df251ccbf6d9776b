/** Routes for those who run the node: health, readiness, metrics. */
import { type AnyRoute, json, jsonAnswer, route } from './route.ts';

const healthz = route({
  method: 'GET',
  path: '/healthz',
  summary: 'The process answers',
  answer: jsonAnswer('Health'),
  handle: () => json({ status: 'ok' }),
});

const readyz = route({
  method: 'GET',
  path: '/readyz',
  summary: 'Synced, attestation alive, enclave reachable; else 503 with the reasons',
  answer: jsonAnswer('Readiness'),
  refusals: [503],
  handle: ({ readiness }) => {
    const { ready, reasons } = readiness();
    if (ready) return json({ ready, reasons });
    return { status: 503, json: { code: 'NOT_READY', message: reasons.join(', '), ready, reasons } };
  },
});

const metrics = route({
  method: 'GET',
  path: '/metrics',
  summary: 'Prometheus metrics',
  answer: { contentType: 'text/plain; version=0.0.4; charset=utf-8', schema: { type: 'string' } },
  handle: ({ metrics: registry }) => ({
    status: 200,
    text: registry.render(),
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
  }),
});

export const HEALTH_ROUTES: readonly AnyRoute[] = [healthz, readyz, metrics];
