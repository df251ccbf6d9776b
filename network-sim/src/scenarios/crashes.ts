/** Power failures: with write stages spread over time, a crash falls between any two of them sooner or later. */
import type { SeededRandom } from '@cloister/crypto';
import { LOCAL_NETWORK, LOSSY_NETWORK } from '../faulty-network.ts';
import type { Incident, Scenario } from '../scenario.ts';

function crashes(random: SeededRandom, validators: number, count: number): Incident[] {
  return Array.from({ length: count }, () => ({
    type: 'crash',
    atMs: 300 + random.below(12_000),
    node: random.below(validators),
    forMs: 20 + random.below(2_000),
  }));
}

export const CRASH_SCENARIOS: readonly Scenario[] = [
  {
    name: 'one-down',
    description: 'one of four validators never starts; blocks go on',
    validators: 4,
    blocks: 12,
    plan: (random) => ({ profile: LOCAL_NETWORK, loadIntervalMs: 100, offline: [random.below(4)] }),
  },
  {
    name: 'crashes',
    description: 'validators crash at random instants and restart from what was durable',
    validators: 4,
    blocks: 25,
    plan: (random, { validators }) => ({
      profile: LOCAL_NETWORK,
      loadIntervalMs: 60,
      incidents: crashes(random, validators, 10),
    }),
  },
  {
    name: 'lost-disks',
    description: 'validators come back with their key and nothing else, one after the other; none contradicts itself',
    validators: 4,
    blocks: 20,
    plan: (random, { validators }) => ({
      profile: LOSSY_NETWORK,
      loadIntervalMs: 100,
      incidents: Array.from({ length: 2 }, (_, round) => ({
        type: 'lose-disk',
        atMs: 1_000 + 14_000 * round + random.below(2_000),
        node: random.below(validators),
        forMs: 20 + random.below(300),
      })),
    }),
  },
  {
    name: 'clock-steps',
    description: 'the wall clock of one validator is an hour or a day off, either way, again and again',
    validators: 4,
    blocks: 30,
    plan: (random, { validators }) => ({
      profile: LOCAL_NETWORK,
      loadIntervalMs: 100,
      incidents: Array.from({ length: 2 }, (_, round) => ({
        type: 'clock',
        atMs: 1_000 + 3_000 * round,
        node: random.below(validators),
        stepMs: (random.below(2) === 0 ? 1 : -1) * (random.below(2) === 0 ? 3_600_000 : 86_400_000),
        forMs: 500 + random.below(2_000),
      })),
    }),
  },
  {
    name: 'crashes-lossy',
    description: 'crashes on a network that loses messages',
    validators: 4,
    blocks: 15,
    plan: (random, { validators }) => ({
      profile: LOSSY_NETWORK,
      loadIntervalMs: 150,
      incidents: crashes(random, validators, 6),
    }),
  },
  {
    name: 'blackout',
    description: 'every node loses power at nearly the same instant, twice',
    validators: 4,
    blocks: 20,
    plan: (random, { validators }) => ({
      profile: LOCAL_NETWORK,
      loadIntervalMs: 60,
      incidents: [0, 1].flatMap((round) => {
        const atMs = 1_500 + 5_000 * round + random.below(1_000);
        return Array.from(
          { length: validators },
          (_, node): Incident => ({
            type: 'crash',
            atMs: atMs + random.below(10),
            node,
            forMs: 50 + random.below(800),
          }),
        );
      }),
    }),
  },
];
