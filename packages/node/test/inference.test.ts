/**
 * Two validators with real (simulated-platform) enclave processes and one without: attestation, challenges between peers,
 * an inference from sealing to opening by way of the node that has no enclave, and an enclave that dies.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CloisterClient, createHttpApi, type PreparedModel } from '@cloister/client';
import { toHex } from '@cloister/encoding';
import type { GenesisReferenceValue, ParsedGenesis } from '@cloister/ledger';
import { buildImage, type LaunchedEnclave, launchEnclave, measureImage, tryModel } from '@cloister/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaunchEnclave } from '../src/attest/enclave-supervisor.ts';
import { writeFileAtomic } from '../src/process/atomic-file.ts';
import type { HomeLayout } from '../src/process/home.ts';
import { idOfSeed } from '../src/process/key-file.ts';
import type { RunningNode } from '../src/process/running-node.ts';
import { makeHome, sampleGenesis, seedOf, startQuietly, TENANT, temporaryFolder, untilBlock } from './samples.ts';

const MODEL = new URL('../models/digits.onnx', import.meta.url);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let genesis: ParsedGenesis;
let reference: GenesisReferenceValue;
let nodes: readonly [RunningNode, RunningNode, RunningNode];
let joined: RunningNode | undefined;
let prepared: PreparedModel;
const launched: LaunchedEnclave[] = [];

const INPUTS = [
  {
    name: 'image',
    datatype: 'FP32',
    shape: [1, 784],
    data: new Uint8Array(new Float32Array(784).fill(0.5).buffer),
  },
] as const;

/** As a node does by itself, but without the sandbox, which not every machine offers. */
function launcher(layout: HomeLayout, index: number): LaunchEnclave {
  return async () => {
    const deviceSeedFile = join(layout.enclave, 'device_seed');
    await writeFileAtomic(deviceSeedFile, toHex(seedOf(`device ${index}`)));
    const enclave = await launchEnclave({
      imageDirectory: join(folder.path, 'image'),
      label: join(layout.enclave, 'run'),
      machine: { kind: 'simulated', deviceSeedFile, platform: 'sev-snp', product: 'Genoa' },
      genesis: genesis.bytes,
      nodeId: idOfSeed(seedOf(`validator ${index}`)),
      bubblewrap: [],
    });
    launched[index] = enclave;
    return { port: enclave.port, exited: enclave.exited.then(() => 'ended'), stop: () => enclave.stop() };
  };
}

beforeAll(async () => {
  folder = await temporaryFolder();
  await buildImage(join(folder.path, 'image'));
  const { measurement, image } = await measureImage(join(folder.path, 'image'));
  reference = { platform: 'sev-snp', measurement, image, name: 'enclave' };
  genesis = sampleGenesis(3, [reference]);
  const layouts = await Promise.all([0, 1, 2].map((index) => makeHome(folder.path, index, genesis)));
  const [one, two, three] = layouts as [HomeLayout, HomeLayout, HomeLayout];
  const flags = { 'attestation.challenge_interval_s': 3600 };
  const first = await startQuietly(one, flags, { launch: launcher(one, 0) });
  const seeds = { ...flags, 'network.seeds': [...first.addresses] };
  const second = await startQuietly(two, seeds, { launch: launcher(two, 1) });
  const third = await startQuietly(three, seeds);
  nodes = [first, second, third];
}, 120_000);

afterAll(async () => {
  await Promise.all([...(nodes ?? []), joined].map((node) => node?.stop()));
  await folder.remove();
}, 60_000);

function attestedAt(node: RunningNode, of: RunningNode): string | undefined {
  return node.context.state().attestations.get(of.id)?.keyset;
}

function clientOf(node: RunningNode): Promise<CloisterClient> {
  const api = createHttpApi({ baseUrl: node.apiUrl ?? '' });
  return CloisterClient.connect({ api, chainId: genesis.chainId, keyPair: TENANT, acceptSimulated: true });
}

