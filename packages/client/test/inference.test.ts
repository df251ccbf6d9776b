import type { Tensor } from '@cloister/confidential';
import { hash } from '@cloister/crypto';
import { toHex } from '@cloister/encoding';
import { keyPair, seed, tenant, validators } from '@cloister/testkit/fake-chain';
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  ClientError,
  CloisterClient,
  decodePendingInference,
  encodePendingInference,
  type NodeReport,
  PRIVACY_NOTE,
  type PreparedModel,
} from '../src/index.ts';
import { description, floats } from './doubling-model.ts';
import { FakeEnclave } from './fake-enclave.ts';
import { FakeNode, fakeEdge } from './fake-node.ts';

/** A measurement that the chain does not allow. */
const OTHER = '66'.repeat(48);

let node: FakeNode;
let client: CloisterClient;
let prepared: PreparedModel;

async function connect(over: FakeNode = node, label = 'edge', acceptSimulated = true): Promise<CloisterClient> {
  const edge = fakeEdge(over, label);
  return CloisterClient.connect({ api: over, chainId: over.chain.chainId, keyPair: tenant, edge, acceptSimulated });
}

async function publishAndGrant(count: number): Promise<void> {
  prepared = await client.prepareModel(description, { tryModel: 'screen-only' });
  await client.publishModel(prepared);
  for (const { host } of node.enclaves.slice(0, count)) {
    await client.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: host.id });
  }
}

const outputs = (tensors: readonly Tensor[]): number[] => [
  ...new Float32Array(Uint8Array.from(tensors[0]?.data ?? []).buffer),
];

