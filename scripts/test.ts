/**
 * The whole check of the project: types, lint, unused code, every test, then a few mutants.
 * Closes with one line of counts; types, lint, unused code and mutants count as one check each.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Counts = { passed: number; failed: number };

function run(title: string, command: string, args: readonly string[]): Promise<boolean> {
  console.log(`\n== ${title}`);
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit' });
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(false);
    });
    child.on('exit', (code) => resolve(code === 0));
  });
}

/** Counts from Vitest's JSON report; a run that left no report is one failure. */
async function readCounts(file: string, exitedCleanly: boolean): Promise<Counts> {
  try {
    const report = JSON.parse(await readFile(file, 'utf8')) as {
      numPassedTests: number;
      numFailedTests: number;
      success: boolean;
      testResults: { status: string; name: string }[];
    };
    const failed = report.numFailedTests;
    // A file that fails outside any test (an import error, a failed hook) still fails the run.
    return { passed: report.numPassedTests, failed: failed === 0 && !(exitedCleanly && report.success) ? 1 : failed };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const filters = process.argv.slice(2);
const scratch = await mkdtemp(join(tmpdir(), 'cloister-test-'));
const report = join(scratch, 'report.json');
const checks = [
  await run('types', 'tsc', ['--build']),
  await run('types of tests and scripts', 'tsc', ['-p', 'tsconfig.tests.json']),
  await run('format and lint', 'biome', ['check', '.']),
  await run('unused files, exports and dependencies', 'knip', []),
];
const clean = await run('tests', 'vitest', [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...filters,
]);
const counts = await readCounts(report, clean);
await rm(scratch, { recursive: true, force: true });

// A short mutation run: the checks of what differs from the last commit, or some others, within half a minute of the processor.
if (filters.length === 0) {
  checks.push(await run('mutants', 'node', ['scripts/mutants.ts', '--changed', '--sample', '40', '--cpu', '20']));
}

const passed = counts.passed + checks.filter((good) => good).length;
const failed = counts.failed + checks.filter((good) => !good).length;
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
