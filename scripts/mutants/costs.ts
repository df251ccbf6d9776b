/** How much of the processor's time each test file took in earlier runs: what quick files catch, slow ones need not try. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Finding } from './journal.ts';
import { ROOT, type TestFile } from './plan.ts';

const FILE = join(ROOT, 'node_modules/.cache/mutants/costs.json');
/** What a file is taken to cost that has not run yet, in milliseconds. */
const UNKNOWN_MS = 1000;

type Costs = Readonly<Record<string, number>>;

function known(): Costs {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')) as Costs;
  } catch {
    return {};
  }
}

/** Files of one package stay together, the cheapest first. */
export function cheapestFirst(tests: readonly TestFile[]): readonly TestFile[] {
  const costs = known();
  const cost = ({ path }: TestFile): number => costs[path] ?? UNKNOWN_MS;
  const packages = [...new Set(tests.map((test) => test.package))];
  return tests.toSorted(
    (a, b) =>
      packages.indexOf(a.package) - packages.indexOf(b.package) || cost(a) - cost(b) || (a.path < b.path ? -1 : 1),
  );
}

export function recordCosts(findings: readonly Finding[]): void {
  const costs = { ...known() } as Record<string, number>;
  for (const finding of findings)
    if (finding.kind === 'done' && finding.tookMs > 0) costs[finding.path.slice(ROOT.length)] = finding.tookMs;
  mkdirSync(dirname(FILE), { recursive: true });
  writeFileSync(FILE, JSON.stringify(costs));
}
