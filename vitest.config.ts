import { readdirSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

// Three heights: properties and units beside each package, seeded simulation of the real replica, real processes.
export default defineConfig({
  test: {
    projects: [
      ...readdirSync(new URL('packages', import.meta.url)).map((name) => ({
        test: {
          name,
          root: `packages/${name}`,
          include: ['test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      })),
      { test: { name: 'sim', root: 'network-sim', include: ['test/**/*.test.ts'], testTimeout: 600_000 } },
      {
        test: {
          name: 'e2e',
          root: 'test',
          include: ['{layering,process}/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
