/** What is remembered of peers, and what stays on disk of blocks that lost. */
import type { Block } from '@cloister/consensus';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { asDigest, asHeight, type Digest, type ValidatorId } from '@cloister/encoding';
import { evolve, genesisEvents, initialState } from '@cloister/ledger';
import { putRecord } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import { authorBytesMax, PEER_REST_MS_MAX, PEER_REST_MS_MIN, RESTING_PEERS_MAX } from '../src/limits.ts';
import { Ingress } from '../src/receive/ingress.ts';
import { TransactionSignatureCache } from '../src/receive/transaction-signatures.ts';
import { batchKey, blockKey } from '../src/store/chain-keys.ts';
import { OpenBlocks } from '../src/store/open-blocks.ts';
import { SyncPeers } from '../src/sync/sync-peers.ts';
import { genesis, keys, scene } from './block-scene.ts';

describe('a peer that does not help', () => {
  it('is asked last for a time that doubles up to a bound, and first again once it helped', () => {
    const { core, clock } = scene();
    const peers = new SyncPeers(core);
    for (const id of ['a', 'b', 'c']) peers.set(id, true);
    peers.failed('a');
    expect(peers.order(['a'])).toEqual(['b', 'c', 'a']);
    clock.monotonicMs += PEER_REST_MS_MIN;
    expect(peers.order(['a'])).toEqual(['a', 'b', 'c']);
    for (let failures = 0; failures < 20; failures++) peers.failed('a');
    clock.monotonicMs += PEER_REST_MS_MAX - 1;
    expect(peers.isResting('a')).toBe(true);
    // A new connection changes nothing.
    peers.set('a', false);
    peers.set('a', true);
    expect(peers.isResting('a')).toBe(true);
    clock.monotonicMs += 1;
    expect(peers.isResting('a')).toBe(false);
    peers.failed('b');
    peers.served('b');
    expect(peers.isResting('b')).toBe(false);
  });

  it('is remembered with so many others', () => {
    const { core } = scene();
    const peers = new SyncPeers(core);
    for (let index = 0; index <= RESTING_PEERS_MAX; index++) peers.failed(`peer ${index}`);
    expect([peers.isResting('peer 0'), peers.isResting('peer 1')]).toEqual([false, true]);
  });
});

describe('a client of this node', () => {
  it('is turned away when this node’s own batches fill its share, never for a flood of another author', () => {
    const { core, pool, addBatch } = scene();
    const ledger = genesisEvents(genesis).reduce(evolve, initialState());
    const ingress = new Ingress({ ...core, ledger }, pool, new TransactionSignatureCache(), () => undefined);
    const big = Array.from({ length: 7 }, () => putRecord(genesis, { value: 'x'.repeat(4000) }));
    const fill = (by: Ed25519KeyPair) => {
      for (let index = 0; pool.bytesOf(by.id as ValidatorId) <= authorBytesMax(keys.length) / 2; index++) {
        addBatch({ by, transactions: big, expiryHeight: 100 + index });
      }
    };
    fill(keys[1] as Ed25519KeyPair);
    expect(ingress.submit(putRecord(genesis).bytes)).toMatchObject({ ok: true });
    fill(keys[0] as Ed25519KeyPair);
    expect(ingress.submit(putRecord(genesis).bytes)).toMatchObject({ code: 'BACKPRESSURE' });
  });
});

describe('a stored block that lost', () => {
  it('leaves the disk with its batches, but for those that another stored or committed block names', () => {
    const { pool, addBatch } = scene();
    const [shared, committed, own] = [addBatch(), addBatch({ expiryHeight: 101 }), addBatch({ expiryHeight: 102 })];
    const blockOf = (label: string, height: number, batches: readonly Digest[]) => {
      const body = { batches, evidence: [], lastFinalCert: undefined };
      return { hash: asDigest(label.repeat(32)), header: { height: asHeight(height) }, body } as unknown as Block;
    };
    const lost = blockOf('a1', 7, [shared, committed, own]);
    const alive = blockOf('a2', 8, [shared]);
    const open = new Map(
      [lost, alive].map(({ hash, header, body }) => [hash, { height: header.height, batches: body.batches }]),
    );
    const blocks = new OpenBlocks(pool, open);
    pool.commit([committed], asHeight(7));
    const deleted = blocks.abandonOps(asHeight(7)).map(({ key }) => key);
    expect(deleted).toContainEqual(blockKey(lost.hash));
    expect(deleted).toContainEqual(batchKey(own));
    for (const kept of [batchKey(shared), batchKey(committed), blockKey(alive.hash)])
      expect(deleted).not.toContainEqual(kept);
    expect(blocks.batches()).toEqual([shared]);
  });
});
