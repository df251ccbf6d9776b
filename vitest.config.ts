import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const setupFiles = [fileURLToPath(new URL('vitest.setup.ts', import.meta.url))];
const verifyOnce = fileURLToPath(new URL('vitest.verify-once.ts', import.meta.url));

/** Packages whose tests run many validators in one process. */
const MANY_VALIDATORS = ['client', 'consensus', 'enclave', 'ledger', 'node', 'replica', 'validator'];

/**
 * Packages whose tests keep nothing that another file could find: their files follow one another in one process for each core,
 * which starts once and imports each module once. Where a test has processes, threads, sockets or spies, each file has a process.
 */
const SHARED_PROCESS = [
  'attestation',
  'client',
  'confidential',
  'consensus',
  'encoding',
  'ledger',
  'proof',
  'replica',
  'validator',
];

/**
 * Three heights: properties and units beside each package, seeded simulation of the real replica, real processes. They run in
 * this order, one file for each core. What compares a network under attack with itself just before comes last, one file at a
 * time: another network beside it would be a part of the comparison.
 */
const cores = availableParallelism();
const quick = { maxWorkers: cores, sequence: { groupOrder: 0 } };
const networks = { maxWorkers: cores, sequence: { groupOrder: 1 } };
const alone = { maxWorkers: 1, fileParallelism: false, sequence: { groupOrder: 2 } };

/** Processes that a test starts find here what the ones before them compiled. */
const env = { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url)) };

const LONG = { testTimeout: 600_000, hookTimeout: 600_000 };
const FLOORS = ['process/*attackers.test.ts', 'process/http-clients.test.ts'];

export default defineConfig({
  test: {
    projects: [
      ...readdirSync(new URL('packages', import.meta.url)).map((name) => ({
        test: {
          name,
          ...quick,
          env,
          isolate: !SHARED_PROCESS.includes(name),
          setupFiles: MANY_VALIDATORS.includes(name) ? [...setupFiles, verifyOnce] : setupFiles,
          root: `packages/${name}`,
          include: ['test/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      })),
      {
        test: {
          name: 'sim',
          env,
          ...quick,
          ...LONG,
          setupFiles: [...setupFiles, verifyOnce],
          root: 'network-sim',
          include: ['test/**/*.test.ts'],
        },
      },
      {
        test: {
          name: 'whole',
          ...quick,
          ...LONG,
          setupFiles,
          root: 'test',
          include: ['{browser,differential,layering}/**/*.test.ts'],
        },
      },
      {
        test: {
          name: 'e2e',
          env,
          ...networks,
          ...LONG,
          setupFiles,
          root: 'test',
          include: ['process/**/*.test.ts'],
          exclude: FLOORS,
        },
      },
      { test: { name: 'floors', env, ...alone, ...LONG, setupFiles, root: 'test', include: FLOORS } },
    ],
  },
});
