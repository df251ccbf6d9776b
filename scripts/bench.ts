/**
 * `pnpm bench`: what the project measures of itself. Marks stand beside the figures as a start to improve on; nothing here
 * passes or fails. Progress goes to standard error, the table (or one JSON value) to standard output.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { appraisalFigures } from './bench/appraisals.ts';
import { type ChainOptions, idleFigures, loadFigures } from './bench/chain.ts';
import { eventFigures } from './bench/event-rates.ts';
import { type Figure, tableOf } from './bench/figures.ts';
import { withFourNodes } from './bench/four-nodes.ts';
import { inferenceFigures } from './bench/inference.ts';

const PARTS = ['events', 'attestation', 'idle', 'chain', 'inference'] as const;
type Part = (typeof PARTS)[number];

const USAGE = `usage: pnpm bench [options]
  --only LIST          parts to run, of ${PARTS.join(',')} (all)
  --runs N             measured runs after a warm-up; medians are reported (3)
  --seconds N          length of a run under load (10)
  --load N             transactions offered a second for throughput (2000)
  --light-load N       transactions offered a second for latency (20)
  --in-flight N        transactions under way at a time, at most (2000)
  --transaction-bytes N  size of a transaction (250)
  --events N           events appended and replayed (100000)
  --inferences N       sealed inferences measured (20)
  --output text|json   a table, or one JSON value (text)
  --write FILE         also write the JSON value to a file`;

function fail(message: string): never {
  process.stderr.write(`${message}\n${USAGE}\n`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      // pnpm hands a bare -- on.
      args: process.argv.slice(2).filter((word) => word !== '--'),
      options: {
        only: { type: 'string', default: PARTS.join(',') },
        runs: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '10' },
        load: { type: 'string', default: '2000' },
        'light-load': { type: 'string', default: '20' },
        'in-flight': { type: 'string', default: '2000' },
        'transaction-bytes': { type: 'string', default: '250' },
        events: { type: 'string', default: '100000' },
        inferences: { type: 'string', default: '20' },
        output: { type: 'string', default: 'text' },
        write: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'bad options');
  }
}

const values = parse();
if (values.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}

function number(
  name: 'runs' | 'seconds' | 'load' | 'light-load' | 'in-flight' | 'transaction-bytes' | 'events' | 'inferences',
): number {
  const value = Number(values[name]);
  return Number.isSafeInteger(value) && value > 0 ? value : fail(`--${name} must be a whole number above 0`);
}

function isPart(name: string): name is Part {
  return (PARTS as readonly string[]).includes(name);
}

const parts = new Set<Part>();
for (const name of values.only.split(',')) parts.add(isPart(name) ? name : fail(`there is no part '${name}'`));
if (values.output !== 'text' && values.output !== 'json') fail('--output is text or json');

const startMs = performance.now();
const report = (text: string): void => {
  process.stderr.write(`${((performance.now() - startMs) / 1_000).toFixed(0).padStart(4)} s  ${text}\n`);
};
const runs = number('runs');
const options: ChainOptions = {
  runs,
  seconds: number('seconds'),
  load: number('load'),
  lightLoad: number('light-load'),
  inFlight: number('in-flight'),
  sizeBytes: number('transaction-bytes'),
  report,
};

// What else runs on the machine takes from every figure.
const [loadBefore = 0] = loadavg();
if (loadBefore > 0.5)
  report(`this machine is busy: load average ${loadBefore.toFixed(1)} on ${availableParallelism()} cores`);

const figures: Figure[] = [];
if (parts.has('events')) figures.push(...(await eventFigures({ runs, events: number('events'), report })));
if (parts.has('attestation')) figures.push(...appraisalFigures({ runs, report }));
if (parts.has('idle') || parts.has('chain') || parts.has('inference')) {
  await withFourNodes(report, async (network) => {
    if (parts.has('idle')) figures.push(...(await idleFigures(network, options)));
    if (parts.has('inference')) {
      figures.push(...(await inferenceFigures(network, { inferences: number('inferences'), report })));
    }
    if (parts.has('chain')) figures.push(...(await loadFigures(network, options)));
  });
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryMb: Math.round(totalmem() / 1_000_000),
  loadAverageBefore: loadBefore,
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
};
const result = {
  schema: 'cloister/bench/v1',
  time: new Date().toISOString(),
  simulated: true,
  machine,
  options: { ...values },
  figures,
};
const json = `${JSON.stringify(result, undefined, 2)}\n`;
if (values.write !== undefined) await writeFile(values.write, json);
process.stdout.write(
  values.output === 'json'
    ? json
    : `\n${tableOf(figures)}\n\n${machine.cores} cores, ${machine.cpu}, Node ${machine.node}; load average ${loadBefore.toFixed(1)} before; every platform SIMULATED, but for quotes said to be real\n`,
);
