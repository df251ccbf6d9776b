import { asHeight } from '@cloister/encoding';
import { decodeTransaction } from '@cloister/ledger';
import { FakeChain, tenant } from '@cloister/testkit/fake-chain';
import { beforeAll, describe, expect, it } from 'vitest';
import { CloisterClient, type PreparedModel } from '../src/index.ts';
import { description, floats } from './doubling-model.ts';
import { FakeNode, fakeEdge } from './fake-node.ts';

const input = floats([7]);

let node: FakeNode;
let honest: CloisterClient;
let prepared: PreparedModel;
let drawn = 0;

/** A client of the node as `lies` make it. */
async function clientOf(lies: Partial<FakeNode>): Promise<CloisterClient> {
  const api = Object.assign(Object.create(node) as FakeNode, lies);
  for (const name of [
    'submitTransaction',
    'transactionFate',
    'challenge',
    'facts',
    'model',
    'events',
    'inference',
  ] as const) {
    // Private members live on the node itself.
    if (!(name in lies)) Object.assign(api, { [name]: (node[name] as (...of: never[]) => unknown).bind(node) });
  }
  const edge = fakeEdge(node, `lying ${drawn++}`);
  return CloisterClient.connect({ api, chainId: node.chain.chainId, keyPair: tenant, edge, acceptSimulated: true });
}

beforeAll(async () => {
  node = new FakeNode();
  node.attestAll();
  honest = await clientOf({});
  prepared = await honest.prepareModel(description, { tryModel: 'screen-only' });
  await honest.publishModel(prepared);
  for (const { host } of node.enclaves) {
    await honest.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: host.id });
  }
});

const wanted = { timeoutMs: 8_000 };

