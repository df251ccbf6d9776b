/** Appraisals of a simulated SEV-SNP bundle a second: nothing cached, and with the endorsements authenticated before. */

import type { Appraisal } from '../../packages/attestation/src/index.ts';
import {
  appraise,
  createEndorsementCache,
  encodeRuntimeData,
  parseSnpReport,
  reportDataFor,
} from '../../packages/attestation/src/index.ts';
import {
  SIMULATED_ANCHORS,
  simulatedAppraisalPolicy,
  simulatedCrl,
  simulatedSnpDevice,
} from '../../packages/attestation/src/simulated/index.ts';
import {
  asDigest,
  asMeasurement,
  assert,
  ed25519KeyPair,
  toHex,
  x25519KeyPair,
} from '../../packages/crypto/src/index.ts';
import { type Figure, medianOf, type Report, secondsOf } from './figures.ts';

const PART = 'attestation';
const AT_MS = Date.parse('2026-06-01T00:00:00Z');

function seed(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

/** An appraisal that succeeds. */
function appraisalOf(): Appraisal {
  const device = simulatedSnpDevice({
    seed: seed(1),
    product: 'Genoa',
    validity: { notBeforeMs: Date.parse('2026-01-01T00:00:00Z'), notAfterMs: Date.parse('2033-01-01T00:00:00Z') },
  });
  const crl = simulatedCrl({
    product: 'Genoa',
    number: 7n,
    thisUpdateMs: Date.parse('2026-05-01T00:00:00Z'),
    nextUpdateMs: Date.parse('2026-09-01T00:00:00Z'),
  });
  const [measurement, image] = [new Uint8Array(48).fill(0xaa), new Uint8Array(32).fill(0xbb)];
  const runtimeData = encodeRuntimeData({
    chain_id: asDigest('c1'.repeat(32)),
    domain: 'cloister/report-data/v1',
    purpose: 'ledger',
    hpke_key: toHex(x25519KeyPair(seed(2)).publicKey),
    sign_key: toHex(ed25519KeyPair(seed(3)).publicKey),
    image: asDigest(toHex(image)),
    node_id: ed25519KeyPair(seed(4)).id,
    nonce: '5e'.repeat(32),
    nonce_height: 41,
  });
  const report = device.report({ measurement, hostData: image, reportData: reportDataFor(runtimeData) });
  return {
    bundle: {
      evidence: { platform: 'sev-snp', report },
      runtimeData,
      endorsements: { certificates: device.certificates, crls: [crl] },
    },
    referenceValues: [
      {
        platform: 'sev-snp',
        measurement: asMeasurement(toHex(measurement)),
        image: asDigest(toHex(image)),
        status: 'allowed',
      },
    ],
    policy: simulatedAppraisalPolicy({ maxAgeBlocks: 1_000, refreshWindowBlocks: 50, nonceWindowBlocks: 20 }),
    trustAnchors: SIMULATED_ANCHORS,
    atMs: AT_MS,
  };
}

async function rateOf(times: number, work: () => void): Promise<number> {
  const seconds = await secondsOf(() => {
    for (let i = 0; i < times; i++) work();
  });
  return times / seconds;
}

export async function appraisalFigures(options: { runs: number; report: Report }): Promise<Figure[]> {
  const { runs, report } = options;
  const appraisal = appraisalOf();
  const check = (input: Appraisal): void => {
    const result = appraise(input);
    assert(result.ok, `the benchmark's evidence is accepted${result.ok ? '' : `: ${result.code}`}`);
  };
  report('attestation: cold');
  const cold = await medianOf(runs, () => rateOf(200, () => check(appraisal)));
  report('attestation: warm');
  const warmed = { ...appraisal, cache: createEndorsementCache() };
  const warm = await medianOf(runs, () => rateOf(1_000, () => check(warmed)));
  report('attestation: parsing alone');
  const { report: snp } = appraisal.bundle.evidence;
  const parse = await medianOf(runs, () => rateOf(50_000, () => assert(parseSnpReport(snp).ok, 'the report parses')));
  const figure = (name: string, value: number): Figure => ({ part: PART, name, value, unit: 'a second' });
  return [
    figure('SEV-SNP appraisal, cold (SIMULATED evidence)', cold),
    figure('SEV-SNP appraisal, warm (SIMULATED evidence)', warm),
    figure('SEV-SNP report, parsing alone', parse),
  ];
}
