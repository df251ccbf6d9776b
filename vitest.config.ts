import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const setupFiles = [fileURLToPath(new URL('vitest.setup.ts', import.meta.url))];

// Three heights: properties and units beside each package, seeded simulation of the real replica, real processes.
// The first two share the cores, one file a core. Real processes come after them, one file at a time: a network of several
// processes uses every core by itself, and its floors compare it with a run of its own just before.
const shared = { maxWorkers: availableParallelism(), sequence: { groupOrder: 0 } };
const alone = { maxWorkers: 1, fileParallelism: false, sequence: { groupOrder: 1 } };

export default defineConfig({
  test: {
    projects: [
      ...readdirSync(new URL('packages', import.meta.url)).map((name) => ({
        test: {
          name,
          ...shared,
          setupFiles,
          root: `packages/${name}`,
          include: ['test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      })),
      {
        test: {
          name: 'sim',
          ...shared,
          setupFiles,
          root: 'network-sim',
          include: ['test/**/*.test.ts'],
          testTimeout: 600_000,
        },
      },
      {
        test: {
          name: 'e2e',
          ...alone,
          setupFiles,
          root: 'test',
          include: ['{browser,differential,layering,process}/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
