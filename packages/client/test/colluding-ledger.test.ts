/**
 * Validators that collude can finalize whatever they like. What the tenant checks by itself must hold all the same:
 * signatures by the keys that it attested, statements about its own request, and a response that opens to the commitment.
 */
import type { ReceiptStatement } from '@cloister/confidential';
import { contentDigest } from '@cloister/confidential';
import { hash } from '@cloister/crypto';
import { type Digest, toBase64 } from '@cloister/encoding';
import type { InferenceCompleted, InferenceRequested, ReceiptAccepted } from '@cloister/ledger';
import { keyPair, tenant } from '@cloister/testkit/fake-chain';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CloisterClient, type InferenceResult, type PreparedModel } from '../src/index.ts';
import { description, floats } from './doubling-model.ts';
import type { FakeEnclave } from './fake-enclave.ts';
import { FakeNode, fakeEdge } from './fake-node.ts';

const input = floats([7]);

let node: FakeNode;
let client: CloisterClient;
let prepared: PreparedModel;
let enclave: FakeEnclave;

beforeAll(async () => {
  node = new FakeNode();
  node.attestAll();
  node.silent = true;
  enclave = node.enclaves[0] as FakeEnclave;
  const api = node;
  client = await CloisterClient.connect({
    api,
    chainId: node.chain.chainId,
    keyPair: tenant,
    edge: fakeEdge(node),
    acceptSimulated: true,
  });
  prepared = await client.prepareModel(description, { tryModel: 'screen-only' });
  await client.publishModel(prepared);
  await client.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: enclave.host.id });
});

beforeEach(() => {
  enclave.misbehaviour = {};
});

interface Lie {
  readonly misbehaviour?: FakeEnclave['misbehaviour'];
  /** Applied to what the enclave made. */
  readonly response?: (response: Uint8Array) => Uint8Array;
  readonly completed?: Partial<InferenceCompleted>;
  readonly accepted?: Partial<ReceiptAccepted>;
  /** Lists no receipt although the task is completed. */
  readonly withhold?: boolean;
}

/** Makes a request, and finalizes a completion that no ledger would have. */
async function inferUnder(lie: Lie): Promise<InferenceResult> {
  const pending = await client.requestInference({ model: prepared.model, inputs: [input] });
  await node.tick();
  await node.tick();
  const requestSequence = node.chain.last('InferenceRequested');
  const request = node.chain.events[requestSequence] as InferenceRequested;
  enclave.misbehaviour = lie.misbehaviour ?? {};
  const payload = pending.transaction.kind === 'request-inference' ? pending.transaction.payload.payload : null;
  const made = await enclave.run(request, Uint8Array.from(Buffer.from(payload ?? '', 'base64')));
  const response = lie.response?.(made.response) ?? made.response;
  const { parseReceipt } = await import('@cloister/confidential');
  const parsed = parseReceipt(made.receipt);
  if (!parsed.ok) throw new Error(parsed.code);
  const { outputCommitment, responseDigest } = parsed.value.statement;
  const height = node.chain.state.height;
  const shared = {
    task: request.task,
    model: request.model,
    inputCommitment: request.inputCommitment,
    outputCommitment,
    responseDigest,
    numericClass: 'exact',
    height,
  };
  const accepted: ReceiptAccepted = {
    type: 'ReceiptAccepted',
    ...shared,
    status: 'completed',
    transaction: hash('t'),
    expiryHeight: height,
    requestSequence,
    node: enclave.host.id,
    keyset: enclave.keyset,
    attestationSequence: 0,
    payloadDigest: request.payloadDigest,
    policyDigest: request.policyDigest,
    receiptDigest: contentDigest(made.receipt),
    receipt: toBase64(made.receipt),
    response: toBase64(response),
    holders: [],
    ...lie.accepted,
  };
  const completed: InferenceCompleted = {
    type: 'InferenceCompleted',
    ...shared,
    sender: request.sender,
    keysets: [enclave.keyset],
    nodes: [enclave.host.id],
    threshold: 1,
    disputed: false,
    ...lie.completed,
  };
  node.chain.block([], [accepted, completed]);
  const receipt = { keyset: enclave.keyset, sequence: node.chain.records.length - 2 };
  node.chain.block();
  const receipts = lie.withhold === true ? [] : [receipt];
  const genuine = node.inference.bind(node);
  node.inference = async (task: Digest) => {
    const listed = { task, status: 'completed' as const, receipts, declines: [], withheld: [], missed: [] };
    return task === pending.task ? listed : genuine(task);
  };
  try {
    return await client.awaitInference(pending, { timeoutMs: 5_000 });
  } finally {
    node.inference = genuine;
  }
}

