/**
 * Bundles the image's programs and puts them, with the manifest of the image, where the published `@cloister/platform` reads
 * them. Runs whenever that package is packed.
 */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IMAGE_MANIFEST_FILE } from '../packages/confidential/src/index.ts';
import { ENCLAVE_PROGRAM, ENGINE_PROGRAM } from '../packages/platform/src/image/program-names.ts';
import { buildImage } from '../packages/platform/src/index.ts';

const target = join(import.meta.dirname, '..', 'packages', 'platform', 'programs');
const scratch = await mkdtemp(join(tmpdir(), 'cloister-pack-'));
try {
  const { measurement } = await buildImage(join(scratch, 'image'));
  await rm(target, { recursive: true, force: true });
  await mkdir(target);
  for (const name of [ENCLAVE_PROGRAM, ENGINE_PROGRAM, IMAGE_MANIFEST_FILE]) {
    await copyFile(join(scratch, 'image', name), join(target, name));
  }
  process.stderr.write(`the image measures ${measurement}\n`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
