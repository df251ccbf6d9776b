/**
 * Compiles every package that is published and packs it: `node scripts/pack.ts DIRECTORY` leaves one tarball each.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = join(import.meta.dirname, '..');
const packages = join(root, 'packages');
const destination = process.argv[2];
if (destination === undefined) throw new Error('usage: node scripts/pack.ts DIRECTORY');

function run(command: string, words: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, words, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${words.join(' ')}: ${stdout}${stderr}`);
}

/** Removes what was compiled from sources that are gone: the compiler leaves it, and it would be published. */
function removeOrphans(name: string): void {
  const compiled = join(packages, name, 'dist');
  for (const path of readdirSync(compiled, { recursive: true, encoding: 'utf8' })) {
    const source = /^(.*)\.(?:d\.ts|js)(?:\.map)?$/.exec(path)?.[1];
    if (source !== undefined && !existsSync(join(packages, name, 'src', `${source}.ts`))) rmSync(join(compiled, path));
  }
}

run(join(root, 'node_modules', '.bin', 'tsc'), ['--build']);
for (const name of readdirSync(packages)) removeOrphans(name);
const words = [
  '--recursive',
  '--filter',
  './packages/*',
  '--filter',
  '!@cloister/testkit',
  'pack',
  '--pack-destination',
  resolve(destination),
];
run('npx', ['--prefer-offline', '-y', 'pnpm@12', ...words]);
