/**
 * One Byzantine validator of four, as real processes over loopback: the real replica of a validator whose traffic a
 * behaviour of the simulator replaces. Under each behaviour the honest three commit at least half of the transactions
 * that the four committed just before, when the fourth was honest.
 */
import { BYZANTINE_NAMES, type ByzantineName, LEAST_PACE, promisedFloor } from '@cloister/network-sim';
import { describe, expect, it } from 'vitest';
import { ByzantineProcess } from './byzantine/byzantine-process.ts';
import { PacedLoad } from './byzantine/paced-load.ts';
import { cleanUpAfterwards, Network } from './harness.ts';
import { call, expectAgreement, reach } from './node-api.ts';

const HONEST = [0, 1, 2];
const CULPRIT = 3;
const PER_SECOND = 40;
const CLEAN_MS = 2_000;
const ATTACKED_MS = 3_000;
const ATTEMPTS = 3;
const PROMISED = promisedFloor(4, 1);

cleanUpAfterwards();

/**
 * Behaviours that end in a cut-off leave a validator that nobody hears: another behaviour of it would attack nobody. So each
 * of these has a network of its own; the others take turns in one.
 */
const CUT_OFF: readonly ByzantineName[] = ['garbler', 'impersonator', 'forger'];
const IN_TURN = BYZANTINE_NAMES.filter((name) => !CUT_OFF.includes(name));

async function withCulprit(work: (culprit: ByzantineProcess, load: PacedLoad) => Promise<void>): Promise<void> {
  const network = await Network.make({ validators: 4 });
  for (const index of HONEST) await network.start(index);
  const seeds = HONEST.map((index) => String(network.node(index).addresses[0]));
  const culprit = await ByzantineProcess.start(network.validator(CULPRIT).home, seeds);
  try {
    await culprit.connected(HONEST.length);
    await Promise.all(network.apis.map((api) => reach(api, 3)));
    const load = await PacedLoad.start(network, HONEST, PER_SECOND);
    await load.pace(CLEAN_MS);
    await work(culprit, load).finally(() => load.stop());
    for (const api of network.apis) expect((await call(api, '/healthz')).status).toBe(200);
    await expectAgreement(network.apis);
  } finally {
    await culprit.stop();
    for (const index of HONEST) await network.stop(index);
  }
}

/** Shares of transactions and blocks that are left: a stretch under attack over a clean stretch just before. */
async function shares(culprit: ByzantineProcess, load: PacedLoad, name: ByzantineName): Promise<[number, number]> {
  const clean = await load.pace(CLEAN_MS);
  await culprit.behave(name);
  const attacked = await load.pace(ATTACKED_MS);
  await culprit.behave(null);
  expect(clean.transactionsPerSecond, 'the clean stretch commits').toBeGreaterThan(0);
  return [
    attacked.transactionsPerSecond / clean.transactionsPerSecond,
    attacked.blocksPerSecond / clean.blocksPerSecond,
  ];
}

/** A busy machine can take a stretch from the attacked half alone, so a low share is measured again; an attack stays low. */
async function expectFloor(culprit: ByzantineProcess, load: PacedLoad, name: ByzantineName): Promise<void> {
  const seen: string[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [transactions, blocks] = await shares(culprit, load, name);
    seen.push(`${transactions.toFixed(2)} of the transactions and ${blocks.toFixed(2)} of the blocks`);
    if (transactions >= PROMISED && blocks >= LEAST_PACE) return;
  }
  expect.fail(
    `${name} leaves ${seen.join(', then ')}; promised is ${PROMISED} of the transactions, and ${LEAST_PACE} of the blocks is the least`,
  );
}

describe('one Byzantine validator of four leaves the promised share to the others', () => {
  it(`as ${IN_TURN.join(', ')}`, async () => {
    await withCulprit(async (culprit, load) => {
      for (const name of IN_TURN) await expectFloor(culprit, load, name);
    });
  });

  it.each(CUT_OFF)('as %s', async (name) => {
    await withCulprit((culprit, load) => expectFloor(culprit, load, name));
  });
});
