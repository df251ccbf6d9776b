/** Evidence between the machine that finds it and the ledger that states it. */
import {
  type Block,
  decodeMessage,
  encodeFaultEvidence,
  encodeMessage,
  type FaultEvidence,
  MAX_EVIDENCE_AGE_VIEWS,
  type Statement,
  statementBytes,
} from '@cloister/consensus';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { asDigest, asEpoch, asView, type ValidatorId } from '@cloister/encoding';
import { genesisValidatorSet } from '@cloister/ledger';
import { genesisOf, keysFrom, MiniNet } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import { EvidencePool } from '../src/blocks/evidence-pool.ts';
import { BLOCK_EVIDENCE_BYTES_MAX, BLOCK_EVIDENCE_MAX } from '../src/limits.ts';

const keys = keysFrom('many', 40);
const genesis = genesisOf(keys);
const set = genesisValidatorSet(genesis.genesis);
const KINDS = ['notarize', 'finalize', 'propose'] as const;

function evidenceBy(key: Ed25519KeyPair, kind: (typeof KINDS)[number] = 'notarize', view = 5): FaultEvidence {
  const signed = (label: string) => {
    const hash = asDigest(label.repeat(32));
    const round = { epoch: asEpoch(0), view: asView(view) };
    const proposition = { ...round, parentView: asView(0), blockHash: hash, justificationHash: hash };
    const statement: Statement = { kind, ...round, proposition };
    const signature = key.sign(statementBytes(genesis.chainId, statement));
    return { ...statement, signer: key.id as ValidatorId, signature };
  };
  return { type: `double-${kind}`, signer: key.id as ValidatorId, first: signed('11'), second: signed('22') };
}

const naming = (evidence: readonly Uint8Array[]): Block => ({ body: { batches: [], evidence } }) as unknown as Block;
const IN_VIEW_9 = { view: asView(9) };

describe('the pool of evidence', () => {
  it('fills a body up to its size and never beyond, and its own blocks pass', () => {
    const pool = new EvidencePool(genesis.chainId, set, []);
    for (const key of keys) for (const kind of KINDS) expect(pool.add(evidenceBy(key, kind))).toBe(true);
    expect(pool.size).toBe(keys.length * KINDS.length);
    const ancestors: Block[] = [];
    let taken = 0;
    for (let selected = pool.select(9, ancestors); selected.length > 0; selected = pool.select(9, ancestors)) {
      expect(selected.length).toBeLessThanOrEqual(BLOCK_EVIDENCE_MAX);
      expect(selected.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(BLOCK_EVIDENCE_BYTES_MAX);
      expect(pool.fault(selected, IN_VIEW_9, ancestors)).toBeUndefined();
      ancestors.push(naming(selected));
      taken += selected.length;
    }
    expect(taken).toBe(keys.length * KINDS.length);
  });

  it('says what a block may not carry, the same before and after a restart', () => {
    const [guilty, other] = keys as [Ed25519KeyPair, Ed25519KeyPair];
    const piece = encodeFaultEvidence(evidenceBy(guilty));
    const later = encodeFaultEvidence(evidenceBy(guilty, 'notarize', 6));
    const fault = (pool: EvidencePool, pieces: Uint8Array[], ancestors: Block[] = [], view = 9) =>
      pool.fault(pieces, { view: asView(view) }, ancestors);
    const pool = new EvidencePool(genesis.chainId, set, []);
    expect(fault(pool, [piece])).toBeUndefined();
    expect(fault(pool, [piece, later])).toBe('EVIDENCE_REPEATED');
    expect(fault(pool, [later], [naming([piece])])).toBe('EVIDENCE_REPEATED');
    expect(fault(pool, [piece], [], 6 + MAX_EVIDENCE_AGE_VIEWS)).toBe('EVIDENCE_OLD');
    expect(fault(pool, [Uint8Array.of(1, 2)])).toBe('EVIDENCE_MALFORMED');
    const forged = { ...evidenceBy(guilty), signer: other.id as ValidatorId } as FaultEvidence;
    expect(fault(pool, [encodeFaultEvidence(forged)])).toBeUndefined();
    const many = keys.slice(0, BLOCK_EVIDENCE_MAX + 1).map((key) => encodeFaultEvidence(evidenceBy(key)));
    expect(fault(pool, many)).toBe('EVIDENCE_TOO_MUCH');
    expect(fault(pool, many.slice(1))).toBeUndefined();
    const padded = [new Uint8Array(BLOCK_EVIDENCE_BYTES_MAX + 1)];
    expect(fault(pool, padded)).toBe('EVIDENCE_TOO_MUCH');
    pool.commit([piece]);
    const restarted = new EvidencePool(genesis.chainId, set, [`0/${guilty.id}/double-notarize`]);
    for (const after of [pool, restarted]) {
      expect(fault(after, [later])).toBe('EVIDENCE_REPEATED');
      expect(after.add(evidenceBy(guilty, 'notarize', 7))).toBe(false);
      expect(after.select(9, [])).toEqual([]);
    }
  });

  it('forgets what has become too old for a block', () => {
    const pool = new EvidencePool(genesis.chainId, set, []);
    pool.add(evidenceBy(keys[0] as Ed25519KeyPair));
    expect(pool.select(6 + MAX_EVIDENCE_AGE_VIEWS, [])).toEqual([]);
    expect(pool.size).toBe(0);
  });
});

describe('a double voter', () => {
  it('that one validator alone sees is stated on the ledger once, and not again after a restart', async () => {
    const net = await MiniNet.of(4);
    const [witness, , , liar] = net.nodes;
    if (witness === undefined || liar === undefined) throw new Error('no nodes');
    const statedBy = (index: number) =>
      net
        .effectsOf(index, 'committed')
        .flatMap(({ events }) => events.filter(({ type }) => type === 'ValidatorEquivocated'));
    await net.start();
    const vote = (view: number, label: string): Uint8Array => {
      const hash = asDigest(label.repeat(32));
      const round = { epoch: asEpoch(0), view: asView(view) };
      const proposition = { ...round, parentView: asView(0), blockHash: hash, justificationHash: hash };
      const statement = { kind: 'notarize', ...round, proposition } as const;
      const signature = liar.key.sign(statementBytes(net.genesis.chainId, statement));
      return encodeMessage({ type: 'vote', ...statement, signer: liar.id, signature });
    };
    const voteTwice = () => {
      const { view } = witness.replica.status();
      // Ahead of the views that the liar's own replica votes in.
      for (const label of ['aa', 'bb']) {
        net.input(witness, { type: 'frame', channel: 'consensus', from: liar.id, bytes: vote(view + 20, label) });
      }
    };
    for (let round = 0; round < 5; round++) {
      voteTwice();
      await net.advance(1_000);
    }
    for (const index of [0, 1, 2]) {
      expect(statedBy(index)).toMatchObject([{ validator: liar.id, kind: 'double-notarize', epoch: 0 }]);
    }
    const told = net.effectsOf(0, 'send').filter(({ bytes }) => {
      const message = decodeMessage(bytes);
      return message.ok && message.value.type === 'evidence';
    });
    expect(told).toHaveLength(1);
    await net.restart(0);
    voteTwice();
    await net.advance(3_000);
    expect(statedBy(1)).toHaveLength(1);
    const bodies = await Promise.all(
      Array.from({ length: net.heights()[1] ?? 0 }, (_, at) => net.node(1).reader.blockAt((at + 1) as never)),
    );
    expect(bodies.flatMap((block) => block?.body.evidence ?? [])).toHaveLength(1);
  });
});
