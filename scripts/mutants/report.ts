/** Prints what a mutation run found; the exit code says whether each check is held by a test. */

import type { Equivalent } from './equivalents/equivalent.ts';
import { covers, isListed } from './equivalents/equivalents.ts';
import type { Mutant } from './instrument.ts';
import type { Finding } from './journal.ts';
import { isKnownSurvivor } from './survivors.ts';

/**
 * An assertion says what no input can break. That no test breaks it is what it claims; a test that does, through a caller that
 * errs, counts as one that noticed.
 */
function isAssertion({ check }: Mutant): boolean {
  return check.startsWith('assert(');
}

export function report(
  mutants: readonly Mutant[],
  findings: readonly Finding[],
  mustBeListed: readonly Equivalent[],
): { readonly survivors: readonly Mutant[]; readonly exitCode: number } {
  const killed = new Set(findings.flatMap((finding) => (finding.kind === 'killed' ? [finding.id] : [])));
  const reached = new Map<number, number>();
  for (const finding of findings)
    if (finding.kind === 'done') for (const id of finding.reached) reached.set(id, (reached.get(id) ?? 0) + 1);
  // A test that fails without any mutant says nothing about them, and fails the whole run.
  const broken = new Set(findings.flatMap((finding) => (finding.kind === 'broken' ? [finding.test] : [])));
  for (const test of broken) console.log(`FAILED WITHOUT ANY MUTANT ${test}`);
  const unusable = new Set(findings.flatMap((finding) => (finding.kind === 'unusable' ? [finding.test] : [])));
  for (const test of unusable) console.log(`not counted, as it cannot be run twice: ${test}`);

  const stopped = findings.some(({ kind }) => kind === 'stopped');
  const survivors = mutants.filter(({ id }) => !killed.has(id));
  const unlisted = stopped ? [] : survivors.filter((mutant) => !isListed(mutant) && !isAssertion(mutant));
  // How many tests a check is tried by depends on the machine's speed. One that not all were asked about is not decided.
  const skipped = new Set(findings.flatMap((finding) => (finding.kind === 'skipped' ? [finding.id] : [])));
  const unexpected = unlisted.filter((mutant) => !isKnownSurvivor(mutant) && !skipped.has(mutant.id));
  const undecided = unlisted.filter((mutant) => !isKnownSurvivor(mutant) && skipped.has(mutant.id));
  for (const { id, package: owner, file, line, check, statement } of unexpected) {
    console.log(`SURVIVED ${owner}/src/${file}:${line} (${reached.get(id) ?? 0} files) ${check}\n    in ${statement}`);
  }
  if (undecided.length > 0)
    console.log(`${undecided.length} survived the tests that there was time for; not all were asked`);
  if (stopped) console.log(`time is up: ${survivors.length} mutants were not tried by every test`);
  const stale = mustBeListed.filter((listed) => !survivors.some((mutant) => covers(listed, mutant)));
  for (const { file, check } of stale) console.log(`LISTED AS EQUIVALENT, yet killed or gone: ${file}: ${check}`);

  console.log('| Package | Mutants | Killed | Assertions | Equivalent | Survived |\n|---|---|---|---|---|---|');
  for (const name of new Set(mutants.map((mutant) => mutant.package))) {
    const count = (list: readonly Mutant[]): number => list.filter((mutant) => mutant.package === name).length;
    const left = count(unlisted);
    const equivalent = count(survivors.filter(isListed));
    const asserted = count(survivors.filter((mutant) => isAssertion(mutant) && !isListed(mutant)));
    const counts = [count(mutants), count(mutants) - count(survivors), asserted, equivalent, left];
    console.log(`| ${[name, ...counts].join(' | ')} |`);
  }
  if (unlisted.length > unexpected.length) console.log(`${unlisted.length - unexpected.length} survivors are known`);
  console.log(`${mutants.length - survivors.length} killed, ${unexpected.length} survived`);
  const isGood = broken.size === 0 && unexpected.length === 0 && stale.length === 0;
  return { survivors: unlisted, exitCode: isGood ? 0 : 1 };
}
