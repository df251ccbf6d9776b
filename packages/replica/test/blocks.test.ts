/** Building and judging blocks, over parts made by hand. */
import { type Block, bodyHashOf, type Header } from '@cloister/consensus';
import { asDigest, asHeight, type Digest, type ValidatorId } from '@cloister/encoding';
import { client, keysFrom } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import { buildBlock } from '../src/blocks/block-builder.ts';
import { verifyBlock } from '../src/blocks/block-verifier.ts';
import {
  BATCH_HOP_MS,
  BATCH_LIFETIME_HEIGHTS,
  BLOCK_APPRAISALS_MAX,
  BLOCK_BATCHES_PER_AUTHOR_MAX,
  BLOCK_DRIFT_MS_MAX,
  BLOCK_SPACING_MS,
} from '../src/limits.ts';
import { author, parentHeader, request, rootOf, scene } from './block-scene.ts';

describe('buildBlock', () => {
  it('names the newest durable execution that its parent allows', () => {
    const { sources, addBatch } = scene(3);
    const id = addBatch();
    const outcome = buildBlock(sources, request());
    expect(outcome).toMatchObject({
      built: { header: { height: 6, lastFinal: { height: 3 } }, body: { batches: [id] } },
    });
    expect(buildBlock(scene(4).sources, request())).toMatchObject({ built: { header: { lastFinal: { height: 4 } } } });
    expect(buildBlock(scene(9).sources, request(parentHeader({ height: asHeight(3) })))).toMatchObject({
      built: { header: { height: 4, lastFinal: { height: 3 } } },
    });
    expect('built' in outcome && outcome.built.header.bodyHash).toBe(
      'built' in outcome && bodyHashOf(outcome.built.body),
    );
  });

  it('waits while it has executed less than its parent vouches for', () => {
    const ahead = parentHeader({ lastFinal: { height: asHeight(4), ...rootOf('44') } });
    expect(buildBlock(scene(3).sources, request(ahead))).toEqual({ waitMs: undefined });
    expect(buildBlock(scene(4).sources, request(ahead))).toHaveProperty('built');
  });

  it('lets some time pass after its parent, and a hop for the youngest batches', () => {
    const { sources, clock, addBatch } = scene();
    const justNow = parentHeader({ timestampMs: clock.nowMs - 10 });
    expect(buildBlock(sources, request(justNow))).toEqual({ waitMs: BLOCK_SPACING_MS - 10 });
    expect(buildBlock(sources, request(parentHeader({ timestampMs: clock.nowMs + 60_000 })))).toMatchObject({
      built: { header: { timestampMs: clock.nowMs + 60_001 } },
    });
    addBatch({ ageMs: 4 });
    expect(buildBlock(sources, request())).toEqual({ waitMs: BATCH_HOP_MS - 4 });
    const old = addBatch();
    expect(buildBlock(sources, request())).toMatchObject({ built: { body: { batches: [old] } } });
  });

  it('leaves out what ancestors name, what has expired, and what goes beyond the caps', () => {
    const { sources, addBatch, pool } = scene();
    const named = addBatch();
    addBatch({ expiryHeight: 5 });
    const committed = addBatch();
    pool.commit([committed], asHeight(3));
    const fresh = addBatch();
    const ancestor = { body: { batches: [named], evidence: [] } } as unknown as Block;
    expect(buildBlock(sources, request(parentHeader(), [ancestor]))).toMatchObject({
      built: { body: { batches: [fresh] } },
    });
    for (let index = 0; index < BLOCK_BATCHES_PER_AUTHOR_MAX + 5; index++) addBatch();
    const full = buildBlock(sources, request());
    expect('built' in full && full.built.body.batches.length).toBe(BLOCK_BATCHES_PER_AUTHOR_MAX);
  });

  it('has room for evidence beside whatever one sender sends, and for no more than it can appraise', () => {
    const { sources, addBatch } = scene();
    const flood = Array.from({ length: 6 }, () => addBatch({ evidenceOf: Array(4).fill(client) }));
    const senders = keysFrom('senders', BLOCK_APPRAISALS_MAX);
    const others = senders.map((sender) => addBatch({ evidenceOf: [sender] }));
    const batches = [...flood, ...others.slice(0, BLOCK_APPRAISALS_MAX - 2)];
    expect(buildBlock(sources, request())).toMatchObject({ built: { body: { batches } } });
  });

  it('adds no batches far ahead of what is executed', () => {
    const { sources, addBatch } = scene(3);
    addBatch();
    expect(buildBlock(sources, request(parentHeader({ height: asHeight(12) })))).toMatchObject({
      built: { body: { batches: [] } },
    });
  });
});

