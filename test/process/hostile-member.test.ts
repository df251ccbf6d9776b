/** A member that lies: one validator's keys in hostile hands, over real libp2p. The others name its faults and go on. */
import { randomBytes } from 'node:crypto';
import { encodeMessage, type Statement, statementBytes, type Vote } from '@cloister/consensus';
import type { Ed25519KeyPair } from '@cloister/crypto';
import { asEpoch, asHeight, type Digest, type ValidatorId, type View } from '@cloister/encoding';
import { signBatch } from '@cloister/ledger';
import { createNetwork, type Network as Libp2pNetwork } from '@cloister/network';
import { homeLayout, readNodeKeys } from '@cloister/node/testnet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUpAfterwards, Network } from './harness.ts';
import { call, expectAgreement, metric, reach, read, statusOf } from './node-api.ts';
import { settle, signFor } from './transactions.ts';
import { eventually } from './wait.ts';

const LIAR = 3;
/** Ahead of the present view, so that no view passes before the vote arrives; well within the window of views. */
const FAR_VIEWS = 40;
/** Of the three forgeries that end in a cut-off one is the message that is none. */
const FORGED_BEFORE_CUT_OFF = 2;
cleanUpAfterwards();
let network: Network;
let liar: Libp2pNetwork | undefined;
let key: Ed25519KeyPair;

function self(): ValidatorId {
  return key.id as unknown as ValidatorId;
}

/** The liar's network, once it is connected. */
function lying(): Libp2pNetwork {
  if (liar === undefined) throw new Error('the liar is not connected');
  return liar;
}

/** A vote as the liar signs it; or with a signature that is not its own. */
function vote(statement: Statement, signature?: Uint8Array): Uint8Array {
  const signed = signature ?? key.sign(statementBytes(network.layout.chainId, statement));
  return encodeMessage({ type: 'vote', ...statement, signer: self(), signature: signed } as Vote);
}

async function viewOf(index: number): Promise<number> {
  return (await read<{ view: number }>(network.api(index), '/v1/status')).view;
}

