/** What the pool takes in from gossip and from answers, and how much of it. */

import type { Ed25519KeyPair } from '@cloister/crypto';
import { asEpoch, asHeight, type ValidatorId } from '@cloister/encoding';
import { type Batch, signBatch } from '@cloister/ledger';
import { client, junkEvidence, keysFrom, putRecord } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import {
  AUTHOR_SIGNATURES_BURST,
  authorBytesMax,
  BATCH_LIFETIME_HEIGHTS,
  BLOCK_APPRAISALS_MAX,
  CONDEMNED_BATCHES_MAX,
} from '../src/limits.ts';
import { author, genesis, keys, scene } from './block-scene.ts';

const NEXT = asHeight(6);
const BIG = Array.from({ length: 7 }, () => putRecord(genesis, { value: 'x'.repeat(4000) }));
let made = 0;

function batchOf(changes: { by?: Ed25519KeyPair; expiryHeight?: number; transactions?: typeof BIG } = {}): Batch {
  const { by = author, expiryHeight = 100 + (made++ % 300), transactions = BIG } = changes;
  return signBatch(by, {
    chainId: genesis.chainId,
    author: by.id as ValidatorId,
    epoch: asEpoch(0),
    lane: 'normal',
    expiryHeight: asHeight(expiryHeight),
    transactions: transactions.map(({ bytes }) => bytes),
  });
}

describe('gossiped batches', () => {
  it('are taken within the window of expiry, of members of the set, once', () => {
    const { pool } = scene();
    const code = (batch: Batch) => {
      const result = pool.gossiped(batch.bytes, NEXT, 0);
      return result.ok ? result.value?.verified.batch.id : result.code;
    };
    const good = batchOf();
    expect(code(good)).toBe(good.id);
    expect(code(good)).toBeUndefined();
    expect(code(batchOf({ expiryHeight: NEXT - 1 }))).toBe('BATCH_EXPIRED');
    expect(code(batchOf({ expiryHeight: NEXT + 2 * BATCH_LIFETIME_HEIGHTS + 1 }))).toBe('BATCH_EXPIRY_TOO_FAR');
    expect(code(batchOf({ by: client }))).toBe('BATCH_AUTHOR_UNKNOWN');
    const forged = batchOf().bytes.map((byte, index, { length }) => (index === length - 1 ? byte ^ 1 : byte));
    expect(pool.gossiped(forged, NEXT, 0)).toMatchObject({ code: 'BATCH_SIGNATURE_INVALID' });
  });

  it('of one author fill its share and nobody else’s', () => {
    const { pool } = scene();
    const share = authorBytesMax(keys.length);
    let refused = 0;
    for (let index = 0; index < 200; index++) {
      const result = pool.gossiped(batchOf().bytes, NEXT, 0);
      if (!result.ok) refused++;
    }
    const author0 = author.id as ValidatorId;
    expect(pool.bytesOf(author0)).toBeLessThanOrEqual(share);
    expect(pool.bytesOf(author0)).toBeGreaterThan(share - 64 * 1024);
    expect(refused).toBeGreaterThan(0);
    expect(pool.gossiped(batchOf({ by: keys[2] as Ed25519KeyPair }).bytes, NEXT, 0).ok).toBe(true);
  });

  it('beyond their author’s share are refused as such, however slowly they come', () => {
    const { pool } = scene();
    const share = authorBytesMax(keys.length);
    const codes: (string | undefined)[] = [];
    for (let second = 1; codes.at(-1) === undefined && second < 1000; second++) {
      const result = pool.gossiped(batchOf().bytes, NEXT, second * 1000);
      codes.push(result.ok ? undefined : result.code);
    }
    expect(codes.at(-1)).toBe('BATCH_QUOTA');
    expect(pool.bytesOf(author.id as ValidatorId)).toBeGreaterThan(share - 64 * 1024);
    expect(pool.bytesOf(author.id as ValidatorId)).toBeLessThanOrEqual(share);
  });

  it('hold no more evidence than a block has appraisals', () => {
    const { pool } = scene();
    const carrying = (count: number) =>
      signBatch(author, {
        chainId: genesis.chainId,
        author: author.id as ValidatorId,
        epoch: asEpoch(0),
        lane: 'attestation',
        expiryHeight: asHeight(100),
        transactions: keysFrom('appraised', count).map((sender) => junkEvidence(genesis, sender).bytes),
      });
    expect(pool.gossiped(carrying(BLOCK_APPRAISALS_MAX + 1).bytes, NEXT, 0)).toMatchObject({
      code: 'BATCH_APPRAISALS',
    });
    expect(pool.gossiped(carrying(BLOCK_APPRAISALS_MAX).bytes, NEXT, 0).ok).toBe(true);
  });

  it('are held in at most a fixed sum, however many authors there are', () => {
    for (const authors of [1, 4, 16, 100, 256]) expect(authors * authorBytesMax(authors)).toBeLessThanOrEqual(2 ** 26);
    expect(512 * authorBytesMax(512)).toBeLessThanOrEqual(2 ** 27);
  });

  it('are verified at a bounded rate for each author', () => {
    const { pool } = scene();
    const transactions = Array.from({ length: 100 }, () => putRecord(genesis));
    const small = () => batchOf({ transactions });
    const batches = Array.from({ length: Math.floor(AUTHOR_SIGNATURES_BURST / 100) }, small);
    for (const { bytes } of batches) expect(pool.gossiped(bytes, NEXT, 1_000).ok).toBe(true);
    const further = small();
    expect(pool.gossiped(further.bytes, NEXT, 1_000)).toMatchObject({ code: 'BATCH_QUOTA' });
    expect(pool.gossiped(further.bytes, NEXT, 1_100).ok).toBe(true);
  });
});

