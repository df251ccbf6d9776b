/** `policy …`: shown and compared over the API of a node, proposed and handed in to a real one. */
import { type AppraisalPolicy, appraisalPolicyToJson, policyDigest } from '@cloister/attestation';
import { simulatedCrl, simulatedSnpDevice } from '@cloister/attestation/simulated';
import { asDigest, type JsonValue } from '@cloister/encoding';
import { makeGenesis } from '@cloister/ledger';
import { AGES, IMAGE, MEASUREMENT, v0, v1 } from '@cloister/testkit';
import { setPolicy } from '@cloister/testkit/platforms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { differencesOf } from '../../src/commands/policy/policy-compare.ts';
import { idOfSeed, writeKeyFile } from '../../src/process/key-file.ts';
import type { RunningNode } from '../../src/process/running-node.ts';
import { type NetworkApi, networkApi } from '../http/network-api.ts';
import { makeHome, sampleGenesis, seedOf, startQuietly, TENANT, temporaryFolder, untilBlock } from '../samples.ts';
import { fileOf } from './evidence-files.ts';
import { cloister, cloisterJson } from './run-command.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

function policyFile(name: string, policy: AppraisalPolicy): Promise<string> {
  return fileOf(folder.path, name, JSON.stringify(appraisalPolicyToJson(policy), null, 2));
}

function one(run: { readonly code: number; readonly values: readonly unknown[] }): {
  readonly code: number;
  readonly value: unknown;
} {
  expect(run.values).toHaveLength(1);
  return { code: run.code, value: run.values[0] };
}

