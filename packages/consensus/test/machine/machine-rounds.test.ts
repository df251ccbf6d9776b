import { hash } from '@cloister/crypto';
import { asEpoch, asHeight, asView } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { blockHashOf, encodeMessage, machineStatus } from '../../src/index.ts';
import {
  Bench,
  blank,
  blockOn,
  certificate,
  chainOf,
  consensusFramesSent,
  FROM_GENESIS,
  leaderAt,
  ofType,
  proposalOf,
  propositionOf,
  sent,
  setOfSize,
  vote,
} from '../bench.ts';

const set = setOfSize(4);
const [one, two, three, four] = chainOf(set, 4);
if (one === undefined || two === undefined || three === undefined || four === undefined) throw new Error('no chain');
/** A validator that leads none of the first views but the fourth. */
const voter = leaderAt(set, 4);
const leader = leaderAt(set, 1);

describe('voting', () => {
  it('persists before it sends, block first, and counts its own vote only then', () => {
    const bench = new Bench(set, voter, { manual: true });
    const asked = bench.receive(one.proposal, leader);
    expect(ofType(asked, 'verify-block').map((effect) => effect.blockHash)).toEqual([one.block.hash]);
    expect(ofType(asked, 'persist')).toEqual([]);
    const verified = bench.input({ type: 'block-verified', blockHash: one.block.hash, verdict: 'valid' });
    const [persist] = ofType(verified, 'persist');
    expect(persist).toMatchObject({ record: { signed: { kind: 'notarize' } }, block: { header: one.block.header } });
    expect(sent(verified)).toEqual([]);
    expect(bench.machine.current.rounds.get(asView(1))?.votes.notarize.has(voter)).toBe(false);
    const done = bench.input({ type: 'persisted', token: persist?.token ?? 0 });
    expect(consensusFramesSent(done)).toEqual(['notarize 1']);
    expect(bench.machine.current.rounds.get(asView(1))?.votes.notarize.has(voter)).toBe(true);
    expect(bench.input({ type: 'persisted', token: persist?.token ?? 0 })).toEqual([]);
  });

  it('goes from proposal to notarization to finalization, and commits', () => {
    const bench = new Bench(set, voter);
    expect(consensusFramesSent(bench.receive(one.proposal, leader))).toEqual(['notarize 1']);
    const [a, b] = bench.others();
    if (a === undefined || b === undefined) throw new Error('no others');
    bench.receive(vote(a, 'notarize', one.proposal.proposition), a);
    const notarized = bench.receive(vote(b, 'notarize', one.proposal.proposition), b);
    expect(sent(notarized).filter((message) => message.type === 'certificate')).toHaveLength(3);
    expect(consensusFramesSent(notarized)).toEqual(['finalize 1']);
    expect(machineStatus(bench.machine)).toMatchObject({ view: 2, committed: { height: 0 } });
    bench.receive(vote(a, 'finalize', one.proposal.proposition), a);
    const final = bench.receive(vote(b, 'finalize', one.proposal.proposition), b);
    expect(ofType(final, 'commit')).toMatchObject([{ blocks: [{ hash: one.block.hash }] }]);
    expect(machineStatus(bench.machine)).toMatchObject({ committed: { height: 1, hash: one.block.hash, view: 1 } });
  });

  it('counts a vote once for each signer, kind and round; a second, different one is evidence', () => {
    const bench = new Bench(set, voter);
    bench.receive(one.proposal, leader);
    const [a, b] = bench.others();
    if (a === undefined || b === undefined) throw new Error('no others');
    const good = vote(a, 'notarize', one.proposal.proposition);
    for (let copy = 0; copy < 5; copy++) expect(sent(bench.receive(good, a))).toEqual([]);
    const other = propositionOf(blockOn(set, undefined, 1, 'other'), 1, FROM_GENESIS);
    const evidence = ofType(bench.receive(vote(a, 'notarize', other), a), 'evidence');
    expect(evidence).toMatchObject([{ evidence: { type: 'double-notarize', signer: a } }]);
    expect(ofType(bench.receive(vote(a, 'notarize', other), a), 'evidence')).toEqual([]);
    expect(machineStatus(bench.machine).view).toBe(1);
    bench.receive(vote(b, 'notarize', one.proposal.proposition), b);
    expect(machineStatus(bench.machine).view).toBe(2);
  });

  it('sends a newly formed certificate once, and not at all when it was already seen', () => {
    const bench = new Bench(set, voter);
    const notarize = bench.others().map((id) => vote(id, 'notarize', one.proposal.proposition));
    bench.receive(one.notarization);
    expect(notarize.flatMap((each) => sent(bench.receive(each)))).toEqual([]);
  });

  it('does not finalize after nullify, nor nullify after finalize', () => {
    const nullified = new Bench(set, voter);
    nullified.receive(one.proposal, leader);
    expect(consensusFramesSent(nullified.timer('view'))).toEqual(['nullify 1']);
    expect(consensusFramesSent(nullified.receive(one.notarization))).toEqual([]);
    const finalized = new Bench(set, voter);
    finalized.receive(one.proposal, leader);
    expect(consensusFramesSent(finalized.receive(one.notarization))).toEqual(['finalize 1']);
    expect(consensusFramesSent(finalized.timer('view', 1))).toEqual([]);
  });

  it('finalizes a block that it did not vote for, once it has fetched it', () => {
    const bench = new Bench(set, voter);
    expect(consensusFramesSent(bench.receive(one.notarization))).toEqual([]);
    const retried = bench.timer('retry');
    expect(ofType(retried, 'fetch-block')).toMatchObject([{ hash: one.block.hash }]);
    const { header, body } = one.block;
    expect(consensusFramesSent(bench.input({ type: 'block-arrived', header, body }))).toEqual(['finalize 1']);
  });

  it('commits ancestors in order, fetching what is missing', () => {
    const bench = new Bench(set, voter);
    const asked = bench.receive(three.finalization);
    expect(ofType(asked, 'fetch-block')).toMatchObject([{ hash: three.block.hash }]);
    const effects = [three, two, one].flatMap(({ block: { header, body } }) => {
      return bench.input({ type: 'block-arrived', header, body });
    });
    const [commit] = ofType(effects, 'commit');
    expect(commit?.blocks.map(({ hash: each }) => each)).toEqual([one, two, three].map(({ block }) => block.hash));
    expect(machineStatus(bench.machine)).toMatchObject({ view: 4, held: { rounds: 1, blocks: 0 } });
  });

  it('stops for good when its key has signed elsewhere: a twin, or a guard that was rolled back', () => {
    const mine = certificate(set, 'nullify', blank(1));
    const [signer] = set.validators;
    if (signer === undefined) throw new Error('empty set');
    const bench = new Bench(set, signer.id, { heedsTwins: true });
    expect(ofType(bench.receive(mine), 'halt')).toMatchObject([{ code: 'SIGNED_ELSEWHERE' }]);
    expect(bench.timer('view')).toEqual([]);
    const known = new Bench(set, signer.id, { heedsTwins: true });
    known.timer('view');
    expect(ofType(known.receive(mine), 'halt')).toEqual([]);
  });

  it('takes a whole chain in bulk, and refuses one that does not connect or is not certified', () => {
    const bench = new Bench(set, voter);
    const from = bench.other();
    const blocks = [one, two, three].map(({ block }) => block);
    const { finalization } = three;
    const gap = bench.input({ type: 'chain-arrived', from, blocks: blocks.slice(1), finalization });
    expect(gap).toEqual([{ type: 'rejected', from, code: 'NOT_CONNECTED' }]);
    const forged = { ...finalization, signatures: finalization.signatures.map((each) => each.map((byte) => byte ^ 1)) };
    const bad = bench.input({ type: 'chain-arrived', from, blocks, finalization: forged });
    expect(bad).toEqual([{ type: 'rejected', from, code: 'BAD_CERTIFICATE' }]);
    const good = bench.input({ type: 'chain-arrived', from, blocks, finalization });
    expect(ofType(good, 'commit').map((commit) => commit.blocks.length)).toEqual([3]);
    expect(machineStatus(bench.machine)).toMatchObject({ view: 4, committed: { height: 3 } });
  });
});

