import { hash } from '@cloister/crypto';
import { asView } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { summaryHash, summaryOf } from '../src/certificates/justification.ts';
import {
  type BadJustificationEvidence,
  conflictEvidence,
  decodeFaultEvidence,
  encodeFaultEvidence,
  evidenceKey,
  faultOf,
  type Justification,
  justificationHash,
  type Proposition,
  type SignedStatement,
  type StatementKind,
  statementBytes,
  verifyFaultEvidence,
} from '../src/index.ts';
import { MAX_EVIDENCE_BYTES, MAX_SKIPPED_VIEWS } from '../src/messages/limits.ts';
import { CHAIN, certificateBy, members, proposition, sampleBlock, setOf, statement } from './samples.ts';

const all = members(4);
const set = setOf(all);
const [a, b] = all;
if (a === undefined || b === undefined) throw new Error('no members');
const p = proposition(5);
const q = proposition(5, 4, hash('another block'));

function signed(kind: StatementKind, of: Proposition, member = a): SignedStatement {
  if (member === undefined) throw new Error('no member');
  const said = statement(kind, of);
  return { ...said, signer: member.id, signature: member.key.sign(statementBytes(CHAIN, said)) };
}

describe('conflicting statements', () => {
  it.each([
    ['double-propose', signed('propose', p), signed('propose', q)],
    ['double-notarize', signed('notarize', p), signed('notarize', q)],
    ['double-finalize', signed('finalize', p), signed('finalize', q)],
    ['notarize-finalize', signed('finalize', q), signed('notarize', p)],
    ['nullify-finalize', signed('finalize', p), signed('nullify', p)],
  ] as const)('are evidence: %s', (type, first, second) => {
    for (const [x, y] of [
      [first, second],
      [second, first],
    ] as const) {
      const evidence = conflictEvidence(x, y);
      if (evidence === undefined) throw new Error('no evidence');
      expect(evidence.type).toBe(type);
      expect(verifyFaultEvidence(set, CHAIN, evidence)).toEqual({ ok: true, value: undefined });
      expect(decodeFaultEvidence(encodeFaultEvidence(evidence))).toEqual({ ok: true, value: evidence });
      expect(evidenceKey(evidence)).toBe(`0/${a.id}/${type}`);
      expect(faultOf(evidence)).toEqual({ validator: a.id, kind: type, epoch: 0, view: 5 });
    }
  });

  it.each([
    ['notarize and nullify of one view', signed('notarize', p), signed('nullify', p)],
    ['propose and notarize another', signed('propose', p), signed('notarize', q)],
    ['the same vote twice', signed('notarize', p), signed('notarize', p)],
    ['notarize and finalize of one proposition', signed('notarize', p), signed('finalize', p)],
    ['votes of two views', signed('notarize', p), signed('notarize', proposition(6))],
    ['votes of two signers', signed('notarize', p), signed('notarize', q, b)],
  ] as const)('are none: %s', (_name, first, second) => {
    expect(conflictEvidence(first, second)).toBeUndefined();
    for (const type of ['double-notarize', 'notarize-finalize', 'nullify-finalize'] as const) {
      expect(verifyFaultEvidence(set, CHAIN, { type, signer: a.id, first, second })).toMatchObject({ ok: false });
    }
  });

  it('do not hold with a forged signature, a stranger, another chain, or under another name', () => {
    const evidence = conflictEvidence(signed('notarize', p), signed('notarize', q));
    if (evidence === undefined || evidence.type === 'bad-justification') throw new Error('no evidence');
    const forged = { ...evidence, second: { ...evidence.second, signature: evidence.first.signature } };
    expect(verifyFaultEvidence(set, CHAIN, forged)).toMatchObject({ code: 'BAD_SIGNATURE' });
    expect(verifyFaultEvidence(set, hash('other chain'), evidence)).toMatchObject({ code: 'BAD_SIGNATURE' });
    expect(verifyFaultEvidence(setOf(all.slice(1)), CHAIN, evidence)).toMatchObject({ code: 'UNKNOWN_SIGNER' });
    expect(verifyFaultEvidence(set, CHAIN, { ...evidence, type: 'double-finalize' })).toMatchObject({
      code: 'NOT_A_CONFLICT',
    });
    const renamed = { ...evidence, signer: b.id };
    expect(verifyFaultEvidence(set, CHAIN, renamed)).toMatchObject({ code: 'NOT_A_CONFLICT' });
  });
});