/** How often a node has refused something with a code that matches. */
async function refusalsAt(api: string, pattern: string): Promise<number> {
  const { text } = await call(api, '/metrics');
  const lines = text.matchAll(new RegExp(`^cloister_consensus_refused_total\\{code="${pattern}"\\} (\\d+)`, 'gm'));
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Resolves once one of these honest nodes has counted this refusal, or each of them. */
async function refused(pattern: string, by: 'one' | 'each', times = 1): Promise<void> {
  const enough = by === 'one' ? 1 : network.apis.length;
  let counts: readonly number[] = [];
  await eventually(
    `refusals ${pattern}`,
    async () => {
      counts = await Promise.all(network.apis.map((api) => refusalsAt(api, pattern)));
      return counts.filter((count) => count >= times).length >= enough ? true : undefined;
    },
    20_000,
    () => `they counted ${counts.join(', ')}`,
  );
}

/** Resolves once the liar is connected to each of the others, and each has taken it for the member that it is: an attack reaches somebody. */
async function atLarge(): Promise<void> {
  await eventually('the liar’s connections', async () =>
    lying()
      .peers()
      .filter(({ isMember }) => isMember).length >= 3
      ? true
      : undefined,
  );
  for (const api of network.apis) {
    await eventually(`a third member at ${api}`, async () =>
      (await metric(api, 'cloister_network_peers', '{kind="member"}')) === 3 ? true : undefined,
    );
  }
}

beforeAll(async () => {
  network = await Network.make({ validators: 4 });
  await network.startAll();
  key = await network.validatorKey(LIAR);
  const { node } = await readNodeKeys(homeLayout(network.validator(LIAR).home));
  await network.stop(LIAR);
  const connecting = await createNetwork({
    chainId: network.layout.chainId,
    nodeKeySeed: node.seed,
    member: { id: key.id, sign: (message) => key.sign(message) },
    members: network.layout.validators.map(({ id }) => id),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    seeds: [0, 1, 2].map((index) => String(network.node(index).addresses[0])),
    handlers: {
      onConsensus: () => undefined,
      onBatch: () => 'ignore',
      onRequest: async () => undefined,
      onPeer: () => undefined,
    },
  });
  liar = connecting;
  await atLarge();
});

afterAll(async () => {
  await liar?.stop();
});

describe('a lying member', () => {
  it('gets a code for a vote that is no message', async () => {
    lying().broadcastConsensus(new Uint8Array(40).fill(0xff), 1);
    await refused('MESSAGE_\\w+', 'each');
  });

  // A vote is verified only when it can change something: it is the sender's own, and of a view within the window.
  it('gets a code for votes with a forged signature, and then is not heard for a time', async () => {
    const view = (await viewOf(0)) + FAR_VIEWS;
    const forge = (at: number): void => {
      const statement = { kind: 'nullify', epoch: asEpoch(0), view: at as View } as const;
      lying().broadcastConsensus(vote(statement, randomBytes(64)), 1);
    };
    // With the message before that makes the forgeries which are forgiven; what follows at once is dropped unseen.
    for (let i = 0; i < 20; i++) forge(view + (i % 10));
    await refused('BAD_SIGNATURE', 'each', FORGED_BEFORE_CUT_OFF);
  });

  it('is heard again, and named in evidence when it signs two things that exclude each other', async () => {
    const hash = (): Digest => randomBytes(32).toString('hex') as Digest;
    for (const api of network.apis) {
      await eventually(`evidence at ${api}`, async () => {
        const { text } = await call(api, '/metrics');
        if (/^cloister_consensus_evidence_total\{kind="nullify-finalize"\} [1-9]/m.test(text)) return true;
        // Nothing tells the liar when it is heard again: it tries until it is.
        const round = { epoch: asEpoch(0), view: ((await viewOf(0)) + FAR_VIEWS) as View };
        const proposition = { ...round, parentView: 0 as View, blockHash: hash(), justificationHash: hash() };
        lying().broadcastConsensus(vote({ kind: 'nullify', ...round }), 1);
        lying().broadcastConsensus(vote({ kind: 'finalize', ...round, proposition }), 1);
        return undefined;
      });
      // The forged votes came before on the same stream: all but the first ones were dropped.
      expect(await refusalsAt(api, 'BAD_SIGNATURE')).toBe(FORGED_BEFORE_CUT_OFF);
    }
  });

  it('gets a code for batches that are malformed, wrongly signed, or hold what nobody signed', async () => {
    await atLarge();
    await lying().gossipBatch(randomBytes(300));
    await refused('BATCH_MALFORMED', 'one');
    const { height } = await statusOf(network.api(0));
    const tenant = await network.accountKey('tenant');
    const record = { namespace: 'lies', key: 'k', value: 'v' };
    const { bytes } = await signFor(network, 0, tenant, 'put-record', record);
    const fields = {
      chainId: network.layout.chainId,
      author: self(),
      epoch: asEpoch(0),
      lane: 'normal',
      expiryHeight: asHeight(height + 50),
      transactions: [bytes],
    } as const;
    const forged = Uint8Array.from(signBatch(key, fields).bytes);
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
    await atLarge();
    await lying().gossipBatch(forged);
    await refused('BATCH_SIGNATURE_INVALID', 'one');
    const unsigned = Uint8Array.from(bytes);
    unsigned[unsigned.length - 1] = (unsigned[unsigned.length - 1] ?? 0) ^ 1;
    await atLarge();
    await lying().gossipBatch(signBatch(key, { ...fields, transactions: [unsigned] }).bytes);
    await refused('BATCH_TRANSACTION_SIGNATURE_INVALID', 'one');
  });

  it('gets no answer, or a refusal, to requests that are garbage', async () => {
    await atLarge();
    for (const protocol of ['sync', 'attest', 'blob'] as const) {
      for (const { id } of network.layout.validators.slice(0, 3)) {
        const answer = await lying()
          .request(id, protocol, randomBytes(200))
          .catch(() => new Uint8Array());
        expect(answer.length).toBeLessThan(200);
      }
    }
  });

  it('has stopped nobody: records commit, and the true validator comes back', async () => {
    const tenant = await network.accountKey('tenant');
    const { height } = await statusOf(network.api(0));
    const record = await signFor(network, 1, tenant, 'put-record', { namespace: 'truth', key: 'k', value: 'v' });
    expect(await settle(network.api(1), record)).toMatchObject({ fate: 'COMMITTED' });
    expect((await call(network.api(0), '/v1/records/lies/k')).status).toBe(404);
    await lying().stop();
    await network.start(LIAR);
    for (const api of network.apis) {
      await reach(api, height + 10);
      expect((await call(api, '/healthz')).status).toBe(200);
    }
    await expectAgreement(network.apis);
  });
});
