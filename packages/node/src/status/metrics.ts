/**
 * Counters, gauges and histograms, written out in the Prometheus text format (version 0.0.4). Labels never name a tenant
 * or a request, and a family holds a bounded number of label sets.
 */

export type Labels = { readonly [name: string]: string };

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  lines(): Iterable<string>;
}

const SERIES_MAX = 512;

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function series(name: string, labels: Labels, value: number): string {
  const names = Object.keys(labels);
  const inner = names.map((label) => `${label}="${escapeLabel(labels[label] ?? '')}"`).join(',');
  return `${name}${inner === '' ? '' : `{${inner}}`} ${Number.isFinite(value) ? value : value > 0 ? '+Inf' : 'NaN'}`;
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels));
}

/** A value for each set of labels. */
class Values implements Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly #series = new Map<string, { readonly labels: Labels; value: number }>();

  constructor(name: string, help: string, type: 'counter' | 'gauge') {
    this.name = name;
    this.help = help;
    this.type = type;
  }

  #of(labels: Labels): { value: number } | undefined {
    const key = keyOf(labels);
    let found = this.#series.get(key);
    if (found === undefined && this.#series.size < SERIES_MAX) {
      found = { labels, value: 0 };
      this.#series.set(key, found);
    }
    return found;
  }

  add(labels: Labels, by: number): void {
    const found = this.#of(labels);
    if (found !== undefined) found.value += by;
  }

  set(labels: Labels, value: number): void {
    const found = this.#of(labels);
    if (found !== undefined) found.value = value;
  }

  clear(): void {
    this.#series.clear();
  }

  *lines(): Iterable<string> {
    for (const { labels, value } of this.#series.values()) yield series(this.name, labels, value);
  }
}

/** Only goes up. */
export interface Counter {
  increment(labels?: Labels, by?: number): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
  /** Forgets all label sets, before they are set anew. */
  clear(): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

class Buckets implements Family, Histogram {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { readonly labels: Labels; counts: number[]; sum: number; count: number }>();

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
  }

  observe(value: number, labels: Labels = {}): void {
    const key = keyOf(labels);
    let found = this.#series.get(key);
    if (found === undefined) {
      if (this.#series.size >= SERIES_MAX) return;
      found = { labels, counts: this.#bounds.map(() => 0), sum: 0, count: 0 };
      this.#series.set(key, found);
    }
    found.sum += value;
    found.count += 1;
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket >= 0) found.counts[bucket] = (found.counts[bucket] ?? 0) + 1;
  }

  *lines(): Iterable<string> {
    for (const { labels, counts, sum, count } of this.#series.values()) {
      let below = 0;
      for (const [i, bound] of this.#bounds.entries()) {
        below += counts[i] ?? 0;
        yield series(`${this.name}_bucket`, { ...labels, le: `${bound}` }, below);
      }
      yield series(`${this.name}_bucket`, { ...labels, le: '+Inf' }, count);
      yield series(`${this.name}_sum`, labels, sum);
      yield series(`${this.name}_count`, labels, count);
    }
  }
}

export class MetricsRegistry {
  readonly #families = new Map<string, Family>();
  readonly #collectors: (() => void)[] = [];

  #add<F extends Family>(family: F): F {
    if (this.#families.has(family.name)) throw new TypeError(`metric ${family.name} exists`);
    this.#families.set(family.name, family);
    return family;
  }

  counter(name: string, help: string): Counter {
    const values = this.#add(new Values(name, help, 'counter'));
    return { increment: (labels = {}, by = 1) => values.add(labels, by) };
  }

  /** A counter that is kept elsewhere and read at each scrape. */
  counterFrom(name: string, help: string, read: () => number): void {
    const values = this.#add(new Values(name, help, 'counter'));
    this.#collectors.push(() => values.set({}, read()));
  }

  gauge(name: string, help: string): Gauge {
    const values = this.#add(new Values(name, help, 'gauge'));
    return { set: (value, labels = {}) => values.set(labels, value), clear: () => values.clear() };
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    return this.#add(new Buckets(name, help, bounds));
  }

  /** Runs before each scrape, to set gauges. */
  collect(collector: () => void): void {
    this.#collectors.push(collector);
  }

  render(): string {
    for (const collector of this.#collectors) collector();
    const lines: string[] = [];
    for (const family of this.#families.values()) {
      lines.push(`# HELP ${family.name} ${family.help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`);
      lines.push(`# TYPE ${family.name} ${family.type}`, ...family.lines());
    }
    return `${lines.join('\n')}\n`;
  }
}
