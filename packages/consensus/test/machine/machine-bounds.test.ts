import { hash } from '@cloister/crypto';
import { asDigest, asEpoch, asHeight, asValidatorId, asView } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { encodeMessage, isBare, machineStatus } from '../../src/index.ts';
import {
  Bench,
  blank,
  blockOn,
  CHAIN,
  certificate,
  chainOf,
  consensusFramesSent,
  FROM_GENESIS,
  leaderAt,
  ofType,
  proposalOf,
  sent,
  setOfSize,
  vote,
} from '../bench.ts';

const set = setOfSize(4);
const chain = chainOf(set, 4);
const [one, two] = chain;
if (one === undefined || two === undefined) throw new Error('no chain');
const voter = leaderAt(set, 4);
const leader = leaderAt(set, 1);
const rejections = (effects: Parameters<typeof ofType>[0]) => ofType(effects, 'rejected').map((effect) => effect.code);

describe('spam', () => {
  it('of far-future views, other epochs, strangers and forgers is refused and leaves nothing behind (L4)', () => {
    const bench = new Bench(set, voter);
    const other = bench.other();
    const stranger = asValidatorId(hash('stranger'));
    const far = (view: number) => bench.receive(vote(other, 'nullify', blank(view)));
    for (let view = 66; view < 3000; view++) expect(rejections(far(view))).toEqual(['OUTSIDE_WINDOW']);
    for (let view = 1; view < 100; view++) {
      expect(rejections(bench.receive(vote(other, 'nullify', blank(view, 3))))).toEqual(['OTHER_EPOCH']);
      expect(rejections(bench.receive({ ...vote(other, 'nullify', blank(1)), signer: stranger }))).toEqual([
        'UNKNOWN_SIGNER',
      ]);
      const forged = { ...vote(other, 'nullify', blank(view)), signature: new Uint8Array(64) };
      expect(rejections(bench.receive(forged)).length).toBe(1);
      const cert = certificate(set, 'nullify', blank(view + 500));
      expect(rejections(bench.receive({ ...cert, signatures: cert.signatures.map(() => new Uint8Array(64)) }))).toEqual(
        ['BAD_CERTIFICATE'],
      );
    }
    const { header, body } = blockOn(set, undefined, 1, 'unasked');
    expect(rejections(bench.receive({ type: 'block', header, body }))).toEqual(['UNSOLICITED_BLOCK']);
    expect(machineStatus(bench.machine).held).toEqual({ rounds: 0, blocks: 0, fetches: 0 });
  });

  it('within the window holds at most the window', () => {
    const bench = new Bench(set, voter);
    for (const id of bench.others())
      for (let view = 1; view < 200; view++) bench.receive(vote(id, 'finalize', blank(view)), id);
    expect(machineStatus(bench.machine).held.rounds).toBeLessThanOrEqual(200);
    expect(bench.machine.current.rounds.size).toBeLessThanOrEqual(bench.machine.current.view + 64);
  });

  it('of messages of a later epoch asks once in each interval how this one ended', () => {
    const bench = new Bench(set, voter);
    const later = vote(bench.other(), 'nullify', blank(1, 1));
    const asked = [1, 2, 3].flatMap(() => bench.receive(later));
    expect(ofType(asked, 'fetch-certificates')).toHaveLength(1);
    bench.timer('retry');
    expect(ofType(bench.receive(later), 'fetch-certificates')).toHaveLength(1);
  });

  it('of duplicates does nothing', () => {
    const bench = new Bench(set, voter);
    for (const message of [one.proposal, one.notarization, one.finalization]) bench.receive(message, leader);
    for (const message of [one.proposal, one.notarization, one.finalization]) {
      for (let copy = 0; copy < 3; copy++) expect(bench.receive(message, leader)).toEqual([]);
    }
  });
});