describe('an inference', () => {
  beforeEach(async () => {
    node = new FakeNode();
    node.attestAll();
    client = await connect();
    await publishAndGrant(3);
  });

  it('runs on one executor, from a sealed model to an opened and verified answer', async () => {
    const result = await client.infer({ model: prepared.model, inputs: [floats([1, -2.5])] });
    expect(result.outcome.status === 'completed' && outputs(result.outcome.tensors)).toEqual([2, -5]);
    expect(result).toMatchObject({ simulated: true, threshold: 1, disputed: false });
    expect(result.receipts.map(({ executor }) => executor.node)).toHaveLength(1);
    expect(result.completedHeight).toBeGreaterThan(result.requestHeight);
    expect(client.trustedHeight).toBeGreaterThanOrEqual(result.completedHeight);
  });

  it('runs on three executors of which two suffice, in the order that the tenant names', async () => {
    const executors = node.enclaves.slice(0, 3).map(({ host }) => host.id);
    const result = await client.infer({ model: prepared.model, inputs: [floats([4])], executors, threshold: 2 });
    expect(result.receipts.length).toBeGreaterThanOrEqual(2);
    expect(new Set(result.receipts.map(({ executor }) => executor.node)).size).toBe(result.receipts.length);
  });

  it('sends what is too large for a transaction as blobs', async () => {
    const values = Array.from({ length: 6000 }, (_, i) => i);
    const before = node.blobs.size;
    const result = await client.infer({ model: prepared.model, inputs: [floats(values)] });
    expect(result.outcome.status === 'completed' && outputs(result.outcome.tensors)[5999]).toBe(11_998);
    expect(node.blobs.size).toBe(before + 2);
    const [executor] = result.receipts.map(({ executor: { node: id } }) => id);
    expect(result.holders).toHaveLength(2);
    expect(result.holders).not.toContain(executor);
    expect(node.enclaves.map(({ host }) => host.id)).toEqual(expect.arrayContaining([...result.holders]));
  });

  it('names the executor that shows a receipt and keeps the response to itself', async () => {
    const values = Array.from({ length: 6000 }, (_, i) => i);
    const [executor] = node.enclaves.map(({ host }) => host.id);
    node.withholds = true;
    const asked = client.infer({ model: prepared.model, inputs: [floats(values)], executors: [executor ?? tenant.id] });
    await expect(asked).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      detail: `RESPONSE_WITHHELD: RESPONSE_WITHHELD by ${executor}`,
      reasons: [{ node: executor, from: 'ledger', code: 'RESPONSE_WITHHELD' }],
    });
    node.withholds = false;
  });

  it('fetches a large response from whichever node has it, when its own node lies or lost it', async () => {
    const values = Array.from({ length: 6000 }, (_, i) => i);
    const other = (name: string, getBlob: FakeNode['getBlob']): FakeNode => {
      const bound = ['submitTransaction', 'transactionFate', 'challenge', 'facts'] as const;
      const own = Object.fromEntries(bound.map((method) => [method, (node[method] as () => unknown).bind(node)]));
      return Object.assign(Object.create(node) as FakeNode, own, { name, getBlob });
    };
    const reports: NodeReport[] = [];
    const api = [
      other('lost', async () => undefined),
      other('lying', async (digest) => (await node.getBlob(digest))?.map((byte, i) => (i === 9 ? byte ^ 1 : byte))),
      node,
    ];
    const several = await CloisterClient.connect({
      api,
      chainId: node.chain.chainId,
      keyPair: tenant,
      edge: fakeEdge(node, 'several'),
      acceptSimulated: true,
      onNodeReport: (report) => reports.push(report),
    });
    const result = await several.infer({ model: prepared.model, inputs: [floats(values)] });
    expect(result.outcome.status).toBe('completed');
    expect(reports.map(({ node: name, code }) => [name, code])).toEqual([
      ['lost', 'BLOB_MISSING'],
      ['lying', 'BLOB_MISMATCH'],
    ]);
  });

  it('draws fresh secrets for every request, and shows the input to nobody', async () => {
    const secret = Array.from({ length: 64 }, () => 123.456);
    const [first, second] = [
      await client.requestInference({ model: prepared.model, inputs: [floats(secret)] }),
      await client.requestInference({ model: prepared.model, inputs: [floats(secret)] }),
    ];
    expect(toHex(first.requestKey)).not.toBe(toHex(second.requestKey));
    expect(toHex(first.salt)).not.toBe(toHex(second.salt));
    expect(first.task).not.toBe(second.task);
    const needle = toHex(floats([123.456, 123.456]).data);
    for (const bytes of node.submitted) expect(toHex(bytes)).not.toContain(needle);
    const payloads = [first, second].map(
      ({ transaction }) => transaction.kind === 'request-inference' && transaction.payload,
    );
    expect(payloads[0] && payloads[1] && payloads[0].inputCommitment !== payloads[1].inputCommitment).toBe(true);
  });

  it('can be waited for again by another process, from what the first one stored', async () => {
    const pending = await client.requestInference({ model: prepared.model, inputs: [floats([3])] });
    node.silent = true;
    await expect(client.awaitInference(pending, { timeoutMs: 3000 })).rejects.toMatchObject({
      code: 'TIMED_OUT',
      transaction: pending.transaction.id,
    });
    const stored = encodePendingInference(pending);
    expect(decodePendingInference(stored)).toEqual(pending);
    expect(() => decodePendingInference(stored.slice(1))).toThrow(ClientError);
    const edits = fc.array(fc.tuple(fc.nat(stored.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(edits, (changes) => {
        const mutated = stored.slice();
        for (const [at, byte] of changes) mutated[at] = byte;
        try {
          decodePendingInference(mutated);
        } catch (error) {
          expect(error).toMatchObject({ name: 'ClientError', code: 'PENDING_MALFORMED' });
        }
      }),
      { numRuns: 500 },
    );
    expect(() => decodePendingInference(new TextEncoder().encode('{"executors":[]}'))).toThrow(ClientError);
  });

  it('outlives outages of the node and a node that forgets the transaction', async () => {
    const pending = await client.requestInference({ model: prepared.model, inputs: [floats([3])] });
    node.outages = 3;
    const result = await client.awaitInference(decodePendingInference(encodePendingInference(pending)));
    expect(result.outcome.status === 'completed' && outputs(result.outcome.tensors)).toEqual([6]);
    node.forgets = 1;
    const record = await client.putRecord({ namespace: 'notes', key: 'a', value: 'b' });
    const proven = await client.verifyInclusion(record.sequence, 'RecordPut');
    expect(proven.event).toMatchObject({ key: 'a', value: 'b', transaction: record.transaction });
    await expect(client.verifyInclusion(record.sequence, 'BlockBegun')).rejects.toMatchObject({
      code: 'EVENT_MISMATCH',
    });
  });

  it('says why the ledger refused it, by the proven event', async () => {
    await expect(client.publishModel(prepared)).rejects.toMatchObject({
      code: 'TRANSACTION_REJECTED',
      detail: 'MODEL_EXISTS',
    });
  });

  it('seals nothing to an executor that was not granted the key', async () => {
    const executors = [validators[3]?.id ?? tenant.id];
    const before = node.submitted.length;
    const refused = client.infer({ model: prepared.model, inputs: [floats([1])], executors });
    await expect(refused).rejects.toMatchObject({ code: 'ENCLAVE_NOT_STANDING', detail: 'MODEL_KEY_NOT_GRANTED' });
    expect(node.submitted.length).toBe(before);
  });

  it('ends with the proven failure when the deadline passes', async () => {
    node.silent = true;
    const failed = client.infer({ model: prepared.model, inputs: [floats([1])], timeLimitMs: 3_000 });
    const error = await failed.catch((reason: unknown) => reason);
    const named = error instanceof ClientError ? error.reasons.map(({ node: silent }) => silent) : [];
    expect(named).toHaveLength(1);
    expect(error).toMatchObject({
      code: 'INFERENCE_FAILED',
      detail: `DEADLINE_PASSED: ANSWER_MISSED by ${named}`,
      reasons: [{ from: 'ledger', code: 'ANSWER_MISSED' }],
    });
  });

  it('asks an enclave for new evidence once, not once a request, and again for new keys or when asked to', async () => {
    const [enclave] = node.enclaves;
    if (enclave === undefined) throw new Error('no enclave');
    const fresh = await connect();
    const executors = [enclave.host.id];
    const before = enclave.answered;
    for (let i = 0; i < 5; i++) await fresh.infer({ model: prepared.model, inputs: [floats([i])], executors });
    await fresh.verifyEnclave(enclave.host.id);
    expect(enclave.answered - before).toBe(1);
    await fresh.verifyEnclave(enclave.host.id, { fresh: true });
    expect(enclave.answered - before).toBe(2);
  });

  it('tells at once why a run failed: what the enclave sealed to the tenant alone', async () => {
    const [enclave] = node.enclaves;
    if (enclave === undefined) throw new Error('no enclave');
    enclave.misbehaviour = { fails: 'ENGINE_TIMEOUT' };
    const failed = client.infer({ model: prepared.model, inputs: [floats([1])], executors: [enclave.host.id] });
    await expect(failed).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      detail: 'EXECUTION_FAILED: ENGINE_TIMEOUT',
      reasons: [{ node: enclave.host.id, from: 'enclave', code: 'ENGINE_TIMEOUT' }],
    });
    enclave.misbehaviour = {};
  });

  it('refuses numbers that are none before anything is sent', async () => {
    const odd = client.infer({ model: prepared.model, inputs: [floats([Number.NaN])] });
    await expect(odd).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      detail: expect.stringContaining('FINITE') as string,
    });
  });

  it('reports a dispute, and takes the answer of the majority', async () => {
    const executors = node.enclaves.slice(0, 3).map(({ host }) => host.id);
    const [odd] = node.enclaves;
    if (odd !== undefined) odd.misbehaviour.offset = 1;
    const result = await client.infer({ model: prepared.model, inputs: [floats([5])], executors, threshold: 2 });
    expect(result.outcome.status === 'completed' && outputs(result.outcome.tensors)).toEqual([10]);
    expect(result.disputed).toBe(true);
    expect(result.receipts.map(({ executor }) => executor.node)).not.toContain(odd?.host.id);
  });

  it.each([
    ['too few executors', { executors: [] }, 'EXECUTION_POLICY_UNMET'],
    ['half of them as threshold', { executorCount: 2, threshold: 1 }, 'EXECUTION_POLICY_UNMET'],
    ['more executors than hold the key', { executorCount: 4 }, 'NOT_ENOUGH_EXECUTORS'],
    ['an input that the model does not take', { inputs: [{ ...floats([1]), name: 'x' }] }, 'INPUT_MISMATCH'],
    ['an input of bad length', { inputs: [{ ...floats([1]), data: new Uint8Array(3) }] }, 'INPUT_INVALID'],
    ['an unknown model', { model: hash('none') }, 'MODEL_UNKNOWN'],
    ['images of which no executor has any', { images: [hash('none')] }, 'NOT_ENOUGH_EXECUTORS'],
  ])('is refused before anything is sent with %s', async (_, change, code) => {
    const before = node.submitted.length;
    await expect(client.infer({ model: prepared.model, inputs: [floats([1])], ...change })).rejects.toMatchObject({
      code,
    });
    expect(node.submitted.length).toBe(before);
  });

  it('tells people what k executors mean for privacy', () => {
    expect(PRIVACY_NOTE).toContain('weakest');
  });
});

