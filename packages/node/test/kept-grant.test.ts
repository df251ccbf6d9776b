/** An owner's lasting order: each new keyset is granted once, whatever becomes of the others. */

import { ed25519KeyPair, hash } from '@cloister/crypto';
import type { AccountId, Digest } from '@cloister/encoding';
import { expect, it } from 'vitest';
import { type KeptGrant, keepGranted } from '../src/attest/kept-grant.ts';

const [first, second] = [1, 2].map((n) => ed25519KeyPair(new Uint8Array(32).fill(n)).id) as [AccountId, AccountId];
const model = hash('model');

/** A ledger that changes between looks: what is accepted and what is granted at each of them. */
async function run(
  looks: readonly { readonly accepted: readonly [AccountId, string][]; readonly granted?: readonly string[] }[],
  grant: (node: AccountId) => Promise<void> = async () => undefined,
): Promise<{ granted: AccountId[]; refused: string[] }> {
  const stop = new AbortController();
  const granted: AccountId[] = [];
  const refused: string[] = [];
  let look = 0;
  let nowMs = 0;
  const order: KeptGrant = {
    model,
    nodes: [first, second],
    api: {
      attestations: async () =>
        (looks[look]?.accepted ?? []).map(([node, keyset]) => ({
          node,
          keyset: hash(keyset),
          platform: 'sev-snp',
          eligible: true,
        })),
      model: async () => ({
        model,
        manifest: null,
        grants: (looks[look]?.granted ?? []).map((one): Digest => hash(one)),
      }),
    },
    grant: async (node) => {
      await grant(node);
      granted.push(node);
    },
    onRefused: (_, reason) => refused.push(reason),
    nowMs: () => nowMs,
    sleep: async (delayMs) => {
      nowMs += delayMs;
      if (++look === looks.length) stop.abort();
    },
  };
  await keepGranted(order, stop.signal);
  return { granted, refused };
}

it('grants a new keyset once, and none that is granted or was taken back', async () => {
  const accepted: [AccountId, string][] = [[first, 'a']];
  const { granted } = await run([
    { accepted, granted: ['a'] },
    // Taken back by its owner: not made again.
    { accepted, granted: [] },
    { accepted: [[first, 'b']] },
    { accepted: [[first, 'b']], granted: [] },
    { accepted: [[second, 'c']] },
  ]);
  expect(granted).toEqual([first, second]);
});

it('tries a refused one again after growing times, and goes on with the others', async () => {
  const looks = Array.from({ length: 20 }, () => ({
    accepted: [
      [first, 'a'],
      [second, 'b'],
    ] as [AccountId, string][],
  }));
  const { granted, refused } = await run(looks, async (node) => {
    if (node === first) throw new Error('EVIDENCE_REFUSED');
  });
  expect(granted).toEqual([second]);
  // At 0, 6, 16 and 36 seconds of the 40 that twenty looks take.
  expect(refused).toHaveLength(4);
});

it('asks again when the node does not answer', async () => {
  const stop = new AbortController();
  let asked = 0;
  await keepGranted(
    {
      model,
      nodes: [first],
      api: { attestations: () => Promise.reject(new Error('API_UNREACHABLE')), model: async () => undefined },
      grant: async () => undefined,
      onRefused: () => undefined,
      nowMs: () => 0,
      sleep: async () => {
        if (++asked === 3) stop.abort();
      },
    },
    stop.signal,
  );
  expect(asked).toBe(3);
});
