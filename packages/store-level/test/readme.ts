import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@cloister/encoding';
import { openLevelStore } from '@cloister/store-level';

const directory = await mkdtemp(join(tmpdir(), 'cloister-readme-'));
try {
  const store = await openLevelStore(directory);
  // With `sync`, the promise resolves when the write is on disk.
  await store.batch([{ type: 'put', key: utf8('greeting'), value: utf8('hello') }], { sync: true });
  // One holder at a time: a second opening is refused by code.
  await assert.rejects(openLevelStore(directory), { code: 'STORE_LOCKED' });
  await store.close();

  const again = await openLevelStore(directory);
  assert.deepEqual(await again.get(utf8('greeting')), utf8('hello'));
  await again.close();
} finally {
  await rm(directory, { recursive: true });
}
