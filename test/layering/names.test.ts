/** One name, one thing: an exported name means the same wherever a reader meets it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const DECLARATION = /^export (?:declare |abstract |async )*(?:interface|type|class|const|function\*?|enum) (\w+)/gm;

type Source = { readonly folder: string; readonly path: string; readonly text: string };

/** The sources of each package, and of the simulator. */
function sources(): Source[] {
  const folders = [...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`), 'network-sim'];
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => {
        const path = `${folder}/src/${name}`;
        return { folder, path, text: readFileSync(join(root, path), 'utf8') };
      }),
  );
}

/**
 * The testkit holds several test worlds, of which a test takes one: each has its own chain, keys and start. The two back-ends
 * of `crypto` implement one interface, and the runtime picks one of them.
 */
function mayRepeat({ path }: Source): boolean {
  return path.startsWith('packages/testkit/') || path.startsWith('packages/crypto/src/backends/');
}

/** Whether files that declare one name mean different things by it: in two packages, or in two files of one package. */
function isDouble(found: readonly Source[]): boolean {
  const inOnePackage = new Set(found.map(({ folder }) => folder)).size === 1;
  const files = new Set(found.map(({ path }) => path));
  return !inOnePackage || (files.size > 1 && !found.every(mayRepeat));
}

/** Names that more than one file declares and exports, each with the files that do. */
function doublesOf(given: readonly Source[]): string[] {
  const byName = new Map<string, Source[]>();
  for (const source of given) {
    for (const [, name = ''] of source.text.matchAll(DECLARATION)) {
      byName.set(name, [...(byName.get(name) ?? []), source]);
    }
  }
  return [...byName]
    .filter(([, found]) => isDouble(found))
    .map(([name, found]) => `${name}: ${found.map(({ path }) => path).join(', ')}`);
}

describe('exported names', () => {
  it('are declared once: what is the same is imported, what is not has a name of its own', () => {
    expect(doublesOf(sources())).toEqual([]);
  });

  it('are found where two files declare them, whatever they declare', () => {
    const one = {
      folder: 'packages/one',
      path: 'one.ts',
      text: 'export interface Proposal {\n}\nexport const LIMIT = 1;\n',
    };
    const two = { folder: 'packages/two', path: 'two.ts', text: 'export type Proposal = string;\nconst LIMIT = 2;\n' };
    expect(doublesOf([one, two])).toEqual(['Proposal: one.ts, two.ts']);
    expect(doublesOf([one, { ...one, path: 'other.ts' }])).toHaveLength(2);
  });
});
