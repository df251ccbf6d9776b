/**
 * One enclave on each simulated platform, as real processes: what it says of itself, and evidence that anyone can appraise.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Appraisal,
  appraise,
  decodeChallengeAnswer,
  decodeEvidenceBundle,
  encodeChallenge,
  makeChallenge,
  PLATFORMS,
  type Platform,
  type ReferenceValue,
  verifyChallengeAnswer,
} from '@cloister/attestation';
import {
  SIMULATED_ANCHORS,
  simulatedAppraisalPolicy,
  simulatedMachine,
  simulatedMeasurement,
} from '@cloister/attestation/simulated';
import { encodeModelManifest, IMAGE_MANIFEST_FILE } from '@cloister/confidential';
import { hash } from '@cloister/crypto';
import { asMeasurement, fromHex, type JsonValue, ok, toBase64 } from '@cloister/encoding';
import { parseShape } from '@cloister/encoding/shape';
import { Chain, keyPair, seed } from '@cloister/testkit/chain';
import { admit, grant, provision, publish, unwrap, Workshop } from '@cloister/testkit/launched';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaunchMessage } from '../../enclave/src/channel/platform-messages.ts';
import { createEnclave } from '../../enclave/src/inside/enclave.ts';
import { EnginePool } from '../../enclave/src/inside/engine-pool.ts';
import type { EnclaveLightClient } from '../../enclave/src/inside/light-client.ts';
import { Models } from '../../enclave/src/inside/models.ts';
import type { EngineLauncher, PlatformLink } from '../../enclave/src/inside/platform-link.ts';
import { createVault } from '../../enclave/src/inside/vault.ts';
import { DEFAULT_ENCLAVE_LIMITS, type LaunchedEnclave } from '../src/index.ts';
import { PLATFORM_ORDERS } from '../src/process/platform-orders.ts';

let workshop: Workshop;
const policy = simulatedAppraisalPolicy({ maxAgeBlocks: 10, refreshWindowBlocks: 10, nonceWindowBlocks: 10 });

beforeAll(async () => {
  workshop = await Workshop.open();
}, 60_000);
afterAll(() => workshop.close());

describe.each(PLATFORMS)('an enclave on simulated %s', (platform) => {
  let chain: Chain;
  let enclave: LaunchedEnclave;

  function referenceValue(on: Platform): ReferenceValue {
    const { measurement, image } = workshop.built;
    return { platform: on, measurement: simulatedMeasurement(on, measurement), image, status: 'allowed' };
  }

  /** The ledger's view of new evidence, under these reference values. */
  async function appraisal(referenceValues: readonly ReferenceValue[]): Promise<Appraisal> {
    const bundle = unwrap(await enclave.port.attest({ purpose: 'ledger', finality: chain.finalityBytes() }));
    const expected = { chainId: chain.chainId, purpose: 'ledger', nodeId: chain.node.id } as const;
    const atMs = chain.timeMs;
    const trustAnchors = SIMULATED_ANCHORS;
    return { bundle: unwrap(decodeEvidenceBundle(bundle)), referenceValues, policy, trustAnchors, atMs, expected };
  }

  beforeAll(async () => {
    chain = new Chain(workshop.built);
    chain.block();
    enclave = await workshop.launch(chain, { machine: await workshop.machine(platform) });
  });

  it('says which platform it is on, and what evidence of it shows', async () => {
    const { measurement } = referenceValue(platform);
    expect(enclave.measurement).toBe(measurement);
    const { image } = workshop.built;
    expect(await enclave.port.describe()).toMatchObject({ platform, simulated: true, measurement, image });
  });

  it('gives evidence that is accepted under the reference value of its platform, and of no other', async () => {
    const { keyset } = await enclave.port.describe();
    const accepted = unwrap(appraise(await appraisal([referenceValue(platform)])));
    expect(accepted).toMatchObject({ ...withoutStatus(referenceValue(platform)), keyset, simulated: true });
    const others = PLATFORMS.filter((one) => one !== platform).map(referenceValue);
    expect(appraise(await appraisal(others))).toMatchObject({ code: 'MEASUREMENT_NOT_ALLOWED' });
    const elsewhere = others.map((one) => ({ ...one, platform }));
    expect(appraise(await appraisal(elsewhere))).toMatchObject({ code: 'MEASUREMENT_NOT_ALLOWED' });
  });

  it('answers a challenge', async () => {
    const target = chain.node.id;
    const challenger = keyPair('challenger').id;
    const challenge = makeChallenge({ chainId: chain.chainId, challenger, target, nonce: seed('nonce') });
    const answer = await enclave.port.attest({ purpose: 'challenge', challenge: encodeChallenge(challenge) });
    const verified = verifyChallengeAnswer({
      challenge,
      answer: unwrap(decodeChallengeAnswer(unwrap(answer))),
      peer: target,
      referenceValues: [referenceValue(platform)],
      policy,
      trustAnchors: SIMULATED_ANCHORS,
      atMs: Date.now(),
    });
    expect(unwrap(verified)).toMatchObject({ platform, image: workshop.built.image });
  });

  it('serves once the ledger accepted it, and takes a model that is released to its platform', async () => {
    await admit(chain, enclave.port);
    expect(chain.last('AttestationAccepted')).toMatchObject({
      platform,
      keyset: (await enclave.port.describe()).keyset,
    });
    expect((await enclave.port.describe()).phase).toBe('serving');
    const { image } = workshop.built;
    const releasePolicy = { images: [image], platforms: [platform], mayReplicate: false };
    const own = await publish(chain, image, undefined, { releasePolicy });
    await grant(chain, own);
    expect(await provision(chain, enclave.port, own)).toMatchObject({ ok: true });
  });
});

