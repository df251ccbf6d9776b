/** A member that lies: one validator's keys in hostile hands, over real libp2p. The others name its faults and go on. */
import { randomBytes } from 'node:crypto';
import { encodeMessage, type Statement, statementBytes, type Vote } from '@cloister/consensus';
import { asEpoch, asHeight, type Digest, type Ed25519KeyPair, type ValidatorId, type View } from '@cloister/crypto';
import { signBatch } from '@cloister/ledger';
import { createNetwork, type Network as Libp2pNetwork } from '@cloister/network';
import { homeLayout, readNodeKeys } from '@cloister/node/testnet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUpAfterwards, Network } from './harness.ts';
import { call, expectAgreement, metric, reach, read, statusOf } from './node-api.ts';
import { settle, signFor } from './transactions.ts';
import { eventually } from './wait.ts';

const LIAR = 3;
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

/** Resolves once an honest node has counted this refusal. */
async function refused(pattern: string): Promise<void> {
  const line = new RegExp(`^cloister_consensus_refused_total\\{code="${pattern}"\\} [1-9]`, 'm');
  let text = '';
  await eventually(
    `a refusal ${pattern}`,
    async () => {
      for (const api of network.apis) {
        text = (await call(api, '/metrics')).text;
        if (line.test(text)) return true;
      }
      return undefined;
    },
    20_000,
    () => text.match(/^cloister_consensus_refused_total.*$/gm)?.join('\n') ?? 'nothing was refused',
  );
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
      onVote: () => undefined,
      onBatch: () => 'ignore',
      onRequest: async () => undefined,
      onPeer: () => undefined,
    },
  });
  liar = connecting;
  await eventually('the liar’s connections', async () =>
    connecting.peers().filter(({ isMember }) => isMember).length >= 3 ? true : undefined,
  );
  // Each of the others must have taken it for the member that it is.
  for (const api of network.apis) {
    await eventually(`a third member at ${api}`, async () =>
      (await metric(api, 'cloister_network_peers', '{kind="member"}')) === 3 ? true : undefined,
    );
  }
});

afterAll(async () => {
  await liar?.stop();
});

describe('a lying member', () => {
  it('gets a code for votes that are no messages', async () => {
    for (let i = 0; i < 20; i++) lying().broadcastVote(randomBytes(1 + i * 13), 1);
    await refused('MESSAGE_\\w+');
  });

  it('gets a code for votes with a forged signature', async () => {
    const view = (await viewOf(0)) + 3;
    lying().broadcastVote(vote({ kind: 'nullify', epoch: asEpoch(0), view: view as View }, randomBytes(64)), 1);
    await refused('\\w*SIGNATURE\\w*');
  });

  it('gets a code for batches that are malformed, wrongly signed, or hold what nobody signed', async () => {
    await lying().gossipBatch(randomBytes(300));
    await refused('BATCH_MALFORMED');
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
    await lying().gossipBatch(forged);
    await refused('BATCH_SIGNATURE_INVALID');
    const unsigned = Uint8Array.from(bytes);
    unsigned[unsigned.length - 1] = (unsigned[unsigned.length - 1] ?? 0) ^ 1;
    await lying().gossipBatch(signBatch(key, { ...fields, transactions: [unsigned] }).bytes);
    await refused('BATCH_TRANSACTION_SIGNATURE_INVALID');
  });

  it('gets no answer, or a refusal, to requests that are garbage', async () => {
    for (const protocol of ['sync', 'attest', 'blob'] as const) {
      for (const { id } of network.layout.validators.slice(0, 3)) {
        const answer = await lying()
          .request(id, protocol, randomBytes(200))
          .catch(() => new Uint8Array());
        expect(answer.length).toBeLessThan(200);
      }
    }
  });

  it('is named in evidence when it signs two things that exclude each other', async () => {
    const round = { epoch: asEpoch(0), view: ((await viewOf(0)) + 5) as View };
    const hash = (): Digest => randomBytes(32).toString('hex') as Digest;
    const proposition = { ...round, parentView: 0 as View, blockHash: hash(), justificationHash: hash() };
    lying().broadcastVote(vote({ kind: 'nullify', ...round }), 1);
    lying().broadcastVote(vote({ kind: 'finalize', ...round, proposition }), 1);
    await eventually('evidence', async () => {
      const { text } = await call(network.api(0), '/metrics');
      return /^cloister_consensus_evidence_total\{kind="nullify-finalize"\} [1-9]/m.test(text) ? true : undefined;
    });
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
