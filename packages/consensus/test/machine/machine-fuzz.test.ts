import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConsensusMessage, decodeMessage, encodeMessage, machineStatus } from '../../src/index.ts';
import { message, mutated } from '../arbitraries.ts';
import { Bench, blank, certificate, chainOf, leaderAt, setOfSize, vote } from '../bench.ts';

const set = setOfSize(4);
const voter = leaderAt(set, 4);
const honest: ConsensusMessage[] = [
  ...chainOf(set, 3).flatMap(({ proposal, notarization, finalization }) => [proposal, notarization, finalization]),
  certificate(set, 'nullify', blank(2)),
  vote(leaderAt(set, 1), 'nullify', blank(1)),
];

/** An honest message with some bytes changed, when it still has the form of one. */
const spoiled: fc.Arbitrary<ConsensusMessage> = fc
  .constantFrom(...honest)
  .chain((each) => mutated(encodeMessage(each)))
  .map((bytes) => decodeMessage(bytes))
  .filter((decoded) => decoded.ok)
  .map((decoded) => decoded.value);

describe('a machine fed what is hostile', () => {
  it('never throws, signs nothing, and moves nowhere on random messages', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const bench = new Bench(set, voter);
        for (const each of messages) bench.receive(each);
        expect(bench.log.some((effect) => effect.type === 'persist' || effect.type === 'commit')).toBe(false);
        expect(machineStatus(bench.machine)).toMatchObject({ view: 1, committed: { height: 0 } });
      }),
    );
  });

  it('never throws on mutated honest messages, and is as it was for the honest ones after them', () => {
    fc.assert(
      fc.property(fc.array(spoiled, { maxLength: 20 }), (messages) => {
        const bench = new Bench(set, voter);
        for (const each of messages) bench.receive(each);
        expect(bench.log.some((effect) => effect.type === 'halt' || effect.type === 'commit')).toBe(false);
        for (const { proposal, notarization, finalization } of chainOf(set, 3)) {
          for (const each of [proposal, notarization, finalization]) bench.receive(each);
        }
        expect(machineStatus(bench.machine)).toMatchObject({ view: 4, committed: { height: 3 } });
      }),
    );
  });
});