describe('giving up a view', () => {
  it('on its timer, once', () => {
    const bench = new Bench(set, voter);
    expect(consensusFramesSent(bench.timer('view'))).toEqual(['nullify 1']);
    expect(consensusFramesSent(bench.timer('view'))).toEqual([]);
    expect(consensusFramesSent(bench.receive(one.proposal, leader))).toEqual([]);
  });

  it('on a late timer of an earlier view, no', () => {
    const bench = new Bench(set, voter);
    bench.receive(certificate(set, 'nullify', blank(1)));
    expect(bench.timer('view', 1)).toEqual([]);
  });

  it('on an invalid proposal, at once', () => {
    const bench = new Bench(set, voter, { manual: true });
    bench.receive(one.proposal, leader);
    const effects = bench.input({ type: 'block-verified', blockHash: one.block.hash, verdict: 'invalid' });
    expect(ofType(effects, 'persist')).toMatchObject([{ record: { signed: { kind: 'nullify' } } }]);
  });

  it.each([
    ['height', { height: 7 }],
    ['parent hash', { parentHash: hash('elsewhere') }],
    ['view', { view: 9 }],
    ['validators hash', { validatorsHash: hash('others') }],
    ['next validators hash', { nextValidatorsHash: hash('others') }],
    ['proposer', { proposer: voter }],
    ['timestamp', { timestampMs: 0 }],
    ['chain id', { chainId: hash('other chain') }],
    ['lastFinal', { lastFinal: { ...one.block.header.lastFinal, hash: hash('elsewhere') } }],
  ])('on a header with a wrong %s', (_name, change) => {
    const bench = new Bench(set, voter);
    const honest = blockOn(set, undefined, 1);
    const header = { ...honest.header, ...change } as typeof honest.header;
    const proposal = proposalOf(set, { ...honest, header, hash: blockHashOf(header) }, 1, FROM_GENESIS);
    expect(consensusFramesSent(bench.receive(proposal, leader))).toEqual(['nullify 1']);
  });

  it('on the leader’s equivocation, with evidence', () => {
    const bench = new Bench(set, voter);
    bench.receive(one.proposal, leader);
    const second = proposalOf(set, blockOn(set, undefined, 1, 'second'), 1, FROM_GENESIS);
    const effects = bench.receive(second, leader);
    expect(ofType(effects, 'evidence')).toMatchObject([{ evidence: { type: 'double-propose', signer: leader } }]);
    expect(consensusFramesSent(effects)).toEqual(['nullify 1']);
  });

  it('on the leader’s own nullify', () => {
    const bench = new Bench(set, voter);
    expect(consensusFramesSent(bench.receive(vote(leader, 'nullify', blank(1)), leader))).toEqual(['nullify 1']);
  });
});

