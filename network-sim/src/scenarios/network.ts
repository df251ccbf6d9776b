/** What the network does to honest nodes. */
import { LOCAL_NETWORK, LOSSY_NETWORK, WIDE_NETWORK } from '../faulty-network.ts';
import type { Scenario } from '../scenario.ts';

export const NETWORK_SCENARIOS: readonly Scenario[] = [
  {
    name: 'calm',
    description: 'four validators on a good network under light load',
    validators: 4,
    blocks: 30,
    plan: () => ({ profile: LOCAL_NETWORK, loadIntervalMs: 40 }),
  },
  {
    name: 'wide',
    description: 'long and uneven delays, a little loss',
    validators: 4,
    blocks: 20,
    plan: () => ({ profile: WIDE_NETWORK, loadIntervalMs: 150 }),
  },
  {
    name: 'lossy',
    description: 'one message in eight is lost, some arrive twice',
    validators: 4,
    blocks: 15,
    plan: () => ({ profile: LOSSY_NETWORK, loadIntervalMs: 150 }),
  },
  {
    name: 'partition',
    description: 'the network is cut in two, again and again, and heals',
    validators: 4,
    blocks: 25,
    plan: (random, { validators }) => ({
      profile: LOCAL_NETWORK,
      loadIntervalMs: 100,
      incidents: [0, 1, 2].map((round) => ({
        type: 'partition',
        atMs: 1_000 + 6_000 * round + random.below(1_000),
        forMs: 1_000 + random.below(4_000),
        groups: Array.from({ length: validators }, () => random.below(2)),
      })),
    }),
  },
  {
    name: 'seven',
    description: 'seven validators, two of them off',
    validators: 7,
    blocks: 12,
    plan: () => ({ profile: LOCAL_NETWORK, loadIntervalMs: 60, offline: [2, 5] }),
  },
  {
    name: 'late-joiner',
    description: 'a fifth node without a vote starts late and follows the chain from genesis',
    validators: 4,
    observers: 1,
    blocks: 40,
    plan: () => ({
      profile: LOCAL_NETWORK,
      loadIntervalMs: 60,
      offline: [4],
      incidents: [{ type: 'join', atMs: 4_000, node: 4 }],
    }),
  },
];
