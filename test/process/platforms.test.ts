/** A network of two platforms on real processes: executors on distinct ones, and what a policy of governance does to them. */
import {
  type AppraisalPolicy,
  appraisalPolicyFromJson,
  appraisalPolicyToJson,
  type Platform,
} from '@cloister/attestation';
import { simulatedAppraisalPolicy } from '@cloister/attestation/simulated';
import type { CloisterClient, PreparedModel } from '@cloister/client';
import type { JsonValue } from '@cloister/encoding';
import { awaitReady, buildTestnetImage, loadBareModel, type TestnetLayout } from '@cloister/node/testnet';
import { OWN_MAPPING, OWN_TARGET, surfaceOf } from '@cloister/testkit/surface';
import { beforeAll, describe, expect, it } from 'vitest';
import { answerOf, publishDigits } from './digits-model.ts';
import { cleanUpAfterwards, makeFolder, Network } from './harness.ts';
import {
  type Attestation,
  attestationOf,
  call,
  eventsOf,
  expectAgreement,
  type Fate,
  type Listed,
  read,
} from './node-api.ts';
import { descendantsOf } from './processes.ts';
import { claimedBy, digitInput, requestTo, settle, signFor } from './transactions.ts';
import { eventually } from './wait.ts';

cleanUpAfterwards();
/** Validators by platform. */
const SEV_SNP = [0, 2] as const;
const TDX = [1, 3] as const;
const PLATFORMS = ['sev-snp', 'tdx'] as const satisfies readonly Platform[];
const AGES = { maxAgeBlocks: 7_200, refreshWindowBlocks: 600, nonceWindowBlocks: 64 };

let network: Network;
let image: TestnetLayout['image'];
let single: PreparedModel;
let several: PreparedModel;
let tenant: CloisterClient;

function idOf(index: number) {
  return network.validator(index).id;
}

async function attestation(index: number, api = network.api(SEV_SNP[0])): Promise<Attestation> {
  const found = await attestationOf(api, idOf(index));
  if (found === undefined) throw new Error(`no attestation of validator ${index}`);
  return found;
}

type PolicyShown = {
  readonly policy: JsonValue;
  readonly scheduled: { readonly effectiveHeight: number; readonly loosenings: readonly string[] } | null;
};

function policyShown(api = network.api(SEV_SNP[0])): Promise<PolicyShown> {
  return read(api, '/v1/policy');
}

/** The policy in force with some members changed, set by the owner, who governs alone. */
async function setPolicy(change: (policy: AppraisalPolicy) => Partial<AppraisalPolicy>): Promise<Fate> {
  const current = appraisalPolicyFromJson((await policyShown()).policy);
  if (!current.ok) throw new Error(current.code);
  const policy = appraisalPolicyToJson({ ...current.value, ...change(current.value) });
  const owner = await network.accountKey('owner');
  return settle(network.api(SEV_SNP[0]), await signFor(network, SEV_SNP[0], owner, 'set-policy', { policy }));
}

/** Evictions of one block, which a node lists all at once. */
function evictionsAt(api: string, height: number): Promise<readonly Listed[]> {
  return eventually(`the evictions of block ${height} at ${api}`, async () => {
    const found = (await eventsOf(api, 'AttestationEvicted')).filter((event) => event.height === height);
    return found.length === 0 ? undefined : found;
  });
}

/** That an inference on this executor, by whichever node, gives the bare model's answer. */
async function expectExecutes(index: number): Promise<void> {
  const { pixels, tensor } = digitInput(index);
  const result = await tenant.infer({ model: single.model, inputs: [tensor], executors: [idOf(index)] });
  expect(answerOf(result)).toEqual([...(await (await loadBareModel()).run(pixels))]);
  expect(result.receipts.map(({ executor }) => executor.platform)).toEqual([PLATFORMS[index % 2]]);
}

