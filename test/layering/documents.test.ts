/** Documents name files: each path that one of them names is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const ROOTS = readdirSync(root).filter((name) => !name.startsWith('.'));
const PACKAGES = readdirSync(join(root, 'packages'));

const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Paths in backticks, from the root or from `packages/`; those with a wildcard or a placeholder say so themselves. */
function pathsIn(text: string): string[] {
  const quoted = [...text.matchAll(/`([\w@.-]+(?:\/[\w@.-]+)+\/?)`/g)].map(([, path]) => String(path));
  return quoted.filter((path) => {
    const [first = ''] = path.split('/');
    const isFile = /\.(ts|mjs|md|json|txt|toml|onnx)$/.test(path) || path.includes('/src') || path.includes('/test');
    return isFile && (ROOTS.includes(first) || PACKAGES.includes(first));
  });
}

describe.each(documents)('%s', (document) => {
  it('names only files that there are', () => {
    const text = readFileSync(join(root, document), 'utf8');
    const missing = pathsIn(text).filter(
      (path) => ![path, `packages/${path}`].some((one) => existsSync(join(root, one))),
    );
    expect(missing).toEqual([]);
  });
});

it('finds a path that is not there', () => {
  expect(pathsIn('as `packages/ledger/src/nowhere.ts` and `ledger/test/no.test.ts` say; `a/b`')).toEqual([
    'packages/ledger/src/nowhere.ts',
    'ledger/test/no.test.ts',
  ]);
});
