/** What may stand in a block: leader, pool and validators apply one predicate. */
import type { Block, Header } from '@cloister/consensus';
import { type Ed25519KeyPair, hash } from '@cloister/crypto';
import { asDigest, asHeight, asView, type Digest } from '@cloister/encoding';
import { client, junkRefresh, keysFrom, putRecord } from '@cloister/testkit/mini-net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BuiltBlock, buildBlock } from '../src/blocks/block-builder.ts';
import { judgeBlock, type VerifyRequest, verifyBlock } from '../src/blocks/block-verifier.ts';
import {
  BATCH_LIFETIME_HEIGHTS,
  BLOCK_AUTHOR_BYTES_MAX,
  BLOCK_BACKLOG_MAX,
  BLOCK_BATCHES_MAX,
  BLOCK_LANE_BYTES_MAX,
} from '../src/limits.ts';
import { author, genesis, keys, parentHeader, request, rootOf, scene } from './block-scene.ts';

const HEIGHT = 6;
const FAR = HEIGHT + 2 * BATCH_LIFETIME_HEIGHTS;

function built(at: ReturnType<typeof scene>, ancestors: readonly Block[] = []): BuiltBlock {
  const outcome = buildBlock(at.sources, request(parentHeader(), ancestors));
  if (!('built' in outcome)) throw new Error('nothing was built');
  return outcome.built;
}

function toVerify({ header, body }: BuiltBlock, ancestors: readonly Block[] = []): VerifyRequest {
  return { type: 'verify-block', header, body, blockHash: asDigest('66'.repeat(32)), ancestors };
}

const naming = (batches: readonly Digest[]): Block => ({ body: { batches, evidence: [] } }) as unknown as Block;

describe('a leader whose pool a past fault has filled', () => {
  it.each([
    ['that expires far ahead', { expiryHeight: FAR + 1 }],
    ['that never expires', { expiryHeight: Number.MAX_SAFE_INTEGER }],
    ['that has expired', { expiryHeight: HEIGHT - 1 }],
    ['of an author outside the set', { by: client }],
  ])('names no batch %s', (_, changes) => {
    const at = scene();
    at.addBatch(changes);
    const good = at.addBatch();
    expect(built(at).body.batches).toEqual([good]);
  });

  it('proposes an empty block rather than one that it would itself refuse', () => {
    const at = scene();
    at.addBatch();
    const statement = { kind: 'finalize', epoch: 0, view: 5, signer: author.id, signature: new Uint8Array(64) };
    const proposition = {
      ...statement,
      parentView: 4,
      blockHash: rootOf('11').hash,
      justificationHash: rootOf('11').hash,
    };
    const forged = {
      type: 'double-finalize',
      signer: author.id,
      first: { ...statement, proposition },
      second: { ...statement, proposition: { ...proposition, blockHash: rootOf('22').hash } },
    };
    at.sources.evidence.add(forged as unknown as Parameters<typeof at.sources.evidence.add>[0]);
    expect(built(at).body).toMatchObject({ batches: [], evidence: [] });
    expect(at.effects).toMatchObject([{ type: 'refused', code: 'OWN_BLOCK_INVALID' }]);
  });
});

describe('what a leader builds', () => {
  const batch = fc.record({
    lane: fc.constantFrom('normal', 'attestation'),
    expiryHeight: fc.constantFrom(1, HEIGHT - 1, HEIGHT, 100, FAR, FAR + 1, Number.MAX_SAFE_INTEGER),
    by: fc.constantFrom(...keys, client),
    many: fc.boolean(),
    place: fc.constantFrom('pool', 'pool', 'pool', 'ancestor', 'committed'),
  });

  it('is good for everyone who holds its batches, whatever is in the pool', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 40 }), (batches) => {
        const at = scene();
        const inAncestors: Digest[] = [];
        for (const { lane, many, place, ...changes } of batches) {
          const content =
            lane === 'normal' ? { value: many ? 'x'.repeat(4000) : 'v' } : { evidenceOf: keysFrom('s', many ? 4 : 1) };
          const id = at.addBatch({ ...changes, ...content });
          if (place === 'ancestor') inAncestors.push(id);
          if (place === 'committed') at.pool.commit([id], asHeight(3));
        }
        const ancestors = [naming(inAncestors)];
        const block = built(at, ancestors);
        expect(verifyBlock(at.sources, toVerify(block, ancestors))).toEqual({ verdict: 'valid' });
        const lawful = batches.some(
          ({ expiryHeight, by, place }) =>
            place === 'pool' && by !== client && expiryHeight >= HEIGHT && expiryHeight <= FAR,
        );
        expect(block.body.batches.length > 0).toBe(lawful);
        expect(at.effects).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('gives each author its turn, however much another has sent first', () => {
    const at = scene();
    for (let index = 0; index < 90; index++) {
      const transactions = Array.from({ length: 7 }, () => putRecord(genesis, { value: 'x'.repeat(4000) }));
      at.addBatch({ transactions });
    }
    const others = keys.filter((key) => key !== author).flatMap((by) => [at.addBatch({ by }), at.addBatch({ by })]);
    const { body } = built(at);
    expect(body.batches).toEqual(expect.arrayContaining(others));
    const flood = body.batches
      .map((id) => at.pool.get(id)?.verified.batch)
      .filter((each) => each?.author === author.id);
    const bytes = flood.reduce((sum, each) => sum + (each?.bytes.length ?? 0), 0);
    expect(bytes).toBeLessThanOrEqual(BLOCK_AUTHOR_BYTES_MAX);
    expect(bytes).toBeGreaterThan(BLOCK_AUTHOR_BYTES_MAX - 64 * 1024);
  });

  it('leaves room for what tenants send under a flood of the lanes that come first', () => {
    const at = scene();
    const refreshes = Array.from({ length: 110 }, () => junkRefresh(genesis, client));
    for (let index = 0; index < 40; index++)
      at.addBatch({ lane: 'attestation', transactions: refreshes, expiryHeight: 100 + index });
    const normal = at.addBatch();
    const { body } = built(at);
    expect(body.batches.at(-1)).toBe(normal);
    const { length: size = 0 } = at.pool.get(body.batches[0] as Digest)?.verified.batch.bytes ?? new Uint8Array();
    expect(body.batches.length - 1).toBe(Math.floor(BLOCK_LANE_BYTES_MAX.attestation / size));
  });
});