beforeAll(async () => {
  image = await buildTestnetImage(await makeFolder());
  network = await Network.make({ validators: 4, image, platforms: PLATFORMS, ages: AGES });
  for (let index = 0; index < network.size; index++) await network.start(index);
  for (const api of network.apis) expect(await awaitReady(api, 180_000, () => undefined)).toBe(true);
  const owner = await network.client('owner', SEV_SNP[0]);
  single = await publishDigits(owner, image.digest, PLATFORMS);
  several = await publishDigits(owner, image.digest, PLATFORMS, { k: 2, m: 2, minPlatforms: 2 });
  for (let index = 0; index < network.size; index++) {
    for (const { model, modelKey } of [single, several]) {
      await owner.grantModelKey({ model, modelKey, node: idOf(index) });
    }
  }
  tenant = await network.client('tenant', SEV_SNP[0]);
});

describe('validators on two platforms', () => {
  it('are attested by evidence of their own, and every node says so', async () => {
    for (const api of network.apis) {
      for (const index of [...SEV_SNP, ...TDX]) {
        const platform = PLATFORMS[index % 2];
        expect(await attestation(index, api)).toMatchObject({ platform, eligible: true, evicted: null });
      }
    }
  });

  it('execute together for a model that asks for two platforms, and not on one of them alone', async () => {
    const { pixels, tensor } = digitInput(7);
    const pending = await tenant.requestInference({ model: several.model, inputs: [tensor] });
    expect(new Set(pending.executors.map(({ platform }) => platform))).toEqual(new Set(PLATFORMS));
    const result = await tenant.awaitInference(pending);
    expect(answerOf(result)).toEqual([...(await (await loadBareModel()).run(pixels))]);
    const alone = tenant.infer({ model: several.model, inputs: [tensor], executors: SEV_SNP.map(idOf) });
    await expect(alone).rejects.toMatchObject({ code: 'PLATFORMS_NOT_DISTINCT' });
  });
});

describe('a policy that no longer takes TDX', () => {
  let decided: Fate;

  it('evicts its validators at the very height at which it was decided', async () => {
    decided = await setPolicy(() => ({ tdx: null }));
    expect(decided).toMatchObject({ fate: 'COMMITTED' });
    const height = Number(decided.height);
    for (const api of network.apis) {
      const evictions = await evictionsAt(api, height);
      expect(evictions.map(({ payload: { node, cause, code } }) => [node, cause, code])).toEqual(
        TDX.map(idOf)
          .sort()
          .map((node) => [node, 'policy', 'PLATFORM_NOT_ACCEPTED']),
      );
      for (const index of TDX) {
        const evicted = { cause: 'policy', code: 'PLATFORM_NOT_ACCEPTED', height };
        expect(await attestation(index, api)).toMatchObject({ eligible: false, evicted });
      }
      for (const index of SEV_SNP) expect(await attestation(index, api)).toMatchObject({ eligible: true });
    }
    for (const index of TDX) {
      const { status, body } = await call(network.api(index), '/readyz');
      expect(status).toBe(503);
      expect(body.reasons).toContain('EVICTED');
    }
  });

  it('keeps them from executing, by the ledger, by the client and by their own enclaves', async () => {
    const [evicted] = TDX;
    const claimed = await claimedBy(network, SEV_SNP[0], idOf(evicted));
    const request = await requestTo(network, SEV_SNP[0], single.model, claimed, 20_000);
    const fate = await settle(network.api(SEV_SNP[0]), request);
    expect(fate).toMatchObject({ fate: 'REJECTED', code: 'EXECUTOR_NOT_ELIGIBLE' });
    expect(fate.detail).toContain('EVICTED');
    const refusal = { code: 'EVIDENCE_REFUSED', detail: 'PLATFORM_NOT_ACCEPTED' };
    await expect(tenant.verifyEnclave(idOf(evicted))).rejects.toMatchObject(refusal);
    await eventually('its enclave to stop serving', async () => {
      const { enclave } = await read<{ enclave: { phase: string } }>(network.api(evicted), '/v1/status');
      return enclave.phase === 'serving' ? undefined : enclave;
    });
    await eventually('the refusal of its new evidence', async () =>
      (await eventsOf(network.api(SEV_SNP[0]), 'TransactionRejected')).find(
        ({ payload }) => payload.sender === idOf(evicted) && payload.detail === 'PLATFORM_NOT_ACCEPTED',
      ),
    );
  });

  it('leaves the others executing, and every node with the same log', async () => {
    for (const index of SEV_SNP) await expectExecutes(index);
    await expectAgreement(network.apis);
  });
});

