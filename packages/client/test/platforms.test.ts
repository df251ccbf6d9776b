/** Executors on several platforms: what the client asks of them, and the policy and measurements that it goes by. */
import {
  type AppraisalPolicy,
  appraisalPolicyToJson,
  PLATFORMS,
  type Platform,
  policyDigest,
  type ReferenceValue,
} from '@cloister/attestation';
import { simulatedMeasurement } from '@cloister/attestation/simulated';
import type { ExecutionPolicy } from '@cloister/confidential';
import { hash } from '@cloister/crypto';
import { type AccountId, type JsonValue, utf8 } from '@cloister/encoding';
import type { LedgerEvent } from '@cloister/ledger';
import { appraisalPolicy, BASE_MEASUREMENT, FakeChain, IMAGE, tenant } from '@cloister/testkit/fake-chain';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  CloisterClient,
  decodePendingInference,
  encodePendingInference,
  type PendingInference,
  type PreparedModel,
} from '../src/index.ts';
import { description, floats } from './doubling-model.ts';
import { FakeNode, fakeEdge } from './fake-node.ts';

const input = floats([7]);
let node: FakeNode;
let client: CloisterClient;

function pairOn(platform: Platform): Omit<ReferenceValue, 'status'> {
  return { platform, measurement: simulatedMeasurement(platform, BASE_MEASUREMENT), image: IMAGE };
}

/** A network whose validators stand on these platforms, and a client of it. */
async function found(platforms: readonly Platform[], change: Partial<AppraisalPolicy> = {}): Promise<void> {
  const referenceValues = PLATFORMS.map((platform) => ({ ...pairOn(platform), name: 'enclave' }));
  const policy = { ...appraisalPolicy, ...change };
  node = new FakeNode(new FakeChain({ referenceValues, appraisalPolicy: policy }), platforms);
  node.attestAll();
  const edge = fakeEdge(node);
  client = await CloisterClient.connect({
    api: node,
    chainId: node.chain.chainId,
    keyPair: tenant,
    edge,
    acceptSimulated: true,
  });
}

function idOf(index: number): AccountId {
  const enclave = node.enclaves[index];
  if (enclave === undefined) throw new Error(`no enclave ${index}`);
  return enclave.host.id;
}

/** A model that is granted to all enclaves. */
async function grantAll(policy: Partial<ExecutionPolicy>): Promise<PreparedModel> {
  const model = {
    ...description,
    releasePolicy: { ...description.releasePolicy, platforms: PLATFORMS },
    executionPolicy: { ...description.executionPolicy, ...policy },
  };
  const prepared = await client.prepareModel(model, { tryModel: 'screen-only' });
  await client.publishModel(prepared);
  const key = { model: prepared.model, modelKey: prepared.modelKey };
  for (const { host } of node.enclaves) await client.grantModelKey({ ...key, node: host.id });
  return prepared;
}

function platformsOf({ executors }: PendingInference): readonly Platform[] {
  return executors.map(({ platform }) => platform);
}

describe('a network of four platforms', () => {
  beforeEach(() => found(PLATFORMS));

  it('has its enclaves verified, granted a model and asked, each by its own evidence', async () => {
    const { model } = await grantAll({ k: 4, m: 4, minPlatforms: 4 });
    expect(client.genesisPlatforms).toEqual(PLATFORMS);
    const pending = await client.requestInference({ model, inputs: [input] });
    expect([...platformsOf(pending)].sort()).toEqual(PLATFORMS);
    const result = await client.awaitInference(pending);
    expect(result).toMatchObject({ threshold: 4, disputed: false, simulated: true });
    for (const { executor } of result.receipts) expect(executor).toMatchObject(pairOn(executor.platform));
    expect(result.receipts).toHaveLength(4);
  });

  it('is kept on disk while an inference is under way, but for platforms that do not exist', async () => {
    const { model } = await grantAll({ k: 4, m: 4 });
    const pending = await client.requestInference({ model, inputs: [input] });
    const stored = encodePendingInference(pending);
    expect(decodePendingInference(stored)).toEqual(pending);
    const strange = new TextDecoder().decode(stored).replace('"tdx"', '"sev"');
    expect(() => decodePendingInference(utf8(strange))).toThrow('PENDING_MALFORMED');
  });
});

