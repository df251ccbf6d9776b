/** A large response from several nodes, of which one lies. */
import { contentDigest } from '@cloister/confidential';
import { expect, test } from 'vitest';
import type { Edge } from '../src/edge.ts';
import { fetchResponse } from '../src/inference/fetch-response.ts';
import type { NodeApi } from '../src/node/api.ts';
import { NodePool } from '../src/node/node-pool.ts';

const RIGHT = Uint8Array.of(1, 2, 3);
const digest = contentDigest(RIGHT);
const accepted = [{ response: null, holders: [] }];

function scene(...answers: readonly ((round: number) => Uint8Array | undefined)[]) {
  const clock = { nowMs: 0, rounds: 0 };
  const edge = {
    nowMs: () => clock.nowMs,
    sleep: async (ms: number) => {
      clock.nowMs += ms;
      clock.rounds++;
    },
  } as unknown as Edge;
  const nodes = answers.map(
    (answer, i) => ({ name: `node ${i}`, getBlob: async () => answer(clock.rounds) }) as unknown as NodeApi,
  );
  const pool = new NodePool(nodes, edge, () => undefined);
  return { clock, fetch: () => fetchResponse({ nodes: pool, edge }, accepted, digest, { atMs: 60_000 }) };
}

const lies = (): Uint8Array => Uint8Array.of(6, 6, 6);

test('comes from the other node as soon as that has it, whatever the first one sends', async () => {
  const { clock, fetch } = scene(lies, (round) => (round < 3 ? undefined : RIGHT));
  expect(await fetch()).toEqual(RIGHT);
  expect(clock.rounds).toBe(3);
});

test('is not asked for again when each node sends other bytes', async () => {
  const { clock, fetch } = scene(lies, lies);
  await expect(fetch()).rejects.toMatchObject({ code: 'BLOB_MISMATCH' });
  expect(clock.rounds).toBe(0);
});

test('is asked for until the deadline when one lies and the other never has it', async () => {
  const { clock, fetch } = scene(lies, () => undefined);
  await expect(fetch()).rejects.toMatchObject({ code: 'BLOB_MISMATCH' });
  expect(clock.nowMs).toBe(60_000);
});
