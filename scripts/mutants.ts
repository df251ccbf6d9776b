/**
 * Mutation run: switches off each check of the packages that decide something, in turn, and requires that a test notices.
 *
 *   node scripts/mutants.ts [--packages NAME,…] [--files PART,…] [--tests PART,…] [--own] [--shards N] [--budget MS]
 *                           [--sample N --cpu SECONDS] [--changed] [--record]
 *
 * `--budget` is the processor's time for the tests that try one mutant, in milliseconds. `--own` asks only the tests of the packages themselves, `--changed` takes the files that differ from the last commit,
 * `--sample` takes so many checks by the last commit's digest. Prints the survivors, a row of the table for each package,
 * and `N killed, M survived`; exit code 1 when a survivor is neither among the equivalent mutants of `mutants/equivalents`
 * nor among the known ones of `mutants/survivors.json`, which `--record` writes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cheapestFirst, recordCosts } from './mutants/costs.ts';
import { EQUIVALENTS, isListed } from './mutants/equivalents/equivalents.ts';
import { ASKED, planOf } from './mutants/plan.ts';
import { runShare } from './mutants/processes.ts';
import { report } from './mutants/report.ts';
import { changedFiles, sampleOf } from './mutants/selection.ts';
import { recordSurvivors } from './mutants/survivors.ts';

const { values: options } = parseArgs({
  options: {
    packages: { type: 'string', default: Object.keys(ASKED).join() },
    files: { type: 'string', default: '' },
    tests: { type: 'string', default: '' },
    own: { type: 'boolean', default: false },
    shards: { type: 'string', default: '2' },
    budget: { type: 'string', default: '2500' },
    sample: { type: 'string', default: '' },
    cpu: { type: 'string', default: '' },
    changed: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});

const parts = (list: string): readonly string[] => list.split(',').filter((part) => part !== '');

async function main(): Promise<number> {
  const files = options.changed ? changedFiles() : parts(options.files);
  const sample = options.sample === '' ? undefined : sampleOf(Number(options.sample), files);
  const packages = sample?.packages ?? parts(options.packages);
  const plan = planOf(packages, { files: sample?.files ?? files, tests: parts(options.tests), own: options.own });
  const shards = Math.max(1, Number(options.shards));
  const chosen = plan.mutants.filter(({ id }) => sample === undefined || sample.takes(id, plan.mutants.length));
  console.log(`${chosen.length} mutants, ${plan.tests.length} test files, ${shards} processes`);

  const scratch = mkdtempSync(join(tmpdir(), 'cloister-mutants-'));
  try {
    const shares = Array.from({ length: shards }, (_, number) =>
      chosen.filter((_, index) => index % shards === number),
    );
    const findings = await Promise.all(
      shares.map((share, number) =>
        runShare({
          scratch,
          number,
          sources: plan.sources,
          tests: cheapestFirst(plan.tests),
          chosen: share.map(({ id }) => id),
          listed: share.filter(isListed).map(({ id }) => id),
          mutantMs: Number(options.budget),
          cpuMs: options.cpu === '' ? undefined : (Number(options.cpu) * 1000) / shards,
        }),
      ),
    );
    recordCosts(findings.flat());
    const isWhole = files.length === 0 && parts(options.tests).length === 0 && sample === undefined;
    const mustBeListed = isWhole ? packages.flatMap((name) => EQUIVALENTS[name] ?? []) : [];
    const outcome = report(chosen, findings.flat(), mustBeListed);
    if (options.record && isWhole) recordSurvivors(packages, outcome.survivors);
    return outcome.exitCode;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = await main();
