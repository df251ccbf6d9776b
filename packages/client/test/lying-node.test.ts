import { asHeight, hash } from '@cloister/crypto';
import { decodeTransaction } from '@cloister/ledger';
import { beforeAll, describe, expect, it } from 'vitest';
import { tenant } from '../../proof/test/fake-chain.ts';
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
  for (const name of ['submitTransaction', 'transactionFate', 'challenge', 'model', 'events', 'inference'] as const) {
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
  prepared = honest.prepareModel(description);
  await honest.publishModel(prepared);
  for (const { host } of node.enclaves) {
    await honest.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: host.id });
  }
});

const wanted = { timeoutMs: 8_000 };

describe('a node that lies', () => {
  it('cannot pass one inference off as another', async () => {
    const first = await honest.infer({ model: prepared.model, inputs: [input] });
    const deceived = await clientOf({
      inference: async (task) => ({ ...(await node.inference(first.task)), task }) as never,
    });
    await expect(deceived.infer({ model: prepared.model, inputs: [input] }, wanted)).rejects.toMatchObject({
      code: 'EVENT_MISMATCH',
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
      honest.requestInference({ model: prepared.model, inputs: [input], deadlineBlocks: 3 }),
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

  it('cannot pass a later record off as an earlier one', async () => {
    const deceived = await clientOf({
      events: async ({ type }) => {
        const own = node.chain.events.findLast((event) => event.type === 'RecordPut' && event.key === 'own');
        if (type !== 'RecordPut' || own?.type !== 'RecordPut') return [];
        const { sequence } = await honest.putRecord({ namespace: 'notes', key: 'other', value: '1' });
        return [{ sequence, type, payload: { transaction: own.transaction } }];
      },
    });
    const record = deceived.putRecord({ namespace: 'notes', key: 'own', value: '2' }, wanted);
    await expect(record).rejects.toMatchObject({ code: 'EVENT_MISMATCH', detail: 'of another transaction' });
  });

  it('cannot keep a client busy with the same page for ever', async () => {
    const page = [{ sequence: 0, type: 'RecordPut', payload: {} }];
    const deceived = await clientOf({ events: async () => page });
    const record = deceived.putRecord({ namespace: 'notes', key: 'a', value: 'b' }, wanted);
    await expect(record).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });

  it('cannot keep a client busy with pages without end', async () => {
    let sequence = 0;
    let nowMs = 0;
    const endless = await clientOf({
      events: async ({ from, limit, type }) => {
        sequence = Math.max(sequence, from);
        nowMs += 100;
        return Array.from({ length: limit }, () => ({ sequence: sequence++, type, payload: {} }));
      },
    });
    const to = node.enclaves[0]?.host.id ?? tenant.id;
    await expect(endless.verifyEnclave(to)).rejects.toMatchObject({ code: 'API_ANSWER_TOO_LARGE' });
    const edge = { ...fakeEdge(node, 'endless'), nowMs: () => nowMs };
    const api = Object.assign(Object.create(node) as FakeNode, {
      status: node.status.bind(node),
      submitTransaction: node.submitTransaction.bind(node),
      transactionFate: async () => ({ fate: 'COMMITTED' }) as const,
      events: async ({ from }: { from: number }) => {
        nowMs += 100;
        return [{ sequence: from, type: 'RecordPut', payload: {} }];
      },
    });
    const patient = await CloisterClient.connect({
      api,
      chainId: node.chain.chainId,
      keyPair: tenant,
      edge,
      acceptSimulated: true,
    });
    const record = patient.putRecord({ namespace: 'notes', key: 'a', value: 'b' }, wanted);
    await expect(record).rejects.toMatchObject({ code: 'TIMED_OUT' });
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
    const deceived = await clientOf({ status: async () => ({ ...(await node.status()), chainId: hash('other') }) });
    const before = node.submitted.length;
    const record = deceived.putRecord({ namespace: 'notes', key: 'a', value: 'b' });
    await expect(record).rejects.toMatchObject({ code: 'GENESIS_MISMATCH' });
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
    const doubled = honest.infer({ model: prepared.model, inputs: [input], executors });
    await expect(doubled).rejects.toMatchObject({ code: 'PLATFORMS_NOT_DISTINCT' });
    second.misbehaviour = {};
    const executionPolicy = { k: 2, m: 2, minPlatforms: 2, assignment: 'tenant' } as const;
    const picky = honest.prepareModel({ ...description, executionPolicy });
    const model = async () => ({ model: picky.model, manifest: picky.manifest as never, grants: [] });
    const client = await clientOf({ model });
    const inference = client.infer({ model: picky.model, inputs: [input], executors });
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
    const elsewhere = honest.prepareModel({ ...description, releasePolicy });
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