describe('a justification', () => {
  const parent = proposition(2);
  const quorum = all.slice(0, 3);
  const parentCert = certificateBy(set, quorum, 'notarize', parent);
  const skip = (view: number) => certificateBy(set, quorum, 'nullify', proposition(view));
  const block = sampleBlock({ set, proposer: b.id, view: 5, height: 3, parentHash: parent.blockHash });

  function accusation(
    justification: Justification,
    { parentView = 2, on = block, view = 5 }: { parentView?: number; on?: typeof block; view?: number } = {},
  ): BadJustificationEvidence {
    const voted: Proposition = {
      epoch: parent.epoch,
      view: asView(view),
      parentView: asView(parentView),
      blockHash: on.hash,
      justificationHash: justificationHash(justification),
    };
    const vote = signed('notarize', voted);
    if (vote.kind !== 'notarize') throw new Error('not a notarize vote');
    const { kind, epoch, proposition: of, signer, signature } = vote;
    return {
      type: 'bad-justification',
      signer,
      vote: { kind, epoch, view: vote.view, proposition: of, signer, signature },
      header: on.header,
      justification: summaryOf(justification),
    };
  }
  const verify = (evidence: BadJustificationEvidence) => verifyFaultEvidence(set, CHAIN, evidence);

  it('that covers every skipped view convicts nobody', () => {
    expect(verify(accusation({ parentCert, nullifications: [skip(3), skip(4)] }))).toMatchObject({ code: 'JUSTIFIED' });
  });

  it.each([
    ['a skipped view without nullification', accusation({ parentCert, nullifications: [skip(4)] })],
    ['nullifications out of order', accusation({ parentCert, nullifications: [skip(4), skip(3)] })],
    ['a nullification too many', accusation({ parentCert, nullifications: [skip(2), skip(3), skip(4)] })],
    ['no parent certificate', accusation({ parentCert: undefined, nullifications: [skip(3), skip(4)] })],
    ['a parent of another view', accusation({ parentCert, nullifications: [skip(4)] }, { parentView: 3 })],
    [
      'another parent hash',
      accusation(
        { parentCert, nullifications: [skip(3), skip(4)] },
        { on: sampleBlock({ set, proposer: b.id, view: 5, height: 3, parentHash: hash('elsewhere') }) },
      ),
    ],
    [
      'an anchor that is not genesis',
      accusation(
        { parentCert: undefined, nullifications: [] },
        {
          parentView: 0,
          view: 1,
          on: { ...block, ...sampleBlock({ set, proposer: b.id, view: 1, height: 1, parentHash: hash('elsewhere') }) },
        },
      ),
    ],
  ])('with %s convicts the voter', (_name, evidence) => {
    expect(verify(evidence)).toEqual({ ok: true, value: undefined });
    expect(decodeFaultEvidence(encodeFaultEvidence(evidence))).toEqual({ ok: true, value: evidence });
  });

  it('is evidence of bounded size, however much a liar put into it', () => {
    const nullifications = Array.from({ length: 15_000 }, (_, index) => skip(1_000_000 + index));
    const evidence = accusation({ parentCert, nullifications });
    expect(verify(evidence).ok).toBe(true);
    expect(encodeFaultEvidence(evidence).length).toBeLessThan(MAX_EVIDENCE_BYTES / 2);
  });

  it('over more views than any on the wire can skip convicts nobody, and costs nothing to check', () => {
    const view = 4 + MAX_SKIPPED_VIEWS;
    const summary = { ...summaryOf({ parentCert, nullifications: [] }), nullified: view - 3 };
    const on = sampleBlock({ set, proposer: b.id, view, height: 3, parentHash: parent.blockHash });
    const honest = accusation({ parentCert, nullifications: [] }, { view, on });
    const proposition = { ...honest.vote.proposition, justificationHash: summaryHash(summary) };
    const vote = signed('notarize', proposition);
    if (vote.kind !== 'notarize') throw new Error('not a notarize vote');
    expect(verify({ ...honest, vote: { ...vote, kind: 'notarize' }, justification: summary })).toMatchObject({
      code: 'JUSTIFIED',
    });
  });

  it('must be the one that was voted for, as must the header', () => {
    const evidence = accusation({ parentCert, nullifications: [skip(4)] });
    const other = { ...evidence, justification: { ...evidence.justification, nullified: 2 } };
    expect(verify(other)).toMatchObject({ code: 'JUSTIFICATION_MISMATCH' });
    const header = { ...evidence.header, timestampMs: 1 };
    expect(verify({ ...evidence, header })).toMatchObject({ code: 'HEADER_MISMATCH' });
    const vote = { ...evidence.vote, signature: evidence.vote.signature.map((byte) => byte ^ 1) };
    expect(verify({ ...evidence, vote })).toMatchObject({ code: 'BAD_SIGNATURE' });
  });

  it('of a block re-proposed at an epoch’s end has the block itself as parent', () => {
    const again = { ...parent, blockHash: block.hash, view: asView(5), parentView: asView(4) };
    const cert = certificateBy(set, quorum, 'notarize', again);
    const good = accusation({ parentCert: cert, nullifications: [] }, { parentView: 5, view: 6 });
    expect(verify(good)).toMatchObject({ code: 'JUSTIFIED' });
    const bad = accusation({ parentCert, nullifications: [skip(3), skip(4), skip(5)] }, { parentView: 2, view: 6 });
    expect(verify(bad)).toEqual({ ok: true, value: undefined });
  });
});
