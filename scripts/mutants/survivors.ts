/** Survivors of the last whole run that nobody has killed, removed or explained yet: a debt, counted in docs/testing.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Mutant } from './instrument.ts';

const FILE = fileURLToPath(new URL('survivors.json', import.meta.url));

/** Text of the check and of the statement around it, by package and file. */
type Survivors = Record<string, readonly (readonly [check: string, statement: string])[]>;

const key = (mutant: Mutant): string => `${mutant.package}/src/${mutant.file}`;
const known = JSON.parse(readFileSync(FILE, 'utf8')) as Survivors;

export function isKnownSurvivor(mutant: Mutant): boolean {
  return (known[key(mutant)] ?? []).some(
    ([check, statement]) => check === mutant.check && statement === mutant.statement,
  );
}

/** Puts the survivors of these packages in the place of those known. */
export function recordSurvivors(packages: readonly string[], survivors: readonly Mutant[]): void {
  const others = Object.entries(known).filter(([file]) => !packages.some((name) => file.startsWith(`${name}/`)));
  const found: Record<string, [string, string][]> = {};
  for (const mutant of survivors) {
    const file = found[key(mutant)] ?? [];
    file.push([mutant.check, mutant.statement]);
    found[key(mutant)] = file;
  }
  const all = Object.fromEntries([...others, ...Object.entries(found)].sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(FILE, `${JSON.stringify(all, undefined, 2)}\n`);
}
