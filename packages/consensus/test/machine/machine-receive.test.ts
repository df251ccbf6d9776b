import { asEpoch, asView, type ValidatorId } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import {
  type Certificate,
  encodeMessage,
  glimpseMessage,
  type Justification,
  machineStatus,
  type Nullification,
  uselessAtAGlimpse,
} from '../../src/index.ts';
import { step } from '../../src/machine/step.ts';
import { SIGNATURES_PER_STEP } from '../../src/messages/limits.ts';
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
  setOfSize,
  vote,
} from '../bench.ts';

const set = setOfSize(4);
const chain = chainOf(set, 3);
const [one] = chain;
if (one === undefined) throw new Error('no chain');
const voter = leaderAt(set, 4);
const rejections = (effects: Parameters<typeof ofType>[0]) => ofType(effects, 'rejected').map((effect) => effect.code);
const checked = (bench: Bench): number => bench.machine.signatures.checked;

function forged<C extends Certificate>(good: C): C {
  return { ...good, signatures: good.signatures.map(() => new Uint8Array(64).fill(7)) };
}

/** A view from `from` on that `leader` leads. */
function viewOf(leader: ValidatorId, from: number): number {
  let view = from;
  while (leaderAt(set, view) !== leader) view++;
  return view;
}

function nullified(from: number, to: number): Nullification[] {
  return Array.from({ length: to - from + 1 }, (_, index) => certificate(set, 'nullify', blank(from + index)));
}

describe('before any signature is checked', () => {
  it('a vote is taken from its signer alone, and a proposal from its leader', () => {
    const bench = new Bench(set, voter);
    const [a, b] = bench.others();
    if (a === undefined || b === undefined) throw new Error('too few');
    expect(rejections(bench.receive(vote(a, 'nullify', blank(1)), b))).toEqual(['NOT_THE_SIGNER']);
    const other = bench.others().find((id) => id !== leaderAt(set, 1));
    expect(rejections(bench.receive(one.proposal, other))).toEqual(['NOT_THE_LEADER']);
    expect(checked(bench)).toBe(0);
  });

  it('a third proposition of one view is dropped', () => {
    const bench = new Bench(set, voter);
    for (const salt of ['', 'second'])
      bench.receive(proposalOf(set, blockOn(set, undefined, 1, salt), 1, FROM_GENESIS));
    const before = checked(bench);
    expect(ofType(bench.log, 'evidence')).toHaveLength(1);
    for (let copy = 0; copy < 5; copy++) {
      expect(bench.receive(proposalOf(set, blockOn(set, undefined, 1, `${copy}`), 1, FROM_GENESIS))).toEqual([]);
    }
    expect(checked(bench)).toBe(before);
  });

  it('a voter’s third contradiction, and a vote for what is certified, are dropped', () => {
    const bench = new Bench(set, voter);
    const [a] = bench.others();
    if (a === undefined) throw new Error('too few');
    const propositions = [0, 1, 2, 3].map((salt) =>
      proposalOf(set, blockOn(set, undefined, 1, `${salt}`), 1, FROM_GENESIS),
    );
    const [first, ...more] = propositions.map(({ proposition }) => proposition);
    if (first === undefined) throw new Error('none');
    for (const p of [first, ...more]) bench.receive(vote(a, 'notarize', p));
    expect(ofType(bench.log, 'evidence')).toHaveLength(1);
    expect(checked(bench)).toBe(2);
    const [self, , , outside] = set.validators.map(({ id }) => id);
    if (outside === undefined) throw new Error('too few');
    const late = new Bench(set, self);
    // By the first three of four.
    late.receive(certificate(set, 'nullify', blank(1)));
    const before = checked(late);
    late.receive(vote(outside, 'nullify', blank(1)));
    expect(checked(late)).toBe(before);
  });

  it('of proposals beyond the window one of each leader is taken in each retry interval', () => {
    const bench = new Bench(set, voter);
    const liar = bench.other();
    const far = (from: number) => {
      const view = viewOf(liar, from);
      const justification = { parentCert: one.notarization, nullifications: nullified(2, view - 1) };
      return bench.receive(proposalOf(set, blockOn(set, one.block, view), view, justification));
    };
    const first = far(200);
    expect(rejections(first)).toEqual(['OUTSIDE_WINDOW']);
    const { view } = bench.machine.current;
    expect(view).toBeGreaterThan(199);
    const before = checked(bench);
    expect(rejections(far(view + 100))).toEqual(['OUTSIDE_WINDOW']);
    expect(checked(bench)).toBe(before);
    bench.timer('retry');
    far(view + 100);
    expect(bench.machine.current.view).toBeGreaterThan(view + 99);
  });

  it('a frame shows at a glimpse whether it is of use', () => {
    const bench = new Bench(set, voter);
    const glimpse = (message: Parameters<typeof encodeMessage>[0], from: ValidatorId) => {
      const seen = glimpseMessage(encodeMessage(message));
      if (!seen.ok) throw new Error(seen.code);
      return uselessAtAGlimpse(bench.machine, from, seen.value);
    };
    const leader = leaderAt(set, 1);
    const stranger = bench.others().find((id) => id !== leader) ?? leader;
    expect(glimpse(one.proposal, leader)).toBeUndefined();
    expect(glimpse(one.proposal, stranger)).toBe('NOT_THE_LEADER');
    expect(glimpse(one.notarization, stranger)).toBeUndefined();
    bench.receive(one.proposal);
    bench.receive(one.notarization);
    expect(glimpse(one.proposal, leader)).toBe('KNOWN');
    expect(glimpse(one.notarization, stranger)).toBe('KNOWN');
    expect(glimpse({ ...one.notarization, epoch: asEpoch(9) }, stranger)).toBe('OTHER_EPOCH');
    expect(glimpseMessage(Uint8Array.of(1, 2, 3)).ok).toBe(false);
    expect(glimpseMessage(new Uint8Array(0)).ok).toBe(false);
  });
});

