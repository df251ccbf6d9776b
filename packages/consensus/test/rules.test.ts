/** Each part of a rule by itself: everything else about the case is right. */
import { hash } from '@cloister/crypto';
import { asEpoch, asHeight, asView } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { coversSkippedViews, isSummaryUnjustified, parentFault, summaryOf } from '../src/certificates/justification.ts';
import { conflictOf } from '../src/evidence/evidence.ts';
import {
  blockHashOf,
  decodeFaultEvidence,
  encodeFaultEvidence,
  type Header,
  justificationHash,
  type Proposition,
  type SignedStatement,
  type Statement,
  type StatementKind,
  statementBytes,
  trustGenesis,
  verifyFaultEvidence,
  verifyFinality,
} from '../src/index.ts';
import { MAX_EVIDENCE_BYTES } from '../src/messages/limits.ts';
import { sameProposition, sameStatement } from '../src/messages/signed-bytes.ts';
import { CHAIN, certificateBy, members, proposition, sampleBlock, setOf, statement } from './samples.ts';

const all = members(4);
const set = setOf(all);
const [a, b] = all;
if (a === undefined || b === undefined) throw new Error('no members');
const genesis = trustGenesis({ chainId: CHAIN, validators: set, timestampMs: 0 });

function signed(kind: StatementKind, of: Proposition, member = all[0]): SignedStatement {
  if (member === undefined) throw new Error('no member');
  const said = statement(kind, of);
  return { ...said, signer: member.id, signature: member.key.sign(statementBytes(CHAIN, said)) };
}

describe('a path of headers', () => {
  const first = sampleBlock({ set, proposer: a.id, view: 1, height: 1, parentHash: CHAIN }).header;
  const second = sampleBlock({ set, proposer: a.id, view: 2, height: 2, parentHash: blockHashOf(first) }).header;

  /** All validators finalize the last header, whatever it says. */
  function verdict(change: Partial<Header>, from: Partial<Header> = {}, epoch = 0) {
    const [start, end] = [
      { ...first, ...from },
      { ...second, ...change },
    ];
    const p = { ...proposition(2, 1, blockHashOf(end)), epoch: asEpoch(epoch) };
    return verifyFinality(genesis, { header: start, certificate: certificateBy(set, all, 'finalize', p), path: [end] });
  }

  it('is one chain', () => {
    expect(verdict({})).toMatchObject({ ok: true });
    expect(verdict({ parentHash: hash('elsewhere') })).toMatchObject({ code: 'BROKEN_PATH' });
    expect(verdict({ height: asHeight(3) })).toMatchObject({ code: 'BROKEN_PATH' });
    expect(verdict({ timestampMs: first.timestampMs })).toMatchObject({ code: 'BROKEN_PATH' });
    expect(verdict({ chainId: hash('other') })).toMatchObject({ code: 'FOREIGN_CHAIN' });
    const later = { epoch: asEpoch(1) };
    const parentHash = blockHashOf({ ...first, ...later });
    expect(verdict({ parentHash }, later)).toMatchObject({ code: 'BROKEN_PATH' });
  });

  it('ends at a header of the certificate’s epoch', () => {
    expect(verdict({ epoch: asEpoch(1) })).toMatchObject({ code: 'HEADER_NOT_CERTIFIED' });
    expect(verdict({}, {}, 1)).toMatchObject({ code: 'UNKNOWN_EPOCH' });
  });
});

describe('statements', () => {
  const p = proposition(5);
  const others: readonly Proposition[] = [
    { ...p, blockHash: hash('other') },
    { ...p, justificationHash: hash('other') },
    { ...p, parentView: asView(3) },
    { ...p, view: asView(6) },
    { ...p, epoch: asEpoch(1) },
  ];

  it('are about the same proposition only in every member', () => {
    expect(sameProposition(p, { ...p })).toBe(true);
    for (const other of others) expect([other, sameProposition(p, other)]).toEqual([other, false]);
  });

  it('say the same only of one kind and about the same', () => {
    const kinds: readonly StatementKind[] = ['notarize', 'finalize', 'nullify', 'propose'];
    const said: readonly Statement[] = [
      ...kinds.flatMap((kind) => [statement(kind, p)]),
      statement('notarize', { ...p, blockHash: hash('other') }),
      statement('nullify', { ...p, view: asView(6) }),
      statement('nullify', { ...p, epoch: asEpoch(1) }),
    ];
    said.forEach((one, i) => {
      said.forEach((other, j) => {
        expect([one, other, sameStatement(one, { ...other })]).toEqual([one, other, i === j]);
      });
    });
  });

  it('of two epochs, and a proposal beside a vote, conflict in neither order', () => {
    const q = proposition(5, 4, hash('another block'));
    const cases: readonly (readonly [SignedStatement, SignedStatement])[] = [
      [signed('notarize', p), signed('notarize', { ...q, epoch: asEpoch(1) })],
      [signed('notarize', p), signed('propose', q)],
      [signed('finalize', p), signed('propose', q)],
    ];
    for (const [one, other] of cases)
      expect([conflictOf(one, other), conflictOf(other, one)]).toEqual([undefined, undefined]);
    expect(conflictOf(signed('notarize', p), signed('notarize', q))).toBe('double-notarize');
  });
});

