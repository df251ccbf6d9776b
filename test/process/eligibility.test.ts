/** Who may execute, shown on real processes: a changed image, a lapsed attestation, a revoked measurement. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClientError, type InferenceResult, type PreparedModel } from '@cloister/client';
import {
  encodeImageManifest,
  encodeReceipt,
  parseImageManifest,
  parseReceipt,
  type ReceiptStatement,
} from '@cloister/confidential';
import { sha384 } from '@cloister/crypto';
import { type Digest, fromHex, toBase64, toHex } from '@cloister/encoding';
import { awaitReady, buildTestnetImage, loadBareModel, type TestnetLayout } from '@cloister/node/testnet';
import { inspectImage } from '@cloister/platform';
import { beforeAll, describe, expect, it } from 'vitest';
import { answerOf, publishDigits } from './digits-model.ts';
import { cleanUpAfterwards, copyOf, makeFolder, Network } from './harness.ts';
import {
  attestationOf,
  call,
  eventsOf,
  expectAgreement,
  type Fields,
  type Listed,
  reach,
  statusOf,
} from './node-api.ts';
import { descendantsOf } from './processes.ts';
import { claimedBy, digitInput, fateOf, requestTo, settle, signFor, submit } from './transactions.ts';
import { eventually } from './wait.ts';

cleanUpAfterwards();
/** Validators by what happens to them. */
const [REVOKED, LAPSING, RELAUNCHED, TAMPERED] = [0, 1, 2, 3] as const;
/** A sign of life holds for three times the blocks in which a validator is launched again, found out and asked. */
const AGES = { maxAgeBlocks: 7_200, refreshWindowBlocks: 180, nonceWindowBlocks: 64 };

let network: Network;
let image: TestnetLayout['image'];
let tampered: string;
let ownImage: string;
let prepared: PreparedModel;
let result: InferenceResult;

/** A copy of the image with one byte changed, and a manifest that says so: it starts, and measures as something else. */
async function changeOneByte(original: string): Promise<string> {
  const folder = await copyOf(original);
  const parsed = parseImageManifest(await readFile(join(folder, 'manifest.json')));
  if (!parsed.ok) throw new Error(parsed.code);
  const { entry, files } = parsed.value;
  const bytes = await readFile(join(folder, entry));
  // A space between two words of the program becomes a tab: the program does the same as before.
  bytes[bytes.indexOf(' ')] = 0x09;
  await writeFile(join(folder, entry), bytes);
  const digest = toHex(sha384(bytes));
  const changed = files.map((file) => (file.path === entry ? { ...file, sha384: digest } : file)) as typeof files;
  await writeFile(join(folder, 'manifest.json'), encodeImageManifest({ ...parsed.value, files: changed }));
  return folder;
}

function idOf(index: number) {
  return network.validator(index).id;
}

/** The events of a type about a node, or sent by it, as this node's log has them. */
async function eventsAbout(api: string, type: string, index: number): Promise<readonly Listed[]> {
  const id = idOf(index);
  return (await eventsOf(api, type)).filter(({ payload }) => payload.node === id || payload.sender === id);
}

async function keysetOf(index: number): Promise<Digest> {
  const found = await attestationOf(network.api(TAMPERED), idOf(index));
  if (found === undefined) throw new Error(`no attestation of validator ${index}`);
  return found.keyset as Digest;
}

/** An accepted node's keys as the ledger has them: what a tenant names who asks nobody. */
async function acceptedKeys(index: number): Promise<{ keyset: Digest; hpkeKey: Uint8Array }> {
  const keyset = await keysetOf(index);
  const accepted = (await eventsAbout(network.api(TAMPERED), 'AttestationAccepted', index)).at(-1);
  return { keyset, hpkeKey: fromHex(String(accepted?.payload.hpkeKey)) };
}

/** Tasks that this validator's enclave ran. */
async function executionsOf(index: number): Promise<readonly string[]> {
  const { text } = await call(network.api(index), '/metrics');
  return text.split('\n').filter((line) => /^cloister_executions_total\{outcome="submitted"\}/.test(line));
}

async function requestEvent(task: Fields): Promise<Listed> {
  return eventually('the request’s event', async () =>
    (await eventsOf(network.api(TAMPERED), 'InferenceRequested')).find(
      ({ payload }) => payload.transaction === task.id,
    ),
  );
}

