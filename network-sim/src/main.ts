/**
 * `pnpm sim --seed N [--scenario NAME] [--runs K] [--nodes 4] [--blocks 30] [--output json]`: runs scenarios and says what
 * happened. Exit code 1 when an invariant was violated, with the command that shows it again; 2 for wrong usage.
 */
import { parseArgs } from 'node:util';
import { type RunReport, SCENARIOS, Simulation, scenarioNamed } from './index.ts';

const USAGE = `usage: pnpm sim --seed N [--scenario NAME|all] [--runs K] [--nodes N] [--blocks N] [--output text|json]

scenarios:
${SCENARIOS.map(({ name, description }) => `  ${name.padEnd(22)} ${description}`).join('\n')}`;

function usageError(message: string): never {
  process.stderr.write(`${message}\n\n${USAGE}\n`);
  process.exit(2);
}

function count(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    usageError(`--${name} takes a number from ${min} to ${max}`);
  return value;
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        seed: { type: 'string' },
        scenario: { type: 'string', default: 'crashes' },
        runs: { type: 'string', default: '1' },
        nodes: { type: 'string' },
        blocks: { type: 'string' },
        output: { type: 'string', default: 'text' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return usageError(error instanceof Error ? error.message : String(error));
  }
}

function account(report: RunReport, elapsedMs: number): string {
  const { admitted, executed } = report.transactions;
  const lines = [
    `${report.ok ? 'ok    ' : 'FAILED'} ${report.scenario}, seed ${report.seed}`,
    `  heights ${report.heights.join(' ')} after ${(report.virtualMs / 1000).toFixed(1)} s of virtual time (${(elapsedMs / 1000).toFixed(1)} s of ours)`,
    `  ${executed} of ${admitted} transactions executed, ${report.network.delivered} messages delivered, ${report.network.lost} lost, ${report.crashes} crashes`,
    `  ${report.certificatesChecked} certificates checked; evidence: ${report.evidence.join(', ') || 'none'}`,
    `  trace ${report.traceHash} (${report.traceLines} lines)`,
  ];
  for (const { invariant, detail } of report.violations) lines.push(`  violated ${invariant}: ${detail}`);
  return lines.join('\n');
}

const values = readArguments();
if (values.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
const seed = count('seed', values.seed ?? '1', 0, Number.MAX_SAFE_INTEGER) ?? 1;
const runs = count('runs', values.runs, 1, 1_000_000) ?? 1;
const validators = count('nodes', values.nodes, 1, 64);
const blocks = count('blocks', values.blocks, 1, 100_000);
if (values.output !== 'text' && values.output !== 'json') usageError('--output takes text or json');
const chosen = values.scenario === 'all' ? SCENARIOS : [scenarioNamed(values.scenario)];
const reports: RunReport[] = [];
for (const scenario of chosen) {
  if (scenario === undefined) usageError(`no scenario is called ${values.scenario}`);
  for (let run = 0; run < runs; run++) {
    const startedMs = performance.now();
    const report = await new Simulation({
      scenario,
      seed: String(seed + run),
      ...(validators === undefined ? {} : { validators }),
      ...(blocks === undefined ? {} : { blocks }),
    }).run();
    reports.push(report);
    if (values.output === 'json') continue;
    process.stdout.write(`${account(report, performance.now() - startedMs)}\n`);
    if (report.ok) continue;
    const more = `${validators === undefined ? '' : ` --nodes ${validators}`}${blocks === undefined ? '' : ` --blocks ${blocks}`}`;
    process.stdout.write(`  again: pnpm sim --seed ${report.seed} --scenario ${report.scenario}${more}\n`);
    process.stdout.write(`  the last of the trace:\n${report.tail.map((line) => `    ${line}`).join('\n')}\n`);
  }
}
if (values.output === 'json') process.stdout.write(`${JSON.stringify(reports, undefined, 2)}\n`);
const failed = reports.filter(({ ok }) => !ok).length;
if (values.output === 'text' && reports.length > 1) {
  process.stdout.write(`${reports.length - failed} runs kept every invariant, ${failed} did not\n`);
}
process.exitCode = failed === 0 ? 0 : 1;
