/** Evidence that a machine finds and hears: one piece for each kind of fault and validator of an epoch. */
import { asView } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { encodeFaultEvidence, type FaultEvidence, type Proposition } from '../../src/index.ts';
import { MAX_EVIDENCE_BYTES } from '../../src/messages/limits.ts';
import {
  Bench,
  blank,
  blockOn,
  chainOf,
  FROM_GENESIS,
  leaderAt,
  ofType,
  propositionOf,
  sent,
  setOfSize,
  vote,
} from '../bench.ts';

const set = setOfSize(4);
const voter = leaderAt(set, 4);
const [one] = chainOf(set, 1);
if (one === undefined) throw new Error('no chain');

function twoVotes(signer: ReturnType<Bench['other']>, view: number): [Proposition, Proposition] {
  const first = propositionOf(blockOn(set, undefined, view, `a ${signer}`), view, FROM_GENESIS);
  return [first, propositionOf(blockOn(set, undefined, view, `b ${signer}`), view, FROM_GENESIS)];
}

/** What a validator that votes twice in each of these views makes of a machine. */
function doubleVotes(bench: Bench, views: number) {
  const signer = bench.other();
  const effects = [];
  for (let view = 1; view <= views; view++) {
    for (const proposition of twoVotes(signer, view))
      effects.push(...bench.receive(vote(signer, 'notarize', proposition), signer));
  }
  return effects;
}

describe('a validator that votes twice in every view', () => {
  it('gives one piece of evidence, told to the others once', () => {
    const effects = doubleVotes(new Bench(set, voter), 60);
    expect(ofType(effects, 'evidence')).toMatchObject([{ evidence: { type: 'double-notarize' } }]);
    expect(sent(effects).filter(({ type }) => type === 'evidence')).toHaveLength(1);
  });
});

describe('evidence from others', () => {
  const [found] = ofType(doubleVotes(new Bench(set, voter), 1), 'evidence');
  if (found === undefined || found.evidence.type === 'bad-justification') throw new Error('no evidence');
  const evidence = found.evidence;
  const later: FaultEvidence = {
    ...evidence,
    first: { ...evidence.first, view: asView(2) },
    second: { ...evidence.second, view: asView(2) },
  };

  it('is taken once, and not passed on', () => {
    const bench = new Bench(set, voter);
    const heard = bench.receive({ type: 'evidence', evidence });
    expect(ofType(heard, 'evidence')).toEqual([{ type: 'evidence', evidence }]);
    expect(sent(heard)).toEqual([]);
    // The same fault in another view would say nothing new, so its signatures are not looked at.
    const again = [...bench.receive({ type: 'evidence', evidence: later }), ...doubleVotes(bench, 5)];
    expect([ofType(again, 'evidence'), ofType(again, 'rejected')]).toEqual([[], []]);
  });

  it('that does not hold is refused, and the true piece is still taken', () => {
    const bench = new Bench(set, voter);
    expect(ofType(bench.receive({ type: 'evidence', evidence: later }), 'rejected')).toMatchObject([
      { code: 'BAD_EVIDENCE' },
    ]);
    const forged: FaultEvidence = { ...evidence, second: evidence.first };
    expect(ofType(bench.receive({ type: 'evidence', evidence: forged }), 'rejected')).toMatchObject([
      { code: 'BAD_EVIDENCE' },
    ]);
    expect(bench.machine.current.accused.size).toBe(0);
    expect(ofType(bench.receive({ type: 'evidence', evidence }), 'evidence')).toHaveLength(1);
  });

  it('is remembered for at most each kind of each validator', () => {
    const bench = new Bench(set, voter);
    const others = bench.others();
    for (let view = 1; view <= 20; view++) {
      for (const signer of others) {
        const [first, second] = twoVotes(signer, view);
        for (const kind of ['notarize', 'finalize'] as const) {
          for (const proposition of [first, second]) bench.receive(vote(signer, kind, proposition), signer);
        }
        bench.receive(vote(signer, 'nullify', blank(view)), signer);
      }
    }
    expect(bench.machine.current.accused.size).toBeLessThanOrEqual(6 * others.length);
    expect(bench.machine.current.accused.size).toBeGreaterThanOrEqual(3 * others.length);
    expect(encodeFaultEvidence(evidence).length).toBeLessThan(MAX_EVIDENCE_BYTES / 2);
  });
});