describe('proposals', () => {
  it('whose bytes do not hash to the signed P are dropped and never the first', () => {
    const bench = new Bench(set, voter);
    const other = blockOn(set, undefined, 1, 'other');
    const mixed = { ...one.proposal, header: other.header, body: other.body };
    expect(bench.receive(mixed, leader)).toMatchObject([{ type: 'rejected', code: 'PROPOSAL_MISMATCH' }]);
    const body = { ...one.proposal.body, batches: [] };
    expect(bench.receive({ ...one.proposal, body }, leader)).toMatchObject([{ code: 'PROPOSAL_MISMATCH' }]);
    expect(consensusFramesSent(bench.receive(one.proposal, leader))).toEqual(['notarize 1']);
  });

  it('signed by another than the leader are refused', () => {
    const bench = new Bench(set, voter);
    const forged = { ...one.proposal, signature: one.proposal.signature.map((byte) => byte ^ 1) };
    expect(bench.receive(forged)).toMatchObject([{ type: 'rejected', code: 'BAD_SIGNATURE' }]);
  });

  it('bring their justification’s certificates, also when they fail', () => {
    const bench = new Bench(set, voter);
    const bad = blockOn(set, undefined, 3);
    const nullifications = [1, 2].map((view) => certificate(set, 'nullify', blank(view)));
    const wrong = { ...bad.header, height: asHeight(9) };
    const block = { header: wrong, body: bad.body, hash: blockHashOf(wrong) };
    const effects = bench.receive(
      proposalOf(set, block, 3, { parentCert: undefined, nullifications }),
      leaderAt(set, 3),
    );
    expect(machineStatus(bench.machine).view).toBe(3);
    expect(consensusFramesSent(effects)).toEqual(['nullify 3']);
  });

  it('without a skipped view’s nullification are refused, and notarizing them is evidence', () => {
    const bench = new Bench(set, voter);
    bench.receive(certificate(set, 'nullify', blank(1)));
    const proposal = proposalOf(set, blockOn(set, undefined, 2), 2, FROM_GENESIS);
    const effects = bench.receive(proposal, leaderAt(set, 2));
    expect(consensusFramesSent(effects)).toEqual(['nullify 2']);
    const guilty = leaderAt(set, 2);
    const accused = bench.receive(vote(guilty, 'notarize', proposal.proposition), guilty);
    expect(ofType(accused, 'evidence')).toMatchObject([{ evidence: { type: 'bad-justification', signer: guilty } }]);
  });

  it('with a forged certificate wait for a good one', () => {
    const bench = new Bench(set, voter);
    bench.receive(certificate(set, 'nullify', blank(1)));
    const spoiled = {
      ...one.notarization,
      signatures: one.notarization.signatures.map((each) => each.map((x) => x ^ 1)),
    };
    const proposal = proposalOf(set, two.block, 2, { parentCert: spoiled, nullifications: [] });
    const waiting = bench.receive(proposal, leaderAt(set, 2));
    expect(consensusFramesSent(waiting)).toEqual([]);
    expect(ofType(waiting, 'fetch-certificates')).toMatchObject([{ fromView: 1, toView: 1 }]);
    bench.receive(one.proposal, leader);
    bench.receive(one.notarization);
    const { header, body } = one.block;
    bench.input({ type: 'block-arrived', header, body });
    expect(consensusFramesSent(bench.log)).toContain('notarize 2');
  });

  it('are sent again byte by byte after a restart', () => {
    const bench = new Bench(set, leader, { manual: true });
    bench.input({ type: 'work-pending', pending: true });
    const { header, body } = one.block;
    const built = bench.input({ type: 'block-built', epoch: asEpoch(0), view: asView(1), header, body });
    const [persist] = ofType(built, 'persist');
    if (persist === undefined) throw new Error('nothing persisted');
    const [before] = sent(bench.input({ type: 'persisted', token: persist.token }));
    if (before === undefined) throw new Error('nothing sent');
    const { record } = persist;
    const recovered = {
      guard: { records: [record], floor: record.floor, head: record.head },
      committed: undefined,
      blocks: [{ header, body }],
    };
    const again = new Bench(set, leader, { recovered });
    again.input({ type: 'work-pending', pending: true });
    expect(ofType(again.log, 'build-block')).toEqual([]);
    const after = sent(again.timer('retry')).find((message) => message.type === 'proposal');
    expect(after === undefined ? undefined : encodeMessage(after)).toEqual(encodeMessage(before));
  });
});
