/** What ARCHITECTURE.md says of the packages, against what their own manifests say. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageTable, rowText } from './package-table.ts';

const root = join(import.meta.dirname, '../..');

interface Manifest {
  readonly name: string;
  readonly description: string;
  readonly engines?: object;
  readonly dependencies?: object;
  readonly optionalDependencies?: object;
  readonly devDependencies?: object;
}

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
}

const table = packageTable();
const folders = readdirSync(join(root, 'packages'));
const workspace = [...folders.map((folder) => `packages/${folder}`), 'network-sim', 'test'];

describe('the table of packages', () => {
  it('has one row for each package, those of lower layers first', () => {
    expect(table.map(({ folder }) => folder).sort()).toEqual([...folders].sort());
    const layers = table.map(({ layer }) => layer);
    expect(layers).toEqual([...layers].sort((a, b) => a - b));
  });

  it.each(table)('says of $folder what its manifest says', (row) => {
    const { name, description, dependencies = {} } = manifestIn(`packages/${row.folder}`);
    expect(name).toBe(`@cloister/${row.folder}`);
    const restsOn = Object.keys(dependencies).flatMap((each) => /^@cloister\/(.*)$/.exec(each)?.[1] ?? []);
    // The whole row, so that a failure shows the line to write.
    expect(rowText(row)).toBe(rowText({ ...row, description, restsOn: restsOn.sort() }));
  });

  it.each(table)('has $folder rest on packages of lower layers alone', ({ layer, restsOn }) => {
    const layerOf = (folder: string): number => table.find((row) => row.folder === folder)?.layer ?? Number.NaN;
    for (const each of restsOn) expect(layerOf(each), each).toBeLessThan(layer);
  });
});

it.each(workspace)('%s names the versions of Node.js that it runs on', (folder) => {
  // 22.14 is the first of its line that can be told to start no debugger by a signal (--disable-sigusr1).
  expect(manifestIn(folder).engines).toEqual({ node: '^22.14.0 || >=24' });
});

it('docs/dependencies.md gives a reason for each package of others that is installed, and for no other', () => {
  const installed = ['.', ...workspace].flatMap((folder) => {
    const { dependencies, optionalDependencies, devDependencies } = manifestIn(folder);
    return Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
  });
  const rows = readFileSync(join(root, 'docs/dependencies.md'), 'utf8').matchAll(/^\| (`[^|]*) \|/gm);
  const named = [...rows].flatMap(([, names]) => Array.from(String(names).matchAll(/`([^`]+)`/g), ([, name]) => name));
  const others = new Set(installed.filter((name) => !name.startsWith('@cloister/')));
  expect(named.toSorted()).toEqual([...others].sort());
});
