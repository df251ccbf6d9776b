import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, inspectImage, measureImage } from '@cloister/platform';

const directory = await mkdtemp(join(tmpdir(), 'cloister-readme-'));
try {
  // The enclave image comes out byte for byte the same everywhere.
  const built = await buildImage(directory);
  assert.deepEqual(await measureImage(directory), { measurement: built.measurement, image: built.image });

  // A changed file is found before anything is launched.
  await appendFile(join(directory, 'enclave.mjs'), '\n');
  const { deviations } = await inspectImage(directory);
  assert.deepEqual(
    deviations.map(({ path }) => path),
    ['enclave.mjs'],
  );
} finally {
  await rm(directory, { recursive: true });
}