describe('certificates', () => {
  it('of any view are taken, and move the machine there', () => {
    const bench = new Bench(set, voter);
    bench.receive(certificate(set, 'nullify', blank(50_000)));
    expect(machineStatus(bench.machine)).toMatchObject({ view: 50_001, held: { rounds: 1 } });
  });

  it('that contradict each other stop the machine', () => {
    const bench = new Bench(set, voter);
    bench.receive(one.finalization);
    const effects = bench.receive(certificate(set, 'nullify', blank(1)));
    expect(ofType(effects, 'halt')).toMatchObject([{ code: 'AGREEMENT_BROKEN' }]);
    expect(ofType(effects, 'evidence')).toHaveLength(3);
    expect(bench.timer('view')).toEqual([]);
  });

  it('are served on request, within bounds, and a peer that is behind is brought up once in each interval', () => {
    const bench = new Bench(set, voter);
    for (let view = 1; view <= 100; view++) bench.receive(certificate(set, 'nullify', blank(view)));
    const from = bench.other();
    const request = { type: 'cert-request', epoch: asEpoch(0), fromView: asView(1), toView: asView(100) } as const;
    expect(sent(bench.receive(request, from))).toHaveLength(64);
    const status = { type: 'status', epoch: asEpoch(0), view: asView(3), finalization: undefined } as const;
    expect(sent(bench.receive(status, from))).toMatchObject([{ type: 'certificate', view: 100 }]);
    expect(sent(bench.receive(status, from))).toEqual([]);
    bench.timer('retry');
    expect(sent(bench.receive(status, from))).toHaveLength(1);
  });

  it('make a request for blocks or certificates end at the peer’s share', () => {
    const bench = new Bench(set, voter);
    bench.receive(one.proposal, leader);
    const from = bench.other();
    const request = { type: 'block-request', hash: one.block.hash } as const;
    const answers = Array.from({ length: 20_000 }, () => bench.receive(request, from)).flat();
    const served = sent(answers).reduce((sum, message) => sum + encodeMessage(message).length, 0);
    expect(served).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(rejections(answers)).toContain('TOO_MANY_REQUESTS');
    const unknown = bench.receive({ type: 'block-request', hash: hash('old block') }, from);
    expect(unknown).toEqual([{ type: 'serve-block', to: from, hash: hash('old block') }]);
  });
});

describe('a justification beyond 256 KiB', () => {
  const many = setOfSize(64);
  const views = 120;
  const nullifications = Array.from({ length: views }, (_, index) => certificate(many, 'nullify', blank(index + 1)));
  const proposer = leaderAt(many, views + 1);

  it('goes out with bare certificates, and is completed by requests', () => {
    const bench = new Bench(many, proposer);
    for (const each of nullifications) bench.receive(each);
    bench.input({ type: 'work-pending', pending: true });
    const { header, body } = blockOn(many, undefined, views + 1);
    const built = bench.input({ type: 'block-built', epoch: asEpoch(0), view: asView(views + 1), header, body });
    const proposal = sent(built).find((message) => message.type === 'proposal');
    if (proposal === undefined) throw new Error('no proposal');
    const bare = proposal.justification.nullifications.filter(isBare);
    expect(bare.length).toBeGreaterThan(0);
    expect(bare.length).toBeLessThan(views);
    expect(encodeMessage(proposal).length).toBeLessThan(257 * 1024 + 2048);

    const receiver = new Bench(
      many,
      many.validators.map(({ id }) => id).find((id) => id !== proposer),
    );
    // Too far ahead to be kept, but its certificates lead there.
    expect(rejections(receiver.receive(proposal, proposer))).toEqual(['OUTSIDE_WINDOW']);
    expect(machineStatus(receiver.machine).view).toBe(views + 1);
    const waiting = receiver.receive(proposal, proposer);
    const fetches = ofType(waiting, 'fetch-certificates');
    expect(consensusFramesSent(waiting)).toEqual([]);
    expect(fetches.every(({ from }) => from[0] === proposer)).toBe(true);
    const answers = fetches.flatMap(({ epoch, fromView, toView }) => {
      return sent(bench.receive({ type: 'cert-request', epoch, fromView, toView }, receiver.self));
    });
    expect(consensusFramesSent(answers.flatMap((answer) => receiver.receive(answer, proposer)))).toEqual([
      `notarize ${views + 1}`,
    ]);
  });
});

describe('pacing', () => {
  it('an idle leader waits the idle interval, and proposes at once when work comes', () => {
    const bench = new Bench(set, leader, { timing: { idleIntervalMs: 700 } });
    expect(ofType(bench.log, 'set-timer').find(({ timer }) => timer === 'propose')?.delayMs).toBe(700);
    expect(ofType(bench.log, 'build-block')).toEqual([]);
    expect(ofType(bench.input({ type: 'work-pending', pending: true }), 'build-block')).toHaveLength(1);
    const idle = new Bench(set, leader);
    expect(ofType(idle.timer('propose'), 'build-block')).toMatchObject([
      { view: 1, parent: { hash: CHAIN, height: 0 }, lastFinal: { height: 0 } },
    ]);
    expect(ofType(idle.timer('propose'), 'build-block')).toEqual([]);
  });
});

