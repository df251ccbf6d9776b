/**
 * Four validators, one of them with a real (simulated-platform) enclave, and answers that are too large for the ledger: an honest one
 * outlives its executor's node; one that a hostile host keeps to itself names the host.
 */
import { join } from 'node:path';
import { CloisterClient, createHttpApi } from '@cloister/client';
import { ed25519KeyPair } from '@cloister/crypto';
import { asHeight, concatBytes, type Digest, fail, toBase64, toHex } from '@cloister/encoding';
import { type LedgerEvent, type ParsedGenesis, signTransaction } from '@cloister/ledger';
import { buildImage, launchEnclave, measureImage, tryModel } from '@cloister/platform';
import { int, message, protoText } from '@cloister/testkit/onnx-writer';
import type { InferenceOutput } from '@cloister/validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaunchEnclave } from '../src/attest/enclave-supervisor.ts';
import { writeFileAtomic } from '../src/process/atomic-file.ts';
import type { HomeLayout } from '../src/process/home.ts';
import type { RunningNode } from '../src/process/running-node.ts';
import { makeHome, sampleGenesis, seedOf, startQuietly, TENANT, temporaryFolder, untilBlock } from './samples.ts';

/** More than one piece of the blob protocol. */
const WIDTH = 600_000;
const HOST = ed25519KeyPair(seedOf('validator 0'));

/** x + x, of `WIDTH` numbers. */
function wideModel(): Uint8Array {
  const type = message(2, message(1, int(1, 1), message(2, ...[1, WIDTH].map((size) => message(1, int(1, size))))));
  const add = message(1, protoText(1, 'image'), protoText(1, 'image'), protoText(2, 'sum'), protoText(4, 'Add'));
  const value = (field: number, name: string): Uint8Array => message(field, protoText(1, name), type);
  return concatBytes(
    int(1, 8),
    message(7, add, protoText(2, 'wide'), value(11, 'image'), value(12, 'sum')),
    message(8, protoText(1, ''), int(2, 17)),
  );
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let genesis: ParsedGenesis;
const nodes: RunningNode[] = [];
let image: Awaited<ReturnType<typeof measureImage>>;
let model: Digest;
/** Takes what the enclave answered, of which the host's honest part never hears. */
let steal: ((output: InferenceOutput) => void) | undefined;

function launcher(layout: HomeLayout): LaunchEnclave {
  return async () => {
    const deviceSeedFile = join(layout.enclave, 'device_seed');
    await writeFileAtomic(deviceSeedFile, toHex(seedOf('device 0')));
    const enclave = await launchEnclave({
      imageDirectory: join(folder.path, 'image'),
      label: join(layout.enclave, 'run'),
      machine: { kind: 'simulated', deviceSeedFile, platform: 'sev-snp', product: 'Genoa' },
      genesis: genesis.bytes,
      nodeId: HOST.id,
      bubblewrap: [],
    });
    const { port } = enclave;
    const run = port.runInference.bind(port);
    Object.assign(port, {
      runInference: async (request: Parameters<typeof run>[0]) => {
        const output = await run(request);
        if (steal === undefined || !output.ok) return output;
        steal(output.value);
        return fail('STOLEN');
      },
    });
    return { port, exited: enclave.exited.then(() => 'ended'), stop: () => enclave.stop() };
  };
}

function nodeAt(index: number): RunningNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`no node ${index}`);
  return node;
}

function clientOf(node: RunningNode): Promise<CloisterClient> {
  const api = createHttpApi({ baseUrl: node.apiUrl ?? '' });
  return CloisterClient.connect({ api, chainId: genesis.chainId, keyPair: TENANT, acceptSimulated: true });
}

/** The first event of a type that a node commits from now on. */
function nextEvent<T extends LedgerEvent['type']>(
  node: RunningNode,
  type: T,
): Promise<Extract<LedgerEvent, { type: T }>> {
  return new Promise((resolve) => {
    const unsubscribe = node.context.bus.subscribe(({ events }) => {
      const found = events.find((event): event is Extract<LedgerEvent, { type: T }> => event.type === type);
      if (found === undefined) return;
      unsubscribe();
      resolve(found);
    });
  });
}

