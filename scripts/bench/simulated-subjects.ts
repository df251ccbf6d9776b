/** SIMULATED evidence of every format: sixteen pieces each, by one machine, as the ledger gets and appraises them. */

import type {
  EndorsementCache,
  EvidenceBundle,
  Platform,
  ReferenceValue,
} from '../../packages/attestation/src/index.ts';
import {
  appraise,
  decodeEvidenceBundle,
  encodeEvidenceBundle,
  encodeRuntimeData,
  intelCollateralOf,
  parseIntelQuote,
  parseNitroDocument,
  parseSnpReport,
  reportDataFor,
} from '../../packages/attestation/src/index.ts';
import {
  SIMULATED_ANCHORS,
  simulatedAppraisalPolicy,
  simulatedIntelDevice,
  simulatedMachine,
  simulatedMeasurement,
  writeTdReport,
} from '../../packages/attestation/src/simulated/index.ts';
import { ed25519KeyPair, x25519KeyPair } from '../../packages/crypto/src/index.ts';
import { asDigest, asMeasurement, assert, toHex } from '../../packages/encoding/src/index.ts';
import { type Subject, type SubjectWork, subjectOf } from './appraisal-subject.ts';
import { collateralForm, dcapQvlParse, dcapQvlVerifier } from './dcap-qvl.ts';

const PIECES = 16;
const AT_MS = Date.parse('2026-06-01T00:00:00Z');
const POLICY = simulatedAppraisalPolicy({ maxAgeBlocks: 1_000, refreshWindowBlocks: 50, nonceWindowBlocks: 20 });
const SEED = seed(31);
/** Of the PCK certificate. */
const VALIDITY = { notBeforeMs: Date.parse('2026-01-01T00:00:00Z'), notAfterMs: Date.parse('2033-01-01T00:00:00Z') };
/** TDX module 1.6, microcode 3: what the machine's endorsements hold up to date. */
const TEE_TCB_SVN = [6, 1, 3];
const [LAUNCH_DIGEST, IMAGE] = [new Uint8Array(48).fill(0xaa), new Uint8Array(32).fill(0xbb)];

function seed(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

/** Evidence of one machine for statements of as many enclaves. */
function bundlesOf(collect: (reportData: Uint8Array) => Pick<EvidenceBundle, 'evidence' | 'endorsements'>) {
  return Array.from({ length: PIECES }, (_, piece): EvidenceBundle => {
    const runtimeData = encodeRuntimeData({
      chain_id: asDigest('c1'.repeat(32)),
      domain: 'cloister/report-data/v1',
      purpose: 'ledger',
      hpke_key: toHex(x25519KeyPair(seed(100 + piece)).publicKey),
      sign_key: toHex(ed25519KeyPair(seed(150 + piece)).publicKey),
      image: asDigest(toHex(IMAGE)),
      node_id: ed25519KeyPair(seed(4)).id,
      nonce: '5e'.repeat(32),
      nonce_height: 41,
    });
    return { ...collect(reportDataFor(runtimeData)), runtimeData };
  });
}

interface Piece {
  readonly bundle: EvidenceBundle;
  readonly bytes: Uint8Array;
}

function subjectOfBundles(
  name: string,
  bundles: readonly EvidenceBundle[],
  parse: SubjectWork<Uint8Array>['parse'],
  dcapQvl?: SubjectWork<Piece>['dcapQvl'],
): Subject {
  const platforms: readonly Platform[] = [...new Set(bundles.map(({ evidence }) => evidence.platform))];
  const referenceValues = platforms.map((platform): ReferenceValue => {
    const measurement = simulatedMeasurement(platform, asMeasurement(toHex(LAUNCH_DIGEST)));
    return { platform, measurement, image: asDigest(toHex(IMAGE)), status: 'allowed' };
  });
  const context = { referenceValues, policy: POLICY, trustAnchors: SIMULATED_ANCHORS, atMs: AT_MS };
  const appraised = ({ bytes }: Piece, cache?: EndorsementCache) => {
    const bundle = decodeEvidenceBundle(bytes);
    return bundle.ok ? appraise({ bundle: bundle.value, ...context, cache }) : bundle;
  };
  const pieces = bundles.map((bundle): Piece => ({ bundle, bytes: encodeEvidenceBundle(bundle) }));
  return subjectOf(`${name}, SIMULATED`, pieces, {
    cold: (piece) => appraised(piece),
    warm: appraised,
    parse: ({ bundle }) => parse(bundle.evidence.report),
    ...(dcapQvl === undefined ? {} : { dcapQvl }),
  });
}

/** Evidence as a simulated machine of the platform gives it. */
function machineBundles(platform: Platform): readonly EvidenceBundle[] {
  const machine = simulatedMachine({ seed: SEED, platform });
  return bundlesOf((reportData) => machine.collect({ reportData, launchDigest: LAUNCH_DIGEST, image: IMAGE }, AT_MS));
}

/** Machines write TD 1.5; these are quotes of TD 1.0 with the same endorsements. */
function td10Bundles(): readonly EvidenceBundle[] {
  const [machine] = machineBundles('tdx');
  assert(machine !== undefined, 'a machine gives evidence');
  const { endorsements } = machine;
  const device = simulatedIntelDevice({ seed: SEED, validity: VALIDITY });
  return bundlesOf((reportData) => {
    const body = writeTdReport({ teeTcbSvn: TEE_TCB_SVN, mrTd: LAUNCH_DIGEST, mrConfigId: IMAGE, reportData });
    return { evidence: { platform: 'tdx', report: device.quote({ version: 4, tee: 'tdx', body }) }, endorsements };
  });
}

function intelSubject(name: string, bundles: readonly EvidenceBundle[]): Subject {
  const [, issuer, root] = simulatedIntelDevice({ seed: SEED, validity: VALIDITY }).certificates;
  const [first] = bundles;
  assert(first !== undefined && issuer !== undefined && root !== undefined, 'there is a chain, and evidence');
  const form = collateralForm({ ...intelCollateralOf(first.endorsements), pckCrlIssuerChain: [issuer, root] });
  const verify = dcapQvlVerifier(root);
  return subjectOfBundles(name, bundles, parseIntelQuote, {
    verify: ({ bundle }) => verify(bundle.evidence.report, form, AT_MS),
    parse: ({ bundle }) => dcapQvlParse(bundle.evidence.report),
  });
}

export function simulatedSubjects(): readonly Subject[] {
  return [
    intelSubject('SGX quote v3', machineBundles('sgx')),
    intelSubject('TDX quote v4 (TD 1.0)', td10Bundles()),
    intelSubject('TDX quote v5 (TD 1.5)', machineBundles('tdx')),
    subjectOfBundles('SEV-SNP report (Genoa)', machineBundles('sev-snp'), parseSnpReport),
    subjectOfBundles('Nitro document', machineBundles('nitro'), parseNitroDocument),
  ];
}