describe('pulled batches', () => {
  it('are the one that was asked for, or leave nothing behind', () => {
    const { pool } = scene();
    const asked = batchOf();
    const other = batchOf();
    const pull = (bytes: Uint8Array) => pool.pulled(bytes, { id: asked.id, height: NEXT }, 0);
    expect(pull(other.bytes)).toMatchObject({ code: 'BATCH_UNASKED' });
    expect([pool.pendingCount, pool.get(other.id), pool.condemned(asked.id, NEXT)]).toEqual([0, undefined, undefined]);
    expect(pull(asked.bytes)).toMatchObject({ ok: true });
    expect(pool.pendingCount).toBe(1);
  });

  it('go beyond their author’s share only while a live block names them', () => {
    const { pool, named } = scene();
    const share = authorBytesMax(keys.length);
    const ids = Array.from({ length: 200 }, () => {
      const batch = batchOf();
      named.add(batch.id);
      expect(pool.pulled(batch.bytes, { id: batch.id, height: NEXT }, 0).ok).toBe(true);
      return batch.id;
    });
    expect(pool.bytesOf(author.id as ValidatorId)).toBeGreaterThan(share);
    named.clear();
    const last = batchOf();
    named.add(last.id);
    pool.pulled(last.bytes, { id: last.id, height: NEXT }, 0);
    expect(pool.bytesOf(author.id as ValidatorId)).toBeLessThanOrEqual(share);
    expect(pool.get(last.id)).toBeDefined();
    expect(ids.filter((id) => pool.get(id) !== undefined).length).toBe(pool.pendingCount - 1);
  });

  it('that are unlawful are remembered up to a bound', () => {
    const { pool } = scene();
    const unlawful = Array.from({ length: CONDEMNED_BATCHES_MAX + 10 }, (_, index) =>
      batchOf({ expiryHeight: 10_000 + index, transactions: BIG.slice(0, 1) }),
    );
    for (const { id, bytes } of unlawful) pool.pulled(bytes, { id, height: NEXT }, 0);
    const remembered = unlawful.filter(({ id }) => pool.condemned(id, NEXT) !== undefined);
    expect(remembered).toEqual(unlawful.slice(10));
  });
});