describe('certificates in a proposal', () => {
  const liar = leaderAt(set, 6);
  const views = 6 - 1;
  const proposal = (justification: Justification, view = 6) =>
    proposalOf(set, blockOn(set, undefined, view), view, justification);

  it('that do not cover the skipped views are not looked at', () => {
    const bench = new Bench(set, voter);
    const nullifications = nullified(1000, 1400).map(forged);
    const effects = bench.receive(proposal({ parentCert: undefined, nullifications }), liar);
    expect(checked(bench)).toBe(1);
    expect(rejections(effects)).toEqual([]);
  });

  it('are condemned as a whole by the first bad one', () => {
    const bench = new Bench(set, voter);
    const nullifications = nullified(1, views).map(forged);
    const effects = bench.receive(proposal({ parentCert: undefined, nullifications }), liar);
    expect(rejections(effects)).toEqual(['BAD_CERTIFICATE']);
    expect(checked(bench)).toBe(2);
    expect(bench.machine.current.view).toBe(1);
  });

  it('are verified a share in each step, while votes of others come through', () => {
    const length = 500;
    const view = viewOf(liar, length);
    const bench = new Bench(set, voter, { manual: true });
    const justification = { parentCert: undefined, nullifications: nullified(1, view - 1) };
    const message = proposal(justification, view);
    // Beyond the window: taken for its certificates.
    let effects = step(bench.machine, { type: 'message', from: liar, message });
    let steps = 1;
    for (; effects.effects.some((effect) => effect.type === 'continue'); steps++) {
      expect(effects.checked).toBeLessThanOrEqual(SIGNATURES_PER_STEP + 4);
      const other = bench.others().find((id) => id !== liar) ?? liar;
      if (steps === 2) {
        step(bench.machine, { type: 'message', from: other, message: vote(other, 'nullify', blank(view)) });
        expect(bench.machine.current.rounds.get(asView(view))?.votes.nullify.size).toBe(1);
      }
      effects = step(bench.machine, { type: 'continue' });
    }
    expect(steps).toBeGreaterThan(5);
    expect(machineStatus(bench.machine)).toMatchObject({ view, held: { rounds: view } });
  });

  it('are waited for, and asked of nobody, while they are being verified', () => {
    const many = setOfSize(16);
    const length = 40;
    const leader = leaderAt(many, length + 1);
    const self = many.validators.map(({ id }) => id).find((id) => id !== leader);
    const bench = new Bench(many, self);
    const nullifications = Array.from({ length }, (_, at) => certificate(many, 'nullify', blank(at + 1)));
    const effects = bench.receive(
      proposalOf(many, blockOn(many, undefined, length + 1), length + 1, { parentCert: undefined, nullifications }),
    );
    expect(ofType(effects, 'continue').length).toBeGreaterThan(1);
    expect(ofType(effects, 'fetch-certificates')).toEqual([]);
    expect(consensusFramesSent(effects)).toEqual([`notarize ${length + 1}`]);
  });
});
