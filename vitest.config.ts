import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const setupFiles = [fileURLToPath(new URL('vitest.setup.ts', import.meta.url))];

// Three heights: properties and units beside each package, seeded simulation of the real replica, real processes.
export default defineConfig({
  test: {
    projects: [
      ...readdirSync(new URL('packages', import.meta.url)).map((name) => ({
        test: {
          name,
          setupFiles,
          root: `packages/${name}`,
          include: ['test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      })),
      { test: { name: 'sim', setupFiles, root: 'network-sim', include: ['test/**/*.test.ts'], testTimeout: 600_000 } },
      {
        test: {
          name: 'e2e',
          setupFiles,
          root: 'test',
          include: ['{browser,differential,layering,process}/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
