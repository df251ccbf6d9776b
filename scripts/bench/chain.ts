/** The chain's figures: an idle stretch, light load for latency, saturating load for throughput, memory before and after. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type LoadResult, runLoads } from './chain-load.ts';
import { type Figure, median, type Report } from './figures.ts';
import type { FourNodes } from './four-nodes.ts';
import { cpuTimeOf, residentMbOf } from './process-usage.ts';

export type ChainOptions = {
  readonly runs: number;
  readonly seconds: number;
  /** Transactions offered a second, for throughput and for latency. */
  readonly load: number;
  readonly lightLoad: number;
  /** Transactions under way at a time. */
  readonly inFlight: number;
  readonly sizeBytes: number;
  readonly report: Report;
};

const CHAIN = 'chain';
const IDLE = 'idle';

/** CPU share of each validator process and of its children over an idle stretch, in percent of a core; highest of the four. */
export async function idleFigures({ nodes }: FourNodes, options: ChainOptions): Promise<Figure[]> {
  const seconds = Math.max(10, options.seconds);
  options.report(`idle: settling, then ${seconds} s of nothing to do`);
  await sleep(5_000);
  const before = await Promise.all(nodes.map(({ pid }) => cpuTimeOf(pid)));
  const startMs = performance.now();
  await sleep(seconds * 1_000);
  const passed = (performance.now() - startMs) / 1_000;
  const after = await Promise.all(nodes.map(({ pid }) => cpuTimeOf(pid)));
  const share = (of: 'own' | 'children'): number[] =>
    after.map((time, i) => (100 * (time[of] - (before[i]?.[of] ?? 0))) / passed);
  const memory = await Promise.all(nodes.map(({ pid }) => residentMbOf(pid)));
  return [
    {
      part: IDLE,
      name: 'CPU, validator process, highest of 4',
      value: Math.max(...share('own')),
      unit: '% of a core',
      mark: '< 5',
    },
    {
      part: IDLE,
      name: 'CPU, validator process, median of 4',
      value: median(share('own')),
      unit: '% of a core',
      mark: '< 5',
    },
    {
      part: IDLE,
      name: 'CPU, its platform and enclave processes, highest of 4',
      value: Math.max(...share('children')),
      unit: '% of a core',
    },
    { part: IDLE, name: 'resident memory, highest of 4', value: Math.max(...memory), unit: 'MB', mark: '≤ 250' },
  ];
}

function medianBy(results: readonly LoadResult[], of: (result: LoadResult) => number): number {
  return median(results.map(of));
}

export async function loadFigures(network: FourNodes, options: ChainOptions): Promise<Figure[]> {
  const { runs, seconds, sizeBytes, inFlight, report } = options;
  const light = await runLoads(
    network,
    { perSecond: options.lightLoad, seconds, sizeBytes, inFlight },
    { runs, report },
  );
  const full = await runLoads(network, { perSecond: options.load, seconds, sizeBytes, inFlight }, { runs, report });
  const memory = await Promise.all(network.nodes.map(({ pid }) => residentMbOf(pid)));
  const lightly = `${options.lightLoad}/s offered`;
  const fully = `${options.load}/s offered, at most ${inFlight} under way`;
  return [
    {
      part: CHAIN,
      name: `finality p50, ${lightly}`,
      value: medianBy(light, ({ p50Ms }) => p50Ms),
      unit: 'ms',
      mark: '≤ 300',
    },
    { part: CHAIN, name: `finality p99, ${lightly}`, value: medianBy(light, ({ p99Ms }) => p99Ms), unit: 'ms' },
    {
      part: CHAIN,
      name: `committed, ${fully}, ${sizeBytes} bytes each`,
      value: medianBy(full, ({ committedPerSecond }) => committedPerSecond),
      unit: 'tx/s',
      mark: '≥ 1,000',
    },
    { part: CHAIN, name: `finality p50, ${fully}`, value: medianBy(full, ({ p50Ms }) => p50Ms), unit: 'ms' },
    { part: CHAIN, name: `finality p99, ${fully}`, value: medianBy(full, ({ p99Ms }) => p99Ms), unit: 'ms' },
    {
      part: CHAIN,
      name: 'resident memory after the load, highest of 4',
      value: Math.max(...memory),
      unit: 'MB',
      mark: '≤ 250',
    },
  ];
}
