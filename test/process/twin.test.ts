/** A second process with a validator's key, as a failover gone wrong starts it: the second one stops, and both say why. */
import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { homeLayout } from '@cloister/node/testnet';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from './command-line.ts';
import { cleanUpAfterwards, copyOf, makeFolder, Network } from './harness.ts';
import { call, expectAgreement, metric, reach, read, statusOf } from './node-api.ts';
import { eventually } from './wait.ts';

cleanUpAfterwards();
const TWINNED = 3;
let network: Network;
/** The home as it was when the validator last stopped. */
let stopped: string;
/** The node key of no validator. */
let otherNodeKey: string;

type SigningStatus = {
  readonly height: number;
  readonly reasons: readonly string[];
  readonly waitsFor: readonly string[];
  readonly twin: { readonly peerId: string } | null;
  readonly signing: { readonly state: string };
};

function signingStatus(): Promise<SigningStatus> {
  return read(network.api(TWINNED), '/v1/status');
}

/** Blocks that this validator proposed, among the newest ones of another node. */
async function isLeadingAfter(height: number): Promise<true | undefined> {
  const { height: now } = await statusOf(network.api(0));
  for (let at = height + 1; at <= now; at++) {
    const { proposer } = await read<{ proposer: string }>(network.api(0), `/v1/blocks/${at}`);
    if (proposer === network.validator(TWINNED).id) return true;
  }
  return undefined;
}

/** Starts this home beside the validator, and resolves with what the process said when it ended. */
async function lastWordsOf(home: string): Promise<string> {
  await rm(join(home, 'node.log'), { force: true });
  const node = await network.join(home, network.words()).catch(() => undefined);
  const end = await node?.ended;
  if (node !== undefined) expect(end).toEqual({ code: 1, signal: null });
  return readFile(join(home, 'node.log'), 'utf8');
}

beforeAll(async () => {
  network = await Network.make({ validators: 4 });
  await network.startAll();
  await reach(network.api(TWINNED), 5);
  await network.stop(TWINNED);
  stopped = await copyOf(network.validator(TWINNED).home);
  const spare = await Network.make({ validators: 1 });
  otherNodeKey = homeLayout(spare.validator(0).home).nodeKeyFile;
  await network.start(TWINNED);
  await eventually('the validator to sign', async () =>
    (await signingStatus()).signing.state === 'signing' ? true : undefined,
  );
});

describe('a second process with the key of a validator that runs', () => {
  it.each([
    ['a copy of its home', async () => copyOf(stopped)],
    [
      'a copy with another node key',
      async () => {
        const home = await copyOf(stopped);
        await cp(otherNodeKey, homeLayout(home).nodeKeyFile);
        return home;
      },
    ],
    [
      'its keys and an empty disk',
      async () => {
        const home = join(await makeFolder(), 'empty');
        await cp(join(stopped, 'config'), join(home, 'config'), { recursive: true });
        return home;
      },
    ],
  ])('stops, with %s, and says so; the first goes on and says so too', async (_, copy) => {
    const { height } = await signingStatus();
    const seen = await metric(network.api(TWINNED), 'cloister_network_twin_records_total');
    const words = await lastWordsOf(await copy());
    expect(words).toMatch(/halted code=(KEY_IN_USE|SIGNED_ELSEWHERE) /);
    expect(words).toMatch(/another process with this node's key runs already|another process signs with (it|the key)/);
    const after = await signingStatus();
    expect(after).toMatchObject({ signing: { state: 'signing' }, reasons: expect.arrayContaining(['TWIN_SEEN']) });
    expect(after.waitsFor[0]).toMatch(/Another process runs with this node's key.*Stop one of the two for good/);
    expect(await metric(network.api(TWINNED), 'cloister_network_twin_records_total')).toBeGreaterThan(seen);
    expect((await call(network.api(TWINNED), '/healthz')).status).toBe(200);
    // It is heard as before: it leads blocks.
    await eventually('a block of the validator', () => isLeadingAfter(height));
  });

  it('is told of by `cloister status`', async () => {
    const { stdout } = await runCommand(['status', '--node', network.api(TWINNED)], await makeFolder());
    expect(stdout).toMatch(/NOT READY: .*TWIN_SEEN/);
    expect(stdout).toMatch(/Another process runs with this node's key/);
  });

  it('has made nobody contradict itself, and the network agrees', async () => {
    for (const api of network.apis) {
      const { text } = await call(api, '/metrics');
      expect(text).not.toMatch(/^cloister_consensus_evidence_total\{kind=".*"\} [1-9]/m);
    }
    await expectAgreement(network.apis);
  });
});
