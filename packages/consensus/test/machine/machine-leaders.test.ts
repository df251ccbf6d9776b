import { asEpoch, asView, type ValidatorId } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { type Block, type Justification, machineStatus, type Nullification } from '../../src/index.ts';
import { viewTimeoutMs } from '../../src/machine/view.ts';
import {
  Bench,
  blank,
  blockOn,
  certificate,
  consensusFramesSent,
  leaderAt,
  ofType,
  proposalOf,
  setOfSize,
  vote,
} from '../bench.ts';

const set = setOfSize(4);
const silent = leaderAt(set, 2);
const voter = leaderAt(set, 4);

/** A chain in which every view of `absent` is nullified; views 1 … `to`. Feeds what others say, and returns the own votes. */
function run(bench: Bench, to: number, absent: ValidatorId): string[] {
  let parent: { readonly block: Block; readonly parentCert: Justification['parentCert'] } | undefined;
  let nullifications: Nullification[] = [];
  const votes: string[] = [];
  for (let view = 1; view <= to; view++) {
    if (leaderAt(set, view) === absent) {
      const nullification = certificate(set, 'nullify', blank(view));
      votes.push(...consensusFramesSent(bench.receive(nullification)));
      nullifications.push(nullification);
      continue;
    }
    const block = blockOn(set, parent?.block, view);
    const proposal = proposalOf(set, block, view, { parentCert: parent?.parentCert, nullifications });
    const parentCert = certificate(set, 'notarize', proposal.proposition);
    const finalization = certificate(set, 'finalize', proposal.proposition);
    for (const message of [proposal, parentCert, finalization])
      votes.push(...consensusFramesSent(bench.receive(message)));
    parent = { block, parentCert };
    nullifications = [];
  }
  return votes;
}

describe('a leader whose turn gave no block in the committed chain', () => {
  it('is passed over at its next turn, though it votes in every view', () => {
    const bench = new Bench(set, voter);
    run(bench, 5, silent);
    bench.receive(vote(silent, 'nullify', blank(6)));
    expect(leaderAt(set, 6)).toBe(silent);
    expect(consensusFramesSent(bench.log).filter((each) => each.startsWith('nullify'))).toEqual(['nullify 6']);
    expect(machineStatus(bench.machine).leaders).toEqual([
      { validator: silent, missedInARow: 1, missed: 1, passedOver: true },
    ]);
  });

  it('leads on, as it sees itself', () => {
    const bench = new Bench(set, silent);
    run(bench, 5, silent);
    expect(consensusFramesSent(bench.log).filter((each) => each.startsWith('nullify'))).toEqual([]);
  });

  it('is not passed over by an observer’s vote, which there is none of', () => {
    const bench = new Bench(set, undefined);
    run(bench, 5, silent);
    expect(ofType(bench.log, 'persist')).toEqual([]);
  });
});

describe('a leader that keeps the others waiting', () => {
  const late = leaderAt(set, 2);
  const run = (bench: Bench, first: number, onTime: (view: number) => boolean): void => {
    let parent: { readonly block: Block; readonly parentCert: Justification['parentCert'] } | undefined;
    for (let view = first; view < first + 6; view++) {
      const block = blockOn(set, parent?.block, view);
      const proposal = proposalOf(set, block, view, { parentCert: parent?.parentCert, nullifications: [] });
      const parentCert = certificate(set, 'notarize', proposal.proposition);
      if (!onTime(view)) bench.timer('quarter');
      for (const message of [proposal, parentCert]) bench.receive(message);
      parent = { block, parentCert };
      if (view === 6) return;
    }
  };

  it('twice in a row is passed over', () => {
    const bench = new Bench(set, voter, { timing: { viewTimeoutMs: 1_000 } });
    bench.input({ type: 'work-pending', pending: true });
    expect(ofType(bench.timer('retry'), 'set-timer').length).toBeGreaterThan(0);
    run(bench, 1, (view) => leaderAt(set, view) !== late);
    expect(bench.machine.lateness.isPassedOver(late)).toBe(true);
    const timers = ofType(bench.log, 'set-timer').filter(({ timer }) => timer === 'quarter');
    expect(timers[0]?.delayMs).toBe(250);
  });

  it('is not, when it is late once, or while there is nothing to do', () => {
    const once = new Bench(set, voter);
    once.input({ type: 'work-pending', pending: true });
    run(once, 1, (view) => view !== 2);
    expect(once.machine.lateness.isPassedOver(late)).toBe(false);
    const idle = new Bench(set, voter);
    run(idle, 1, (view) => leaderAt(set, view) !== late);
    expect(idle.machine.lateness.isPassedOver(late)).toBe(false);
  });
});

describe('pacing', () => {
  it('the view timer grows by α with views waited out beyond what faulty leaders explain, up to the cap', () => {
    const bench = new Bench(set, voter, {
      timing: { viewTimeoutMs: 1000, growth: 2, capMs: 5000, idleIntervalMs: 300 },
    });
    const delays: number[] = [];
    for (let view = 1; view <= 6; view++) {
      delays.push(viewTimeoutMs(bench.machine));
      bench.timer('view');
      bench.receive(certificate(set, 'nullify', blank(view)));
    }
    expect(delays).toEqual([1300, 1300, 2300, 4300, 5300, 5300]);
    bench.input({ type: 'work-pending', pending: true });
    expect(viewTimeoutMs(bench.machine)).toBe(5000);
  });

  it('views that were passed over do not make the next silent leader cost more', () => {
    const bench = new Bench(set, voter, { timing: { viewTimeoutMs: 1000, growth: 2, idleIntervalMs: 0 } });
    for (let view = 1; view <= 30; view++) bench.receive(certificate(set, 'nullify', blank(view)));
    expect(viewTimeoutMs(bench.machine)).toBe(1000);
  });

  it('after a whole turn of leaders without a finalization a bad proposal is given up at a growing distance', () => {
    const bench = new Bench(set, voter, { timing: { viewTimeoutMs: 1000, growth: 1.25 } });
    const delays: number[] = [];
    const nullifications: Nullification[] = [];
    for (let view = 1; view <= 30; view++) {
      const header = { ...blockOn(set, undefined, view).header, height: 9 };
      const block = blockOn(set, undefined, view);
      // A header of the wrong height: bad at once.
      const bad = proposalOf(set, { ...block, header: { ...header, height: block.header.height } }, view, {
        parentCert: undefined,
        nullifications: nullifications.slice(1),
      });
      const timers = ofType(bench.log, 'set-timer').filter((each) => each.timer === 'give-up' && each.view === view);
      const early = consensusFramesSent(bench.receive(bad));
      if (timers.length > 0) {
        expect(early).toEqual([]);
        expect(
          consensusFramesSent(bench.input({ type: 'timer', timer: 'give-up', epoch: asEpoch(0), view: asView(view) })),
        ).toEqual([`nullify ${view}`]);
        delays.push(timers[0]?.delayMs ?? 0);
      }
      const nullification = certificate(set, 'nullify', blank(view));
      nullifications.push(nullification);
      bench.receive(nullification);
    }
    expect(delays.slice(0, 4)).toEqual([50, 63, 79, 98]);
    expect(Math.max(...delays)).toBeLessThanOrEqual(2000);
    expect(delays.at(-1)).toBeGreaterThan(900);
  });
});
