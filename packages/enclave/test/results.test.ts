/** Results that are kept so that a task asked for again gets the same bytes: bounded in count and in bytes. */

import { hash } from '@cloister/crypto';
import { type Digest, ok } from '@cloister/encoding';
import { expect, it } from 'vitest';
import { ResultCache } from '../src/inside/inference.ts';

const MEBIBYTE: number = 1024 * 1024;

/** Runs so many tasks, each with a response of so many bytes, and tells which of them would be run again. */
async function forgotten(tasks: number, bytes: number): Promise<readonly number[]> {
  const cache = new ResultCache();
  const ids = Array.from({ length: tasks }, (_, i) => hash('task', Uint8Array.of(i >> 8, i & 0xff)));
  const response = new Uint8Array(bytes);
  for (const id of ids) await cache.once(id, async () => ok({ receipt: new Uint8Array(0), response }));
  const again: number[] = [];
  const look = async (id: Digest, i: number): Promise<void> => {
    await cache.once(id, async () => {
      again.push(i);
      return { ok: false, code: 'TASK_MISMATCH' };
    });
  };
  for (const [i, id] of ids.entries()) await look(id, i);
  return again;
}

it('forgets the oldest beyond 4,096 tasks, and beyond 256 MiB', async () => {
  expect(await forgotten(4_098, 1)).toEqual([0, 1]);
  expect(await forgotten(10, 30 * MEBIBYTE)).toEqual([0, 1]);
});