/** A receipt signed with a validator's own key, and what becomes of it on the ledger. */
async function forge(index: number, statement: ReceiptStatement) {
  const key = await network.validatorKey(index);
  const receipt = toBase64(encodeReceipt(statement, (message) => key.sign(message)));
  const payload = { task: statement.task, receipt, response: null, holdings: [] };
  return settle(network.api(index), await signFor(network, index, key, 'submit-result', payload));
}

beforeAll(async () => {
  image = await buildTestnetImage(await makeFolder());
  tampered = await changeOneByte(image.folder);
  ownImage = await copyOf(image.folder);
  expect((await inspectImage(tampered)).deviations).toEqual([]);
  network = await Network.make({ validators: 4, image, ages: AGES });
  await network.start(REVOKED);
  await network.start(LAPSING, ['--enclave-image', ownImage]);
  await network.start(RELAUNCHED);
  await network.start(TAMPERED, ['--enclave-image', tampered]);
  for (const index of [REVOKED, LAPSING, RELAUNCHED]) {
    expect(await awaitReady(network.api(index), 180_000, () => undefined)).toBe(true);
  }
  const owner = await network.client('owner', REVOKED);
  prepared = await publishDigits(owner, image.digest);
  const { model, modelKey } = prepared;
  for (const index of [REVOKED, LAPSING, RELAUNCHED]) await owner.grantModelKey({ model, modelKey, node: idOf(index) });
});

describe('one byte of a validator’s image changed', () => {
  it('every node refuses its evidence on the ledger, with the code', async () => {
    const seen = await Promise.all(
      network.apis.map((api) =>
        eventually(`the refusal at ${api}`, async () => {
          const [first] = await eventsAbout(api, 'TransactionRejected', TAMPERED);
          return first;
        }),
      ),
    );
    for (const event of seen) {
      expect(event).toEqual(seen[0]);
      expect(event.payload).toMatchObject({ code: 'EVIDENCE_REFUSED', detail: 'MEASUREMENT_NOT_ALLOWED' });
    }
    for (const api of network.apis) expect(await attestationOf(api, idOf(TAMPERED))).toBeUndefined();
    expect((await call(network.api(TAMPERED), '/readyz')).body).toMatchObject({
      ready: false,
      reasons: expect.arrayContaining(['NOT_ATTESTED']) as string[],
    });
  });

  it.each([REVOKED, LAPSING, RELAUNCHED])('a challenge through validator %i ends with the code', async (through) => {
    const client = await network.client('tenant', through);
    const refusal = await client.verifyEnclave(idOf(TAMPERED)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ClientError);
    expect(refusal).toMatchObject({ code: 'EVIDENCE_REFUSED', detail: 'MEASUREMENT_NOT_ALLOWED' });
  });

  it('a request that names it is rejected with the code', async () => {
    const claimed = await claimedBy(network, REVOKED, idOf(TAMPERED));
    const request = await requestTo(network, REVOKED, prepared.model, claimed, 12_000);
    const fate = await settle(network.api(REVOKED), request);
    expect(fate).toMatchObject({ fate: 'REJECTED', code: 'EXECUTOR_NOT_ELIGIBLE' });
    expect(fate.detail).toContain('NO_ATTESTATION');
  });

  it('a receipt that it forces is rejected, under its own keyset and under another’s', async () => {
    const tenant = await network.client('tenant', LAPSING);
    const { pixels, tensor } = digitInput(3);
    result = await tenant.infer({ model: prepared.model, inputs: [tensor], executors: [idOf(REVOKED)] });
    expect(answerOf(result)).toEqual([...(await (await loadBareModel()).run(pixels))]);
    const [genuine] = result.receipts;
    const receipt = parseReceipt(genuine?.bytes ?? new Uint8Array());
    if (!receipt.ok) throw new Error(receipt.code);
    const { statement } = receipt.value;
    const { keyset } = await claimedBy(network, REVOKED, idOf(TAMPERED));
    const own = { ...statement, keyset, executor: idOf(TAMPERED) };
    expect(await forge(TAMPERED, own)).toMatchObject({ fate: 'REJECTED', code: 'NOT_AN_EXECUTOR' });
    const another = { ...statement, outputCommitment: statement.inputCommitment };
    expect(await forge(TAMPERED, another)).toMatchObject({ fate: 'REJECTED', code: 'RECEIPT_SIGNATURE_INVALID' });
  });
});