describe('a block', () => {
  const judge = (at: ReturnType<typeof scene>, batches: readonly Digest[], changes: Partial<Header> = {}) => {
    const { header, body } = built(scene());
    return verifyBlock(at.sources, toVerify({ header: { ...header, ...changes }, body: { ...body, batches } }));
  };

  it('far ahead of what it vouches for names no batches', () => {
    const at = scene();
    const id = at.addBatch();
    const lastFinal = { height: asHeight(3), ...rootOf('33') };
    const height = asHeight(3 + BLOCK_BACKLOG_MAX);
    expect(judge(at, [id], { lastFinal, height })).toEqual({ verdict: 'valid' });
    const ahead = { lastFinal, height: asHeight(height + 1), view: asView(99) };
    expect(judge(at, [id], ahead)).toEqual({ verdict: 'invalid', reason: 'BACKLOG' });
    expect(judge(at, [], ahead)).toEqual({ verdict: 'valid' });
  });

  it('with more batches than it may name, or one twice, is refused before any of them is here', () => {
    const at = scene();
    const ids = Array.from({ length: BLOCK_BATCHES_MAX + 1 }, (_, index) => hash(`batch ${index}`));
    expect(judge(at, ids)).toEqual({ verdict: 'invalid', reason: 'BATCHES_TOO_MANY' });
    expect(judge(at, ids.slice(1))).toMatchObject({ verdict: 'wait' });
    const twice = ids.slice(0, 1).concat(ids.slice(0, 1));
    expect(judge(at, twice)).toEqual({ verdict: 'invalid', reason: 'BATCH_REPEATED' });
  });

  it('with evidence that proves nothing is refused, by the leader that made it, too', () => {
    const at = scene();
    const { header, body } = built(scene());
    const lying = toVerify({ header, body: { ...body, evidence: [Uint8Array.of(1, 2)] } });
    expect(verifyBlock(at.sources, lying)).toEqual({ verdict: 'invalid', reason: 'EVIDENCE_MALFORMED' });
    expect(judgeBlock(at.sources, lying)).toEqual({ verdict: 'invalid', reason: 'EVIDENCE_MALFORMED' });
  });

  it('of one author beyond half of the bytes, or of one lane beyond its cap, is refused', () => {
    const at = scene();
    const big = () => Array.from({ length: 7 }, () => putRecord(genesis, { value: 'x'.repeat(4000) }));
    const ofAuthor = Array.from({ length: 37 }, () => at.addBatch({ transactions: big() }));
    expect(judge(at, ofAuthor.slice(0, 30))).toEqual({ verdict: 'valid' });
    expect(judge(at, ofAuthor)).toEqual({ verdict: 'invalid', reason: 'BLOCK_CAPS' });
    const spread = ofAuthor
      .slice(0, 18)
      .concat(Array.from({ length: 18 }, () => at.addBatch({ transactions: big(), by: keys[2] as Ed25519KeyPair })));
    expect(judge(at, spread)).toEqual({ verdict: 'valid' });
  });

  it('is refused at once for what is here, though other batches are missing', () => {
    const at = scene();
    const poison = at.addBatch({ expiryHeight: FAR + 1 });
    const missing = asDigest('77'.repeat(32));
    expect(judge(at, [missing, poison])).toEqual({ verdict: 'invalid', reason: 'BATCH_EXPIRY_TOO_FAR' });
  });

  it('is refused when a batch that was pulled for it turned out unlawful', () => {
    const at = scene();
    const other = scene();
    const id = other.addBatch({ expiryHeight: FAR + 1 });
    const bytes = other.pool.get(id)?.verified.batch.bytes ?? new Uint8Array();
    expect(judge(at, [id])).toEqual({ verdict: 'wait', missing: [id] });
    expect(at.pool.pulled(bytes, { id, height: asHeight(HEIGHT) }, 0)).toMatchObject({ code: 'BATCH_EXPIRY_TOO_FAR' });
    expect(at.pool.get(id)).toBeUndefined();
    expect(judge(at, [id])).toEqual({ verdict: 'invalid', reason: 'BATCH_EXPIRY_TOO_FAR' });
    // A later block may name it lawfully.
    expect(
      judge(at, [id], { height: asHeight(HEIGHT + 1), lastFinal: { height: asHeight(3), ...rootOf('33') } }),
    ).toEqual({
      verdict: 'wait',
      missing: [id],
    });
  });
});
