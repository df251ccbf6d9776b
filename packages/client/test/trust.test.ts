import { MODEL_BYTES_MAX } from '@cloister/confidential';
import { hash } from '@cloister/crypto';
import { type Digest, utf8 } from '@cloister/encoding';
import { encodeEventProof } from '@cloister/proof';
import { FakeChain, keyPair, seed, tenant } from '@cloister/testkit/fake-chain';
import { beforeAll, describe, expect, it } from 'vitest';
import { CloisterClient, type ModelDescription, type PreparedModel } from '../src/index.ts';
import { description } from './doubling-model.ts';
import { FakeNode, fakeEdge } from './fake-node.ts';

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

describe('the trust of the client', () => {
  beforeAll(() => {
    node = new FakeNode();
    node.attestAll();
  });

  it('begins at the genesis that the caller named', async () => {
    const other = new FakeChain({ name: 'another' });
    const options = { api: node, keyPair: tenant, edge: fakeEdge(node) };
    await expect(CloisterClient.connect({ ...options, chainId: other.chainId })).rejects.toMatchObject({
      code: 'GENESIS_MISMATCH',
    });
    const broken = Object.assign(Object.create(node) as FakeNode, { genesis: async () => new Uint8Array(5) });
    await expect(
      CloisterClient.connect({ ...options, api: broken, chainId: node.chain.chainId }),
    ).rejects.toMatchObject({ code: 'GENESIS_INVALID' });
  });

  it('refuses a simulated chain that the caller did not accept, before anything is sealed or sent', async () => {
    const strict = await connect(node, 'strict', false);
    expect(strict.simulated).toBe(true);
    const model = await strict.prepareModel(description, { tryModel: 'screen-only' });
    const to = node.enclaves[0]?.host.id ?? tenant.id;
    const refused = { code: 'SIMULATED_CHAIN_REFUSED' };
    await expect(strict.publishModel(model)).rejects.toMatchObject(refused);
    await expect(
      strict.grantModelKey({ model: model.model, modelKey: model.modelKey, node: to }),
    ).rejects.toMatchObject(refused);
    await expect(strict.infer({ model: model.model, inputs: [] })).rejects.toMatchObject(refused);
    await expect(strict.verifyEnclave(to)).rejects.toMatchObject(refused);
  });

  it('takes no event without its proof, and no proof of another event', async () => {
    client = await connect();
    const genuine = node.chain.last('AttestationAccepted');
    const lying = Object.assign(Object.create(node) as FakeNode, {
      eventProof: async () => node.eventProof(genuine - 1),
    });
    const deceived = await CloisterClient.connect({
      api: lying,
      chainId: node.chain.chainId,
      keyPair: tenant,
      edge: fakeEdge(node),
      acceptSimulated: true,
    });
    await expect(deceived.verifyInclusion(genuine, 'AttestationAccepted')).rejects.toMatchObject({
      code: 'EVENT_MISMATCH',
    });
    const garbling = Object.assign(Object.create(node) as FakeNode, { eventProof: async () => new Uint8Array(40) });
    const garbled = await CloisterClient.connect({
      api: garbling,
      chainId: node.chain.chainId,
      keyPair: tenant,
      edge: fakeEdge(node),
      acceptSimulated: true,
    });
    await expect(garbled.verifyInclusion(genuine, 'AttestationAccepted')).rejects.toMatchObject({
      code: 'EVENT_PROOF_INVALID',
    });
    const cut = encodeEventProof({ ...node.chain.proof(genuine), proof: [] });
    const cutting = Object.assign(Object.create(node) as FakeNode, { eventProof: async () => cut });
    const options = {
      api: cutting,
      chainId: node.chain.chainId,
      keyPair: tenant,
      edge: fakeEdge(node),
      acceptSimulated: true,
    };
    const misled = await CloisterClient.connect(options);
    await expect(misled.verifyInclusion(genuine, 'AttestationAccepted')).rejects.toMatchObject({
      code: 'EVENT_PROOF_INVALID',
      detail: 'INCLUSION_INVALID',
    });
    expect((await client.verifyInclusion(genuine, 'AttestationAccepted')).event.node).toBeDefined();
  });

  it('refuses a model that is not the one of its id, a key that is not the model’s, and the model of another owner', async () => {
    client = await connect(node, 'models');
    await publishAndGrant(0);
    const grant = { model: prepared.model, modelKey: prepared.modelKey, node: node.enclaves[0]?.host.id ?? tenant.id };
    await expect(client.grantModelKey({ ...grant, modelKey: seed('wrong') })).rejects.toMatchObject({
      code: 'KEY_NOT_OF_MODEL',
    });
    const forging = Object.assign(Object.create(node) as FakeNode, {
      model: async (model: Digest) => ({
        ...(await node.model(model)),
        manifest: { ...prepared.manifest, version: '2' },
      }),
    });
    const options = { api: forging, chainId: node.chain.chainId, edge: fakeEdge(node), acceptSimulated: true };
    const deceived = await CloisterClient.connect({ ...options, keyPair: tenant });
    await expect(deceived.grantModelKey(grant)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    const stranger = await CloisterClient.connect({ ...options, api: node, keyPair: keyPair('stranger') });
    await expect(stranger.grantModelKey(grant)).rejects.toMatchObject({ code: 'NOT_MODEL_OWNER' });
    await expect(stranger.publishModel(prepared)).rejects.toMatchObject({ code: 'NOT_MODEL_OWNER' });
    await expect(client.publishModel({ ...prepared, ciphertext: new Uint8Array(9) })).rejects.toMatchObject({
      code: 'BLOB_MISMATCH',
    });
    const screened = (change: Partial<ModelDescription>) =>
      client.prepareModel({ ...description, ...change }, { tryModel: 'screen-only' });
    await expect(screened({ name: '' })).rejects.toThrow('MODEL_INVALID');
    await expect(screened({ onnx: new Uint8Array(0) })).rejects.toThrow('MODEL_REFUSED: ONNX_MALFORMED');
    await expect(screened({ onnx: utf8('ir_version: 8\ngraph {}\n') })).rejects.toThrow('MODEL_REFUSED: ONNX_TEXT');
    await expect(screened({ onnx: new Uint8Array(MODEL_BYTES_MAX + 1) })).rejects.toThrow('MODEL_TOO_LARGE');
  });

  it('gives no key to an image that the model is not released to', async () => {
    client = await connect(node, 'release');
    const releasePolicy = { ...description.releasePolicy, images: [hash('none')] };
    const elsewhere = await client.prepareModel({ ...description, releasePolicy }, { tryModel: 'screen-only' });
    await client.publishModel(elsewhere);
    const grant = {
      model: elsewhere.model,
      modelKey: elsewhere.modelKey,
      node: node.enclaves[0]?.host.id ?? tenant.id,
    };
    await expect(client.grantModelKey(grant)).rejects.toMatchObject({ code: 'RELEASE_POLICY_REFUSED' });
  });

  it('follows proven revocations of measurements', async () => {
    client = await connect(node, 'revocation');
    const to = node.enclaves[0]?.host.id ?? tenant.id;
    await client.verifyEnclave(to);
    const pair = node.chain.genesis.genesis.referenceValues[0];
    if (pair === undefined) throw new Error('no reference value');
    const height = node.chain.height + 1;
    const cause = { transaction: hash('t'), expiryHeight: height };
    node.chain.decided({ type: 'MeasurementRevoked', ...cause, ...pair, height } as never);
    await expect(client.verifyEnclave(to)).rejects.toMatchObject({
      code: 'EVIDENCE_REFUSED',
      detail: 'MEASUREMENT_REVOKED',
    });
  });

  it('takes a measurement that is allowed from a later height on from that height on', async () => {
    client = await connect(node, 'pending');
    const to = node.enclaves[0]?.host.id ?? tenant.id;
    const pair = node.chain.genesis.genesis.referenceValues[0];
    if (pair === undefined) throw new Error('no reference value');
    const height = node.chain.height + 1;
    const cause = { transaction: hash('t'), expiryHeight: height };
    const allowed = { type: 'MeasurementAllowed', ...cause, ...pair, height, effectiveHeight: height + 4 };
    node.chain.decided(allowed as never);
    await expect(client.verifyEnclave(to)).rejects.toMatchObject({ code: 'EVIDENCE_REFUSED' });
    for (let i = 0; i < 4; i++) node.chain.block();
    await expect(client.verifyEnclave(to)).resolves.toMatchObject({ node: to });
  });
});
