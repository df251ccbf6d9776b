/**
 * The platform's copy of an image: what was measured is what runs.
 */
import { openSync, writeSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeImageManifest, IMAGE_MANIFEST_FILE, type ImageManifest } from '@cloister/confidential';
import { utf8 } from '@cloister/encoding';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { digestFile, nodeDigest } from '../src/image/digest-file.ts';
import { openMeasured, sealImage } from '../src/process/sealed-image.ts';

let directory: string;
const PROGRAM = utf8('export const answer = 7;\n');

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cloister-sealed-'));
  await writeFile(join(directory, 'enclave.mjs'), PROGRAM);
  const manifest: ImageManifest = {
    schema: 'cloister/enclave-image/v1',
    name: 'small',
    version: '1',
    svn: 1,
    debug: false,
    entry: 'enclave.mjs',
    node: { version: process.versions.node, sha384: await nodeDigest() },
    engine: { name: 'none', version: '1' },
    files: [{ path: 'enclave.mjs', ...(await digestFile(join(directory, 'enclave.mjs'))) }],
    limits: { modelBytesMax: 1, payloadBytesMax: 1, responseBytesMax: 1, runMsMax: 1, memoryMibMax: 1 },
  };
  await writeFile(join(directory, IMAGE_MANIFEST_FILE), encodeImageManifest(manifest));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('runs what it measured, whatever becomes of the files, and nobody can change that', async () => {
  const image = await sealImage(directory, 'refuse');
  await writeFile(join(directory, 'enclave.mjs'), utf8('export const answer = 8;\n'));
  const [program = -1] = await image.open(['enclave.mjs']);
  const path = `/proc/self/fd/${program}`;
  expect(new Uint8Array(await readFile(path))).toEqual(PROGRAM);
  await chmod(path, 0o600);
  expect(() => writeSync(openSync(path, 'r+'), utf8('export'))).toThrow('EPERM');
  await expect(writeFile(path, 'other')).rejects.toMatchObject({ code: 'EPERM' });
  expect(new Uint8Array(await readFile(path))).toEqual(PROGRAM);
  await expect(image.open(['enclave.mjs', 'engine.mjs'])).rejects.toMatchObject({ code: 'IMAGE_TAMPERED' });
});

it('refuses to start a file that is not what it was when it was measured', async () => {
  const file = join(directory, 'unsealed');
  await writeFile(file, PROGRAM);
  const measured = { path: 'unsealed', descriptor: openSync(file, 'r'), ...(await digestFile(file)) };
  await openMeasured(measured);
  await writeFile(file, utf8('export const answer = 9;\n'));
  await expect(openMeasured(measured)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' });
});

it('refuses a file that is longer than its manifest says without reading all of it', async () => {
  await writeFile(join(directory, 'enclave.mjs'), new Uint8Array(4 * 1024 * 1024));
  await expect(sealImage(directory, 'refuse')).rejects.toMatchObject({ code: 'IMAGE_TAMPERED' });
});
