/** Which modules a command loads. A node's networking is two thirds of all modules: only a command that runs a node waits for it. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const maxBuffer = 64 * 1024 * 1024;

const MAIN = join(import.meta.dirname, '../../src/main.ts');

/** Writes each module that is resolved to standard error. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  import { writeSync } from 'node:fs';
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      writeSync(2, found.url + '\\n');
      return found;
    },
  });
`)}`;

async function loadedBy(words: readonly string[]): Promise<readonly string[]> {
  // A command that fails has loaded modules, too.
  const { stderr } = await run(process.execPath, ['--import', WATCH, MAIN, ...words], { maxBuffer }).catch(
    (error) => error,
  );
  return String(stderr).split('\n');
}

const isNetworking = (url: string): boolean => url.includes('/packages/network/') || url.includes('/@libp2p/');

it('a command that runs no node loads no networking', async () => {
  const loaded = await loadedBy(['help']);
  expect(loaded.some((url) => url.endsWith('/commands/process/start.ts'))).toBe(true);
  expect(loaded.filter(isNetworking)).toEqual([]);
});

it('a command that runs a node loads it', async () => {
  const home = join(import.meta.dirname, 'absent');
  const loaded = await loadedBy(['start', '--home', home, '--enclave-kind', 'none']);
  expect(loaded.some(isNetworking)).toBe(true);
});
