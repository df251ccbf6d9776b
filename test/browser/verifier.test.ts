/** The verifier in a browser: the same verdicts as in Node, from a bundle without anything of Node's. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseConformanceManifest } from '@cloister/attestation';
import { toBase64 } from '@cloister/encoding';
import type { JSHandle } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BrowserBundle, bundleForBrowser } from './bundle.ts';
import { openScriptedPage, type RunningChromium, type ScriptedPage, startChromium } from './chromium.ts';
import { simulatedCases } from './simulated-evidence.ts';
import { conformanceOutcome, type VectorFiles, verifyRequest } from './verifier.ts';

const vectors = fileURLToPath(new URL('../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(join(vectors, 'manifest.json'));
if (!present)
  console.warn('SKIPPED: real attestation vectors in a browser, as ../shared/vectors/attestation is absent');

let bundle: BrowserBundle;
let chromium: RunningChromium;
let scripted: ScriptedPage;

beforeAll(async () => {
  bundle = await bundleForBrowser(`import './page.ts';`);
  chromium = await startChromium();
  console.info(`Chromium: ${chromium.origin}`);
  scripted = await openScriptedPage(chromium.browser, bundle.code);
});

afterAll(() => chromium?.close());

describe('the bundle', () => {
  it('holds nothing of Node', () => {
    expect(bundle.imports).toEqual([]);
    expect(bundle.nodeGlobals).toEqual([]);
    expect(bundle.read).not.toContain('packages/crypto/src/backends/backend-node.ts');
    expect(bundle.contained).toContain('packages/crypto/src/backends/backend-noble.ts');
    expect(bundle.contained).toContain('packages/attestation/src/evidence/verify-evidence.ts');
  });

  it('holds of the simulated platforms their roots alone', () => {
    const simulated = bundle.read.filter((path) => path.includes('/simulated/'));
    expect(simulated).toEqual(['packages/attestation/src/simulated/simulated-anchors.ts']);
  });

  it('would not hide what is of Node', async () => {
    await expect(bundleForBrowser(`import { readFileSync } from 'node:fs'; readFileSync('a');`)).rejects.toThrow(
      'node:fs',
    );
    await expect(bundleForBrowser(`import { readFileSync } from 'fs'; readFileSync('a');`)).rejects.toThrow('fs');
    const attempted = `export async function f() { try { await import('node:crypto'); } catch {} } void f();`;
    expect((await bundleForBrowser(attempted)).imports).toEqual(['node:crypto']);
    const globals = `Buffer.from('a'); if (typeof process === 'object') globalThis.process.exit(); ({ require: 1 }).require;`;
    expect((await bundleForBrowser(globals)).nodeGlobals.toSorted()).toEqual(['Buffer', 'process']);
    const keys = `import { simulatedSnpDevice } from '@cloister/attestation/simulated'; void simulatedSnpDevice;`;
    expect((await bundleForBrowser(keys)).read).toContain('packages/attestation/src/simulated/development-keys.ts');
  });
});

describe('simulated evidence', () => {
  it.each(simulatedCases())('$title: $code', async ({ request, code }) => {
    const inNode = verifyRequest(request);
    const answer = JSON.parse(inNode) as { code?: string; refusal?: { code?: string } };
    expect(answer.refusal?.code ?? answer.code).toBe(code);
    const inBrowser = await scripted.page.evaluate((asked) => globalThis.cloister.verifyRequest(asked), request);
    expect(inBrowser).toBe(inNode);
  });
});

describe(present ? 'real vectors' : 'real vectors (SKIPPED: ../shared/vectors/attestation is absent)', () => {
  const files: VectorFiles = present ? readVectors() : {};
  const manifest = present ? parseConformanceManifest(readFileSync(join(vectors, 'manifest.json'))) : undefined;
  const ids = manifest?.ok ? manifest.value.map(({ id }) => id) : [];
  let inPage: JSHandle<VectorFiles>;

  beforeAll(async () => {
    if (present) inPage = await scripted.page.evaluateHandle((given) => given, files);
  });

  it.skipIf(!present)('are there', () => {
    expect(ids.length).toBeGreaterThanOrEqual(131);
  });

  for (const [index, id] of ids.entries()) {
    it(id, async () => {
      const inNode = conformanceOutcome(files, index);
      expect(JSON.parse(inNode)).toMatchObject({ id, agrees: true, differences: [] });
      const inBrowser = await inPage.evaluate(
        (given, asked) => globalThis.cloister.conformanceOutcome(given, asked),
        index,
      );
      expect(inBrowser).toBe(inNode);
    });
  }
});

describe('the page', () => {
  it('is a browser without Node', async () => {
    const types = await scripted.page.evaluate(() => [
      typeof process,
      typeof Buffer,
      typeof require,
      navigator.userAgent,
    ]);
    expect(types).toEqual(['undefined', 'undefined', 'undefined', expect.stringContaining('Chrome')]);
  });

  it('asked the network for nothing and threw nothing', () => {
    expect(scripted.requests).toEqual([]);
    expect(scripted.errors).toEqual([]);
  });

  it('would be seen asking and throwing', async () => {
    const script = `fetch('http://cloister.invalid/').catch(() => { throw new Error('asked in vain'); });`;
    const other = await openScriptedPage(chromium.browser, script);
    await expect.poll(() => other.errors).toEqual(['asked in vain']);
    expect(other.requests).toEqual(['http://cloister.invalid/']);
  });
});

/** Every file beside the manifest. */
function readVectors(): VectorFiles {
  const paths = readdirSync(vectors, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [path.slice(vectors.length), toBase64(readFileSync(path))]));
}
