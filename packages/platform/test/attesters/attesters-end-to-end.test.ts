import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CollectedEvidence,
  type EvidenceVerdict,
  encodeEvidenceBundle,
  intelCollateralOf,
  MAX_BUNDLE_BYTES,
  SIMULATED_ANCHORS,
  VENDOR_ANCHORS,
  verifyEndorsements,
  verifyEvidence,
} from '@cloister/attestation';
import {
  type SimulatedSnpDevice,
  simulatedAppraisalPolicy,
  simulatedIntelDevice,
} from '@cloister/attestation/simulated';
import { toHex, utf8 } from '@cloister/encoding';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  configfsTsmSource,
  type EndorsementNotice,
  EndorsementSource,
  type EndorsementSourceOptions,
  EndorsementStore,
  EndorsingAttester,
  type EvidenceSource,
} from '../../src/attesters/index.ts';
import { certificateTable, GUIDS } from './certificate-table.ts';
import { FakeTsm } from './fake-tsm.ts';
import {
  AT_MS,
  answer,
  DAY_MS,
  genoa,
  genoaVlek,
  intel,
  milan,
  REPORT_DATA,
  SimulatedVendors,
  snpReport,
  tdxQuote,
  turin,
} from './vendor-services.ts';

const HOUR_MS = 3_600_000;
const directory = '/config/tsm/report';
const simulatedPolicy = simulatedAppraisalPolicy({
  maxAgeBlocks: 1000,
  refreshWindowBlocks: 50,
  nonceWindowBlocks: 20,
});
if (simulatedPolicy.sevSnp === null) throw new Error('the simulated policy accepts SEV-SNP');
const policy = { ...simulatedPolicy, sevSnp: { ...simulatedPolicy.sevSnp, allowVlek: true } };

let folder: string;
let vendors: SimulatedVendors;
let notices: EndorsementNotice[];
let nowMs: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-attester-'));
  vendors = new SimulatedVendors();
  notices = [];
  nowMs = AT_MS;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function endorsementSource(options: Partial<EndorsementSourceOptions> = {}): EndorsementSource {
  return new EndorsementSource({
    store: new EndorsementStore(folder),
    fetcher: vendors,
    trustAnchors: SIMULATED_ANCHORS,
    onNotice: (notice) => notices.push(notice),
    ...options,
  });
}

function attesterOf(source: EvidenceSource, options: Partial<EndorsementSourceOptions> = {}): EndorsingAttester {
  return new EndorsingAttester({ source, endorsements: endorsementSource(options), now: () => nowMs });
}

function tdxSource(outblob: (inblob: Uint8Array) => Uint8Array = tdxQuote): EvidenceSource {
  const fileSystem = new FakeTsm({ directory, provider: 'tdx_guest', outblob: (inblob) => outblob(inblob) });
  return configfsTsmSource({ directory, fileSystem });
}

function snpSource(device: SimulatedSnpDevice, auxblob?: Uint8Array): EvidenceSource {
  const outblob = (inblob: Uint8Array): Uint8Array => snpReport(device, inblob);
  const table = auxblob === undefined ? {} : { auxblob };
  return configfsTsmSource({
    directory,
    fileSystem: new FakeTsm({ directory, provider: 'sev_guest', outblob, ...table }),
  });
}

function tableOf(device: SimulatedSnpDevice): Uint8Array {
  const [leaf = new Uint8Array(), intermediate = new Uint8Array(), root = new Uint8Array()] = device.certificates;
  return certificateTable([
    [GUIDS[device.signingKey], leaf],
    [GUIDS.ASK, intermediate],
    [GUIDS.ARK, root],
  ]);
}

function verdict({ evidence, endorsements }: CollectedEvidence): EvidenceVerdict {
  const { certificates, crls } = endorsements;
  return verifyEvidence({
    evidence: evidence.report,
    endorsements: { certificates, crls, collateral: intelCollateralOf(endorsements) },
    requirements: policy,
    trustAnchors: SIMULATED_ANCHORS,
    atMs: nowMs,
  });
}