describe('under a ledger that colludes', () => {
  it('an honest enclave’s answer still verifies', async () => {
    const result = await inferUnder({});
    expect(result.outcome.status).toBe('completed');
  });

  it.each<[string, Partial<ReceiptStatement>]>([
    ['task', { task: hash('x') }],
    ['chain', { chainId: hash('x') }],
    ['transaction', { transaction: hash('x') }],
    ['model', { model: hash('x') }],
    ['ONNX file', { onnxDigest: hash('x') }],
    ['input', { inputCommitment: hash('x') }],
    ['image', { image: hash('x') }],
    ['policy', { policyDigest: hash('x') }],
    ['executor', { executor: keyPair('x').id }],
    ['simulation', { simulated: false }],
  ])('a receipt about another %s is refused', async (_, receipt) => {
    await expect(inferUnder({ misbehaviour: { receipt } })).rejects.toMatchObject({ code: 'RECEIPT_INVALID' });
  });

  it('a receipt that another key signed is refused', async () => {
    const forged = inferUnder({ misbehaviour: { signer: keyPair('forger') } });
    await expect(forged).rejects.toMatchObject({
      code: 'RECEIPT_INVALID',
      detail: expect.stringContaining('SIGNATURE_INVALID') as string,
    });
  });

  it('a receipt of an enclave that the request was not sealed to is refused', async () => {
    const stranger = hash('stranger');
    const lie = { accepted: { keyset: stranger }, completed: { keysets: [stranger, enclave.keyset] } };
    await expect(inferUnder(lie)).rejects.toMatchObject({ code: 'RECEIPT_INVALID' });
  });

  it('a completion without the receipts is refused', async () => {
    await expect(inferUnder({ withhold: true })).rejects.toMatchObject({ code: 'RECEIPTS_TOO_FEW' });
    await expect(inferUnder({ completed: { keysets: [] } })).rejects.toMatchObject({ code: 'RECEIPTS_TOO_FEW' });
  });

  it('another output or response than the receipt’s is refused', async () => {
    await expect(inferUnder({ completed: { outputCommitment: hash('x') } })).rejects.toMatchObject({
      code: 'RECEIPT_INVALID',
    });
    const flipped = inferUnder({ response: (bytes) => bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) });
    await expect(flipped).rejects.toMatchObject({ code: 'BLOB_MISMATCH' });
    const missing = inferUnder({ accepted: { response: null } });
    await expect(missing).rejects.toMatchObject({ code: 'BLOB_MISSING' });
  });

  it('a receipt that is none, and a numeric class that it does not state, are refused', async () => {
    await expect(inferUnder({ accepted: { receipt: 'AAAA' } })).rejects.toMatchObject({ code: 'RECEIPT_INVALID' });
    const other = inferUnder({ completed: { numericClass: 'other' } });
    await expect(other).rejects.toMatchObject({
      code: 'RECEIPT_INVALID',
      detail: expect.stringContaining('numericClass') as string,
    });
  });

  it('a request event about other executors than the request was sealed to is refused', async () => {
    const pending = await client.requestInference({ model: prepared.model, inputs: [input] });
    await node.tick();
    const genuine = node.chain.events[node.chain.last('InferenceRequested')] as InferenceRequested;
    const [executor] = genuine.executors;
    const executors = executor === undefined ? [] : [{ ...executor, keyset: hash('stranger') }];
    node.chain.block([], [{ ...genuine, executors }]);
    const requestSequence = node.chain.records.length - 1;
    await node.tick();
    const { transactionFate } = node;
    node.transactionFate = async () => ({ fate: 'COMMITTED', sequence: requestSequence });
    await expect(client.awaitInference(pending)).rejects.toMatchObject({ code: 'EVENT_MISMATCH' });
    node.transactionFate = transactionFate;
  });

  it('a request event with a lower threshold than was signed is refused', async () => {
    const pending = await client.requestInference({ model: prepared.model, inputs: [input] });
    await node.tick();
    const genuine = node.chain.events[node.chain.last('InferenceRequested')] as InferenceRequested;
    node.chain.block([], [{ ...genuine, threshold: genuine.threshold + 1 }]);
    const requestSequence = node.chain.records.length - 1;
    await node.tick();
    const { transactionFate } = node;
    node.transactionFate = async () => ({ fate: 'COMMITTED', sequence: requestSequence });
    await expect(client.awaitInference(pending)).rejects.toMatchObject({
      code: 'EVENT_MISMATCH',
      detail: 'another threshold than was signed',
    });
    node.transactionFate = transactionFate;
  });

  it('an output that the commitment does not cover does not open', async () => {
    const outputCommitment = hash('x');
    const lie = { misbehaviour: { receipt: { outputCommitment } }, completed: { outputCommitment } };
    await expect(inferUnder(lie)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
});