describe('an accepted validator relaunched from a changed image', () => {
  it('fails its peers’ challenges, runs nothing, and cannot force a receipt', async () => {
    const accepted = await acceptedKeys(RELAUNCHED);
    // Its last sign of life must outlast this test: the ledger refuses a lapsed node's request before the node itself can refuse.
    await eventually('a sign of life of late', async () => {
      const { height } = await statusOf(network.api(REVOKED));
      const until = (await attestationOf(network.api(REVOKED), idOf(RELAUNCHED)))?.aliveUntilHeight ?? 0;
      return until - height >= (AGES.refreshWindowBlocks * 2) / 3 ? true : undefined;
    });
    await network.stop(RELAUNCHED);
    await network.start(RELAUNCHED, ['--enclave-image', tampered]);
    for (const index of [REVOKED, LAPSING]) {
      await eventually(`validator ${index} to find out`, async () => {
        const challenge = (await attestationOf(network.api(index), idOf(RELAUNCHED)))?.challenge;
        return challenge?.passed === false && challenge.code === 'KEYSET_MISMATCH' ? true : undefined;
      });
      const client = await network.client('tenant', index);
      const refusal = await client.verifyEnclave(idOf(RELAUNCHED)).catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: 'EVIDENCE_REFUSED', detail: 'MEASUREMENT_NOT_ALLOWED' });
    }
    await eventually('the ledger’s refusal of its new evidence', async () => {
      const [first] = await eventsAbout(network.api(REVOKED), 'TransactionRejected', RELAUNCHED);
      return first?.payload.detail === 'MEASUREMENT_NOT_ALLOWED' ? first : undefined;
    });
    // The ledger's last word on it still stands, so that a request is admitted. Its own node refuses before anything runs.
    const request = await requestTo(network, REVOKED, prepared.model, accepted, 20_000);
    expect(await settle(network.api(REVOKED), request)).toMatchObject({ fate: 'COMMITTED' });
    const log = join(network.validator(RELAUNCHED).home, 'node.log');
    await eventually('its refusal', async () => {
      const text = await readFile(log, 'utf8');
      return text.includes('LOCAL_ENCLAVE_TAMPERED') && text.includes('local enclave tampered') ? true : undefined;
    });
    const { payload } = await requestEvent(request);
    const genuine = parseReceipt(result.receipts[0]?.bytes ?? new Uint8Array());
    if (!genuine.ok) throw new Error(genuine.code);
    const forged = {
      ...genuine.value.statement,
      task: payload.task,
      transaction: payload.transaction,
      inputCommitment: payload.inputCommitment,
      policyDigest: payload.policyDigest,
      height: payload.height,
      executor: idOf(RELAUNCHED),
      keyset: accepted.keyset,
    } as ReceiptStatement;
    expect(await forge(RELAUNCHED, forged)).toMatchObject({ fate: 'REJECTED', code: 'RECEIPT_SIGNATURE_INVALID' });
    expect(await eventsAbout(network.api(REVOKED), 'ReceiptAccepted', RELAUNCHED)).toEqual([]);
  });

  it('is accepted again once it runs the image that the network allows', async () => {
    await network.stop(RELAUNCHED);
    await network.start(RELAUNCHED);
    expect(await awaitReady(network.api(RELAUNCHED), 180_000, () => undefined)).toBe(true);
    expect(await attestationOf(network.api(REVOKED), idOf(RELAUNCHED))).toMatchObject({ eligible: true });
    await expectAgreement(network.apis);
  });
});

