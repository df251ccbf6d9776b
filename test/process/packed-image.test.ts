/** The published packages, as their tarballs hold them: they work in an empty folder, and their image is that of the checkout. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildImage } from '@cloister/platform';
import { beforeAll, expect, it } from 'vitest';
import { errorOf, startCommand } from './command-line.ts';
import { cleanUpAfterwards, makeFolder } from './harness.ts';

cleanUpAfterwards();

const root = join(import.meta.dirname, '../..');

function run(command: string, words: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, words, { cwd: root, encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
}

type Packed = { readonly dependencies?: object; readonly optionalDependencies?: object };

/**
 * Unpacks a package and those of the project that it declares, each where Node.js finds it. Of what comes from the registry it sees
 * exactly what it declares, in the version of the lockfile.
 */
function install(tarballs: string, folder: string, name: string, installed: Set<string> = new Set()): void {
  installed.add(name);
  const target = join(folder, 'node_modules', '@cloister', name);
  mkdirSync(target, { recursive: true });
  run('tar', ['xzf', join(tarballs, `cloister-${name}-0.1.0.tgz`), '-C', target, '--strip-components=1']);
  const packed = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')) as Packed;
  for (const dependency of Object.keys({ ...packed.dependencies, ...packed.optionalDependencies })) {
    const own = /^@cloister\/(.*)$/.exec(dependency)?.[1];
    if (own !== undefined) {
      if (!installed.has(own)) install(tarballs, folder, own, installed);
      continue;
    }
    const link = join(target, 'node_modules', dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'packages', name, 'node_modules', dependency), link);
  }
}

let folder = '';
let program = '';

beforeAll(async () => {
  folder = await makeFolder();
  const tarballs = await makeFolder();
  run(process.execPath, [join(root, 'scripts', 'pack.ts'), tarballs]);
  expect(readdirSync(tarballs)).not.toContain('cloister-testkit-0.1.0.tgz');
  install(tarballs, folder, 'node');
  program = join(folder, 'node_modules/@cloister/node/dist/main.js');
});

it('the testnet of the packages runs in an empty folder, in the image of the checkout', async () => {
  const empty = await makeFolder();
  const words = ['testnet', '--once', '--validators', '1', '--images', '1'];
  const { code, stdout, stderr } = await startCommand(words, empty, program).ended;
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toContain('bare model   gives exactly the same ten probabilities');
  await buildImage(join(folder, 'checkout'));
  const [packed, checkout] = [join(empty, '.testnet', 'image'), join(folder, 'checkout')];
  const names = readdirSync(checkout, { recursive: true, encoding: 'utf8' }).sort();
  expect(readdirSync(packed, { recursive: true, encoding: 'utf8' }).sort()).toEqual(names);
  for (const name of ['manifest.json', 'enclave.mjs', 'engine.mjs']) {
    expect(names).toContain(name);
    expect(readFileSync(join(packed, name)).equals(readFileSync(join(checkout, name))), name).toBe(true);
  }
});

it('packages of which a measured program was changed build no image', async () => {
  appendFileSync(join(folder, 'node_modules/@cloister/platform/programs/engine.mjs'), '\n');
  const words = ['enclave', 'build', join(folder, 'changed'), '--output', 'json'];
  const refused = await startCommand(words, folder, program).ended;
  expect(refused.code).toBe(1);
  expect(errorOf(refused)).toMatchObject({
    code: 'IMAGE_INPUT_CHANGED',
    message: expect.stringContaining('engine.mjs'),
  });
});
