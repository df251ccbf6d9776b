/** Nodes that stop the clock for their callers, leave things out, or answer slowly: what one node can, and what two show. */
import { hash } from '@cloister/crypto';
import type { FactSubject } from '@cloister/ledger';
import { decodeFactsProof, encodeEventProof, encodeFactsProof } from '@cloister/proof';
import { tenant } from '@cloister/testkit/fake-chain';
import { beforeAll, describe, expect, it } from 'vitest';
import { ClientError, CloisterClient, type NodeReport, type PreparedModel } from '../src/index.ts';
import { description, floats } from './doubling-model.ts';
import { FakeNode, fakeEdge } from './fake-node.ts';

const input = floats([7]);
let node: FakeNode;
let honest: CloisterClient;
let prepared: PreparedModel;

/** The node with some of its answers changed. */
function lying(name: string, lies: Partial<FakeNode>): FakeNode {
  const bound = ['submitTransaction', 'transactionFate', 'challenge', 'facts'] as const;
  const own = Object.fromEntries(bound.map((method) => [method, (node[method] as () => unknown).bind(node)]));
  return Object.assign(Object.create(node) as FakeNode, own, { name }, lies);
}

/** Everything about the chain as it was at a height; the challenges of enclaves go through. */
function frozen(height = node.chain.height): FakeNode {
  return lying('frozen', {
    facts: async (subjects) => encodeFactsProof(node.chain.facts(subjects, height)),
    eventProof: async (sequence) => {
      if (sequence >= node.chain.provableCount(height)) return undefined;
      return encodeEventProof(node.chain.proof(sequence, height));
    },
  });
}

function connect(
  api: FakeNode | readonly FakeNode[],
  options: { readonly reports?: NodeReport[]; readonly aheadMs?: number; readonly label?: string } = {},
): Promise<CloisterClient> {
  const { reports = [], aheadMs, label = 'stale' } = options;
  return CloisterClient.connect({
    api,
    chainId: node.chain.chainId,
    keyPair: tenant,
    edge: fakeEdge(node, label, aheadMs),
    acceptSimulated: true,
    onNodeReport: (report) => reports.push(report),
  });
}

function revokeMeasurement(): void {
  const [pair] = node.chain.genesis.genesis.referenceValues;
  if (pair === undefined) throw new Error('a measurement is allowed');
  const height = node.chain.height + 1;
  const cause = { transaction: hash('revocation'), expiryHeight: height };
  node.chain.decided({ type: 'MeasurementRevoked', ...cause, ...pair, height } as never);
}

const grantOf = (index: number) => ({
  model: prepared.model,
  modelKey: prepared.modelKey,
  node: node.enclaves[index]?.host.id ?? tenant.id,
});

/** A network whose model three of four enclaves hold; tests that revoke something begin with one of their own. */
async function found(): Promise<void> {
  node = new FakeNode();
  node.attestAll();
  honest = await connect(node, { label: 'honest' });
  prepared = await honest.prepareModel(description, { tryModel: 'screen-only' });
  await honest.publishModel(prepared);
  for (const index of [0, 1, 2]) await honest.grantModelKey(grantOf(index));
}

beforeAll(found);

describe('a head', () => {
  it('that is some seconds old counts while the chain moves', async () => {
    const client = await connect(node, { aheadMs: 12_000 });
    await expect(client.verifyEnclave(grantOf(0).node)).resolves.toMatchObject({ node: grantOf(0).node });
  });

  it('ahead of the own clock shows that the clock cannot judge', async () => {
    const client = await connect(node, { aheadMs: -9_000 });
    await expect(client.verifyEnclave(grantOf(0).node)).rejects.toMatchObject({ code: 'CLOCK_BEHIND' });
    const close = await connect(node, { aheadMs: -4_000 });
    await expect(close.verifyEnclave(grantOf(0).node)).resolves.toBeDefined();
  });
});