describe('an attestation that lapses', () => {
  it('stops its executor at that very block', async () => {
    const at = REVOKED;
    const keys = await acceptedKeys(LAPSING);
    // Without its platform, and with no image to start another from, nothing signs the next sign of life.
    await rename(ownImage, `${ownImage}-away`);
    const platform = descendantsOf(network.node(LAPSING).pid).find(({ command }) =>
      command.includes('platform/src/process/main.ts'),
    );
    if (platform === undefined) throw new Error('no platform process');
    process.kill(platform.pid, 'SIGKILL');
    const lapses = async (): Promise<number> =>
      (await attestationOf(network.api(at), idOf(LAPSING)))?.aliveUntilHeight ?? 0;
    // As long as the window of signs of life, on a slow machine.
    await eventually(
      'the last blocks of its attestation',
      async () => ((await statusOf(network.api(at))).height >= (await lapses()) - 8 ? true : undefined),
      240_000,
    );
    const lastHeight = await lapses();
    const sent: Digest[] = [];
    for (let height = 0; height < lastHeight + 3; ) {
      const request = await requestTo(network, at, prepared.model, keys, 8_000);
      expect((await submit(network.api(at), request.bytes)).status).toBe(200);
      sent.push(request.id);
      // One a block: an account has no room for more.
      height = (await reach(network.api(at), height + 1)).height;
    }
    const fates = await Promise.all(sent.map((id) => fateOf(network.api(at), id)));
    const admitted = fates.filter(({ fate }) => fate === 'COMMITTED').map(({ height }) => Number(height));
    const refused = fates.filter(({ fate }) => fate === 'REJECTED');
    expect(admitted.length).toBeGreaterThan(0);
    expect(refused.length).toBeGreaterThan(0);
    expect(Math.max(...admitted)).toBeLessThanOrEqual(lastHeight);
    for (const { height, code, detail } of refused) {
      expect(height).toBeGreaterThan(lastHeight);
      expect(code).toBe('EXECUTOR_NOT_ELIGIBLE');
      expect(detail).toContain('NOT_REFRESHED');
    }
    // What it was asked before the lapse and did not answer ends with the reason.
    const lapsed = await eventually('ExecutorLapsed', async () =>
      (await eventsAbout(network.api(at), 'ExecutorLapsed', LAPSING)).at(-1),
    );
    expect(lapsed.payload).toMatchObject({ reasons: ['NOT_REFRESHED'] });
    expect(await attestationOf(network.api(at), idOf(LAPSING))).toMatchObject({
      eligible: false,
      reasons: ['NOT_REFRESHED'],
    });
    expect((await call(network.api(LAPSING), '/readyz')).status).toBe(503);
    await expectAgreement(network.apis);
  });
});

describe('a measurement revoked on the ledger', () => {
  it('stops executors at once: those that are asked, and one that was asked before', async () => {
    const at = RELAUNCHED;
    // The executor stands still while the request and then the revocation become final.
    const asked = await requestTo(network, at, prepared.model, await acceptedKeys(REVOKED), 60_000);
    const executed = await executionsOf(REVOKED);
    process.kill(network.node(REVOKED).pid, 'SIGSTOP');
    expect(await settle(network.api(at), asked)).toMatchObject({ fate: 'COMMITTED' });
    const owner = await network.accountKey('owner');
    const revocation = await signFor(network, at, owner, 'set-measurement', {
      platform: 'sev-snp',
      measurement: image.measurement,
      image: image.digest,
      status: 'revoked',
      graceUntilHeight: null,
      name: 'testnet image',
    });
    const revoked = await settle(network.api(at), revocation);
    expect(revoked).toMatchObject({ fate: 'COMMITTED' });
    process.kill(network.node(REVOKED).pid, 'SIGCONT');

    const next = await settle(
      network.api(at),
      await requestTo(network, at, prepared.model, await acceptedKeys(RELAUNCHED), 20_000),
    );
    expect(next).toMatchObject({ fate: 'REJECTED', code: 'EXECUTOR_NOT_ELIGIBLE' });
    expect(next.detail).toContain('MEASUREMENT_REVOKED');

    const { payload } = await requestEvent(asked);
    const failed = await eventually('the end of the task', async () =>
      (await eventsOf(network.api(at), 'InferenceFailed')).find((event) => event.payload.task === payload.task),
    );
    expect(failed.payload).toMatchObject({ code: 'EXECUTORS_LAPSED', receipts: 0 });
    expect(failed.height, 'in the block of the revocation, long before the deadline').toBe(revoked.height);
    const lapsed = (await eventsAbout(network.api(at), 'ExecutorLapsed', REVOKED)).at(-1);
    expect(lapsed?.payload.reasons).toContain('MEASUREMENT_REVOKED');
    for (const api of network.apis) {
      await reach(api, Number(revoked.height));
      const attestation = await attestationOf(api, idOf(REVOKED));
      expect(attestation?.eligible).toBe(false);
      expect(attestation?.reasons).toContain('MEASUREMENT_REVOKED');
    }
    const requests = await eventsOf(network.api(at), 'InferenceRequested');
    expect(requests.filter(({ height }) => height > Number(revoked.height))).toEqual([]);
    // Nor did its own node run what it was asked while it stood still.
    expect(await executionsOf(REVOKED)).toEqual(executed);
    await expectAgreement(network.apis);
  });
});
