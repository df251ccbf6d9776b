/**
 * One Byzantine validator of four, as real processes over loopback: the real replica of a validator whose traffic a
 * behaviour of the simulator replaces. Under each behaviour the honest three commit at least half of the transactions
 * that the four committed just before, when the fourth was honest.
 */
import { BYZANTINE_NAMES, type ByzantineName, LEAST_PACE, promisedFloor } from '@cloister/network-sim';
import { describe, expect, it } from 'vitest';
import { ByzantineProcess } from './byzantine/byzantine-process.ts';
import { type Pace, PacedLoad } from './byzantine/paced-load.ts';
import { cleanUpAfterwards, Network } from './harness.ts';
import { call, expectAgreement, reach } from './node-api.ts';

const HONEST = [0, 1, 2];
const CULPRIT = 3;
const PER_SECOND = 40;
/** Until what is written first is committed. */
const WARM_UP_MS = 1_000;
const CLEAN_MS = 1_500;
const ATTACKED_MS = 2_000;
/** Attacks in turn that one clean stretch serves. */
const SHARED_BY = 3;
const ATTEMPTS = 3;
const PROMISED = promisedFloor(4, 1);

cleanUpAfterwards();

/**
 * Behaviours that end in a cut-off leave a validator that nobody hears: another behaviour of it would attack nobody. So each
 * of these comes last in its network; the others take turns in the first.
 */
const CUT_OFF: readonly ByzantineName[] = ['garbler', 'impersonator', 'forger'];
const TURNS: readonly (readonly ByzantineName[])[] = CUT_OFF.map((last, at) =>
  at === 0 ? [...BYZANTINE_NAMES.filter((name) => !CUT_OFF.includes(name)), last] : [last],
);

async function withCulprit(work: (comparison: Comparison) => Promise<void>): Promise<void> {
  const network = await Network.make({ validators: 4 });
  for (const index of HONEST) await network.start(index);
  const seeds = HONEST.map((index) => String(network.node(index).addresses[0]));
  const culprit = await ByzantineProcess.start(network.validator(CULPRIT).home, seeds);
  try {
    await culprit.connected(HONEST.length);
    await Promise.all(network.apis.map((api) => reach(api, 3)));
    const load = await PacedLoad.start(network, HONEST, PER_SECOND);
    await load.pace(WARM_UP_MS);
    await work(new Comparison(culprit, load)).finally(() => load.stop());
    for (const api of network.apis) expect((await call(api, '/healthz')).status).toBe(200);
    await expectAgreement(network.apis);
  } finally {
    await culprit.stop();
    for (const index of HONEST) await network.stop(index);
  }
}

/** Stretches under attack beside clean ones from just before. */
class Comparison {
  readonly #culprit: ByzantineProcess;
  readonly #load: PacedLoad;
  #clean: { readonly pace: Pace; served: number } | undefined;

  constructor(culprit: ByzantineProcess, load: PacedLoad) {
    this.#culprit = culprit;
    this.#load = load;
  }

  /** A busy machine can take a stretch from the attacked half alone, so a low share is measured again; an attack stays low. */
  async expectFloor(name: ByzantineName): Promise<void> {
    const seen: string[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const [transactions, blocks] = await this.#shares(name);
      seen.push(`${transactions.toFixed(2)} of the transactions and ${blocks.toFixed(2)} of the blocks`);
      if (transactions >= PROMISED && blocks >= LEAST_PACE) return;
      // The machine may have become slower than it was in that clean stretch.
      this.#clean = undefined;
    }
    expect.fail(
      `${name} leaves ${seen.join(', then ')}; promised is ${PROMISED} of the transactions, and ${LEAST_PACE} of the blocks is the least`,
    );
  }

  /** Shares of transactions and blocks that are left. */
  async #shares(name: ByzantineName): Promise<[number, number]> {
    const clean = await this.#cleanPace();
    await this.#culprit.behave(name);
    const attacked = await this.#load.pace(ATTACKED_MS);
    await this.#culprit.behave(null);
    return [
      attacked.transactionsPerSecond / clean.transactionsPerSecond,
      attacked.blocksPerSecond / clean.blocksPerSecond,
    ];
  }

  async #cleanPace(): Promise<Pace> {
    if (this.#clean === undefined || this.#clean.served === SHARED_BY) {
      this.#clean = { pace: await this.#load.pace(CLEAN_MS), served: 0 };
    }
    const { pace } = this.#clean;
    expect(pace.transactionsPerSecond, 'the clean stretch commits').toBeGreaterThan(0);
    this.#clean.served++;
    return pace;
  }
}

describe('one Byzantine validator of four leaves the promised share to the others', () => {
  it.each(TURNS.map((names) => [names.join(', '), names] as const))('as %s', async (_, names) => {
    await withCulprit(async (comparison) => {
      for (const name of names) await comparison.expectFloor(name);
    });
  });
});
