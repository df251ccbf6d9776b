/** `attest verify` as it is called. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type AppraisalPolicy,
  appraisalPolicyToJson,
  PLATFORMS,
  type Platform,
  policyDigest,
} from '@cloister/attestation';
import { simulatedMeasurement } from '@cloister/attestation/simulated';
import { MEASUREMENT } from '@cloister/testkit';
import { everyPlatform } from '@cloister/testkit/platforms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../samples.ts';
import { AT_MS, bundleFile, fileOf, IMAGE, rawFiles, simulatedBundle } from './evidence-files.ts';
import { cloister, cloisterJson } from './run-command.ts';

const GENESIS = everyPlatform();
const POLICY = GENESIS.genesis.appraisalPolicy;
const AT = new Date(AT_MS).toISOString();

const vectors = fileURLToPath(new URL('../../../../../shared/vectors/attestation/', import.meta.url));
const present = existsSync(join(vectors, 'manifest.json'));
if (!present) console.warn('SKIPPED: commands on real evidence, as ../shared/vectors/attestation is absent');

type Step = { readonly name: string; readonly claim: string; readonly outcome: string };
type Verdict = {
  readonly verified: boolean;
  readonly format: string;
  readonly at: string;
  readonly simulated: boolean;
  readonly policy: string | null;
  readonly code?: string;
  readonly detail?: string;
  readonly status?: string;
  readonly revocation?: string;
  readonly notJudged?: readonly string[];
  readonly software?: { readonly measurement: string; readonly image: string };
  readonly steps: readonly Step[];
  readonly evidence: object | null;
};

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let genesis: string;
const bundles = new Map<Platform, string>();

function bundle(platform: Platform): string {
  return bundles.get(platform) ?? '';
}

function policyFile(name: string, changes: Partial<AppraisalPolicy>): Promise<string> {
  return fileOf(folder.path, name, JSON.stringify(appraisalPolicyToJson({ ...POLICY, ...changes }), null, 2));
}

async function verify(...words: readonly string[]): Promise<{ readonly code: number; readonly verdict: Verdict }> {
  const { code, values } = await cloisterJson<Verdict>('attest', 'verify', ...words);
  expect(values).toHaveLength(1);
  return { code, verdict: values[0] as Verdict };
}

function outcomes({ steps }: Verdict): readonly string[] {
  return steps.map(({ outcome }) => outcome);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  genesis = await fileOf(folder.path, 'genesis.json', GENESIS.bytes);
  for (const platform of PLATFORMS) {
    bundles.set(platform, await bundleFile(folder.path, `${platform}.bundle`, simulatedBundle(platform)));
  }
});
afterAll(() => folder.remove());

describe('attest verify', () => {
  it.each(PLATFORMS)('explains a bundle of %s by the rules of a genesis, and says SIMULATED', async (platform) => {
    const { code, verdict } = await verify(bundle(platform), '--genesis', genesis, '--at', AT);
    expect(code).toBe(0);
    expect(verdict).toMatchObject({
      verified: true,
      format: platform,
      at: AT,
      simulated: true,
      policy: policyDigest(POLICY),
      notJudged: [
        `maxAgeBlocks ${POLICY.maxAgeBlocks}`,
        `refreshWindowBlocks ${POLICY.refreshWindowBlocks}`,
        `nonceWindowBlocks ${POLICY.nonceWindowBlocks}`,
        `minimumDistinctPlatforms ${POLICY.minimumDistinctPlatforms}`,
      ],
      evidence: expect.any(Object),
    });
    expect(verdict.status).toBe(platform === 'nitro' ? undefined : 'UpToDate');
    const measurement = simulatedMeasurement(platform, MEASUREMENT);
    expect(verdict.software).toEqual({ measurement, image: platform === 'nitro' ? 'extended into PCR16' : IMAGE });
    expect(verdict.revocation).toBe(platform === 'nitro' ? undefined : 'checked');
    expect(new Set(outcomes(verdict))).toEqual(new Set(['passed']));
    expect(verdict.steps.at(-1)?.name).toBe('runtime-data');

    const { out } = await cloister('attest', 'verify', bundle(platform), '--genesis', genesis, '--at', AT);
    expect(out).toMatch(/^SIMULATED trust anchors/);
    expect(out).toContain(`${platform} evidence, judged at ${AT}`);
    expect(out).toContain('verified (SIMULATED)');
    expect(out).toContain(`measurement: ${measurement}`);
    for (const { claim } of verdict.steps) expect(out).toContain(`  passed   ${claim}`);
  });

  it.each(PLATFORMS)('takes raw evidence of %s with its endorsements in files', async (platform) => {
    const { evidence, words } = await rawFiles(folder.path, platform, simulatedBundle(platform));
    const { code, verdict } = await verify(evidence, ...words, '--genesis', genesis, '--at', AT);
    expect({ code, verified: verdict.verified, format: verdict.format }).toEqual({
      code: 0,
      verified: true,
      format: platform,
    });
    expect(verdict.steps.map(({ name }) => name)).not.toContain('runtime-data');
  });

  it.each([
    ['sev-snp', 'ROOT_NOT_PINNED'],
    ['sgx', 'PCK_CHAIN_ROOT_NOT_PINNED'],
    ['tdx', 'PCK_CHAIN_ROOT_NOT_PINNED'],
    ['nitro', 'ROOT_NOT_PINNED'],
  ] as const)('refuses SIMULATED %s under the vendors, and shows where', async (platform, refusal) => {
    const { code, verdict } = await verify(bundle(platform), '--at', AT);
    expect(code).toBe(3);
    expect(verdict).toMatchObject({ verified: false, code: refusal, simulated: false, policy: null, evidence: null });
    const [first, second, ...rest] = outcomes(verdict);
    expect([first, second]).toEqual(['passed', 'failed']);
    expect(new Set(rest)).toEqual(new Set(['not-reached']));
    const { out } = await cloister('attest', 'verify', bundle(platform), '--at', AT);
    expect(out).toContain(`  FAILED   ${verdict.steps[1]?.claim}`);
    expect(out).toContain(`refused: ${refusal}`);
  });

  it('judges at the instant that is named', async () => {
    const late = new Date(AT_MS + 100 * 86_400_000).toISOString();
    const { code, verdict } = await verify(bundle('sev-snp'), '--genesis', genesis, '--at', late);
    expect({ code, refusal: verdict.code, at: verdict.at }).toEqual({ code: 3, refusal: 'CRL_EXPIRED', at: late });
    expect(verdict.steps.find(({ outcome }) => outcome === 'failed')?.name).toBe('revocation');
  });

  it('asks for what a policy file asks for', async () => {
    const strict = await policyFile('no-sgx.json', { sgx: null });
    const refused = await verify(bundle('sgx'), '--genesis', genesis, '--policy', strict, '--at', AT);
    expect(refused).toMatchObject({ code: 3, verdict: { code: 'PLATFORM_NOT_ACCEPTED', detail: 'sgx' } });
    expect(refused.verdict.policy).toBe(policyDigest({ ...POLICY, sgx: null }));
    const other = await verify(bundle('tdx'), '--genesis', genesis, '--policy', strict, '--at', AT);
    expect(other.code).toBe(0);

    const tdx = POLICY.tdx === null ? null : { ...POLICY.tdx, minimumTcbEvaluationDataNumber: 1000 };
    const newer = await policyFile('newer.json', { tdx });
    expect(await verify(bundle('tdx'), '--genesis', genesis, '--policy', newer, '--at', AT)).toMatchObject({
      code: 3,
      verdict: { code: 'TCB_EVALUATION_NUMBER_BELOW_MINIMUM', status: 'UpToDate' },
    });
    const { out } = await cloister(
      'attest',
      'verify',
      bundle('tdx'),
      '--genesis',
      genesis,
      '--policy',
      strict,
      '--at',
      AT,
    );
    expect(out).toContain(`by the appraisal policy ${policyDigest({ ...POLICY, sgx: null })}`);
    expect(out).toContain(`not to be judged by a file: maxAgeBlocks ${POLICY.maxAgeBlocks}`);
  });

  it('refuses a bundle whose runtime data is not of its evidence', async () => {
    const whole = simulatedBundle('tdx');
    const text = new TextDecoder().decode(whole.runtimeData).replace('"nonce_height":41', '"nonce_height":42');
    const foreign = { ...whole, runtimeData: new TextEncoder().encode(text) };
    const path = await bundleFile(folder.path, 'foreign.bundle', foreign);
    const { code, verdict } = await verify(path, '--genesis', genesis, '--at', AT);
    expect({ code, refusal: verdict.code }).toEqual({ code: 3, refusal: 'REPORT_DATA_MISMATCH' });
    expect(verdict.steps.filter(({ outcome }) => outcome !== 'passed').map(({ name }) => name)).toEqual([
      'runtime-data',
    ]);
  });

  it('says of bytes that they are of no known format', async () => {
    const path = await fileOf(folder.path, 'noise', Uint8Array.of(1, 2, 3));
    const { code, verdict } = await verify(path, '--at', AT);
    expect(code).toBe(3);
    expect(verdict).toMatchObject({ verified: false, format: 'unknown', code: 'EVIDENCE_FORMAT_UNKNOWN' });
    expect(outcomes(verdict)).toEqual(['failed']);
  });

  it('refuses wrong words with exit code 2, and a file that is not there with 1', async () => {
    const wrong = await fileOf(folder.path, 'wrong.json', '{"schema":"cloister/appraisal-policy/v2"}');
    const unsafe = await policyFile('unsafe.json', { acceptedStatuses: ['Revoked'] });
    const good = await policyFile('good.json', {});
    const text = await fileOf(folder.path, 'text', 'no endorsements');
    const calls: readonly (readonly [string, readonly string[]])[] = [
      ['--at is an instant', ['--at', 'tomorrow']],
      ['POLICY_MALFORMED', ['--policy', wrong]],
      ['POLICY_UNSAFE', ['--policy', unsafe]],
      ['part of a policy', ['--policy', good, '--accept-status', 'OutOfDate']],
      ['--accept-status is a TCB status', ['--accept-status', 'Fine']],
      ['is no genesis', ['--genesis', wrong]],
      ['ENDORSEMENT_FILE_UNKNOWN', ['--endorsements', text]],
      ['Unknown option', ['--nonsense']],
    ];
    for (const [message, words] of calls) {
      const { code, out, err } = await cloister('attest', 'verify', bundle('sgx'), ...words);
      expect({ message, code, out }).toEqual({ message, code: 2, out: '' });
      expect(err).toContain(message);
    }
    expect((await cloister('attest', 'verify')).code).toBe(2);
    const absent = await cloister('attest', 'verify', join(folder.path, 'absent'));
    expect(absent).toMatchObject({ code: 1, err: expect.stringContaining('ENOENT') });
  });

  it.skipIf(!present)('accepts real evidence by its vendor, out of date only where that is asked for', async () => {
    const quote = join(vectors, 'intel/automata-dcap-attestation/tdx-v5-d0010db6.quote.bin');
    const collateral = join(vectors, 'intel/collateral/90c06f000000-tdx-2026-01-12-e18-platform-2997e7.json');
    const words = [quote, '--endorsements', collateral, '--at', '2026-01-25T01:58:15Z'];
    expect(await verify(...words)).toMatchObject({
      code: 3,
      verdict: { verified: false, code: 'TCB_STATUS_NOT_ACCEPTED', status: 'OutOfDate', simulated: false },
    });
    expect(await verify(...words, '--accept-status', 'OutOfDate')).toMatchObject({
      code: 0,
      verdict: { verified: true, status: 'OutOfDate', revocation: 'checked' },
    });
    const report = join(vectors, 'amd/dstack/snp-v3-a20e02a2.report.bin');
    const chain = ['amd/dstack/vcek-1b35b841.der', 'amd/roots/SEV-Milan.pem', 'amd/roots/ARK-Milan.pem'];
    const certificates = chain.flatMap((path) => ['--certificate', join(vectors, path)]);
    const { code, verdict } = await verify(report, ...certificates, '--at', '2029-12-16T13:05:04Z');
    expect(code).toBe(0);
    expect(verdict).toMatchObject({ verified: true, revocation: 'NOT CHECKED: no revocation list given' });
    expect(verdict.steps.find(({ name }) => name === 'revocation')?.outcome).toBe('skipped');
    // A ledger's policy does without no list.
    const strict = await policyFile('ledger.json', {});
    const ledger = await verify(report, ...certificates, '--at', '2029-12-16T13:05:04Z', '--policy', strict);
    expect(ledger).toMatchObject({ code: 3, verdict: { code: 'CRL_MISSING' } });
  });
});