describe('a policy beside the one in force', () => {
  let api: NetworkApi;
  beforeAll(async () => {
    api = await networkApi();
  });
  afterAll(() => api.close());

  function inForce(): AppraisalPolicy {
    const policy = api.chain.state.network?.appraisalPolicy;
    if (policy === undefined) throw new Error('founded');
    return policy;
  }

  it('is shown with its digest, the change to come and the measurements', async () => {
    const { chain } = api;
    const before = one(await cloisterJson('policy', 'show', '--node', api.url));
    expect(before).toMatchObject({
      code: 0,
      value: {
        simulated: true,
        height: chain.height,
        policyDigest: policyDigest(inForce()),
        rulesDigest: chain.state.policyDigest,
        policy: appraisalPolicyToJson(inForce()),
        scheduled: null,
      },
    });
    const payload = { platform: 'sev-snp', measurement: MEASUREMENT, image: IMAGE, name: 'enclave 0.1.0' } as const;
    const graceUntilHeight = (chain.height + 9) as never;
    const next = { ...inForce(), maxAgeBlocks: AGES.maxAgeBlocks + 1 };
    chain.block([
      chain.transaction(v0, 'set-measurement', { ...payload, status: 'grace-until', graceUntilHeight }),
      setPolicy(chain, { maxAgeBlocks: next.maxAgeBlocks }),
    ]);
    const { scheduledPolicy } = chain.state;
    const after = one(await cloisterJson('policy', 'show', '--node', api.url));
    const { effectiveHeight } = scheduledPolicy ?? {};
    expect(after.value).toMatchObject({
      scheduled: { policyDigest: policyDigest(next), loosenings: ['maxAgeBlocks'], effectiveHeight },
      measurements: expect.arrayContaining([
        expect.objectContaining({ platform: 'sev-snp', phase: 'grace', graceUntilHeight, nodes: [v1.id] }),
      ]),
    });
    const { out } = await cloister('policy', 'show', '--node', api.url);
    expect(out).toMatch(/^SIMULATED/);
    expect(out).toContain(`from block ${effectiveHeight} on: policy ${policyDigest(next)}, which loosens maxAgeBlocks`);
    expect(out).toContain(`  sev-snp enclave 0.1.0: grace, counts until block ${graceUntilHeight}, run by 1`);
    expect(out).toContain('  tdx tdx: allowed, run by 1');
  });

  it('is checked, and said to be looser where it is', async () => {
    const looser = { ...inForce(), nonceWindowBlocks: 1000, acceptedStatuses: ['UpToDate', 'OutOfDate'] as const };
    const path = await policyFile('looser.json', looser);
    expect(one(await cloisterJson('policy', 'check', path, '--node', api.url))).toEqual({
      code: 0,
      value: {
        simulated: true,
        valid: true,
        policyDigest: policyDigest(looser),
        unchanged: false,
        loosenings: ['acceptedStatuses', 'nonceWindowBlocks'],
      },
    });
    const text = await cloister('policy', 'check', path, '--node', api.url);
    expect(text.out).toContain('looser than the policy in force in acceptedStatuses, nonceWindowBlocks');

    const stricter = await policyFile('stricter.json', { ...inForce(), sgx: null });
    const strict = await cloister('policy', 'check', stricter, '--node', api.url);
    expect(strict.out).toContain('nowhere looser than the policy in force');
    const same = await cloister('policy', 'check', await policyFile('same.json', inForce()), '--node', api.url);
    expect(same.out).toContain('it is the policy in force');
  });

  it('is checked without a node too, and refused with exit code 3', async () => {
    const home = ['--home', folder.path];
    const path = await policyFile('alone.json', inForce());
    const alone = one(await cloisterJson('policy', 'check', path, ...home));
    expect(alone).toMatchObject({ code: 0, value: { valid: true, unchanged: null, loosenings: null } });
    const { out } = await cloister('policy', 'check', path, ...home);
    expect(out).toContain('not compared: no node was asked');

    const unsafe = await policyFile('unsafe.json', { ...inForce(), acceptedStatuses: ['Revoked'] });
    expect(one(await cloisterJson('policy', 'check', unsafe, ...home))).toEqual({
      code: 3,
      value: { valid: false, code: 'POLICY_UNSAFE', detail: 'acceptedStatuses: Revoked' },
    });
    const text = await fileOf(folder.path, 'no.json', 'no policy');
    expect((await cloister('policy', 'check', text, ...home)).code).toBe(3);
    // A node that is named and does not answer is no reason to skip the comparison.
    const lost = await cloister('policy', 'check', path, '--node', 'http://127.0.0.1:1');
    expect(lost).toMatchObject({ code: 1, err: expect.stringContaining('cloister: API_UNREACHABLE: http') });
  });

  it('differs member by member', async () => {
    const { tdx } = inForce();
    if (tdx === null) throw new Error('TDX is accepted');
    const next = { ...inForce(), maxAgeBlocks: 7, tdx: { ...tdx, allowMigration: true }, nitro: null };
    const path = await policyFile('next.json', next);
    const { code, value } = one(await cloisterJson('policy', 'diff', path, '--node', api.url));
    expect(code).toBe(0);
    expect(value).toEqual({
      simulated: true,
      from: policyDigest(inForce()),
      to: policyDigest(next),
      loosenings: ['tdx'],
      differences: [
        { path: 'maxAgeBlocks', from: AGES.maxAgeBlocks, to: 7 },
        { path: 'tdx.allowMigration', from: false, to: true },
        { path: 'nitro', from: { imageSigners: [] }, to: null },
      ],
    });
    const { out } = await cloister('policy', 'diff', path, '--node', api.url);
    expect(out).toContain(`maxAgeBlocks: ${AGES.maxAgeBlocks} -> 7\nLOOSER tdx.allowMigration: false -> true\n`);
    const same = await cloister('policy', 'diff', await policyFile('same.json', inForce()), '--node', api.url);
    expect(same.out).toContain('no difference');
    const bad = await fileOf(folder.path, 'bad.json', '{}');
    expect((await cloister('policy', 'diff', bad, '--node', api.url)).code).toBe(2);
  });

  it('compares lists and values as a whole', () => {
    const from: JsonValue = { a: [1, 2], b: { c: 1, d: null } };
    expect(differencesOf(from, { a: [1, 3], b: { c: 1, d: { e: 2 } }, f: 1 })).toEqual([
      { path: 'a', from: [1, 2], to: [1, 3] },
      { path: 'b.d', from: null, to: { e: 2 } },
      { path: 'f', from: null, to: 1 },
    ]);
    expect(differencesOf(from, from)).toEqual([]);
  });
});