describe('a node that lies', () => {
  it('cannot pass one inference off as another', async () => {
    const executors = [node.enclaves[0]?.host.id ?? tenant.id];
    const first = await honest.infer({ model: prepared.model, inputs: [input], executors });
    const deceived = await clientOf({
      inference: async (task) => ({ ...(await node.inference(first.task)), task }) as never,
    });
    const second = deceived.infer({ model: prepared.model, inputs: [input], executors }, wanted);
    await expect(second).rejects.toMatchObject({
      code: 'RECEIPT_INVALID',
      detail: expect.stringContaining('task or executor') as string,
    });
  });

  it('cannot pass the completion or failure of a later inference off as that of an earlier one', async () => {
    const listing = (payload: object, sequence: () => number): Partial<FakeNode> => ({
      events: async ({ type }) => {
        const lie = { sequence: sequence(), type, payload: payload as never };
        return type.startsWith('Inference') ? [lie] : [];
      },
    });
    const asked = await honest.requestInference({ model: prepared.model, inputs: [input] });
    await honest.awaitInference(asked);
    const later = await honest.infer({ model: prepared.model, inputs: [input] });
    const deceived = await clientOf(listing({ task: asked.task }, () => later.completedSequence));
    const mismatch = { code: 'EVENT_MISMATCH', detail: 'completion of another task' };
    await expect(deceived.awaitInference(asked, wanted)).rejects.toMatchObject(mismatch);

    node.silent = true;
    const unanswered = [1, 2].map(() =>
      honest.requestInference({ model: prepared.model, inputs: [input], timeLimitMs: 3_000 }),
    );
    const [first] = await Promise.all(unanswered);
    for (let i = 0; i < 6; i++) await node.tick();
    node.silent = false;
    if (first === undefined) throw new Error('no request');
    const other = node.chain.events.findLastIndex(
      (event) => event.type === 'InferenceFailed' && event.task !== first.task,
    );
    const misled = await clientOf(listing({ task: first.task }, () => other));
    const wrongFailure = { code: 'EVENT_MISMATCH', detail: 'failure of another task' };
    await expect(misled.awaitInference(first, wanted)).rejects.toMatchObject(wrongFailure);
  });

  it('cannot pass another transaction off as the one that was handed in, nor a rejection that there was not', async () => {
    const other = await honest.putRecord({ namespace: 'notes', key: 'other', value: '1' });
    for (const fate of ['COMMITTED', 'REJECTED'] as const) {
      const deceived = await clientOf({ transactionFate: async () => ({ fate, sequence: other.sequence }) });
      const record = deceived.putRecord({ namespace: 'notes', key: 'own', value: '2' }, wanted);
      await expect(record).rejects.toMatchObject({ code: 'EVENT_MISMATCH', detail: 'of another transaction' });
    }
  });

  it('cannot have a transaction count as rejected, expired or executed by its word alone', async () => {
    const beyond = () => node.chain.events.length + 1_000_000;
    const words = [
      { fate: 'REJECTED', sequence: beyond() },
      { fate: 'COMMITTED', sequence: beyond() },
      { fate: 'EXPIRED' },
    ] as const;
    for (const word of words) {
      const deceived = await clientOf({ transactionFate: async () => word });
      const record = deceived.putRecord({ namespace: 'notes', key: 'a', value: 'b' }, wanted);
      await expect(record).rejects.toMatchObject({ code: 'TIMED_OUT' });
    }
  });

  it('cannot keep a client busy with pages without end', async () => {
    const asked = await honest.requestInference({ model: prepared.model, inputs: [input] });
    let nowMs = node.chain.timeMs;
    const api = Object.assign(Object.create(node) as FakeNode, {
      transactionFate: node.transactionFate.bind(node),
      inference: async (task: never) => ({ task, status: 'completed', receipts: [] }) as never,
      events: async ({ from, type }: { from: number; type: string }) => {
        nowMs += 100;
        return [{ sequence: from, type, payload: {} }];
      },
    });
    const edge = { ...fakeEdge(node, 'endless'), nowMs: () => nowMs };
    const { chainId } = node.chain;
    const options = { api, chainId, keyPair: tenant, edge, acceptSimulated: true };
    const patient = await CloisterClient.connect(options);
    for (let i = 0; i < 4; i++) await node.tick();
    await expect(patient.awaitInference(asked, wanted)).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });

  it('gets no transaction that can be executed long after', async () => {
    for (const height of [asHeight(1_000_000), asHeight(Number.MAX_SAFE_INTEGER)]) {
      const deceived = await clientOf({ status: async () => ({ ...(await node.status()), height }) });
      await deceived.putRecord({ namespace: 'notes', key: 'a', value: 'b' }, wanted);
      const signed = decodeTransaction(node.submitted.at(-1) ?? new Uint8Array());
      expect(signed.ok && signed.value.expiryHeight).toBeLessThan(node.chain.height + 400);
    }
  });

  it('cannot have the same receipt fetched over and over', async () => {
    const asked = await honest.requestInference({ model: prepared.model, inputs: [input] });
    await honest.awaitInference(asked);
    let proofs = 0;
    const deceived = await clientOf({
      inference: async (task) => {
        const listed = await node.inference(task);
        const [receipt] = listed?.receipts ?? [];
        return { ...listed, receipts: Array.from({ length: 10_000 }, () => receipt) } as never;
      },
      eventProof: async (sequence) => {
        proofs++;
        return node.eventProof(sequence);
      },
    });
    await expect(deceived.awaitInference(asked, wanted)).rejects.toMatchObject({ code: 'EVENT_MISMATCH' });
    expect(proofs).toBeLessThan(5);
  });

  it('of another chain is not asked to sign anything', async () => {
    const elsewhere = new FakeNode(new FakeChain({ name: 'elsewhere' }));
    elsewhere.chain.block();
    const deceived = await clientOf({ eventProof: elsewhere.eventProof.bind(elsewhere) });
    const before = node.submitted.length;
    const record = deceived.putRecord({ namespace: 'notes', key: 'a', value: 'b' });
    await expect(record).rejects.toMatchObject({ code: 'EVENT_PROOF_INVALID' });
    expect(node.submitted.length).toBe(before);
  });

  it('gets no key or input for an answer that is none', async () => {
    const deceived = await clientOf({ challenge: async () => new Uint8Array(50) });
    const to = node.enclaves[0]?.host.id ?? tenant.id;
    await expect(deceived.verifyEnclave(to)).rejects.toMatchObject({ code: 'EVIDENCE_REFUSED' });
  });

  it('cannot give a manifest that is none', async () => {
    const deceived = await clientOf({ model: async () => ({ model: prepared.model, manifest: {}, grants: [] }) });
    const inference = deceived.infer({ model: prepared.model, inputs: [input] });
    await expect(inference).rejects.toMatchObject({ code: 'MODEL_INVALID', detail: 'SCHEMA_VIOLATION' });
  });

  it('cannot have several executors stand for one machine or for fewer platforms than asked', async () => {
    const [first, second] = node.enclaves;
    if (first === undefined || second === undefined) throw new Error('two enclaves');
    second.misbehaviour = { platformOf: first };
    const executors = [first.host.id, second.host.id];
    // A client of its own: what another verified a moment ago would stand for new evidence.
    const asking = await clientOf({});
    const doubled = asking.infer({ model: prepared.model, inputs: [input], executors });
    await expect(doubled).rejects.toMatchObject({ code: 'PLATFORMS_NOT_DISTINCT' });
    second.misbehaviour = {};
    const executionPolicy = { k: 2, m: 2, minPlatforms: 2, assignment: 'tenant' } as const;
    const picky = await honest.prepareModel({ ...description, executionPolicy }, { tryModel: 'screen-only' });
    await honest.publishModel(picky);
    for (const to of executors) await honest.grantModelKey({ model: picky.model, modelKey: picky.modelKey, node: to });
    const inference = honest.infer({ model: picky.model, inputs: [input], executors });
    await expect(inference).rejects.toMatchObject({ code: 'PLATFORMS_NOT_DISTINCT' });
  });
});

describe('a caller', () => {
  it('is told what the ledger’s form refuses before it is sent', async () => {
    const record = honest.putRecord({ namespace: 'No Spaces', key: 'a', value: 'b' });
    await expect(record).rejects.toMatchObject({ code: 'TRANSACTION_INVALID' });
  });

  it('releases no key to a platform that the model does not name', async () => {
    const releasePolicy = { ...description.releasePolicy, platforms: ['another'] };
    const elsewhere = await honest.prepareModel({ ...description, releasePolicy }, { tryModel: 'screen-only' });
    const model = async () => ({ model: elsewhere.model, manifest: elsewhere.manifest as never, grants: [] });
    const client = await clientOf({ model });
    const to = node.enclaves[0]?.host.id ?? tenant.id;
    const grant = client.grantModelKey({ model: elsewhere.model, modelKey: elsewhere.modelKey, node: to });
    await expect(grant).rejects.toMatchObject({
      code: 'RELEASE_POLICY_REFUSED',
      detail: expect.stringContaining('platform') as string,
    });
  });
});
