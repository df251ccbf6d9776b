/**
 * The metrics of one thread, kept by prom-client under Prometheus' conventions: base units, `_total` for what only goes up.
 *
 * Each thread has a registry of its own and counts in its own memory; the API joins the texts when it is asked for them, so
 * no number crosses between threads while it is counted. Hence no name stands in both registries.
 *
 * No label takes a value that a stranger chose. As a second fence a counter holds a bounded number of label sets.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Label sets of one counter; what is beyond is counted under OTHER. */
export const SERIES_MAX = 256;
const OTHER = 'OTHER';

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
}

/** Counts by labels, of which it holds so many sets. */
export class LabelledCounter<Label extends string> {
  readonly #counter: Counter<Label>;
  readonly #labels: readonly Label[];
  readonly #seen = new Set<string>();

  constructor(counter: Counter<Label>, labels: readonly Label[]) {
    this.#counter = counter;
    this.#labels = labels;
  }

  inc(values: Readonly<Record<Label, string>>): void {
    const key = JSON.stringify(this.#labels.map((label) => values[label]));
    const held = this.#seen.has(key) || this.#seen.size < SERIES_MAX;
    if (held) this.#seen.add(key);
    const labels = this.#labels.map((label) => [label, held ? values[label] : OTHER] as const);
    this.#counter.inc(Object.fromEntries(labels) as Record<Label, string>);
  }
}

/** Whose default metrics of prom-client a registry shows. */
type Defaults = 'process' | 'api-thread' | 'none';

const API_PREFIX = 'cloister_api_';

/** Made once for each thread: each has timers and watches of its own. */
const shared = new Map<Defaults, Registry>();

/** Loop, heap and garbage collection of this thread; of the process, too, unless another thread shows that. */
function defaultsOf(defaults: Exclude<Defaults, 'none'>): Registry {
  const known = shared.get(defaults);
  if (known !== undefined) return known;
  const registry = new Registry();
  const isApi = defaults === 'api-thread';
  collectDefaultMetrics({ register: registry, ...(isApi ? { prefix: API_PREFIX } : {}) });
  for (const { name } of registry.getMetricsAsArray()) {
    if (name.startsWith(`${API_PREFIX}process_`)) registry.removeSingleMetric(name);
  }
  shared.set(defaults, registry);
  return registry;
}

export class MetricsRegistry {
  readonly #registry = new Registry();
  readonly #defaults: Registry | undefined;
  readonly #families: Family[] = [];
  readonly #collectors: (() => void)[] = [];

  constructor(defaults: Defaults = 'none') {
    this.#defaults = defaults === 'none' ? undefined : defaultsOf(defaults);
  }

  /** What stands in it beside prom-client's own. */
  get families(): readonly Family[] {
    return this.#families;
  }

  #base<Label extends string>(type: Family['type'], name: string, help: string, labels: readonly Label[]) {
    this.#families.push({ name, help, type, labels });
    return { name, help, labelNames: labels, registers: [this.#registry] };
  }

  counter(name: string, help: string): Counter {
    return new Counter(this.#base('counter', name, help, []));
  }

  counterBy<Label extends string>(name: string, help: string, labels: readonly Label[]): LabelledCounter<Label> {
    return new LabelledCounter(new Counter(this.#base('counter', name, help, labels)), labels);
  }

  /** A counter that is kept elsewhere and read when somebody asks. */
  counterFrom(name: string, help: string, read: () => number): void {
    const counter = this.counter(name, help);
    this.collect(() => {
      counter.reset();
      counter.inc(read());
    });
  }

  gauge<Label extends string>(name: string, help: string, labels: readonly Label[] = []): Gauge<Label> {
    return new Gauge(this.#base('gauge', name, help, labels));
  }

  histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    return new Histogram({ ...this.#base('histogram', name, help, []), buckets: [...buckets] });
  }

  /** Runs before each answer, to set gauges. */
  collect(collector: () => void): void {
    this.#collectors.push(collector);
  }

  /** In the Prometheus text format. */
  async render(): Promise<string> {
    for (const collector of this.#collectors) collector();
    const texts = [await this.#registry.metrics(), (await this.#defaults?.metrics()) ?? ''];
    return texts.filter((text) => text.trim() !== '').join('\n');
  }
}
