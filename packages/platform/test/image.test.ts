import { createHash } from 'node:crypto';
import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageDigest, imageMeasurement } from '@cloister/confidential';
import { asMeasurement } from '@cloister/encoding';
import { keyPair } from '@cloister/testkit/chain';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { imageModules } from '../src/image/bundle.ts';
import { pinnedNode } from '../src/image/pinned-node.ts';
import { changedInput } from '../src/image/programs.ts';
import {
  buildImage,
  IMAGE_SIGNATURE_FILE,
  imageSigner,
  inspectImage,
  measureImage,
  signImage,
  verifyImageSignature,
} from '../src/index.ts';

let scratch: string;
let image: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'cloister-image-test-'));
  image = join(scratch, 'first');
  await buildImage(image);
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function contents(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = await Promise.all(
    files.map(async (file) => [file.slice(directory.length), await readFile(file, 'base64')]),
  );
  return Object.fromEntries(read);
}

async function copyOf(name: string): Promise<string> {
  const copy = join(scratch, name);
  await cp(image, copy, { recursive: true });
  return copy;
}

it('comes out the same byte for byte in another directory', async () => {
  const second = join(scratch, 'a', 'second');
  await buildImage(second);
  expect(await contents(second)).toEqual(await contents(image));
});

it('names the pinned Node.js, whichever runs the builder', async () => {
  const { manifest } = await inspectImage(image);
  const bytes = await readFile(pinnedNode());
  const { version } = JSON.parse(await readFile(join(pinnedNode(), '..', '..', 'package.json'), 'utf8'));
  expect(manifest.node).toEqual({ version, sha384: createHash('sha384').update(bytes).digest('hex') });
});

it('names the first input that is not what was packed', async () => {
  const { manifest: packed } = await inspectImage(image);
  const sha384 = asMeasurement('ab'.repeat(48));
  const withFile = (at: number) => packed.files.map((file, i) => (i === at ? { ...file, sha384 } : file));
  expect(changedInput(packed, packed)).toBeUndefined();
  expect(changedInput({ ...packed, node: { ...packed.node, sha384 } }, packed)).toBe(`Node.js ${packed.node.version}`);
  for (const [at, { path }] of packed.files.entries()) {
    expect(changedInput({ ...packed, files: withFile(at) }, packed)).toBe(path);
    expect(changedInput(packed, { ...packed, files: packed.files.toSpliced(at, 1) })).toBe(path);
  }
});

it('carries no path of the machine that built it', async () => {
  for (const program of ['enclave.mjs', 'engine.mjs']) {
    const source = await readFile(join(image, program), 'utf8');
    expect(source).not.toContain('node_modules');
    expect(source).not.toContain(join(import.meta.dirname, '..', '..', '..'));
  }
});

it('measures what the manifest says, and a debug image as zeros', async () => {
  const { bytes, measurement, deviations } = await inspectImage(image);
  expect(deviations).toEqual([]);
  expect(await measureImage(image)).toEqual({ measurement: imageMeasurement(bytes), image: imageDigest(bytes) });
  expect((await buildImage(join(scratch, 'debug'), { debug: true })).measurement).toBe('0'.repeat(96));
  expect(measurement).not.toBe('0'.repeat(96));
});

it('finds every deviation from the manifest', async () => {
  const copy = await copyOf('tampered');
  await appendFile(join(copy, 'enclave.mjs'), ' ');
  await rm(join(copy, 'native', 'libonnxruntime.so.1'));
  await writeFile(join(copy, 'native', 'extra.so'), '');
  expect((await inspectImage(copy)).deviations).toEqual([
    { path: 'enclave.mjs', kind: 'changed' },
    { path: 'native/libonnxruntime.so.1', kind: 'missing' },
    { path: 'native/extra.so', kind: 'unexpected' },
  ]);
  await expect(measureImage(copy)).rejects.toMatchObject({ code: 'IMAGE_TAMPERED' });
});

it('refuses a directory with something in it, or without a manifest', async () => {
  await expect(buildImage(image)).rejects.toMatchObject({ code: 'IMAGE_NOT_EMPTY' });
  await expect(inspectImage(scratch)).rejects.toMatchObject({ code: 'IMAGE_IO' });
  const broken = await copyOf('broken');
  await appendFile(join(broken, 'manifest.json'), '\n');
  await expect(inspectImage(broken)).rejects.toMatchObject({ code: 'IMAGE_MANIFEST_INVALID' });
});

it('is signed beside what is measured', async () => {
  const copy = await copyOf('signed');
  const publisher = keyPair('publisher');
  expect(await verifyImageSignature(copy, publisher.publicKey)).toMatchObject({ code: 'SIGNATURE_MISSING' });
  const signer = await signImage(copy, publisher);
  expect(signer).toBe(imageSigner(publisher.publicKey));
  expect(await verifyImageSignature(copy, publisher.publicKey)).toEqual({ ok: true, value: { signer } });
  expect(await measureImage(copy)).toEqual(await measureImage(image));
  expect(await verifyImageSignature(copy, keyPair('other').publicKey)).toMatchObject({ code: 'SIGNATURE_INVALID' });
  await cp(join(copy, IMAGE_SIGNATURE_FILE), join(scratch, 'debug', IMAGE_SIGNATURE_FILE));
  expect(await verifyImageSignature(join(scratch, 'debug'), publisher.publicKey)).toMatchObject({
    code: 'SIGNATURE_OF_OTHER_IMAGE',
  });
  await writeFile(join(copy, IMAGE_SIGNATURE_FILE), '{}');
  expect(await verifyImageSignature(copy, publisher.publicKey)).toMatchObject({ code: 'SIGNATURE_MALFORMED' });
});

it('holds these packages and no others', async () => {
  const programs = await imageModules();
  const packages = (program: string): string[] => {
    const names = (programs[program] ?? []).map((path) => path.split('/').slice(0, 2).join('/'));
    return [...new Set(names.map((name) => (name.startsWith('@') ? name : (name.split('/')[0] ?? name))))];
  };
  expect(packages('enclave.mjs')).toEqual([
    '@cloister/attestation',
    '@cloister/confidential',
    '@cloister/consensus',
    '@cloister/crypto',
    '@cloister/enclave',
    '@cloister/encoding',
    '@cloister/event-log',
    '@cloister/ledger',
    '@cloister/proof',
    '@hpke/common',
    '@hpke/core',
    '@noble/curves',
    '@noble/hashes',
  ]);
  // Neither keys nor cryptography: a hostile model finds nothing in there.
  expect(packages('engine.mjs')).toEqual([
    '@cloister/confidential',
    '@cloister/enclave',
    '@cloister/encoding',
    'onnxruntime-common',
    'onnxruntime-node',
  ]);
  expect(programs['engine.mjs']?.filter((path) => /aead|ed25519|hpke|digests|random/.test(path))).toEqual([]);
  const own = Object.values(programs)
    .flat()
    .filter((path) => path.startsWith('@cloister/'));
  expect(own.filter((path) => /development|@cloister\/platform\/|store-level|\/machine\//.test(path))).toEqual([]);
});