describe('a policy that takes it again', () => {
  it('waits for its height, and brings them back with new evidence only then', async () => {
    const { tdx } = simulatedAppraisalPolicy(AGES);
    const decided = await setPolicy(() => ({ tdx }));
    expect(decided).toMatchObject({ fate: 'COMMITTED' });
    const scheduled = (await eventsOf(network.api(SEV_SNP[0]), 'AppraisalPolicyScheduled')).at(-1);
    const effectiveHeight = Number(scheduled?.payload.effectiveHeight);
    expect(effectiveHeight).toBeGreaterThan(Number(decided.height));
    expect(scheduled?.payload.loosenings).toEqual(['tdx']);
    for (const index of TDX) expect(await awaitReady(network.api(index), 180_000, () => undefined)).toBe(true);
    const accepted = await eventually('the acceptance of both', async () => {
      const found = await eventsOf(network.api(SEV_SNP[0]), 'AttestationAccepted', scheduled?.sequence);
      return found.length < TDX.length ? undefined : found;
    });
    expect(new Set(accepted.map(({ payload }) => payload.node))).toEqual(new Set(TDX.map(idOf)));
    for (const { height } of accepted) expect(height).toBeGreaterThanOrEqual(effectiveHeight);
    await expectExecutes(TDX[0]);
  });
});

describe('a policy that bars one machine', () => {
  it('evicts that one alone', async () => {
    const [, barred] = SEV_SNP;
    const { hardwareId } = await attestation(barred);
    const decided = await setPolicy(() => ({ barredHardwareIds: [hardwareId] }));
    for (const api of network.apis) {
      const evictions = await evictionsAt(api, Number(decided.height));
      expect(evictions.map(({ payload }) => payload.node)).toEqual([idOf(barred)]);
    }
    await expectExecutes(SEV_SNP[0]);
    await expectExecutes(TDX[1]);
    await expectAgreement(network.apis);
  });
});

/** Platform, vault and engines of a validator, each with the processes of its sandbox, once a vault is there. */
function enclaveProcesses(index: number, other: number): Promise<{ platform: number; pids: readonly number[] }> {
  return eventually(`the vault of validator ${index}`, async () => {
    const found = descendantsOf(network.node(index).pid);
    const platform = found.find(
      ({ pid, command }) => pid !== other && command.includes('platform/src/process/main.ts'),
    );
    const hasVault = found.some(({ parent, command }) => parent === platform?.pid && command.includes('enclave.mjs'));
    return platform === undefined || !hasVault
      ? undefined
      : { platform: platform.pid, pids: found.map(({ pid }) => pid) };
  });
}

describe('what a running validator has open', () => {
  // Nobody but root looks into the processes of an enclave.
  it.runIf(process.getuid?.() === 0)(
    'is not open in platform, vault and engine, at the first launch and after',
    async () => {
      const index = SEV_SNP[0];
      const own = await surfaceOf(network.node(index).pid);
      expect(own.descriptors.filter((target) => target.includes('/sign-guard/'))).not.toEqual([]);
      let platform = 0;
      for (const launch of ['first', 'second']) {
        const running = await enclaveProcesses(index, platform);
        expect(running.pids.length, launch).toBeGreaterThanOrEqual(2);
        for (const pid of running.pids) {
          const surface = await surfaceOf(pid);
          expect(surface.descriptors.filter((target) => !OWN_TARGET.test(target))).toEqual([]);
          expect(surface.mapped.filter((path) => !OWN_MAPPING.test(path))).toEqual([]);
          expect(surface).toMatchObject({ workingFolder: '/', coreBytesMax: '0' });
        }
        platform = running.platform;
        process.kill(platform, 'SIGKILL');
      }
    },
  );
});