describe('an attester on a TDX machine', () => {
  it('collects what a verifier accepts, and what fits a transaction', async () => {
    const attester = attesterOf(tdxSource());
    const collected = await attester.collect(REPORT_DATA);
    expect(verdict(collected)).toMatchObject({ format: 'tdx', refusal: undefined, status: 'UpToDate' });
    expect(vendors.requests.length).toBe(4);
    const bundle = encodeEvidenceBundle({ ...collected, runtimeData: new Uint8Array(700) });
    expect(bundle.length).toBeLessThan(MAX_BUNDLE_BYTES);
    expect(await attester.describe()).toEqual({ platform: 'tdx', product: 'TDX', simulated: true });
  });

  it('asks for the standard or the early statements', async () => {
    await attesterOf(tdxSource(), { intelUpdate: 'early' }).collect(REPORT_DATA);
    expect(vendors.requests.filter((url) => url.includes('update=early')).length).toBe(2);
  });

  it('gives endorsements that also stand alone', async () => {
    const evidence = { platform: 'tdx', report: tdxQuote(REPORT_DATA) } as const;
    const { standAlone, endorsements } = await endorsementSource().endorsementsFor(evidence, nowMs);
    expect([endorsements.certificates.length, standAlone.certificates.length]).toEqual([2, 3]);
    const trustAnchors = SIMULATED_ANCHORS;
    const verified = verifyEndorsements({ platform: 'tdx', endorsements: standAlone, trustAnchors, atMs: nowMs });
    expect(verified).toMatchObject({ ok: true });
  });

  it('renews endorsements before they end, and uses those that hold while the service is down', async () => {
    const attester = attesterOf(tdxSource());
    const collected = await attester.collect(REPORT_DATA);
    const held = await attester.renewed(collected);
    expect([held.validUntilMs, held.renewAtMs]).toEqual([AT_MS + 30 * DAY_MS, AT_MS + HOUR_MS]);
    expect(vendors.requests.length).toBe(4);

    nowMs = vendors.nowMs = AT_MS + 20 * DAY_MS;
    const later = await attester.renewed(collected);
    expect(later.validUntilMs).toBe(AT_MS + 50 * DAY_MS);
    expect(verdict({ ...collected, endorsements: later.endorsements }).refusal).toBeUndefined();

    vendors.override = () => answer(new Uint8Array(), {}, 503);
    nowMs = AT_MS + 45 * DAY_MS;
    expect(verdict(await attester.collect(REPORT_DATA)).refusal).toBeUndefined();
    expect(notices.map(({ code }) => code)).toEqual(Array(4).fill('RENEWAL_FAILED'));
    nowMs = AT_MS + 50 * DAY_MS + 1;
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject({ code: 'ANSWER_STATUS' });
  });

  it('fetches anew when kept statements are of different signers', async () => {
    await attesterOf(tdxSource()).collect(REPORT_DATA);
    // Renewed at another time than the others, when the signer's certificate was another.
    vendors.override = (url, genuine) => {
      if (!url.includes('/qe/identity') || vendors.requests.length > 8) return genuine;
      const header = genuine.headers.get('sgx-enclave-identity-issuer-chain') ?? '';
      const [, ...others] = decodeURIComponent(header).split(/(?<=-----END CERTIFICATE-----\n)/);
      const headers = { 'sgx-enclave-identity-issuer-chain': encodeURIComponent(others.join('') + others.join('')) };
      return answer(genuine.body, headers);
    };
    nowMs = vendors.nowMs = AT_MS + DAY_MS;
    const attester = attesterOf(tdxSource());
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject({ message: 'COLLATERAL_CHAINS_DIFFER' });
    expect(verdict(await attester.collect(REPORT_DATA)).refusal).toBeUndefined();
    expect(notices.map(({ code }) => code)).toEqual(['KEPT_REFUSED']);
  });

  it('works from disk after a restart', async () => {
    await attesterOf(tdxSource()).collect(REPORT_DATA);
    vendors.override = () => answer(new Uint8Array(), {}, 500);
    expect(verdict(await attesterOf(tdxSource()).collect(REPORT_DATA)).refusal).toBeUndefined();
    expect(vendors.requests.length).toBe(4);
  });

  it('fetches anew what was spoilt on disk', async () => {
    await attesterOf(tdxSource()).collect(REPORT_DATA);
    for (const name of await readdir(folder)) {
      const bytes = await readFile(join(folder, name));
      await writeFile(join(folder, name), bytes.subarray(0, bytes.length / 2));
    }
    expect(verdict(await attesterOf(tdxSource()).collect(REPORT_DATA)).refusal).toBeUndefined();
    expect(vendors.requests.length).toBe(8);
  });

  it('fetches anew what is kept whole but signed by nobody, once in ten minutes', async () => {
    const text = new TextDecoder();
    vendors.override = (url, genuine) =>
      url.includes('/tcb?')
        ? { ...genuine, body: utf8(text.decode(genuine.body).replace('UpToDate', 'OutOfDate')) }
        : genuine;
    const attester = attesterOf(tdxSource());
    const refused = { code: 'ENDORSEMENTS_REFUSED', message: expect.stringContaining('TCB_INFO_SIGNATURE') };
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject(refused);
    expect(vendors.requests.length).toBe(4);
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject(refused);
    expect(vendors.requests.length).toBe(8);
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject(refused);
    expect(vendors.requests.length).toBe(8);
    vendors.override = (_, genuine) => genuine;
    nowMs += 600_000;
    expect(verdict(await attester.collect(REPORT_DATA)).refusal).toBeUndefined();
    expect(notices.map(({ code }) => code)).toEqual(['KEPT_REFUSED', 'KEPT_REFUSED']);
  });

  it('replaces what is kept and does not verify, even if it claims to be newer', async () => {
    nowMs = AT_MS + 3_600_000;
    const text = new TextDecoder();
    vendors.override = (url, genuine) =>
      url.includes('/tcb?')
        ? { ...genuine, body: utf8(text.decode(genuine.body).replace('2026-06-01T00:00:00Z', '2026-06-01T00:30:00Z')) }
        : genuine;
    const attester = attesterOf(tdxSource());
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject({ code: 'ENDORSEMENTS_REFUSED' });
    vendors.override = (_, genuine) => genuine;
    for (const _ of [1, 2, 3]) expect(verdict(await attester.collect(REPORT_DATA)).refusal).toBeUndefined();
    expect(vendors.requests.length).toBe(8);
  });

  it('gives nothing that other trust anchors would refuse', async () => {
    const attester = attesterOf(tdxSource(), { trustAnchors: VENDOR_ANCHORS });
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject({
      code: 'ENDORSEMENTS_REFUSED',
      message: expect.stringContaining('ROOT_NOT_PINNED'),
    });
  });

  it('says that the service does not know the platform', async () => {
    const validity = { notBeforeMs: AT_MS - DAY_MS, notAfterMs: AT_MS + DAY_MS };
    const other = simulatedIntelDevice({ seed: new Uint8Array(32).fill(7), validity, pckIssuer: 'processor-ca' });
    const attester = attesterOf(tdxSource((inblob) => tdxQuote(inblob, other)));
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject({ code: 'ANSWER_STATUS' });
    expect(vendors.requests.some((url) => url.includes('ca=processor'))).toBe(true);
  });

  it('says that a quote names no platform', async () => {
    const body = (reportData: Uint8Array): Uint8Array => {
      const quote = tdxQuote(reportData);
      // Certification data of type 5 (PEM chain) becomes type 3 (encrypted PPID).
      const at = Buffer.from(quote).indexOf('-----BEGIN CERTIFICATE-----') - 6;
      return quote.with(at, 3);
    };
    await expect(attesterOf(tdxSource(body)).collect(REPORT_DATA)).rejects.toMatchObject({
      code: 'EVIDENCE_UNREADABLE',
      message: expect.stringContaining('PCK_CHAIN_ABSENT'),
    });
  });

  it('serves many at the same time with one fetch for each address', async () => {
    const attester = attesterOf(tdxSource());
    const all = Array.from({ length: 6 }, (_, index) => new Uint8Array(64).fill(index));
    const collected = await Promise.all(all.map((reportData) => attester.collect(reportData)));
    expect(collected.map((one) => verdict(one).refusal)).toEqual(all.map(() => undefined));
    expect(new Set(collected.map(({ evidence }) => toHex(evidence.report))).size).toBe(6);
    expect(vendors.requests.length).toBe(4);
  });
});