it.each(PLATFORMS)('an enclave on %s opens a model that is released to it, and no other', async (platform) => {
  const image = hash('test/image');
  const chain = new Chain({ measurement: asMeasurement('5a'.repeat(48)), image });
  const binding = { chainId: chain.chainId, nodeId: chain.node.id, image };
  const vault = createVault(binding, (length) => seed('keys').subarray(0, length));
  const engine = { name: 'onnxruntime-node', version: '1.30.0' };
  for (const released of [[platform], PLATFORMS.filter((one) => one !== platform)]) {
    const releasePolicy = { images: [image], platforms: released, mayReplicate: false };
    const model = await publish(chain, image, seed('onnx'), { name: `for-${released.length}`, releasePolicy });
    // The ledger grants no such key: this one's word is made up, to see that the enclave looks for itself.
    const event = { model: model.id, owner: chain.owner.id };
    const models = new Models({
      vault,
      lightClient: {
        authoriseModelKey: () => ok({ event, attestation: { platform } }),
      } as unknown as EnclaveLightClient,
      engines: new EnginePool({} as EngineLauncher, 1, 1, () => 0),
      limits: { ...DEFAULT_ENCLAVE_LIMITS, modelBytesMax: 0 },
      engine,
    });
    const request = { authority: seed('proof'), manifest: encodeModelManifest(model.manifest) };
    const code = released.includes(platform) ? 'MODEL_TOO_LARGE' : 'RELEASE_POLICY';
    expect(await models.begin(request)).toMatchObject({ ok: false, code });
  }
});

