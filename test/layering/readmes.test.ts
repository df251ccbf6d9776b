/** Every package has a README of one screen, whose example is a file of its tests that runs here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const packages = readdirSync(join(root, 'packages'));
const LINES_MAX = 80;

describe.each(packages)('the README of %s', (name) => {
  const folder = join(root, 'packages', name);
  const text = existsSync(join(folder, 'README.md')) ? readFileSync(join(folder, 'README.md'), 'utf8') : '';

  it('says on one screen what the package owns and what it leaves out', () => {
    expect(text.startsWith(`# @cloister/${name}\n`)).toBe(true);
    expect(text.match(/^## .+$/gm)).toEqual(['## What it owns', '## At work', '## What it leaves out']);
    expect(text.split('\n').length).toBeLessThanOrEqual(LINES_MAX);
  });

  it('shows an example that is the one in test/readme.ts, and runs', async () => {
    const example = /^## At work\n[\s\S]*?```ts\n([\s\S]*?)```\n/m.exec(text)?.[1];
    expect(example).toBe(readFileSync(join(folder, 'test/readme.ts'), 'utf8'));
    // An example that asserts nothing would show nothing.
    expect(example).toMatch(/\bassert\b/);
    await import(join(folder, 'test/readme.ts'));
  });
});
