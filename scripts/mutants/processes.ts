/** One of the processes of a mutation run: starts Vitest, and starts it again without the mutant that ended it. */
import { spawn } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { append, type Finding, findingsIn } from './journal.ts';
import { ROOT, type TestFile } from './plan.ts';
import type { Settings } from './vitest.config.ts';

export interface Share {
  readonly scratch: string;
  readonly number: number;
  readonly sources: Settings['sources'];
  readonly tests: readonly TestFile[];
  /** The mutants that this process tries, and those of them that are listed as equivalent. */
  readonly chosen: readonly number[];
  readonly listed: readonly number[];
  readonly mutantMs: number;
  readonly cpuMs: number | undefined;
}

/** A process that has found nothing new for so long, in milliseconds, hangs in a loop that no switch is in. */
const STALL_MS = 90_000;
/** A process that ends more often is broken by more than mutants. */
const STARTS_MAX = 40;

/** Runs the test files until each came to its end; what was found is in order of time. */
export async function runShare(share: Share): Promise<readonly Finding[]> {
  const journal = join(share.scratch, `journal-${share.number}`);
  const settings = join(share.scratch, `settings-${share.number}.json`);
  writeFileSync(journal, '');
  for (let starts = 0; starts < STARTS_MAX; starts++) {
    const done = new Set(findingsIn(journal).map((finding) => (finding.kind === 'done' ? finding.path : '')));
    const tests = share.tests.filter(({ path }) => !done.has(join(ROOT, path)));
    if (tests.length === 0) break;
    writeFileSync(settings, JSON.stringify({ sources: share.sources, tests } satisfies Settings));
    const output = await runVitest(share, journal, settings);
    const found = findingsIn(journal);
    const last = found.at(-1);
    if (last?.kind === 'stopped') break;
    if (last?.kind === 'trying') {
      append(journal, { kind: 'killed', id: last.id, test: `${last.test} (ended the process)` });
      continue;
    }
    // Files that ended without a word: they failed before any of their tests ran.
    const silent = tests.filter(({ path }) => !found.some((f) => f.kind === 'done' && f.path === join(ROOT, path)));
    for (const { path } of silent) append(journal, { kind: 'broken', test: `${path}\n${output}` });
    break;
  }
  return findingsIn(journal);
}

function runVitest(share: Share, journal: string, settings: string): Promise<string> {
  const config = join(ROOT, 'scripts/mutants/vitest.config.ts');
  const child = spawn(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--config', config], {
    cwd: ROOT,
    detached: true,
    env: {
      ...process.env,
      NO_COLOR: '1',
      MUTANTS_JOURNAL: journal,
      MUTANTS_SETTINGS: settings,
      MUTANTS_CHOSEN: share.chosen.join(),
      MUTANTS_LISTED: share.listed.join(),
      MUTANTS_MUTANT_MS: String(share.mutantMs),
      ...(share.cpuMs === undefined ? {} : { MUTANTS_CPU_MS: String(share.cpuMs) }),
    },
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  // Vitest's workers are in the process group of the child and go with it.
  const watch = setInterval(() => {
    if (Date.now() - statSync(journal).mtimeMs > STALL_MS && child.pid !== undefined)
      process.kill(-child.pid, 'SIGKILL');
  }, 5000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => {
      clearInterval(watch);
      resolve(Buffer.concat(output).toString().split('\n').slice(-25).join('\n'));
    });
  });
}
