/** The architecture as a test: imports go strictly down, pure packages stay pure, no package imports what it does not declare. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageTable } from './package-table.ts';

const root = join(import.meta.dirname, '../..');

const table = packageTable();
const layers: Readonly<Record<string, number>> = Object.fromEntries(table.map(({ folder, layer }) => [folder, layer]));
const pure = table.filter((row) => row.pure === 'yes').map(({ folder }) => folder);
const forbiddenToPure = [
  /\bfrom 'node:/,
  /\bimport\('node:/,
  /\bDate\b\s*[.(]/,
  /\bnew Date\b/,
  /\bset(Timeout|Interval|Immediate)\s*\(/,
  /\bMath\.random\b/,
  /\bperformance\.now\b/,
  /\bcrypto\.getRandomValues\b/,
  /\bprocess\./,
  /\bBuffer\b/,
  /\bfetch\s*\(/,
];

/** Writes evidence that no simulated device would, by inner parts of the verifiers; `fuzz` and the second verifier take it. */
const HOSTILE_EVIDENCE = /^packages\/attestation\/test\/(formats|fuzz)\//;

type Source = { path: string; text: string };

function sources(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path: path.slice(root.length + 1), text: readFileSync(path, 'utf8') };
    });
}

/** Source text without comments, so that prose may name what code may not. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}

/** Specifiers of import and export statements (which begin a line) and of dynamic imports. */
function imports(text: string): string[] {
  const statements = code(text).matchAll(/^(?:import\s+|(?:import|export)\b[^'"`;=(]*\bfrom\s+)'([^']+)'/gm);
  const dynamic = code(text).matchAll(/\bimport\(\s*'([^']+)'/g);
  return [...statements, ...dynamic].map((match) => String(match[1]));
}

/** Whether a published package leaves this source file out; such a file may use what only a checkout has. */
function isUnpublished(path: string, published: readonly string[]): boolean {
  const compiled = path.replace(/^packages\/[^/]+\/src\//, 'dist/').replace(/ts$/, '*');
  return published.includes(`!${compiled}`);
}

describe('layering', () => {
  const packages = Object.keys(layers);

  it.each(packages)('%s imports only packages of lower layers, and declares them', (name) => {
    const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
    const files = sources(`packages/${name}/src`);
    expect(files.length).toBeGreaterThan(0);
    for (const { path, text } of files) {
      for (const specifier of imports(text)) {
        const inner = /^@cloister\/([a-z-]+)/.exec(specifier)?.[1];
        if (inner !== undefined && inner !== name) {
          expect(layers[inner], `${path} imports ${specifier}`).toBeLessThan(Number(layers[name]));
        }
        if (/^[.#]|^node:/.test(specifier)) continue;
        const bare = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
        if (bare === manifest.name) continue;
        const checkoutOnly = isUnpublished(path, manifest.files ?? []) ? manifest.devDependencies : {};
        const declared = Object.keys({ ...manifest.dependencies, ...checkoutOnly });
        expect(declared, `${path} imports ${specifier}`).toContain(bare);
      }
    }
  });

  it.each(pure)('%s is pure: no clock, no randomness, no I/O', (name) => {
    for (const { path, text } of sources(`packages/${name}/src`)) {
      for (const pattern of forbiddenToPure) expect(code(text), path).not.toMatch(pattern);
    }
  });

  it('crypto reaches Node only in its Node back-end', () => {
    for (const { path, text } of sources('packages/crypto/src')) {
      if (path.endsWith('backend-node.ts')) continue;
      for (const pattern of forbiddenToPure) expect(code(text), path).not.toMatch(pattern);
    }
  });

  it('the simulator touches neither libp2p nor LevelDB', () => {
    for (const { path, text } of sources('network-sim/src')) {
      for (const specifier of imports(text)) {
        // The reputation of peers is pure.
        if (specifier === '@cloister/network/reputation') continue;
        expect(specifier, path).not.toMatch(/libp2p|level|@cloister\/(network|node|enclave|client)/);
      }
    }
  });

  it('tests take what they share from the testkit, never from the test folder of another package', () => {
    const folders = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`);
    for (const folder of [...folders, 'network-sim', 'test', 'scripts']) {
      for (const { path, text } of sources(folder)) {
        for (const specifier of imports(text).filter((each) => each.startsWith('.'))) {
          const target = normalize(join(path, '..', specifier));
          const foreign = /^(packages\/[^/]+|network-sim)\/test\//.exec(target)?.[1];
          const allowed = foreign === undefined || path.startsWith(`${foreign}/`) || HOSTILE_EVIDENCE.test(target);
          expect(allowed, `${path} imports ${specifier}`).toBe(true);
        }
      }
    }
  });

  it('only tests, the simulator and scripts import the testkit', () => {
    for (const { path, text } of packages.flatMap((name) => sources(`packages/${name}/src`))) {
      if (path.startsWith('packages/testkit/')) continue;
      expect(imports(text), path).not.toContainEqual(expect.stringMatching(/^@cloister\/testkit/));
    }
    for (const name of packages) {
      const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
      expect(Object.keys(manifest.dependencies ?? {}), name).not.toContain('@cloister/testkit');
    }
  });

  it('no source file outgrows its subject', () => {
    const long = [...packages.map((name) => `packages/${name}/src`), 'network-sim/src']
      .flatMap(sources)
      .filter(({ text }) => text.split('\n').length > 350)
      .map(({ path }) => path);
    expect(long).toEqual([]);
  });
});
