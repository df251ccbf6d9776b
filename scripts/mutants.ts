/**
 * Mutation run of the verifiers: switches off each check in turn and requires that a test notices.
 *
 *   node scripts/mutants.ts [--files PART,…] [--tests PART,…] [--shards N] [--keep]
 *
 * Works on an instrumented copy of packages/attestation in a temporary folder. Prints the survivors and
 * `N killed, M survived`; exit code 1 when a survivor is not among the equivalent mutants of `mutants/equivalents.ts`.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EQUIVALENTS } from './mutants/equivalents.ts';
import { instrument, type Mutant } from './mutants/instrument.ts';
import type { MutantResults } from './mutants/runner.ts';

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '' },
    tests: { type: 'string', default: '' },
    shards: { type: 'string', default: '2' },
    keep: { type: 'boolean', default: false },
  },
});

const root = fileURLToPath(new URL('..', import.meta.url));
const attestation = join(root, 'packages/attestation');

/** What makes evidence, writes formats or runs vectors holds no check of the verifier. */
const NOT_VERIFIER = /^(?:simulated\/|conformance|der-writer|index|attester)/;
/** Tests of random inputs, of source text, and of vectors: slow, or without a say on single checks. */
const NOT_DECIDING = /(?:fuzz|mutation|purity|vectors|conformance|backends)/;

/** Files whose tests sign with RSA. */
const SLOW_FILES = /(?:snp|appraise|platforms|verifier-bugs|x509)/;

const parts = (list: string): readonly string[] => list.split(',').filter((part) => part !== '');
const wanted = (name: string, list: readonly string[]): boolean =>
  list.length === 0 || list.some((part) => name.includes(part));

const scratch = mkdtempSync(join(tmpdir(), 'cloister-mutants-'));
const copy = join(scratch, 'packages/attestation');
mkdirSync(copy, { recursive: true });
symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));
symlinkSync(join(attestation, 'node_modules'), join(copy, 'node_modules'));
for (const name of ['src', 'test', 'package.json'])
  cpSync(join(attestation, name), join(copy, name), { recursive: true });
cpSync(join(root, 'vitest.setup.ts'), join(scratch, 'vitest.setup.ts'));

const mutants: Mutant[] = [];
const sources = readdirSync(join(attestation, 'src'), { recursive: true, encoding: 'utf8' }).sort();
for (const name of sources) {
  if (!name.endsWith('.ts') || NOT_VERIFIER.test(name) || !wanted(name, parts(options.files))) continue;
  const made = instrument(name, readFileSync(join(attestation, 'src', name), 'utf8'), mutants.length);
  mutants.push(...made.mutants);
  writeFileSync(join(copy, 'src', name), made.source);
}

const tests = readdirSync(join(attestation, 'test'), { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.test.ts') && !NOT_DECIDING.test(name) && wanted(name, parts(options.tests)),
);
const runner = fileURLToPath(new URL('mutants/runner.ts', import.meta.url));
const config = {
  runner,
  root: copy,
  setupFiles: [join(scratch, 'vitest.setup.ts')],
  include: tests.map((name) => `test/${name}`),
  fileParallelism: false,
  testTimeout: 3_600_000,
  reporters: ['dot'],
};
// Quick files first: what they catch need not be tried by the slow ones.
writeFileSync(
  join(copy, 'vitest.config.mjs'),
  `import { BaseSequencer } from 'vitest/node';
const rank = ({ moduleId }) => (/checks-/.test(moduleId) ? 0 : ${SLOW_FILES}.test(moduleId) ? 2 : 1);
class QuickFirst extends BaseSequencer {
  async sort(files) {
    return [...files].sort((a, b) => rank(a) - rank(b) || (a.moduleId < b.moduleId ? -1 : 1));
  }
}
export default { test: { ...${JSON.stringify(config)}, sequence: { sequencer: QuickFirst } } };
`,
);

const shards = Math.max(1, Number(options.shards));
console.log(`${mutants.length} mutants, ${tests.length} test files, ${shards} processes`);
const startedAt = performance.now();
let failedAnyway = false;

function isEquivalent({ file, check, statement }: Mutant): boolean {
  return EQUIVALENTS.some((e) => e.file === file && e.check === check && statement.includes(e.in ?? ''));
}

function runShard(shard: number): Promise<MutantResults> {
  const file = join(scratch, `results-${shard}.json`);
  writeFileSync(file, JSON.stringify({ killed: {}, reached: {}, unusable: [] } satisfies MutantResults));
  const env = {
    ...process.env,
    NO_COLOR: '1',
    MUTANTS_SHARD: `${shard}/${shards}`,
    MUTANTS_RESULTS: file,
    MUTANTS_LISTED: mutants
      .filter(isEquivalent)
      .map(({ id }) => id)
      .join(),
  };
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', '--config', join(copy, 'vitest.config.mjs')], {
    cwd: copy,
    env,
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      // A test that fails without any mutant says nothing about them, and fails the whole run.
      const failures = Buffer.concat(output)
        .toString()
        .split('\n')
        .filter((text) => / FAIL |Error/.test(text))
        .slice(0, 20);
      if (code !== 0) console.log(`FAILED WITHOUT ANY MUTANT (process ${shard})\n${failures.join('\n')}`);
      if (code !== 0) failedAnyway = true;
      resolve(JSON.parse(readFileSync(file, 'utf8')) as MutantResults);
    });
  });
}

try {
  const results = await Promise.all(Array.from({ length: shards }, (_, shard) => runShard(shard)));
  const killed = Object.assign({}, ...results.map((result) => result.killed)) as MutantResults['killed'];
  const reached = Object.assign({}, ...results.map((result) => result.reached)) as MutantResults['reached'];
  const unusable = [...new Set(results.flatMap((result) => result.unusable))];
  for (const name of unusable) console.log(`not counted, as it cannot be run twice: ${name}`);

  const survivors = mutants.filter(({ id }) => killed[id] === undefined);
  const unexpected = survivors.filter((mutant) => !isEquivalent(mutant));
  for (const { id, file, line, check, statement } of unexpected) {
    console.log(`SURVIVED ${file}:${line} (${reached[id] ?? 0} tests) ${check}\n    in ${statement}`);
  }
  const isWhole = parts(options.files).length === 0 && parts(options.tests).length === 0;
  const stale = EQUIVALENTS.filter(
    (e) => !survivors.some((m) => m.file === e.file && m.check === e.check && m.statement.includes(e.in ?? '')),
  );
  if (isWhole) for (const e of stale) console.log(`LISTED AS EQUIVALENT, yet killed or gone: ${e.file}: ${e.check}`);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(`${survivors.length - unexpected.length} equivalent mutants survived as listed; ${seconds} s`);
  console.log(`${mutants.length - survivors.length} killed, ${unexpected.length} survived`);
  process.exitCode = failedAnyway || unexpected.length > 0 || (isWhole && stale.length > 0) ? 1 : 0;
} finally {
  if (options.keep) console.log(scratch);
  else rmSync(scratch, { recursive: true, force: true });
}
