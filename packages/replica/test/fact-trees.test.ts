import { asHeight } from '@cloister/encoding';
import { evolve, factsRoot, factTreeOf, genesisEvents, initialState, type LedgerEvent } from '@cloister/ledger';
import { genesisOf, keysFrom } from '@cloister/testkit/mini-net';
import { describe, expect, it } from 'vitest';
import { FACTS_KEPT } from '../src/limits.ts';
import { FactTrees } from '../src/store/fact-trees.ts';

const genesis = genesisOf(keysFrom('validators', 4));

describe('the trees of facts', () => {
  it('are kept of the newest heights alone, each as it was', () => {
    const state = genesisEvents(genesis).reduce(evolve, initialState());
    const trees = new FactTrees(asHeight(0), factTreeOf(state));
    const [pair] = genesisEvents(genesis).filter((event) => event.type === 'MeasurementAllowed');
    if (pair?.type !== 'MeasurementAllowed') throw new Error('the genesis allows a measurement');
    const roots: string[] = [factsRoot(trees.at(asHeight(0)))];
    for (let at = 1; at <= FACTS_KEPT + 10; at++) {
      // Every block changes the rules, by what governance could decide.
      const event: LedgerEvent = { ...pair, effectiveHeight: asHeight(at), height: asHeight(at) };
      evolve(state, event);
      roots.push(trees.executed(asHeight(at), state, [event]));
    }
    expect(new Set(roots).size).toBe(roots.length);
    expect(trees.size).toBe(FACTS_KEPT);
    for (let at = 0; at < roots.length; at++) {
      const kept = trees.at(asHeight(at));
      if (at <= 10) expect(kept).toBeUndefined();
      else expect(factsRoot(kept)).toBe(roots[at]);
    }
  });
});
