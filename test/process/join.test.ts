/** A fifth node that knows one address and the genesis hash: it follows, attests, and executes. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PreparedModel } from '@cloister/client';
import type { AccountId } from '@cloister/encoding';
import {
  awaitReady,
  buildTestnetImage,
  homeLayout,
  loadBareModel,
  type NodeProcess,
  readNodeKeys,
  type TestnetLayout,
} from '@cloister/node/testnet';
import { beforeAll, describe, expect, it } from 'vitest';
import { errorOf, runCommand } from './command-line.ts';
import { answerOf, publishDigits } from './digits-model.ts';
import { cleanUpAfterwards, makeFolder, Network } from './harness.ts';
import { attestationOf, eventsOf, expectAgreement, reach, read, statusOf } from './node-api.ts';
import { Sightings } from './processes.ts';
import { digitInput, settle, signFor } from './transactions.ts';

cleanUpAfterwards();
let network: Network;
let image: TestnetLayout['image'];
let home: string;
let joiner: NodeProcess;
let id: AccountId;

function joinWords(genesis: string): string[] {
  const [address = ''] = network.node(1).addresses;
  const places = ['--api-port', '0', '--network-listen', '/ip4/127.0.0.1/tcp/0', '--enclave-image', image.folder];
  return ['join', address, '--genesis', genesis, ...places];
}

beforeAll(async () => {
  image = await buildTestnetImage(await makeFolder());
  // The validators execute nothing here, so that whatever is answered is the newcomer's work.
  network = await Network.make({ validators: 4, image, flags: ['--enclave-kind', 'none'] });
  await network.startAll();
  const tenant = await network.accountKey('tenant');
  for (let i = 0; i < 5; i++) {
    const record = { namespace: 'before', key: `k${i}`, value: 'long before anybody joined' };
    await settle(network.api(0), await signFor(network, 0, tenant, 'put-record', record));
  }
  await reach(network.api(0), 20);
  home = join(await makeFolder(), 'fifth');
  await mkdir(home, { mode: 0o700 });
});

describe('join', () => {
  it('refuses a network whose genesis is another one', async () => {
    const other = join(await makeFolder(), 'other');
    const words = [...joinWords('ab'.repeat(32)), '--home', other, '--output', 'json'];
    const ended = await runCommand(words, await makeFolder());
    expect(ended.code, ended.stdout + ended.stderr).toBe(1);
    expect(errorOf(ended).code).toMatch(/^(GENESIS_MISMATCH|JOIN_FAILED)$/);
    await expect(readFile(homeLayout(other).genesisFile)).rejects.toThrow();
  });

  it('obtains the genesis, follows to the tip and holds the same log', async () => {
    joiner = await network.join(home, joinWords(network.layout.chainId));
    ({
      validator: { id },
    } = await readNodeKeys(homeLayout(home)));
    const genesis = await readFile(homeLayout(home).genesisFile);
    expect(genesis.equals(await readFile(homeLayout(network.layout.clientHome).genesisFile))).toBe(true);
    await reach(joiner.api, (await statusOf(network.api(0))).height);
    await expectAgreement([...network.apis, joiner.api]);
    const mine = await eventsOf(joiner.api, 'RecordPut');
    expect(mine).toEqual(await eventsOf(network.api(0), 'RecordPut'));
  });

  it('attests, and becomes a member without weight', async () => {
    expect(await awaitReady(joiner.api, 120_000, () => undefined)).toBe(true);
    for (const api of network.apis) {
      await reach(api, (await statusOf(joiner.api)).height);
      expect(await attestationOf(api, id)).toMatchObject({ eligible: true, reasons: [] });
      const { validators } = await read<{ validators: { id: string }[] }>(api, '/v1/validators');
      expect(validators.find((one) => one.id === id)).toMatchObject({ weight: 0, role: 'member' });
    }
  });

  it('is granted a model key and executes an inference that names it', async () => {
    const owner = await network.client('owner', 0);
    const prepared: PreparedModel = await publishDigits(owner, image.digest);
    await owner.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: id });
    const tenant = await network.client('tenant', 2);
    const { pixels, tensor } = digitInput(7);
    const result = await tenant.infer({ model: prepared.model, inputs: [tensor], executors: [id] });
    expect(result.simulated).toBe(true);
    expect(result.receipts.map(({ executor }) => executor.node)).toEqual([id]);
    expect(answerOf(result)).toEqual([...(await (await loadBareModel()).run(pixels))]);
    await expectAgreement([...network.apis, joiner.api]);
  });

  it('comes back after SIGKILL with a new enclave, whose keyset takes the place of the old', async () => {
    const before = await attestationOf(joiner.api, id);
    const family = new Sightings();
    family.note(joiner.pid);
    expect(family.all.length).toBeGreaterThanOrEqual(3);
    joiner.kill('SIGKILL');
    await joiner.ended;
    await family.gone();
    joiner = await network.join(home, [
      'start',
      ...joinWords('').slice(4),
      '--network-seeds',
      String(network.node(0).addresses[0]),
    ]);
    expect(await awaitReady(joiner.api, 120_000, () => undefined)).toBe(true);
    const after = await attestationOf(joiner.api, id);
    expect(after?.keyset).not.toBe(before?.keyset);
    expect(after).toMatchObject({ eligible: true });
    await expectAgreement([...network.apis, joiner.api]);
    await joiner.stop();
    expect(await joiner.ended).toMatchObject({ code: 0 });
  });
});