describe('a node that leaves out', () => {
  it('grants, is noticed: the head says how many there are', async () => {
    const [first] = (await node.model(prepared.model))?.grants ?? [];
    if (first === undefined) throw new Error('the model is granted');
    for (const grants of [[first], [first, hash('made up'), hash('made up too')]]) {
      const liar = lying('hiding', {
        model: async (model) => ({ ...(await node.model(model)), grants }) as Awaited<ReturnType<FakeNode['model']>>,
      });
      const client = await connect(liar);
      await expect(client.infer({ model: prepared.model, inputs: [input] })).rejects.toMatchObject({
        code: 'FACT_WITHHELD',
        detail: expect.stringContaining('1 of 3 grants') as string,
      });
    }
  });

  it('rules or attestations, is noticed', async () => {
    const without = (about: FactSubject['about']): FakeNode =>
      lying('withholding', {
        facts: async (subjects) =>
          encodeFactsProof(node.chain.facts(subjects.filter((subject) => subject.about !== about))),
      });
    const refused = (client: CloisterClient) => client.infer({ model: prepared.model, inputs: [input] });
    await expect(refused(await connect(without('rules')))).rejects.toMatchObject({ code: 'FACT_WITHHELD' });
    await expect(refused(await connect(without('attestation')))).rejects.toMatchObject({ code: 'FACT_WITHHELD' });
    await expect(refused(await connect(without('model')))).rejects.toMatchObject({ code: 'MODEL_UNKNOWN' });
  });

  it('facts in favour of others, is noticed', async () => {
    const liar = lying('swapping', {
      facts: async (subjects) => {
        const proof = decodeFactsProof(encodeFactsProof(node.chain.facts(subjects)));
        if (!proof.ok) throw new Error(proof.code);
        const [first, ...rest] = proof.value.documents;
        const other = rest.at(-1);
        if (first === undefined || other === undefined) return encodeFactsProof(proof.value);
        return encodeFactsProof({ ...proof.value, documents: [{ ...first, document: other.document }, ...rest] });
      },
    });
    const client = await connect(liar);
    await expect(client.infer({ model: prepared.model, inputs: [input] })).rejects.toMatchObject({
      code: 'FACTS_PROOF_INVALID',
    });
  });
});

describe('executors', () => {
  it('are drawn at random, and one that does not answer is replaced by another', async () => {
    const drawn = new Set<string>();
    for (let i = 0; i < 12 && drawn.size < 3; i++) {
      const { executors } = await honest.requestInference({ model: prepared.model, inputs: [input] });
      for (const executor of executors) drawn.add(executor.node);
    }
    expect(drawn.size).toBe(3);
    const dead = [node.enclaves[0]?.host.id, node.enclaves[1]?.host.id];
    const partly = lying('partly', {
      challenge: async (target, challenge) => {
        if (dead.includes(target)) throw new ClientError('API_REFUSED', 'UNREACHABLE');
        return node.challenge(target, challenge);
      },
    });
    const client = await connect(partly, { label: 'partly' });
    const { executors } = await client.requestInference({ model: prepared.model, inputs: [input] });
    expect(executors.map((one) => one.node)).toEqual([node.enclaves[2]?.host.id]);
    const two = client.requestInference({ model: prepared.model, inputs: [input], executorCount: 2 });
    await expect(two).rejects.toMatchObject({ code: 'NOT_ENOUGH_EXECUTORS' });
  });
});

describe('several nodes', () => {
  it('are asked about the genesis until one has the right one', async () => {
    const reports: NodeReport[] = [];
    const liar = lying('elsewhere', { genesis: async () => new Uint8Array(10) });
    const client = await connect([liar, node], { reports });
    await expect(client.verifyEnclave(grantOf(0).node)).resolves.toBeDefined();
    expect(reports[0]).toMatchObject({ node: 'elsewhere', code: 'GENESIS_INVALID' });
    await expect(connect([liar, liar])).rejects.toMatchObject({ code: 'GENESIS_INVALID' });
    await expect(connect([])).rejects.toMatchObject({ code: 'NODES_INVALID' });
    await expect(connect(Array.from({ length: 9 }, () => node))).rejects.toMatchObject({ code: 'NODES_INVALID' });
  });

  it('carry an inference past one that proves nonsense and one that never answers', async () => {
    const reports: NodeReport[] = [];
    const nonsense = lying('nonsense', {
      facts: async () => new Uint8Array(9),
      eventProof: async () => new Uint8Array(9),
      model: async () => undefined,
      inference: async () => undefined,
    });
    const mute = lying('mute', { facts: () => new Promise<never>(() => undefined) });
    const client = await connect([nonsense, mute, node], { reports });
    const result = await client.infer({ model: prepared.model, inputs: [input] });
    expect(result.outcome.status).toBe('completed');
    const codes = reports.filter(({ node: name }) => name === 'nonsense').map(({ code }) => code);
    expect(codes).toEqual(expect.arrayContaining(['FACTS_PROOF_INVALID', 'MODEL_UNKNOWN']));
  });
});

