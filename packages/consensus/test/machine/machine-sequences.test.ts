import { asEpoch, asView, type Digest } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConsensusMessage, type Input, machineStatus, type TimerName } from '../../src/index.ts';
import {
  Bench,
  blank,
  blockOn,
  certificate,
  chainOf,
  FROM_GENESIS,
  leaderAt,
  ofType,
  proposalOf,
  setOfSize,
  vote,
} from '../bench.ts';

const set = setOfSize(4);
const self = leaderAt(set, 4);
const members = set.validators.map(({ id }) => id);
const VIEWS = 6;
const chain = chainOf(set, VIEWS);

/** Proposals that skip views: on genesis and on blocks of the chain, with the nullifications that they need and without. */
const skipping = [2, 3, 5].flatMap((view) => {
  const parent = chain[view - 3];
  const block = blockOn(set, parent?.block, view, ' fork');
  const nullifications = [certificate(set, 'nullify', blank(view - 1))];
  const parentCert = parent?.notarization;
  return [proposalOf(set, block, view, { parentCert, nullifications }), proposalOf(set, block, view, FROM_GENESIS)];
});
const propositions = [
  ...chain.map(({ proposal }) => proposal.proposition),
  ...skipping.map(({ proposition }) => proposition),
  ...[0, 1, 64, 65, 90, Number.MAX_SAFE_INTEGER].flatMap((view) => [blank(view), blank(view, 1)]),
];
const unknown: Digest = blank(1).blockHash;
const rounds = [0, 1, 3, Number.MAX_SAFE_INTEGER].flatMap((view) =>
  [0, 1, Number.MAX_SAFE_INTEGER].map((epoch) => ({ epoch: asEpoch(epoch), view: asView(view) })),
);

/** Messages with good signatures of all views and of other epochs: what members sent, might have sent, or may ask for. */
const valid: readonly ConsensusMessage[] = [
  ...chain.flatMap(({ proposal, notarization, finalization, block }): ConsensusMessage[] => [
    proposal,
    notarization,
    finalization,
    { type: 'block', header: block.header, body: block.body },
    { type: 'block-request', hash: block.hash },
  ]),
  ...skipping,
  ...propositions.flatMap((p) =>
    members.flatMap((member) => [vote(member, 'notarize', p), vote(member, 'nullify', p), vote(member, 'finalize', p)]),
  ),
  ...propositions.map((p) => certificate(set, 'nullify', p)),
  ...rounds.flatMap((round): ConsensusMessage[] => [
    { type: 'status', ...round, finalization: undefined },
    { type: 'status', ...round, finalization: chain[2]?.finalization },
    { type: 'cert-request', epoch: round.epoch, fromView: round.view, toView: asView(VIEWS) },
    { type: 'cert-request', epoch: round.epoch, fromView: asView(1), toView: round.view },
    { type: 'recall', nonce: 1, ...round, certificate: undefined, votes: [vote(self, 'nullify', blank(3))] },
  ]),
  { type: 'block-request', hash: unknown },
  { type: 'recall-request', nonce: 1 },
];

const timers: readonly TimerName[] = ['view', 'retry', 'propose', 'give-up', 'quarter'];
const input: fc.Arbitrary<Input> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom(...members, members[0] ?? self), fc.constantFrom(...valid), fc.boolean())
      .map(([from, message, own]): Input => {
        return { type: 'message', from: own && message.type === 'vote' ? message.signer : from, message };
      }),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...timers), fc.constantFrom(...rounds))
      .map(([timer, round]): Input => ({ type: 'timer', timer, ...round })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...members), fc.nat(VIEWS), fc.nat(VIEWS), fc.constantFrom(...chain))
      .map(([from, first, last, { finalization }]): Input => {
        const blocks = chain.slice(first, last).map(({ block: { header, body } }) => ({ header, body }));
        return { type: 'chain-arrived', from, blocks, finalization };
      }),
  },
  { weight: 1, arbitrary: fc.boolean().map((pending): Input => ({ type: 'work-pending', pending })) },
);

describe('messages of other views and epochs, in any order and from anyone', () => {
  it.each([false, true])('never make a machine throw or sign twice (heeding its own votes: %s)', (heedsTwins) => {
    let committed = 0;
    fc.assert(
      fc.property(fc.array(input, { minLength: 1, maxLength: 60, size: 'max' }), (inputs) => {
        const bench = new Bench(set, self, { heedsTwins });
        for (const each of inputs) {
          bench.input(each);
          // What waits in the current view goes on too.
          if (each.type === 'timer') bench.timer(each.timer);
        }
        const signed = ofType(bench.log, 'persist').map(
          ({
            record: {
              signed: { kind, epoch, view },
            },
          }) => {
            return `${kind} ${epoch} ${view}`;
          },
        );
        expect(new Set(signed).size).toBe(signed.length);
        committed = Math.max(committed, machineStatus(bench.machine).committed.height);
      }),
      { numRuns: 300 },
    );
    expect(committed, 'some sequences lead somewhere').toBeGreaterThan(0);
  });
});