describe('verifyBlock', () => {
  function judged(
    changes: Partial<Header> = {},
    batches: readonly Digest[] = [],
    at = scene(),
    ancestors: readonly Block[] = [],
  ) {
    const body = { batches, evidence: [], lastFinalCert: undefined };
    const header = {
      ...parentHeader({ height: asHeight(6) }),
      timestampMs: at.clock.nowMs,
      paramsHash: at.core.paramsHash,
      ...changes,
    } as Header;
    const blockHash = asDigest('66'.repeat(32));
    return verifyBlock(at.sources, { type: 'verify-block', header, body, blockHash, ancestors });
  }

  it('accepts what is in order', () => {
    const at = scene();
    expect(judged({}, [at.addBatch(), at.addBatch()], at)).toEqual({ verdict: 'valid' });
  });

  it('names the fault', () => {
    const at = scene();
    const id = at.addBatch();
    const other = { height: asHeight(3), ...rootOf('33') };
    const reason = (changes: Partial<Header>, batches: readonly Digest[] = [], ancestors: readonly Block[] = []) => {
      const verdict = judged(changes, batches, at, ancestors);
      return verdict.verdict === 'invalid' ? verdict.reason : verdict.verdict;
    };
    expect(reason({ timestampMs: at.clock.nowMs + BLOCK_DRIFT_MS_MAX + 1 })).toBe('TIMESTAMP_AHEAD');
    expect(reason({ timestampMs: at.clock.nowMs + BLOCK_DRIFT_MS_MAX })).toBe('valid');
    expect(reason({ paramsHash: asDigest('98'.repeat(32)) })).toBe('PARAMS_MISMATCH');
    expect(reason({ lastFinal: { ...other, eventRoot: asDigest('ef'.repeat(32)) } })).toBe('EVENT_ROOT_MISMATCH');
    expect(reason({ lastFinal: { ...other, eventCount: 8 } })).toBe('EVENT_ROOT_MISMATCH');
    expect(reason({ lastFinal: { ...other, factsRoot: asDigest('fb'.repeat(32)) } })).toBe('FACTS_ROOT_MISMATCH');
    expect(reason({ lastFinal: { ...other, hash: asDigest('34'.repeat(32)) } })).toBe('LAST_FINAL_MISMATCH');
    expect(reason({ lastFinal: { ...other, height: asHeight(2) } })).toBe('LAST_FINAL_MISMATCH');
    expect(reason({}, [id, id])).toBe('BATCH_REPEATED');
    expect(reason({}, [id], [{ body: { batches: [id], evidence: [] } } as unknown as Block])).toBe('BATCH_REPEATED');
    expect(reason({}, [at.addBatch({ expiryHeight: 5 })])).toBe('BATCH_EXPIRED');
    expect(reason({}, [at.addBatch({ expiryHeight: 7 + 2 * BATCH_LIFETIME_HEIGHTS })])).toBe('BATCH_EXPIRY_TOO_FAR');
    expect(
      reason(
        {},
        Array.from({ length: BLOCK_BATCHES_PER_AUTHOR_MAX + 1 }, () => at.addBatch()),
      ),
    ).toBe('BLOCK_CAPS');
    const senders = keysFrom('senders', BLOCK_APPRAISALS_MAX + 1);
    const evidence = senders.map((sender) => at.addBatch({ evidenceOf: [sender] }));
    expect(reason({}, evidence)).toBe('BLOCK_CAPS');
    expect(reason({}, evidence.slice(1))).toBe('valid');
    const own = Array.from({ length: 5 }, () => at.addBatch({ evidenceOf: Array(4).fill(client) }));
    expect(reason({}, [...own, ...evidence.slice(3)])).toBe('valid');
    expect(reason({}, [...own, ...evidence.slice(2)])).toBe('BLOCK_CAPS');
    at.pool.commit([id], asHeight(3));
    expect(reason({}, [id])).toBe('BATCH_REPEATED');
  });

  it('waits for batches that it does not hold and for execution that is behind', () => {
    const missing = asDigest('77'.repeat(32));
    expect(judged({}, [missing])).toEqual({ verdict: 'wait', missing: [missing] });
    const ahead = { lastFinal: { ...rootOf('44'), height: asHeight(5) } };
    expect(judged(ahead)).toEqual({ verdict: 'wait', missing: [] });
  });
});

describe('BatchPool', () => {
  it('counts, expires and forgets', () => {
    const { pool, addBatch } = scene();
    const [first, second] = [addBatch({ expiryHeight: 10 }), addBatch({ expiryHeight: 20 })];
    expect([pool.pendingCount, pool.bytesOf(author.id as ValidatorId) > 0]).toEqual([2, true]);
    pool.commit([first], asHeight(5));
    expect([pool.pendingCount, pool.isCommitted(first)]).toEqual([1, true]);
    pool.release([first]);
    expect(pool.get(first)).toBeUndefined();
    expect(pool.expire(asHeight(19))).toEqual([]);
    expect(pool.isCommitted(first)).toBe(false);
    expect(pool.expire(asHeight(20)).map(({ batch }) => batch.id)).toEqual([second]);
    expect([pool.pendingCount, pool.bytesOf(author.id as ValidatorId)]).toEqual([0, 0]);
  });
});
