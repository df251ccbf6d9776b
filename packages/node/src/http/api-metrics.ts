/** Metrics of the API's own thread. */
import type { MetricsRegistry } from '../status/metrics.ts';
import type { ClientBudgets } from './gate/budgets.ts';
import type { ClientConnections } from './gate/connections.ts';
import type { EventStreams } from './streams/event-streams.ts';

export interface ApiMetricSources {
  readonly connections: ClientConnections;
  readonly budgets: ClientBudgets;
  readonly streams: Pick<EventStreams, 'size'>;
}

/** The result counts one answer: by the route's pattern, never by what stands in its place. */
export function addApiMetrics(
  registry: MetricsRegistry,
  { connections, budgets, streams }: ApiMetricSources,
): (route: string | undefined, status: number) => void {
  const requests = registry.counterBy('cloister_api_requests_total', 'Answers of the API, by route and status', [
    'route',
    'status',
  ]);
  const open = registry.gauge('cloister_api_connections', 'Open connections of the API');
  const running = registry.gauge('cloister_api_streams', 'Open event streams');
  registry.counterFrom('cloister_api_connections_closed_total', 'Connections closed for being only held', () => {
    return connections.closed;
  });
  registry.counterFrom('cloister_api_refused_total', 'Requests over the budget of their client', () => budgets.refused);
  registry.collect(() => {
    open.set(connections.size);
    running.set(streams.size);
  });
  return (route, status) => requests.inc({ route: route ?? 'none', status: String(status) });
}
