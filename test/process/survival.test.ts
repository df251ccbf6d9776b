/** Four validators under SIGKILL: one after the other, and all at once. Nothing that was committed is lost. */
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { cleanUpAfterwards, Network } from './harness.ts';
import { blockAt, call, eventsOf, expectAgreement, metric, reach, read, statusOf } from './node-api.ts';
import { fateOf, settle, signFor, submit } from './transactions.ts';
import { eventually } from './wait.ts';

cleanUpAfterwards();
let network: Network;
/** Key of a record → its value, of everything that a node reported as committed. */
const committed = new Map<string, string>();

async function put(at: number, key: string): Promise<void> {
  const value = randomBytes(8).toString('hex');
  const transaction = await signFor(network, at, await network.accountKey('tenant'), 'put-record', {
    namespace: 'survival',
    key,
    value,
  });
  expect(await settle(network.api(at), transaction)).toMatchObject({ fate: 'COMMITTED' });
  committed.set(key, value);
}

async function expectNothingLost(): Promise<void> {
  for (const api of network.apis) {
    for (const [key, value] of committed) {
      expect(await read(api, `/v1/records/survival/${key}`)).toMatchObject({ value });
    }
  }
}

/** That nobody saw anybody sign two things that exclude each other, and that no node stopped. */
async function expectNoContradiction(): Promise<void> {
  for (const api of network.apis) {
    expect((await call(api, '/metrics')).text).not.toMatch(/^cloister_consensus_evidence_total\{/m);
    expect(await eventsOf(api, 'EquivocationRecorded')).toEqual([]);
    expect((await call(api, '/healthz')).status).toBe(200);
  }
}

/** Resolves once this validator's proposals are final again, which takes its own votes and others' on its blocks. */
async function proposesAgain(index: number, afterHeight: number): Promise<void> {
  const { id } = network.validator(index);
  const watcher = network.api((index + 1) % network.size);
  let next = afterHeight + 1;
  await eventually(`a block proposed by validator ${index}`, async () => {
    const { height } = await statusOf(watcher);
    for (; next <= height; next++) if ((await blockAt(watcher, next)).proposer === id) return true;
    return undefined;
  });
}

beforeAll(async () => {
  network = await Network.make({ validators: 4 });
  await network.startAll();
});

describe('four validators', () => {
  it('commit a record on every node, with the same log', async () => {
    await put(0, 'first');
    await put(3, 'second');
    await expectAgreement(network.apis);
    await expectNothingLost();
  });

  it('prove a record to a client that trusts the genesis hash alone', async () => {
    const client = await network.client('owner', 2);
    const { sequence } = await client.putRecord({ namespace: 'proven', key: 'k', value: 'v' });
    const proven = await client.verifyInclusion(sequence, 'RecordPut');
    expect(proven.event).toMatchObject({ namespace: 'proven', key: 'k', value: 'v' });
  });

  it.each([0, 1, 2, 3])(
    'go on without validator %i after SIGKILL; it comes back and takes part again',
    async (index) => {
      const other = (index + 1) % 4;
      await network.kill(index);
      const { height } = await statusOf(network.api(other));
      await put(other, `without-${index}`);
      await reach(network.api(other), height + 4);
      await network.start(index);
      const { height: now } = await statusOf(network.api(other));
      await reach(network.api(index), now);
      await proposesAgain(index, now);
      await put(index, `by-${index}-again`);
      await expectAgreement(network.apis);
      await expectNothingLost();
      await expectNoContradiction();
    },
  );

  it('all killed at once in the middle of work: the chain goes on and holds all that it said was committed', async () => {
    const tenant = await network.accountKey('tenant');
    const api = network.api(0);
    const sent = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const payload = { namespace: 'survival', key: `burst-${i}`, value: `${i}` };
        const transaction = await signFor(network, 0, tenant, 'put-record', payload);
        expect((await submit(api, transaction.bytes)).status).toBe(200);
        return { transaction, ...payload };
      }),
    );
    for (const { transaction, key, value } of sent.slice(0, 30)) {
      expect(await fateOf(api, transaction.id)).toMatchObject({ fate: 'COMMITTED' });
      committed.set(key, value);
    }
    const before = await statusOf(api);
    const block = await blockAt(api, before.height);
    await network.kill(0, 1, 2, 3);

    await network.startAll();
    for (const one of network.apis) {
      await reach(one, before.height + 3);
      expect(await blockAt(one, before.height)).toMatchObject({ hash: block.hash, eventRoot: block.eventRoot });
    }
    await put(1, 'after-the-blackout');
    await expectAgreement(network.apis);
    await expectNothingLost();
    await expectNoContradiction();
  });

  it('count their executed transactions in the metrics', async () => {
    expect(await metric(network.api(0), 'cloister_consensus_height')).toBeGreaterThan(0);
  });
});