describe('the retry set', () => {
  it('holds own votes, the way into the view and a status, and rearms', () => {
    const bench = new Bench(set, voter);
    bench.receive(certificate(set, 'nullify', blank(1)));
    bench.timer('view');
    bench.timer('retry');
    const effects = bench.timer('retry');
    const order = ['status', 'status', 'status', 'vote', 'certificate', 'certificate', 'certificate'];
    expect(sent(effects).map((message) => message.type)).toEqual(order);
    expect(ofType(effects, 'set-timer')).toMatchObject([{ timer: 'retry' }]);
  });

  it('stays within its budget, and starves no old finalize vote', () => {
    const bench = new Bench(set, voter, { timing: { retryBytes: 2000 } });
    const long = chainOf(set, 30);
    for (const { proposal, notarization } of long) {
      bench.receive(proposal, leaderAt(set, proposal.proposition.view));
      bench.receive(notarization);
    }
    const again = new Set<number>();
    for (let retry = 0; retry < 30; retry++) {
      const messages = sent(bench.timer('retry'));
      const bytes = messages.reduce((sum, message) => sum + encodeMessage(message).length, 0);
      if (retry > 0) expect(bytes).toBeLessThan(4000);
      for (const message of messages)
        if (message.type === 'vote' && message.kind === 'finalize') again.add(message.view);
    }
    expect(again.size).toBe(30);
  });

  it('is silent while views and finality move on', () => {
    const bench = new Bench(set, voter);
    for (const { proposal, notarization, finalization } of chain.slice(0, 3)) {
      for (const message of [proposal, notarization, finalization]) bench.receive(message, leader);
      expect(sent(bench.timer('retry'))).toEqual([]);
    }
  });
});

describe('the guard’s floor', () => {
  it('follows commits only when they are durable', () => {
    const bench = new Bench(set, voter);
    for (const message of [one.proposal, one.notarization, one.finalization]) bench.receive(message, leader);
    expect(bench.machine.guard.floor.view).toBe(0);
    bench.input({ type: 'executed', height: asHeight(1), hash: one.block.hash });
    expect(bench.machine.guard.floor.view).toBe(1);
    const [persist] = ofType(bench.receive(two.proposal, leaderAt(set, 2)), 'persist');
    expect(persist?.record.floor).toEqual({ epoch: 0, view: 1 });
  });

  it('carries the last durable event', () => {
    const bench = new Bench(set, voter);
    const head = { count: 3, hash: hash('event 2') };
    bench.input({ type: 'chain-head', head });
    const [persist] = ofType(bench.receive(one.proposal, leader), 'persist');
    expect(persist?.record.head).toEqual(head);
  });

  it('of an operator’s override keeps the validator silent up to it', () => {
    const floor = { epoch: asEpoch(0), view: asView(3) };
    const guard = { records: [], floor, head: { count: 0, hash: asDigest(CHAIN) } };
    const bench = new Bench(set, voter, { recovered: { guard, committed: undefined, blocks: [] } });
    expect(ofType(bench.receive(one.proposal, leader), 'persist')).toEqual([]);
    bench.receive(certificate(set, 'nullify', blank(3)));
    expect(consensusFramesSent(bench.timer('view'))).toEqual(['nullify 4']);
  });
});

describe('an observer', () => {
  it('follows and commits, and never signs', () => {
    const bench = new Bench(set, undefined);
    for (const { proposal, notarization, finalization } of chain) {
      for (const message of [proposal, notarization, finalization]) bench.receive(message);
      bench.timer('view');
      bench.timer('retry');
    }
    const proposal = proposalOf(set, blockOn(set, undefined, 5), 5, FROM_GENESIS);
    bench.receive(proposal, leaderAt(set, 5));
    expect(ofType(bench.log, 'commit')).toHaveLength(4);
    expect([...ofType(bench.log, 'persist'), ...ofType(bench.log, 'send')]).toEqual([]);
  });
});
