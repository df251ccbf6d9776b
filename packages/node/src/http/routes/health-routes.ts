/** Routes for those who run the node: health, readiness, metrics. */
import { type AnyRoute, json, jsonAnswer, route } from './route.ts';

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const healthz = route({
  method: 'GET',
  path: '/healthz',
  summary: 'The process answers',
  group: 'probe',
  cost: 1,
  answer: jsonAnswer('Health'),
  handle: () => json({ status: 'ok' }),
});

const readyz = route({
  method: 'GET',
  path: '/readyz',
  summary: 'Hears new blocks, signs, has a quorum, clock, disk, enclave and attestation; else 503 with the reasons',
  group: 'probe',
  cost: 1,
  answer: jsonAnswer('Readiness'),
  refusals: [503],
  handle: async ({ node }) => {
    const { ready, reasons } = await node.readiness();
    if (ready) return json({ ready, reasons });
    return { status: 503, json: { code: 'NOT_READY', message: reasons.join(', '), ready, reasons } };
  },
});

const metrics = route({
  method: 'GET',
  path: '/metrics',
  summary: 'Prometheus metrics',
  group: 'probe',
  cost: 4,
  answer: { contentType: METRICS_TYPE, schema: { type: 'string' } },
  handle: async ({ node, metrics: own }) => ({
    status: 200,
    text: `${await node.metrics()}\n${await own.render()}`,
    contentType: METRICS_TYPE,
  }),
});

export const HEALTH_ROUTES: readonly AnyRoute[] = [healthz, readyz, metrics];