describe('executors on distinct platforms', () => {
  it('are chosen when a model asks for them, whatever comes first', async () => {
    await found(['sev-snp', 'sev-snp', 'sev-snp', 'tdx']);
    const { model } = await grantAll({ k: 2, m: 2, minPlatforms: 2 });
    const pending = await client.requestInference({ model, inputs: [input] });
    expect(platformsOf(pending)).toHaveLength(2);
    expect(new Set(platformsOf(pending)).size).toBe(2);
    expect((await client.awaitInference(pending)).receipts).toHaveLength(2);
  });

  it('are missed in a request that names others, by the client and by the ledger', async () => {
    await found(['sev-snp', 'sev-snp', 'tdx']);
    const { model } = await grantAll({ k: 2, m: 2, minPlatforms: 2 });
    const named = (...indices: number[]): Promise<unknown> =>
      client.infer({ model, inputs: [input], executors: indices.map(idOf) });
    const before = node.submitted.length;
    await expect(named(0, 1)).rejects.toMatchObject({
      code: 'PLATFORMS_NOT_DISTINCT',
      detail: '1 of 2 platforms',
    });
    expect(node.submitted.length).toBe(before);
    await expect(named(0, 2)).resolves.toMatchObject({ threshold: 2 });
  });

  it('are asked for by a policy too, where a model asks for one executor', async () => {
    await found(['sev-snp', 'sev-snp', 'tdx'], { minimumDistinctPlatforms: 2 });
    const { model } = await grantAll({ k: 1, m: 1, minPlatforms: 1 });
    const pending = await client.requestInference({ model, inputs: [input] });
    expect(new Set(platformsOf(pending))).toEqual(new Set(['sev-snp', 'tdx']));
    const one = client.requestInference({ model, inputs: [input], executors: [idOf(0)] });
    await expect(one).rejects.toMatchObject({ code: 'PLATFORMS_NOT_DISTINCT' });
  });
});

describe('what governance decides', () => {
  /** One block with an event, and one that makes it provable. */
  function record(event: { readonly type: LedgerEvent['type']; readonly [member: string]: unknown }): void {
    node.chain.decided({ height: node.chain.height + 1, ...event } as never);
  }

  function decide(event: { readonly type: LedgerEvent['type']; readonly [member: string]: unknown }): void {
    record({ transaction: hash(`t ${node.chain.height}`), expiryHeight: node.chain.height + 1, ...event });
  }

  function takePolicy(change: Partial<AppraisalPolicy>): void {
    const policy = { ...appraisalPolicy, ...change };
    const json: JsonValue = appraisalPolicyToJson(policy);
    record({ type: 'AppraisalPolicyTookEffect', appraisalPolicy: json, policyDigest: policyDigest(policy) });
  }

  beforeEach(() => found(['sev-snp', 'tdx']));

  it('holds for the client as soon as a policy took effect, and until the next one does', async () => {
    await client.verifyEnclave(idOf(1));
    takePolicy({ tdx: null });
    const refused = { code: 'EVIDENCE_REFUSED', detail: 'PLATFORM_NOT_ACCEPTED' };
    await expect(client.verifyEnclave(idOf(1))).rejects.toMatchObject(refused);
    await expect(client.verifyEnclave(idOf(0))).resolves.toMatchObject({ result: { platform: 'sev-snp' } });
    takePolicy({});
    await expect(client.verifyEnclave(idOf(1))).resolves.toMatchObject({ result: { platform: 'tdx' } });
    const { hardwareId } = (await client.verifyEnclave(idOf(0))).result;
    takePolicy({ barredHardwareIds: [hardwareId] });
    await expect(client.verifyEnclave(idOf(0))).rejects.toMatchObject({ code: 'EVIDENCE_REFUSED' });
  });

  it('lets a measurement in grace count until its last height', async () => {
    const graceUntilHeight = node.chain.height + 5;
    decide({ type: 'MeasurementGraced', ...pairOn('tdx'), name: 'enclave', graceUntilHeight });
    await expect(client.verifyEnclave(idOf(1))).resolves.toMatchObject({ result: { platform: 'tdx' } });
    while (node.chain.height <= graceUntilHeight + 1) node.chain.block();
    await expect(client.verifyEnclave(idOf(1))).rejects.toMatchObject({
      code: 'EVIDENCE_REFUSED',
      detail: 'MEASUREMENT_REVOKED',
    });
    await expect(client.verifyEnclave(idOf(0))).resolves.toMatchObject({ result: { platform: 'sev-snp' } });
  });

  it('lets a grace run on while the measurement waits to be allowed again', async () => {
    const graceUntilHeight = node.chain.height + 6;
    decide({ type: 'MeasurementGraced', ...pairOn('tdx'), name: 'enclave', graceUntilHeight });
    const effectiveHeight = graceUntilHeight + 4;
    decide({ type: 'MeasurementAllowed', ...pairOn('tdx'), name: 'enclave', effectiveHeight });
    await client.verifyEnclave(idOf(1));
    while (node.chain.height <= graceUntilHeight + 1) node.chain.block();
    await expect(client.verifyEnclave(idOf(1))).rejects.toMatchObject({ detail: 'MEASUREMENT_NOT_ALLOWED' });
    while (node.chain.height <= effectiveHeight + 1) node.chain.block();
    await client.verifyEnclave(idOf(1));
  });
});