describe('an enclave that does not stand', () => {
  beforeAll(async () => {
    node = new FakeNode();
    node.attestAll();
    client = await connect();
    await publishAndGrant(2);
  });

  beforeEach(() => {
    for (const enclave of node.enclaves) enclave.misbehaviour = {};
  });

  it.each([
    ['another measurement', () => ({ launchDigest: OTHER }), 'MEASUREMENT_NOT_ALLOWED'],
    ['the answer of another node, relayed', () => ({ relay: node.enclaves[1] }), 'NODE_ID_MISMATCH'],
    ['an old answer, replayed', () => ({ replay: true }), 'NONCE_MISMATCH'],
    ['keys that the ledger does not hold', () => ({ relay: relaunched() }), 'KEYSET_MISMATCH'],
    ['another measurement with new keys', () => ({ relay: relaunched(OTHER) }), 'MEASUREMENT_NOT_ALLOWED'],
  ])('gets neither a key nor an input: %s', async (_, misbehaviour, detail) => {
    const [enclave] = node.enclaves;
    if (enclave === undefined) throw new Error('no enclave');
    enclave.answer(await challengeOf(enclave.host.id));
    enclave.misbehaviour = misbehaviour() as typeof enclave.misbehaviour;
    const before = node.submitted.length;
    const to = enclave.host.id;
    const grant = client.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: to });
    await expect(grant).rejects.toMatchObject({ code: 'EVIDENCE_REFUSED', detail });
    // The client kept an answer of this enclave from before. It has seen that the enclave does not stand, and must not use that answer.
    for (const tenantClient of [client, await connect()]) {
      const inference = tenantClient.infer({ model: prepared.model, inputs: [floats([1])], executors: [to] });
      await expect(inference).rejects.toMatchObject({ code: 'EVIDENCE_REFUSED', detail });
    }
    expect(node.submitted.length).toBe(before);
    enclave.misbehaviour = {};
    await expect(client.verifyEnclave(to)).resolves.toMatchObject({ node: to });
  });

  it('is told first what is wrong with its evidence, then what the ledger lacks', async () => {
    const unattested = new FakeNode();
    const [enclave] = unattested.enclaves;
    if (enclave === undefined) throw new Error('no enclave');
    const asking = await connect(unattested);
    const refused = asking.verifyEnclave(enclave.host.id);
    await expect(refused).rejects.toMatchObject({ code: 'ENCLAVE_NOT_STANDING', detail: 'NO_ATTESTATION' });
    enclave.misbehaviour = { launchDigest: OTHER };
    const other = asking.verifyEnclave(enclave.host.id);
    await expect(other).rejects.toMatchObject({ code: 'EVIDENCE_REFUSED', detail: 'MEASUREMENT_NOT_ALLOWED' });
  });

  /** The enclave of the first node after its host launched it again, from an image that measures as given. */
  function relaunched(launchDigest?: string): FakeEnclave {
    const [first] = node.enclaves;
    if (first === undefined) throw new Error('no enclave');
    const again = new FakeEnclave(node.chain, first.host, 'sev-snp', 'launched again');
    if (launchDigest !== undefined) again.misbehaviour = { launchDigest };
    return again;
  }

  async function challengeOf(target: (typeof tenant)['id']): Promise<Uint8Array> {
    const { encodeChallenge, makeChallenge } = await import('@cloister/attestation');
    return encodeChallenge(
      makeChallenge({ chainId: node.chain.chainId, challenger: tenant.id, target, nonce: seed('old') }),
    );
  }

  it('has its receipts refused when another key signed them: by the ledger, and nothing is opened', async () => {
    const [enclave] = node.enclaves;
    if (enclave === undefined) throw new Error('no enclave');
    enclave.misbehaviour = { signer: keyPair('forger') };
    const executors = [enclave.host.id];
    const inference = client.infer({ model: prepared.model, inputs: [floats([1])], executors, timeLimitMs: 3_000 });
    await expect(inference).rejects.toMatchObject({ code: 'INFERENCE_FAILED' });
  });
});
