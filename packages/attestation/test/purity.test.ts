import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../src/', import.meta.url));

/** Modules reachable from an entry, by path, with their text. */
function reachable(entry: string, seen = new Map<string, string>()): Map<string, string> {
  if (seen.has(entry)) return seen;
  const text = readFileSync(entry, 'utf8');
  seen.set(entry, text);
  for (const [, specifier = ''] of text.matchAll(/(?:from|import) '([^']+)'/g)) {
    if (specifier.startsWith('.')) reachable(join(dirname(entry), specifier), seen);
    else expect(['@cloister/crypto', '@cloister/encoding', '@cloister/encoding/shape'], entry).toContain(specifier);
  }
  return seen;
}

describe('the package', () => {
  it('runs in a browser and reads no clock, randomness, network or environment', () => {
    const modules = new Map([...reachable(join(source, 'index.ts')), ...reachable(join(source, 'simulated/index.ts'))]);
    expect(modules.size).toBeGreaterThan(30);
    for (const [path, text] of modules) {
      const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      expect(code, path).not.toMatch(/\b(Date|Math\.random|process|Buffer|setTimeout|fetch|performance|globalThis)\b/);
    }
  });

  it('keeps the development keys away from verifiers', () => {
    const modules = [...reachable(join(source, 'index.ts')).keys()];
    expect(modules.filter((path) => /simulated/.test(path.slice(source.length)))).toEqual([
      join(source, 'simulated/simulated-anchors.ts'),
    ]);
  });
});