const input = (fill: number) => ({
  name: 'image',
  datatype: 'FP32' as const,
  shape: [1, WIDTH],
  data: new Uint8Array(new Float32Array(WIDTH).fill(fill).buffer),
});

beforeAll(async () => {
  folder = await temporaryFolder();
  await buildImage(join(folder.path, 'image'));
  image = await measureImage(join(folder.path, 'image'));
  genesis = sampleGenesis(4, [{ platform: 'sev-snp', ...image, name: 'enclave' }]);
  for (const index of [0, 1, 2, 3]) {
    const layout = await makeHome(folder.path, index, genesis);
    const seeds = index === 0 ? {} : { 'network.seeds': [...nodeAt(0).addresses] };
    const launch = index === 0 ? { launch: launcher(layout) } : {};
    nodes.push(await startQuietly(layout, { 'attestation.challenge_interval_s': 3600, ...seeds }, launch));
  }
  await untilBlock(nodeAt(3), () => nodeAt(3).context.state().attestations.has(HOST.id));
  const client = await clientOf(nodeAt(3));
  const prepared = await client.prepareModel(
    {
      onnx: wideModel(),
      name: 'wide',
      version: '1',
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, WIDTH] }],
      outputs: [{ name: 'sum', datatype: 'FP32', shape: [1, WIDTH] }],
      engine: { name: 'onnxruntime-node', version: '1.30.0' },
      releasePolicy: { images: [image.image], platforms: ['sev-snp'], mayReplicate: false },
      executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
    },
    { tryModel },
  );
  ({ model } = prepared);
  await client.publishModel(prepared);
  await client.grantModelKey({ model, modelKey: prepared.modelKey, node: HOST.id });
}, 120_000);

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  await folder.remove();
}, 60_000);

describe('an answer that is too large for the ledger', { timeout: 120_000 }, () => {
  it('names the host that shows its receipt and keeps it to itself', async () => {
    const client = await clientOf(nodeAt(3));
    const stolen = new Promise<InferenceOutput>((resolve) => {
      steal = resolve;
    });
    const withheld = nextEvent(nodeAt(2), 'ResponseWithheld');
    const pending = await client.requestInference({ model, executors: [HOST.id], inputs: [input(1)] });
    const { receipt } = await stolen;
    const state = nodeAt(1).context.state();
    const signed = signTransaction(HOST, {
      chainId: genesis.chainId,
      sender: HOST.id,
      nonce: toHex(seedOf('withholding').subarray(0, 16)),
      expiryHeight: asHeight(state.height + 100),
      kind: 'submit-result',
      payload: { task: pending.task, receipt: toBase64(receipt), response: null, holdings: [] },
    });
    if (!signed.ok) throw new Error(signed.code);
    await createHttpApi({ baseUrl: nodeAt(1).apiUrl ?? '' }).submitTransaction(signed.value.bytes);
    expect(await withheld).toMatchObject({ task: pending.task, node: HOST.id, receipt: toBase64(receipt) });
    await expect(client.awaitInference(pending)).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      detail: `RESPONSE_WITHHELD: RESPONSE_WITHHELD by ${HOST.id}`,
      reasons: [{ node: HOST.id, from: 'ledger', code: 'RESPONSE_WITHHELD' }],
    });
    steal = undefined;
  });

  it('is held by others and fetched when its executor’s node is gone', async () => {
    const client = await clientOf(nodeAt(3));
    const accepted = nextEvent(nodeAt(3), 'ReceiptAccepted');
    const pending = await client.requestInference({ model, executors: [HOST.id], inputs: [input(21)] });
    const { task, response, holders } = await accepted;
    expect([task, response]).toEqual([pending.task, null]);
    expect(holders.length).toBeGreaterThanOrEqual(2);
    expect(holders).not.toContain(HOST.id);
    await nodeAt(0).stop();
    const other = nodes.slice(1).find(({ id }) => !holders.includes(id)) ?? nodeAt(3);
    const result = await (await clientOf(other)).awaitInference(pending);
    const [sum] = result.outcome.status === 'completed' ? result.outcome.tensors : [];
    expect(new Float32Array(Uint8Array.from(sum?.data ?? []).buffer).every((value) => value === 42)).toBe(true);
    expect(result.holders).toEqual(holders);
    expect(result.receipts.map(({ executor }) => executor.node)).toEqual([HOST.id]);
  });
});
