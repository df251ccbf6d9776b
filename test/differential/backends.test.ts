/** The verifiers on both crypto back-ends, Node's own and noble: the same verdict, in full, on every input. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseConformanceManifest } from '@cloister/attestation';
import { simulatedIntelAnchors, simulatedNitroAnchors } from '@cloister/attestation/simulated';
import { SeededRandom, sha256 } from '@cloister/crypto';
import { concatBytes, fromHex, toHex, utf8 } from '@cloister/encoding';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AT_MS, collateral, sgxQuote } from '../../packages/attestation/test/formats/intel-fixture.ts';
import { collateralMembers } from '../../packages/attestation/test/fuzz/intel-subjects.ts';
import { FUZZED_FORMATS, makeTarget } from '../../packages/attestation/test/fuzz/targets.ts';
import { refusedInputs, statusInputs } from './inputs.ts';
import * as onNode from './judge.ts';

const directory = fileURLToPath(new URL('../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(`${directory}manifest.json`);
if (!present) console.warn('SKIPPED: back-ends on real vectors, as ../shared/vectors/attestation is absent');

const MUTATIONS = 250;
const anchors = { intel: simulatedIntelAnchors(), nitro: simulatedNitroAnchors() };
const scratch = mkdtempSync(join(tmpdir(), 'cloister-backends-'));
let onNoble: typeof onNode;
let read: readonly string[] = [];

beforeAll(async () => {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL('judge.ts', import.meta.url))],
    bundle: true,
    // Without the condition "node", packages/crypto gives its default back-end.
    platform: 'neutral',
    conditions: ['import', 'module', 'browser', 'default'],
    mainFields: ['browser', 'module', 'main'],
    format: 'esm',
    target: 'es2024',
    write: false,
    metafile: true,
  });
  const [file] = bundle.outputFiles;
  const path = join(scratch, 'judge.mjs');
  writeFileSync(path, file?.contents ?? '');
  read = Object.keys(bundle.metafile.inputs);
  onNoble = (await import(pathToFileURL(path).href)) as typeof onNode;
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const P256_FIELD = 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff';

function withSignature(quote: Uint8Array, r: Uint8Array, s: Uint8Array): Uint8Array {
  const copy = quote.slice();
  copy.set(concatBytes(r, s), 436);
  return copy;
}

/** A quote of version 3 whose quoting enclave vouches for these bytes as attestation key. */
function withKey(x: Uint8Array, y: Uint8Array): Uint8Array {
  const reportData = new Uint8Array(64);
  reportData.set(sha256(concatBytes(x, y, new Uint8Array(32).fill(7))));
  const quote = sgxQuote({}, { authData: new Uint8Array(32).fill(7), qe: { reportData } });
  quote.set(concatBytes(x, y), 500);
  return quote;
}

/** Compares, and tells how many different verdicts there were. */
function distinct(node: readonly string[], noble: readonly string[]): number {
  expect(noble.length).toBe(node.length);
  for (const [index, verdict] of node.entries()) expect(noble[index], `question ${index}`).toBe(verdict);
  return new Set(node).size;
}

describe('Node and noble', () => {
  it('are told apart by the bundle', () => {
    const backends = read.filter((path) => /crypto\/src\/backends\/backend-\w+\.ts$/.test(path));
    expect(backends.map((path) => path.split('/').at(-1))).toEqual(['backend-noble.ts']);
  });

  it('agree on every simulated status and on every refusal', () => {
    const questions = [...statusInputs(), ...refusedInputs()].map(({ quote, text, atMs }): onNode.Question => {
      const format = quote[4] === 0 ? 'sgx' : 'tdx';
      return { input: { format, quote, text }, atMs };
    });
    const count = distinct(onNode.verdictsOn(questions, anchors), onNoble.verdictsOn(questions, anchors));
    expect(count).toBeGreaterThan(300);
  });

  it('agree on keys and signatures at the edges of the curve', () => {
    const [order, field] = ['ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', P256_FIELD].map(
      fromHex,
    );
    const one = fromHex('1'.padStart(64, '0'));
    const zero = new Uint8Array(32);
    const genuine = sgxQuote();
    const [key, r, s] = [genuine.slice(500, 564), genuine.slice(436, 468), genuine.slice(468, 500)];
    const negated = fromHex(
      (BigInt(`0x${toHex(order ?? zero)}`) - BigInt(`0x${toHex(s)}`)).toString(16).padStart(64, '0'),
    );
    const values = [zero, one, order, field, zero.slice().fill(0xff)].map((value) => value ?? zero);
    const quotes = [
      withSignature(genuine, r, negated),
      ...values.flatMap((value) => [withSignature(genuine, value, s), withSignature(genuine, r, value)]),
      ...values.flatMap((value) => values.map((other) => withSignature(genuine, value, other))),
      ...values.flatMap((value) => [
        withKey(value, key.slice(32)),
        withKey(key.slice(0, 32), value),
        withKey(value, value),
      ]),
      // The negative point: another key on the curve.
      withKey(
        key.slice(0, 32),
        fromHex(
          (BigInt(`0x${toHex(field ?? zero)}`) - BigInt(`0x${toHex(key.slice(32))}`)).toString(16).padStart(64, '0'),
        ),
      ),
    ];
    const text = utf8(JSON.stringify(collateralMembers(collateral('sgx'))));
    const questions = quotes.map((quote): onNode.Question => ({ input: { format: 'sgx', quote, text }, atMs: AT_MS }));
    const verdicts = onNode.verdictsOn(questions, anchors);
    expect(distinct(verdicts, onNoble.verdictsOn(questions, anchors))).toBe(2);
    // (r, n − s) is as good as (r, s): it is no other statement.
    expect(verdicts.filter((verdict) => verdict.startsWith('{"ok":true')).length).toBe(1);
    expect(new Set(verdicts.slice(1))).toEqual(new Set(['{"ok":false,"code":"QUOTE_SIGNATURE"}']));
  });

  for (const format of FUZZED_FORMATS) {
    it(`agree on mutated inputs of ${format}`, () => {
      const [target, random] = [makeTarget(format), new SeededRandom(`back-ends ${format}`)];
      const drawn = Array.from({ length: MUTATIONS }, () => target.next(random));
      const questions = [...target.originals, ...drawn].map(({ input }) => ({ input, atMs: AT_MS }));
      const node = onNode.verdictsOn(questions, anchors);
      expect(distinct(node, onNoble.verdictsOn(questions, anchors))).toBeGreaterThan(15);
      expect(node.filter((verdict) => verdict.startsWith('{"ok":true')).length).toBeGreaterThan(5);
    });
  }

  it.skipIf(!present)('agree on real vectors', () => {
    const readFile = (path: string): Uint8Array | undefined =>
      existsSync(`${directory}${path}`) ? new Uint8Array(readFileSync(`${directory}${path}`)) : undefined;
    const manifest = parseConformanceManifest(readFile('manifest.json') ?? new Uint8Array());
    const cases = manifest.ok ? manifest.value : [];
    expect(cases.length).toBeGreaterThanOrEqual(131);
    distinct(onNode.outcomesOn(cases, readFile), onNoble.outcomesOn(cases, readFile));
  });
});