describe('on a real node', () => {
  const genesis = sampleGenesis(1);
  const policy = genesis.genesis.appraisalPolicy;
  let node: RunningNode;
  let words: readonly string[];

  beforeAll(async () => {
    node = await startQuietly(await makeHome(folder.path, 0, genesis));
    // Light clients start where something is provable.
    await untilBlock(node, () => node.context.provableHeight() > 0);
    const key = `${folder.path}/governor.json`;
    await writeKeyFile(key, 'account', seedOf('tenant'));
    words = ['--node', node.apiUrl ?? '', '--key', key, '--genesis', genesis.chainId];
  });
  afterAll(() => node.stop());

  it('a policy that is proposed takes effect', async () => {
    const next = { ...policy, maxAgeBlocks: policy.maxAgeBlocks - 1 };
    const path = await policyFile('proposed.json', next);
    const { code, value } = one(await cloisterJson('policy', 'propose', path, ...words));
    expect(code).toBe(0);
    expect(value).toMatchObject({
      event: 'AppraisalPolicyScheduled',
      carried: true,
      simulated: true,
      policyDigest: policyDigest(next),
      transaction: expect.stringMatching(/^[0-9a-f]{64}$/),
      sequence: expect.any(Number),
    });
    expect(policyDigest(node.context.state().network?.appraisalPolicy ?? policy)).toBe(policyDigest(next));
    const again = await cloister('policy', 'propose', path, ...words);
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('POLICY_UNCHANGED') });
    const back = await cloister('policy', 'propose', await policyFile('first.json', policy), ...words);
    expect(back.out).toMatch(
      /^SIMULATED .*\ncarried in block \d+, transaction [0-9a-f]{64}: from block \d+ on; loosens maxAgeBlocks\n/,
    );
    expect(back.out).toContain('SIMULATED');
  });

  it('a measurement is allowed, put in grace and revoked', async () => {
    const image = asDigest('ab'.repeat(32));
    const pair = ['--platform', 'tdx', '--measurement', MEASUREMENT, '--image', image, '--name', 'next', ...words];
    const statusNow = () => node.context.state().measurements.get(`tdx/${MEASUREMENT}/${image}`)?.status;
    const allowed = await cloister('policy', 'measurement', 'allow', ...pair);
    expect(allowed).toMatchObject({ code: 0, out: expect.stringMatching(/: allowed from block \d+ on\n/) });
    expect(statusNow()).toBe('allowed');
    const graced = one(await cloisterJson('policy', 'measurement', 'grace', '--until', '1000000', ...pair));
    expect(graced).toMatchObject({ code: 0, value: { event: 'MeasurementGraced', carried: true } });
    expect(statusNow()).toBe('grace-until');
    const revoked = await cloister('policy', 'measurement', 'revoke', ...pair);
    expect(revoked).toMatchObject({ code: 0, out: expect.stringMatching(/: revoked\n/) });
    expect(statusNow()).toBe('revoked');
    const again = await cloister('policy', 'measurement', 'revoke', ...pair);
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('MEASUREMENT_UNCHANGED') });
  });

  it('newer endorsements are taken, and those that do not stand are not sent', async () => {
    const device = simulatedSnpDevice({
      seed: seedOf('device'),
      product: 'Genoa',
      validity: { notBeforeMs: 1_672_531_200_000, notAfterMs: 2_366_841_600_000 },
    });
    const [, ask, ark] = device.certificates;
    const root = await fileOf(folder.path, 'ark.der', ark ?? new Uint8Array());
    const list = (number: bigint, days: number): Promise<string> => {
      const day = 86_400_000;
      // Block time is between the genesis and this machine's clock.
      const thisUpdateMs = genesis.genesis.timeMs - day;
      const nextUpdateMs = Math.floor(Date.now() / 1000) * 1000 + days * day;
      const crl = simulatedCrl({ product: 'Genoa', number, thisUpdateMs, nextUpdateMs });
      return fileOf(folder.path, `${number}.crl`, crl);
    };
    const flags = ['--platform', 'sev-snp', ...words];
    const taken = one(await cloisterJson('policy', 'endorsements', root, await list(7n, 60), ...flags));
    expect(taken).toMatchObject({ code: 0, value: { accepted: true, crls: 1, statements: [], simulated: true } });
    expect([...node.context.state().crlFloors.values()].map(({ number }) => BigInt(`0x${number}`))).toEqual([7n]);

    const older = await cloister('policy', 'endorsements', root, await list(6n, 60), ...flags);
    expect(older).toMatchObject({ code: 1, err: expect.stringContaining('ENDORSEMENTS_') });
    const stranger = await fileOf(folder.path, 'ask.der', ask ?? new Uint8Array());
    const refused = one(await cloisterJson('policy', 'endorsements', stranger, await list(8n, 60), ...flags));
    expect(refused).toEqual({ code: 3, value: { accepted: false, code: 'ROOT_MISSING', detail: '', simulated: true } });
    const nothing = await cloister('policy', 'endorsements', root, '--platform', 'tdx', ...words);
    expect(nothing).toMatchObject({ code: 2, err: expect.stringContaining('COLLATERAL_INCOMPLETE') });
  });

  it('a proposal waits for as many members as the threshold asks for', async () => {
    const members = [TENANT.id, idOfSeed(seedOf('validator 0'))].sort();
    const made = makeGenesis({ ...genesis.genesis, name: 'two governors', governance: { members, threshold: 2 } });
    if (!made.ok) throw new Error(made.code);
    const shared = await startQuietly(await makeHome(`${folder.path}/shared`, 0, made.value));
    try {
      await untilBlock(shared, () => shared.context.provableHeight() > 0);
      const other = `${folder.path}/other.json`;
      await writeKeyFile(other, 'account', seedOf('validator 0'));
      const path = await policyFile('waits.json', { ...policy, sgx: null });
      const propose = ['policy', 'propose', path, '--node', shared.apiUrl ?? '', '--genesis', made.value.chainId];
      const first = await cloister(...propose, ...words.slice(2, 4));
      expect(first.code).toBe(0);
      expect(first.out).toMatch(/^SIMULATED .*\napproved by 1 of 2, in block \d+, .*; lapses after block \d+\n/);
      expect(shared.context.state().network?.appraisalPolicy.sgx).not.toBeNull();
      const again = await cloister(...propose, ...words.slice(2, 4));
      expect(again).toMatchObject({ code: 1, err: expect.stringContaining('ALREADY_APPROVED') });
      const second = one(await cloisterJson(...propose, '--key', other));
      expect(second).toMatchObject({ code: 0, value: { event: 'AppraisalPolicyScheduled', carried: true } });
      expect(shared.context.state().network?.appraisalPolicy.sgx).toBeNull();
    } finally {
      await shared.stop();
    }
  });

  it('wrong words end with exit code 2', async () => {
    const pair = ['--platform', 'tdx', '--measurement', MEASUREMENT, '--image', IMAGE, '--name', 'x'];
    const keyless = ['--node', node.apiUrl ?? '', '--genesis', genesis.chainId];
    const calls: readonly (readonly [string, readonly string[]])[] = [
      ['allow, grace or revoke', ['measurement', 'permit', ...pair, ...words]],
      ['--until HEIGHT belongs to grace', ['measurement', 'grace', ...pair, ...words]],
      ['--until HEIGHT belongs to grace', ['measurement', 'allow', '--until', '9', ...pair, ...words]],
      ['--platform is one of', ['measurement', 'allow', ...pair, '--platform', 'sev', ...words]],
      ['--measurement is 96', ['measurement', 'allow', ...pair, '--measurement', 'aa', ...words]],
      ['--image is 64', ['measurement', 'allow', ...pair, '--image', 'aa', ...words]],
      ['--platform is one of', ['endorsements', 'x', '--platform', 'nitro', ...words]],
      ['--key is required', ['propose', await policyFile('key.json', policy), ...keyless]],
      ['is no appraisal policy', ['propose', await fileOf(folder.path, 'empty.json', '{}'), ...words]],
    ];
    for (const [message, rest] of calls) {
      const { code, err } = await cloister('policy', ...rest);
      expect({ message, code }).toEqual({ message, code: 2 });
      expect(err).toContain(message);
    }
  });
});