describe('a justification', () => {
  const parent = proposition(2);
  const parentCert = certificateBy(set, all, 'notarize', parent);
  const skip = (view: number, epoch = 0) =>
    certificateBy(set, all, 'nullify', { ...proposition(view), epoch: asEpoch(epoch) });
  const p = proposition(5, 2);
  const block = sampleBlock({ set, proposer: b.id, view: 5, height: 3, parentHash: parent.blockHash });

  it('names a parent of its own epoch and view, which lies before it, or the anchor', () => {
    const fault = (change: Partial<Proposition>, cert: typeof parentCert | undefined = parentCert) =>
      parentFault({ ...p, ...change }, { parentCert: cert });
    expect(fault({})).toBeUndefined();
    expect(parentFault({ ...p, parentView: asView(0) }, { parentCert: undefined })).toBeUndefined();
    expect(parentFault(p, { parentCert: undefined })).toBe('PARENT_MISSING');
    expect(fault({ epoch: asEpoch(1) })).toBe('PARENT_ROUND');
    expect(fault({ parentView: asView(3) })).toBe('PARENT_ROUND');
    expect(fault({ view: asView(2) })).toBe('PARENT_ROUND');
    const anchor = certificateBy(set, all, 'notarize', proposition(0, 0));
    expect(fault({ parentView: asView(0) }, anchor)).toBe('PARENT_ROUND');
  });

  it('covers the views between, each once and in order', () => {
    const covers = (...nullifications: ReturnType<typeof skip>[]) =>
      coversSkippedViews(p, { parentCert, nullifications });
    expect(covers(skip(3), skip(4))).toBe(true);
    expect([covers(skip(3)), covers(skip(3), skip(4), skip(5))]).toEqual([false, false]);
    expect([covers(skip(4), skip(3)), covers(skip(3), skip(4, 1))]).toEqual([false, false]);
  });

  it('is unjustified when its number of nullifications is another than their digest’s', () => {
    const summary = summaryOf({ parentCert, nullifications: [skip(3), skip(4)] });
    expect(isSummaryUnjustified(p, block.header, summary, CHAIN)).toBe(false);
    expect(isSummaryUnjustified(p, block.header, { ...summary, nullified: 3 }, CHAIN)).toBe(true);
  });

  it('that is bad convicts the voter, and nobody else', () => {
    const justification = { parentCert, nullifications: [] };
    const voted = { ...p, blockHash: block.hash, justificationHash: justificationHash(justification) };
    const { kind, signature } = signed('notarize', voted);
    if (kind !== 'notarize') throw new Error('not a notarize vote');
    const vote = { kind, epoch: voted.epoch, view: voted.view, proposition: voted, signer: a.id, signature } as const;
    const evidence = {
      type: 'bad-justification',
      signer: a.id,
      vote,
      header: block.header,
      justification: summaryOf(justification),
    } as const;
    expect(verifyFaultEvidence(set, CHAIN, evidence)).toMatchObject({ ok: true });
    expect(verifyFaultEvidence(set, CHAIN, { ...evidence, signer: b.id })).toMatchObject({ code: 'NOT_A_CONFLICT' });
    const bytes = encodeFaultEvidence(evidence);
    expect(decodeFaultEvidence(bytes)).toEqual({ ok: true, value: evidence });
    // Behind the type stands the kind of the vote.
    expect(decodeFaultEvidence(bytes.with(0, 255))).toMatchObject({ detail: 'unknown evidence type' });
    const finalize = encodeFaultEvidence({ ...evidence, vote: { ...vote, kind: 'finalize' as never } });
    expect(decodeFaultEvidence(finalize)).toMatchObject({ detail: 'not a notarize vote' });
    const parentOf = { ...evidence.justification.parent, kind: 'propose' } as never;
    const proposed = encodeFaultEvidence({
      ...evidence,
      justification: { ...evidence.justification, parent: parentOf },
    });
    expect(decodeFaultEvidence(proposed)).toMatchObject({ detail: 'not a parent’s statement' });
    expect(decodeFaultEvidence(new Uint8Array(MAX_EVIDENCE_BYTES + 1))).toMatchObject({ code: 'TOO_LARGE' });
  });
});
