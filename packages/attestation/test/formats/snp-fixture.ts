/**
 * A simulated Genoa device with its chain, CRL, reference values, policy and runtime data, and ways to spoil each of them.
 */

import { ed25519KeyPair, x25519KeyPair } from '@cloister/crypto';
import { type AccountId, asDigest, asMeasurement, digestToBytes, fromHex, toHex } from '@cloister/encoding';
import {
  type Appraisal,
  type AppraisalPolicy,
  type EvidenceBundle,
  encodeRuntimeData,
  type ReferenceValue,
  type RuntimeData,
  reportDataFor,
  SIMULATED_ANCHORS,
  type SnpVerification,
} from '../../src/index.ts';
import { type CertificateToWrite, p384Spki, rsaSpki, writeX509 } from '../../src/simulated/certificate-writer.ts';
import type { RsaKey } from '../../src/simulated/development-keys.ts';
import {
  authorityExtensions,
  authorityKey,
  authorityName,
  deviceExtensions,
  simulatedName,
} from '../../src/simulated/development-pki.ts';
import {
  type SimulatedReportFields,
  type SimulatedSnpDevice,
  simulatedAppraisalPolicy,
  simulatedCrl,
  simulatedSnpDevice,
} from '../../src/simulated/index.ts';
import { parseCertificate } from '../../src/x509/x509.ts';

export const AT_MS: number = Date.parse('2026-06-01T00:00:00Z');
export const VALIDITY = {
  notBeforeMs: Date.parse('2026-01-01T00:00:00Z'),
  notAfterMs: Date.parse('2033-01-01T00:00:00Z'),
};
export const CRL_TIMES = {
  thisUpdateMs: Date.parse('2026-05-01T00:00:00Z'),
  nextUpdateMs: Date.parse('2026-09-01T00:00:00Z'),
};