describe('an attester on an SEV-SNP machine', () => {
  it.each([milan, genoa, turin])(
    'collects what a verifier accepts, with all from the key server: $product',
    async (device) => {
      const attester = attesterOf(snpSource(device));
      const collected = await attester.collect(REPORT_DATA);
      expect(verdict(collected)).toMatchObject({ format: 'sev-snp', refusal: undefined });
      expect(vendors.requests.map((url) => new URL(url).pathname)).toEqual([
        `/vcek/v1/${device.product}/${device.hardwareId}`,
        `/vcek/v1/${device.product}/cert_chain`,
        `/vcek/v1/${device.product}/crl`,
      ]);
      const bundle = encodeEvidenceBundle({ ...collected, runtimeData: new Uint8Array(700) });
      expect(bundle.length).toBeLessThan(MAX_BUNDLE_BYTES);
      expect(await attester.describe()).toEqual({ platform: 'sev-snp', product: device.product, simulated: true });
    },
  );

  it.each([genoa, genoaVlek])('asks for the CRL alone when the host offers the rest: $signingKey', async (device) => {
    const attester = attesterOf(snpSource(device, tableOf(device)));
    const collected = await attester.collect(REPORT_DATA);
    expect(verdict(collected).refusal).toBeUndefined();
    expect(vendors.requests.map((url) => new URL(url).pathname)).toEqual([
      `/${device.signingKey.toLowerCase()}/v1/Genoa/crl`,
    ]);
    nowMs += 1;
    expect((await attester.renewed(collected)).renewAtMs).toBe(AT_MS + HOUR_MS);
  });

  it('completes the chain of a key that the host offers alone', async () => {
    const [leaf = new Uint8Array()] = genoaVlek.certificates;
    const attester = attesterOf(snpSource(genoaVlek, certificateTable([[GUIDS.VLEK, leaf]])));
    expect(verdict(await attester.collect(REPORT_DATA)).refusal).toBeUndefined();
    expect(vendors.requests.map((url) => new URL(url).pathname)).toEqual([
      '/vlek/v1/Genoa/cert_chain',
      '/vlek/v1/Genoa/crl',
    ]);
  });

  it("does without the host's certificates when they are another chip's", async () => {
    const [leaf = new Uint8Array()] = milan.certificates;
    const [, ask = new Uint8Array(), ark = new Uint8Array()] = genoa.certificates;
    const table = certificateTable([
      [GUIDS.VCEK, leaf],
      [GUIDS.ASK, ask],
      [GUIDS.ARK, ark],
    ]);
    const collected = await attesterOf(snpSource(genoa, table)).collect(REPORT_DATA);
    expect(verdict(collected).refusal).toBeUndefined();
    expect(notices.map(({ code }) => code)).toEqual(['OFFERED_REFUSED']);
    // Nor does it ask the service again for that.
    const count = vendors.requests.length;
    const attester = attesterOf(snpSource(genoa, table));
    for (const _ of [1, 2]) expect(verdict(await attester.collect(REPORT_DATA)).refusal).toBeUndefined();
    expect(vendors.requests.length).toBe(count);
  });

  it("says that only the host has a provider's key, and that the server does not know the chip", async () => {
    await expect(attesterOf(snpSource(genoaVlek)).collect(REPORT_DATA)).rejects.toMatchObject({
      code: 'VLEK_NOT_OFFERED',
    });
    vendors.override = (url, genuine) => (url.includes('SPL=') ? answer(new Uint8Array(), {}, 404) : genuine);
    await expect(attesterOf(snpSource(genoa)).collect(REPORT_DATA)).rejects.toMatchObject({ code: 'ANSWER_STATUS' });
  });

  it('says that a chip hides its id', async () => {
    const masked = (inblob: Uint8Array): Uint8Array => genoa.sign(snpReport(genoa, inblob).fill(0, 0x1a0, 0x1e0));
    const fileSystem = new FakeTsm({ directory, provider: 'sev_guest', outblob: masked });
    const attester = attesterOf(configfsTsmSource({ directory, fileSystem }));
    await expect(attester.collect(REPORT_DATA)).rejects.toMatchObject({ code: 'CHIP_ID_MASKED' });
  });
});

it('the simulated platform is the one that the services know', () => {
  expect(toHex(intel.statement.fmspc)).toBe('90c06f000000');
});
