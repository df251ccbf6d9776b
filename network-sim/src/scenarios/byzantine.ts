/** One Byzantine validator of four, by name; and a crash beside it. */
import { BYZANTINE, BYZANTINE_NAMES } from '../byzantine/index.ts';
import { LOCAL_NETWORK, WIDE_NETWORK } from '../faulty-network.ts';
import type { Scenario } from '../scenario.ts';

export const BYZANTINE_SCENARIOS: readonly Scenario[] = BYZANTINE_NAMES.map((name) => ({
  name,
  description: `one of four validators ${BYZANTINE[name].does}; another crashes once`,
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
      incidents: [{ type: 'crash', atMs: 1_000 + random.below(2_000), node: victim, forMs: 200 + random.below(3_000) }],
    };
  },
}));