describe('a node that stopped the clock before a revocation', () => {
  it('gets neither a key nor an input, however its head is fresh enough to begin with', async () => {
    await found();
    const liar = frozen();
    revokeMeasurement();
    const client = await connect(liar);
    const before = node.submitted.length;
    const stale = { code: 'CHAIN_STALE' };
    for (let i = 0; i < 6; i++) node.chain.block();
    await expect(client.grantModelKey(grantOf(0))).rejects.toMatchObject(stale);
    await expect(client.infer({ model: prepared.model, inputs: [input] })).rejects.toMatchObject(stale);
    await expect(client.verifyEnclave(grantOf(0).node)).rejects.toMatchObject(stale);
    await expect(client.putRecord({ namespace: 'a', key: 'b', value: 'c' })).rejects.toMatchObject(stale);
    expect(node.submitted.length).toBe(before);
  });

  it('is told apart by its age at once when that is beyond the bound, and the error has the ages', async () => {
    const client = await connect(frozen(), { aheadMs: 31_000 });
    await expect(client.verifyEnclave(grantOf(0).node)).rejects.toMatchObject({
      code: 'CHAIN_STALE',
      detail: expect.stringMatching(/31\.\d s old, of at most 30\.0 s/) as string,
    });
  });

  it('cannot show an old head to a client that has seen a newer one', async () => {
    await found();
    const liar = frozen();
    const client = await connect(liar);
    await client.verifyEnclave(grantOf(0).node);
    const { facts } = liar;
    liar.facts = node.facts.bind(node);
    node.chain.block();
    await client.verifyEnclave(grantOf(0).node);
    liar.facts = facts;
    const short = { timeoutMs: 2_000 };
    await expect(client.verifyEnclave(grantOf(0).node, short)).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });

  it('gains nothing where a second node is known, and is reported', async () => {
    await found();
    const liar = frozen();
    revokeMeasurement();
    for (let i = 0; i < 6; i++) node.chain.block();
    const reports: NodeReport[] = [];
    const client = await connect([liar, node], { reports });
    const before = node.submitted.length;
    const refused = { code: 'EVIDENCE_REFUSED', detail: 'MEASUREMENT_REVOKED' };
    await expect(client.grantModelKey(grantOf(0))).rejects.toMatchObject(refused);
    expect(node.submitted.length).toBe(before);
    expect(reports).toContainEqual({ node: 'frozen', code: 'LAGGING', detail: expect.any(String) as string });
  });
});

describe('a revoked model', () => {
  it('is neither asked nor granted, and a revoked grant is not drawn', async () => {
    await found();
    const keyset = node.enclaves[0]?.keyset ?? hash('none');
    await honest.submitGoverned('revoke-grant', { model: prepared.model, keyset });
    for (let i = 0; i < 2; i++) {
      const pending = await honest.requestInference({ model: prepared.model, inputs: [input] });
      expect(pending.executors.map((one) => one.keyset)).not.toContain(keyset);
    }
    const executors = [grantOf(0).node];
    await expect(honest.infer({ model: prepared.model, inputs: [input], executors })).rejects.toMatchObject({
      code: 'ENCLAVE_NOT_STANDING',
      detail: 'MODEL_GRANT_REVOKED',
    });
    await honest.submitGoverned('revoke-model', { model: prepared.model });
    const before = node.submitted.length;
    const revoked = { code: 'MODEL_REVOKED' };
    await expect(honest.infer({ model: prepared.model, inputs: [input] })).rejects.toMatchObject(revoked);
    await expect(honest.grantModelKey(grantOf(3))).rejects.toMatchObject(revoked);
    expect(node.submitted.length).toBe(before);
  });
});
