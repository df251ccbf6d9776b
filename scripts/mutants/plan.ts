/** What a mutation run is made of: the checks of the packages asked for, and the test files that may reach them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { instrument, type Mutant } from './instrument.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The packages that decide something, each with the packages whose tests are asked after its own: those that call it within
 * one process. Tests that start processes run other copies of the program, in which no check is switched off.
 */
export const ASKED: Readonly<Record<string, readonly string[]>> = {
  consensus: ['proof', 'replica', 'validator', 'client', 'ledger'],
  ledger: ['validator', 'replica', 'proof', 'client'],
  replica: ['validator'],
  validator: ['replica'],
  enclave: ['validator', 'client'],
  confidential: ['enclave', 'client', 'ledger', 'validator'],
  proof: ['client', 'enclave'],
  network: [],
  client: [],
  'event-log': ['ledger', 'replica', 'proof'],
  attestation: [],
};

/** What makes evidence, writes formats, runs vectors or only exports holds no check that anybody relies on. */
const NOT_DECIDING =
  /^(?:simulated\/|conformance\/|.*der-writer|index|evidence\/attester|.*\/main\.ts$|native-binding)/;
/** Tests of random inputs, of source text, and of vectors: slow, or without a say on single checks. */
const NOT_ASKED = /(?:fuzz|mutation|purity|vectors|conformance|backends|launch)/;

/** A test file, relative to the repository. */
export interface TestFile {
  readonly package: string;
  readonly path: string;
}

export interface Plan {
  readonly mutants: readonly Mutant[];
  /** Source with switches, by the absolute path of the file that it stands for. */
  readonly sources: Readonly<Record<string, string>>;
  readonly tests: readonly TestFile[];
}

function filesOf(folder: string, ending: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort();
}

/** The plan for these packages; `files` and `tests` keep what contains one of their parts, or everything when empty. */
export function planOf(
  packages: readonly string[],
  only: { readonly files: readonly string[]; readonly tests: readonly string[]; readonly own: boolean },
): Plan {
  const keeps = (path: string, parts: readonly string[]): boolean =>
    parts.length === 0 || parts.some((part) => path.includes(part));
  const mutants: Mutant[] = [];
  const sources: Record<string, string> = {};
  for (const name of packages) {
    const folder = join(ROOT, 'packages', name, 'src');
    for (const file of filesOf(folder, '.ts')) {
      if (NOT_DECIDING.test(file) || !keeps(`packages/${name}/src/${file}`, only.files)) continue;
      const path = join(folder, file);
      const made = instrument({ package: name, file }, readFileSync(path, 'utf8'), mutants.length);
      if (made.mutants.length > 0) sources[path] = made.source;
      mutants.push(...made.mutants);
    }
  }
  const asked = new Set([...packages, ...(only.own ? [] : packages.flatMap((name) => ASKED[name] ?? []))]);
  const tests = [...asked].flatMap((name) =>
    filesOf(join(ROOT, 'packages', name, 'test'), '.test.ts')
      .map((file) => ({ package: name, path: `packages/${name}/test/${file}` }))
      .filter(({ path }) => !NOT_ASKED.test(path) && keeps(path, only.tests)),
  );
  return { mutants, sources, tests };
}
