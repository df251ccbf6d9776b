/** One Byzantine validator of four, by name; and crashes beside it. */
import type { ByzantineName } from '../byzantine.ts';
import { LOCAL_NETWORK, WIDE_NETWORK } from '../faulty-network.ts';
import type { Scenario } from '../scenario.ts';

const DESCRIPTIONS: Readonly<Record<ByzantineName, string>> = {
  equivocator: 'proposes two blocks in one view, to different halves',
  conflicter: 'votes for two blocks in one view',
  withholder: 'sends its proposals to one validator only and half of its votes',
  'nullify-and-finalize': 'nullifies every view that it finalizes',
  impersonator: 'sends votes under the names of others',
  outdated: 'sends old messages again and again',
  garbler: 'sends everything a second time with flipped bits',
  'forking-leader': 'proposes beside its parent instead of on top of it',
  'lying-server': 'answers sync requests with flipped bits',
};

export const BYZANTINE_SCENARIOS: readonly Scenario[] = (Object.entries(DESCRIPTIONS) as [ByzantineName, string][]).map(
  ([name, description]) => ({
    name,
    description: `one of four validators ${description}; another crashes once`,
    validators: 4,
    blocks: 15,
    plan: (random, { validators }) => {
      const culprit = random.below(validators);
      const victim = (culprit + 1 + random.below(validators - 1)) % validators;
      return {
        // A fork has a chance only while finality lags behind.
        profile: name === 'forking-leader' ? WIDE_NETWORK : LOCAL_NETWORK,
        loadIntervalMs: 80,
        byzantine: new Map([[culprit, name]]),
        incidents: [
          { type: 'crash', atMs: 1_000 + random.below(2_000), node: victim, forMs: 200 + random.below(3_000) },
        ],
      };
    },
  }),
);
