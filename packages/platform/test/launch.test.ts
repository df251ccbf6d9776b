/**
 * What a launch guarantees, shown on real processes: what is measured is what runs, who can ask for evidence, and that nothing
 * is left behind.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, chmod, cp, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AppraisalPolicy,
  decodeChallengeAnswer,
  encodeChallenge,
  makeChallenge,
  type ReferenceValue,
  verifyChallengeAnswer,
} from '@cloister/attestation';
import { SIMULATED_ANCHORS, simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import { toBase64, utf8 } from '@cloister/encoding';
import { Chain, keyPair, seed } from '@cloister/testkit/chain';
import { gone, isRunning, unwrap, Workshop } from '@cloister/testkit/launched';
import { descendants } from '@cloister/testkit/surface';
import { EnclaveUnavailable } from '@cloister/validator';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EnclaveLaunchError, type LaunchedEnclave, type launchEnclave } from '../src/index.ts';

let workshop: Workshop;
let chain: Chain;
let enclave: LaunchedEnclave;
const policy: AppraisalPolicy = simulatedAppraisalPolicy({
  maxAgeBlocks: 10,
  refreshWindowBlocks: 10,
  nonceWindowBlocks: 10,
});

beforeAll(async () => {
  workshop = await Workshop.open();
  chain = new Chain(workshop.built);
  chain.block();
  process.env.NODE_OPTIONS = '--require=/nonexistent.cjs';
  enclave = await workshop.launch(chain);
  delete process.env.NODE_OPTIONS;
}, 60_000);
afterAll(() => workshop.close());

const challenger = keyPair('challenger').id;
const challengeFor = (target = chain.node.id, label = 'nonce'): ReturnType<typeof makeChallenge> =>
  makeChallenge({ chainId: chain.chainId, challenger, target, nonce: seed(label) });

it('describes what was launched, and says that it is simulated and unisolated', async () => {
  expect(await enclave.port.describe()).toMatchObject({
    nodeId: chain.node.id,
    platform: 'sev-snp',
    simulated: true,
    isolated: false,
    measurement: workshop.built.measurement,
    image: workshop.built.image,
    phase: 'launched',
    trustedHeight: 0,
    models: [],
  });
});

it('answers a challenge that any relying party can verify', async () => {
  const challenge = challengeFor();
  const answer = unwrap(
    decodeChallengeAnswer(
      unwrap(await enclave.port.attest({ purpose: 'challenge', challenge: encodeChallenge(challenge) })),
    ),
  );
  const { measurement, image } = workshop.built;
  const referenceValues: ReferenceValue[] = [{ platform: 'sev-snp', measurement, image, status: 'allowed' }];
  const verification = {
    policy,
    referenceValues,
    trustAnchors: SIMULATED_ANCHORS,
    atMs: Date.now(),
    peer: chain.node.id,
    answer,
  };
  const { keyset } = await enclave.port.describe();
  expect(unwrap(verifyChallengeAnswer({ ...verification, challenge, ledgerKeyset: keyset }))).toMatchObject({
    keyset,
    image,
  });
  expect(verifyChallengeAnswer({ ...verification, challenge: challengeFor(chain.node.id, 'another') })).toMatchObject({
    code: 'NONCE_MISMATCH',
  });
});

it('refuses challenges to others and evidence over what its light client did not verify', async () => {
  const ask = (challenge: Uint8Array): ReturnType<typeof enclave.port.attest> =>
    enclave.port.attest({ purpose: 'challenge', challenge });
  expect(await ask(encodeChallenge(challengeFor(challenger)))).toMatchObject({ code: 'CHALLENGE_OTHER_NODE' });
  expect(await ask(encodeChallenge({ ...challengeFor(), chainId: workshop.built.image }))).toMatchObject({
    code: 'CHALLENGE_OTHER_CHAIN',
  });
  expect(await ask(utf8('no challenge'))).toMatchObject({ code: 'CHALLENGE_MALFORMED' });
  expect(await enclave.port.attest({ purpose: 'ledger', finality: utf8('no proof') })).toMatchObject({
    code: 'FINALITY_MALFORMED',
  });
  const other = new Chain({ ...workshop.built, refreshWindowBlocks: 7 });
  other.block();
  expect(await enclave.port.attest({ purpose: 'ledger', finality: other.finalityBytes() })).toMatchObject({
    code: 'FINALITY_REFUSED',
  });
});

it('refuses to launch an image of which one byte changed', async () => {
  const imageDirectory = join(workshop.directory, 'tampered');
  await cp(workshop.image, imageDirectory, { recursive: true });
  await appendFile(join(imageDirectory, 'enclave.mjs'), ' ');
  const refused = workshop.launch(chain, { imageDirectory });
  await expect(refused).rejects.toBeInstanceOf(EnclaveLaunchError);
  await expect(refused).rejects.toMatchObject({ code: 'IMAGE_TAMPERED' });
});

it('measures a tampered image as it is when told to, and the ledger refuses its evidence', async () => {
  const tampered = await workshop.launch(chain, {
    imageDirectory: join(workshop.directory, 'tampered'),
    tampered: 'measure',
  });
  expect(tampered.measurement).not.toBe(workshop.built.measurement);
  const bundle = unwrap(await tampered.port.attest({ purpose: 'ledger', finality: chain.finalityBytes() }));
  const events = chain.block(chain.node, { kind: 'submit-attestation', payload: { bundle: toBase64(bundle) } });
  const rejected = events.find((event) => event.type === 'TransactionRejected');
  expect(`${rejected?.code} ${rejected?.detail}`).toContain('MEASUREMENT_NOT_ALLOWED');
  await tampered.stop();
});

it('takes the device seed only from a file that nobody else can read', async () => {
  const exposed = join(workshop.directory, 'exposed-seed');
  await cp(join(workshop.directory, 'device-seed'), exposed);
  await chmod(exposed, 0o644);
  const machine = { kind: 'simulated', deviceSeedFile: exposed, platform: 'tdx' } as const;
  await expect(workshop.launch(chain, { machine })).rejects.toMatchObject({
    code: 'DEVICE_SEED_EXPOSED',
  });
  await expect(workshop.launch(chain, { genesis: utf8('{}') })).rejects.toMatchObject({ code: 'LAUNCH_GENESIS' });
});

it('answers with a typed error when the enclave is gone, and leaves nothing behind', async () => {
  const before = (await readdir(workshop.directory, { recursive: true })).sort();
  const crashing = await workshop.launch(chain);
  process.kill(crashing.pids.enclave, 'SIGKILL');
  await crashing.exited;
  const error = await crashing.port.describe().catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(EnclaveUnavailable);
  expect(error).toMatchObject({ code: 'ENCLAVE_GONE' });
  await gone(crashing.pids.enclave);
  expect((await readdir(workshop.directory, { recursive: true })).sort()).toEqual(before);
  await crashing.stop();
});

it('ends with the validator, even one that is killed', async () => {
  const validator = spawn(process.execPath, [join(import.meta.dirname, 'hosting-process.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const options: Parameters<typeof launchEnclave>[0] = {
    imageDirectory: workshop.image,
    machine: {
      kind: 'simulated',
      deviceSeedFile: join(workshop.directory, 'device-seed'),
      platform: 'sev-snp',
      product: 'Genoa',
    },
    genesis: new Uint8Array(),
    nodeId: chain.node.id,
    bubblewrap: [],
  };
  validator.stdin.end(JSON.stringify({ ...options, genesis: toBase64(chain.genesis.bytes) }));
  const [line] = (await validator.stdout.take(1).toArray()) as [Buffer];
  const pids = JSON.parse(line.toString()) as number[];
  expect(await Promise.all(pids.map(isRunning))).toEqual([true, true]);
  validator.kill('SIGKILL');
  await Promise.all(pids.map(gone));
});

const BUBBLEWRAP = '/usr/bin/bwrap';
it.skipIf(!existsSync(BUBBLEWRAP))('is isolated under bubblewrap, and says so', async ({ skip }) => {
  const sandboxed = await workshop.launch(chain, { bubblewrap: [BUBBLEWRAP] });
  skip(!sandboxed.isolated, 'bubblewrap does not work on this machine: unprivileged namespaces are off');
  expect((await sandboxed.port.describe()).isolated).toBe(true);
  const inside = await descendants(sandboxed.pids.enclave);
  expect(inside.length).toBeGreaterThan(0);
  const program = inside.at(-1) ?? 0;
  for (const namespace of ['net', 'pid', 'mnt', 'ipc', 'user']) {
    const own = await readlink(`/proc/self/ns/${namespace}`);
    expect(await readlink(`/proc/${program}/ns/${namespace}`)).not.toBe(own);
  }
  expect(await readFile(`/proc/${program}/status`, 'latin1')).toMatch(/^Seccomp:\s+2$/m);
  await sandboxed.stop();
});