export function seedOf(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

export const genoa: SimulatedSnpDevice = simulatedSnpDevice({ seed: seedOf(1), product: 'Genoa', validity: VALIDITY });
export const genoaVlek: SimulatedSnpDevice = simulatedSnpDevice({
  seed: seedOf(2),
  product: 'Genoa',
  validity: VALIDITY,
  signingKey: 'VLEK',
});
export const genoaCrl: Uint8Array = simulatedCrl({ product: 'Genoa', number: 7n, ...CRL_TIMES });

export const MEASUREMENT: Uint8Array = new Uint8Array(48).fill(0xaa);
export const IMAGE: Uint8Array = new Uint8Array(32).fill(0xbb);
export const CHAIN_ID = asDigest('c1'.repeat(32));
export const signKeys = ed25519KeyPair(seedOf(11));
export const NODE: AccountId = ed25519KeyPair(seedOf(12)).id;
export const CHALLENGER: AccountId = ed25519KeyPair(seedOf(13)).id;

export const runtime: RuntimeData = {
  chain_id: CHAIN_ID,
  domain: 'cloister/report-data/v1',
  purpose: 'ledger',
  hpke_key: toHex(x25519KeyPair(seedOf(14)).publicKey),
  sign_key: toHex(signKeys.publicKey),
  image: asDigest(toHex(IMAGE)),
  node_id: NODE,
  nonce: '5e'.repeat(32),
  nonce_height: 41,
};

export const policy: AppraisalPolicy = simulatedAppraisalPolicy({
  maxAgeBlocks: 1000,
  refreshWindowBlocks: 50,
  nonceWindowBlocks: 20,
});

export const referenceValues: readonly ReferenceValue[] = [
  {
    platform: 'sev-snp',
    measurement: asMeasurement(toHex(MEASUREMENT)),
    image: asDigest(toHex(IMAGE)),
    status: 'allowed',
  },
];

export const FIELDS: SimulatedReportFields = {
  measurement: MEASUREMENT,
  hostData: IMAGE,
  reportData: new Uint8Array(64).fill(0xcc),
};

/** Input of `verifySnp` that is accepted, unless something is overridden. */
export function verification(overrides: Partial<SnpVerification> = {}): SnpVerification {
  return {
    report: genoa.report(FIELDS),
    endorsements: { certificates: genoa.certificates, crls: [genoaCrl] },
    trustAnchors: SIMULATED_ANCHORS,
    atMs: AT_MS,
    requireCrl: true,
    allowMaskedChipId: false,
    ...overrides,
  };
}

/** A bundle whose report binds this runtime data. */
export function bundleOf(
  data: RuntimeData = runtime,
  fields: Partial<SimulatedReportFields> = {},
  device: SimulatedSnpDevice = genoa,
): EvidenceBundle {
  const runtimeData = encodeRuntimeData(data);
  const hostData = digestToBytes(data.image);
  const report = device.report({
    measurement: MEASUREMENT,
    hostData,
    reportData: reportDataFor(runtimeData),
    ...fields,
  });
  return {
    evidence: { platform: 'sev-snp', report },
    runtimeData,
    endorsements: { certificates: device.certificates, crls: [genoaCrl] },
  };
}

/** Input of `appraise` that is accepted, unless something is overridden. */
export function appraisal(overrides: Partial<Appraisal> = {}): Appraisal {
  return {
    bundle: bundleOf(),
    referenceValues,
    policy,
    trustAnchors: SIMULATED_ANCHORS,
    atMs: AT_MS,
    ...overrides,
  };
}

type CertificateChange = Partial<CertificateToWrite> & { readonly signer?: RsaKey };

export const ark: RsaKey = authorityKey('Genoa', 'ark');
export const ask: RsaKey = authorityKey('Genoa', 'ask');
const genoaLeaf = parseCertificate(genoa.certificates[0] ?? new Uint8Array());
export const leafPoint: Uint8Array = genoaLeaf?.publicKey?.type === 'ec' ? genoaLeaf.publicKey.point : new Uint8Array();

/** What the Genoa device's leaf certificate is written from. */
export const leafFields: CertificateToWrite = {
  serial: genoa.serial,
  issuer: authorityName('Genoa', 'ask'),
  subject: simulatedName('SEV-VCEK'),
  validity: VALIDITY,
  spki: p384Spki(leafPoint),
  extensions: deviceExtensions({
    product: 'Genoa',
    signingKey: 'VCEK',
    serial: genoa.serial,
    validity: VALIDITY,
    point: leafPoint,
    tcb: genoa.tcb,
    hardwareId: fromHex(genoa.hardwareId),
    cspId: undefined,
  }),
};

function write(fields: CertificateToWrite, signer: RsaKey, change: CertificateChange): Uint8Array {
  const { signer: other, ...rest } = change;
  return writeX509({ ...fields, ...rest }, other ?? signer);
}

/** The Genoa device's chain with some certificates written anew. */
export function changedChain(changes: {
  readonly leaf?: CertificateChange;
  readonly intermediate?: CertificateChange;
  readonly root?: CertificateChange;
}): readonly Uint8Array[] {
  const [leaf = new Uint8Array(), intermediate = new Uint8Array(), root = new Uint8Array()] = genoa.certificates;
  const authority = (name: 'ark' | 'ask', serial: bigint): CertificateToWrite => ({
    serial,
    issuer: authorityName('Genoa', 'ark'),
    subject: authorityName('Genoa', name),
    validity: { notBeforeMs: Date.parse('2020-01-01T00:00:00Z'), notAfterMs: Date.parse('2049-12-31T23:59:59Z') },
    spki: rsaSpki(authorityKey('Genoa', name)),
    extensions: authorityExtensions(name),
  });
  return [
    changes.leaf === undefined ? leaf : write(leafFields, ask, changes.leaf),
    changes.intermediate === undefined ? intermediate : write(authority('ask', 2n), ark, changes.intermediate),
    changes.root === undefined ? root : write(authority('ark', 1n), ark, changes.root),
  ];
}

/** Replaces every occurrence of a byte sequence by another of the same length. */
export function replaceAllBytes(bytes: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  return fromHex(toHex(bytes).replaceAll(toHex(from), toHex(to)));
}

/** A copy with one bit flipped; `position` counts bits and wraps around. */
export function flipBit(bytes: Uint8Array, position: number): Uint8Array {
  const copy = bytes.slice();
  const index = Math.floor(position / 8) % copy.length;
  copy[index] = (copy[index] ?? 0) ^ (1 << (position % 8));
  return copy;
}