describe('nodes with enclaves', { timeout: 120_000 }, () => {
  it('attest on the ledger, and are ready', async () => {
    const [first, second, third] = nodes;
    await untilBlock(third, () => attestedAt(third, first) !== undefined && attestedAt(third, second) !== undefined);
    await untilBlock(first, () => first.context.readiness().ready);
    const status = first.context.status() as Record<string, unknown>;
    expect(status).toMatchObject({
      role: 'validator',
      simulated: true,
      isolation: 'UNISOLATED',
      enclave: { state: 'running', measurement: reference.measurement, image: reference.image },
      attestation: { eligible: true },
    });
    expect((third.context.status() as Record<string, unknown>).isolation).toBe('NONE');
  });

  it('challenge each other before anything is handed over', async () => {
    const [first, second, third] = nodes;
    for (const [challenger, target] of [
      [third, first],
      [third, second],
      [first, second],
    ] as const) {
      await untilBlock(challenger, () => challenger.context.challengeOutcome(target.id) !== undefined);
      expect(challenger.context.challengeOutcome(target.id)).toMatchObject({
        passed: true,
        code: 'OK',
        keyset: attestedAt(challenger, target),
        measurement: reference.measurement,
      });
    }
  });

  it('run a sealed inference whose model and payload came in elsewhere', async () => {
    const [first, , third] = nodes;
    const client = await clientOf(third);
    prepared = await client.prepareModel(
      {
        onnx: await readFile(MODEL),
        name: 'digits',
        version: '1',
        inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 784] }],
        outputs: [{ name: 'probabilities', datatype: 'FP32', shape: [1, 10] }],
        engine: { name: 'onnxruntime-node', version: '1.30.0' },
        releasePolicy: { images: [reference.image], platforms: ['sev-snp'], mayReplicate: false },
        executionPolicy: { k: 1, m: 1, minPlatforms: 1, assignment: 'tenant' },
      },
      { tryModel },
    );
    await client.publishModel(prepared);
    await client.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: first.id });
    const result = await client.infer({ model: prepared.model, executors: [first.id], inputs: INPUTS });
    expect(result.outcome.status).toBe('completed');
    const text = await (await fetch(`${first.apiUrl}/metrics`)).text();
    expect(text).toContain('cloister_inference_requests_total{outcome="completed"} 1');
    expect(text).toMatch(/cloister_inference_duration_seconds_count [1-9]/);
  });

  it('execute without a vote: one that joined by address and hash, and attested', async () => {
    const [first, second, third] = nodes;
    const layout = await makeHome(folder.path, 3);
    const join = { address: second.addresses[0] ?? '', genesis: genesis.chainId };
    joined = await startQuietly(layout, {}, { join, launch: launcher(layout, 3) });
    const { id } = joined;
    await untilBlock(third, () => third.context.state().attestations.has(id));
    await untilBlock(third, () => third.context.challengeOutcome(id) !== undefined);
    expect(third.context.challengeOutcome(id)).toMatchObject({ passed: true });
    const client = await clientOf(third);
    await client.grantModelKey({ model: prepared.model, modelKey: prepared.modelKey, node: id });
    const result = await client.infer({ model: prepared.model, executors: [id], inputs: INPUTS });
    expect(result.receipts.map(({ executor }) => executor.node)).toEqual([id]);
    expect(joined.context.status()).toMatchObject({ role: 'member', attestation: { eligible: true } });
    expect(first.context.state().members.get(id as never)).toMatchObject({ weight: 0 });
  });

  it('attest anew when the enclave is killed, with another keyset', async () => {
    const [first, , third] = nodes;
    const before = attestedAt(third, first);
    process.kill(launched[0]?.pids.enclave ?? 0, 'SIGKILL');
    await untilBlock(third, () => attestedAt(third, first) !== before);
    await untilBlock(first, () => first.context.readiness().ready);
    await untilBlock(third, () => third.context.challengeOutcome(first.id)?.keyset === attestedAt(third, first));
    expect(third.context.challengeOutcome(first.id)?.passed).toBe(true);
  });
});
