/**
 * Configuration of one process of the mutation run: the packages' own projects, one test file after another, with the
 * instrumented sources in the place of the real ones.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import base from '../../vitest.config.ts';

/** What the script leaves for this file. */
export interface Settings {
  readonly sources: { readonly [path: string]: string };
  /** Paths of the test files, in the order in which they run. */
  readonly tests: readonly { readonly package: string; readonly path: string }[];
}

type Project = Exclude<NonNullable<NonNullable<ViteUserConfig['test']>['projects']>[number], string>;
type ProjectTests = { readonly name: string; readonly [option: string]: unknown };

const settings = JSON.parse(readFileSync(process.env.MUTANTS_SETTINGS ?? '', 'utf8')) as Settings;
const order = new Map(settings.tests.map(({ path }, index) => [path, index]));
const orderOf = (moduleId: string): number => [...order].find(([path]) => moduleId.endsWith(path))?.[1] ?? 0;

class GivenOrder extends BaseSequencer {
  override sort(files: Parameters<BaseSequencer['sort']>[0]): ReturnType<BaseSequencer['sort']> {
    return Promise.resolve(files.toSorted((a, b) => orderOf(a.moduleId) - orderOf(b.moduleId)));
  }
}

const plugin = {
  name: 'mutants',
  enforce: 'pre' as const,
  transform: (_: string, id: string) => settings.sources[id.split('?')[0] ?? id],
};
const root = fileURLToPath(new URL('../..', import.meta.url));
const packages = [...new Set(settings.tests.map((test) => test.package))];

const projects = packages.map((name, index): Project => {
  const found = base.test?.projects?.find(
    (project) => (project as { readonly test?: ProjectTests }).test?.name === name,
  ) as { readonly test: ProjectTests };
  return {
    plugins: [plugin],
    test: {
      ...found.test,
      root: `${root}packages/${name}`,
      include: settings.tests
        .filter((test) => test.package === name)
        .map(({ path }) => path.split('/').slice(2).join('/')),
      runner: `${root}scripts/mutants/runner.ts`,
      maxWorkers: 1,
      // The cache knows a module by its source, and not by the numbers of the switches in it.
      fsModuleCache: false,
      sequence: { groupOrder: index },
    },
  };
});

export default defineConfig({
  root,
  test: {
    projects,
    reporters: ['dot'],
    fsModuleCache: false,
    fileParallelism: false,
    sequence: { sequencer: GivenOrder },
    // What a mutant left running may fail later than the test that it was tried in.
    dangerouslyIgnoreUnhandledErrors: true,
  },
});