it('goes by the platform that the ledger accepted, whatever the host says of it', async () => {
  const chain = new Chain(workshop.built);
  const { measurement, image } = workshop.built;
  const machine = simulatedMachine({ seed: seed('device'), platform: 'tdx' });
  const launchDigest = fromHex(measurement);
  const link = {
    describe: async () => ({ platform: 'sgx', product: 'x', simulated: true }),
    collect: async (reportData: Uint8Array) =>
      machine.collect({ reportData, launchDigest, image: fromHex(image) }, Date.now()),
    startEngine: () => Promise.reject(new Error('no engine')),
    stopEngine: () => undefined,
  } as unknown as PlatformLink;
  const manifest = new Uint8Array(await readFile(join(workshop.image, IMAGE_MANIFEST_FILE)));
  const lie = { platform: 'sgx', product: 'x', simulated: true, measurement, isolated: false } as const;
  const launch = { type: 'launch', manifest, genesis: chain.genesis.bytes, nodeId: chain.node.id, ...lie } as const;
  const call = unwrap(createEnclave(launch, link, (length) => seed('keys').subarray(0, length)));
  const part = async (method: string, ...parts: Uint8Array[]) => unwrap(await call(method, { head: {}, parts })).parts;
  chain.block();
  const [bundle = new Uint8Array()] = await part('attest-ledger', chain.finalityBytes());
  chain.provable(chain.node, { kind: 'submit-attestation', payload: { bundle: toBase64(bundle) } });
  await part('accept', chain.factsBytes());
  expect(chain.last('AttestationAccepted').platform).toBe('tdx');
  const releasePolicy = { images: [image], platforms: ['tdx' as const], mayReplicate: false };
  const model = await publish(chain, image, undefined, { releasePolicy });
  await grant(chain, model);
  const parts = [chain.authorityOf('ModelKeyGrantAuthorised'), encodeModelManifest(model.manifest)];
  const begun = unwrap(await call('provision-begin', { head: {}, parts }));
  const piece = { head: begun.head, parts: [model.sealed.ciphertext] };
  const taken = await call('provision-piece', piece);
  const ended = taken.ok ? await call('provision-end', { head: begun.head, parts: [] }) : taken;
  expect(ended).toMatchObject({ code: 'ENGINE_NOT_STARTED' });
});

it.each([true, false])('tells of its attester what the platform said: simulated %s', async (simulated) => {
  const child = fork(join(import.meta.dirname, 'platform-link-process.ts'), {
    serialization: 'advanced',
    execArgv: [],
  });
  const ended = once(child, 'exit');
  const launch: LaunchMessage = {
    type: 'launch',
    manifest: new Uint8Array(),
    genesis: new Uint8Array(),
    nodeId: '',
    platform: 'tdx',
    product: '90c06f000000',
    simulated,
    measurement: workshop.built.measurement,
    isolated: false,
  };
  child.send(launch);
  expect((await once(child, 'message'))[0]).toEqual({ platform: 'tdx', product: '90c06f000000', simulated });
  child.disconnect();
  await ended;
});

function withoutStatus({ status: _, ...pair }: ReferenceValue): Omit<ReferenceValue, 'status'> {
  return pair;
}

describe('a launch order', () => {
  const simulated = { kind: 'simulated', deviceSeedFile: 's' };
  const services = { pcs: 'https://a', rootCrl: 'https://b', kds: 'https://c' };
  const endorsements = { directory: 'e', update: 'early', services };
  const hardware = { kind: 'configfs-tsm', path: 'p', endorsements };

  it.each<[string, JsonValue, boolean]>([
    ['an SEV-SNP machine of a product line', { ...simulated, platform: 'sev-snp', product: 'Turin' }, true],
    ['a machine of another platform', { ...simulated, platform: 'tdx' }, true],
    ['an SEV-SNP machine of no product line', { ...simulated, platform: 'sev-snp' }, false],
    ['an SEV-SNP machine of an unknown product line', { ...simulated, platform: 'sev-snp', product: 'Naples' }, false],
    ['a product line of a platform that has none', { ...simulated, platform: 'tdx', product: 'Genoa' }, false],
    ['an unknown platform', { ...simulated, platform: 'sev' }, false],
    ['no platform', simulated, false],
    ['no seed', { kind: 'simulated', platform: 'tdx' }, false],
    ['the machine itself, by configfs', hardware, true],
    ['the machine itself, by dstack', { ...hardware, kind: 'dstack' }, true],
    ['an interface without a path', { kind: 'dstack', endorsements }, false],
    ['an unknown set of endorsements', { ...hardware, endorsements: { ...endorsements, update: 'late' } }, false],
    ['no address of endorsements', { ...hardware, endorsements: { ...endorsements, services: { pcs: 'x' } } }, false],
    ['another kind', { ...hardware, kind: 'none' }, false],
    ['nothing', null, false],
  ])('that names %s', (_, machine, taken) => {
    expect(parseShape(PLATFORM_ORDERS.launch.argument.machine, machine)).toEqual(
      taken ? { ok: true, value: machine } : expect.objectContaining({ code: 'SHAPE_MISMATCH' }),
    );
  });
});
