/** Evidence of simulated machines and its endorsements as files, in the forms that vendors and tools keep them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvidenceBundle, IntelCollateral, Platform, RuntimeData } from '@cloister/attestation';
import { encodeEvidenceBundle, encodeRuntimeData, intelCollateralOf, reportDataFor } from '@cloister/attestation';
import {
  type SimulatedCollateral,
  simulatedCollateral,
  simulatedIntelDevice,
  simulatedMachine,
} from '@cloister/attestation/simulated';
import { ed25519KeyPair, x25519KeyPair } from '@cloister/crypto';
import { asDigest, type Digest, fromHex, toBase64, toHex } from '@cloister/encoding';
import { MEASUREMENT } from '@cloister/testkit';
import { seedOf } from '../samples.ts';

export const AT_MS: number = Date.parse('2026-06-03T00:00:00Z');
export const IMAGE: Digest = asDigest('bb'.repeat(32));

const RUNTIME: RuntimeData = {
  chain_id: asDigest('c1'.repeat(32)),
  domain: 'cloister/report-data/v1',
  purpose: 'ledger',
  hpke_key: toHex(x25519KeyPair(seedOf('hpke')).publicKey),
  sign_key: ed25519KeyPair(seedOf('sign')).id,
  image: IMAGE,
  node_id: ed25519KeyPair(seedOf('node')).id,
  nonce: '5e'.repeat(32),
  nonce_height: 41,
};

/** What a simulated machine would submit at `AT_MS`. */
export function simulatedBundle(platform: Platform, seed = 'machine'): EvidenceBundle {
  const runtimeData = encodeRuntimeData(RUNTIME);
  const launch = { reportData: reportDataFor(runtimeData), launchDigest: fromHex(MEASUREMENT), image: fromHex(IMAGE) };
  return { runtimeData, ...simulatedMachine({ seed: seedOf(seed), platform }).collect(launch, AT_MS) };
}

function pem(certificates: readonly Uint8Array[]): string {
  return certificates
    .map((der) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? [];
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
    })
    .join('');
}

/** Collateral in the JSON form of Intel's libraries. */
export function collateralJson({ tcbInfo, qeIdentity, rootCrl, pckCrl, pckCrlIssuerChain }: IntelCollateral): string {
  const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? null : new TextDecoder().decode(bytes));
  const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? null : toHex(bytes));
  return JSON.stringify({
    tcb_info: text(tcbInfo?.bytes),
    tcb_info_signature: hex(tcbInfo?.signature),
    tcb_info_issuer_chain: pem(tcbInfo?.issuerChain ?? []),
    qe_identity: text(qeIdentity?.bytes),
    qe_identity_signature: hex(qeIdentity?.signature),
    qe_identity_issuer_chain: pem(qeIdentity?.issuerChain ?? []),
    root_ca_crl: hex(rootCrl),
    pck_crl: hex(pckCrl),
    pck_crl_issuer_chain: pckCrlIssuerChain === undefined ? null : pem(pckCrlIssuerChain),
  });
}

/** Writes a file into a folder; its path. */
export async function fileOf(folder: string, name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** A bundle as a file. */
export function bundleFile(folder: string, name: string, bundle: EvidenceBundle): Promise<string> {
  return fileOf(folder, name, encodeEvidenceBundle(bundle));
}

/** Raw evidence, and the words that name its endorsements. */
export async function rawFiles(
  folder: string,
  name: string,
  { evidence, endorsements }: EvidenceBundle,
): Promise<{ readonly evidence: string; readonly words: readonly string[] }> {
  const raw = await fileOf(folder, `${name}.bin`, evidence.report);
  if (endorsements.statements !== undefined) {
    const json = collateralJson(intelCollateralOf(endorsements));
    return { evidence: raw, words: ['--endorsements', await fileOf(folder, `${name}.json`, json)] };
  }
  const words: string[] = [];
  for (const [index, der] of endorsements.certificates.entries()) {
    words.push('--certificate', await fileOf(folder, `${name}-${index}.der`, der));
  }
  for (const [index, der] of endorsements.crls.entries()) {
    words.push('--crl', await fileOf(folder, `${name}-${index}.crl`, der));
  }
  return { evidence: raw, words };
}

export const DAY_MS = 86_400_000;

const device = simulatedIntelDevice({
  seed: seedOf('machine'),
  validity: { notBeforeMs: 1_735_689_600_000, notAfterMs: 2_366_841_600_000 },
});

/** Collateral, as JSON, by which simulated machines are out of date in one component and in the quoting enclave. */
export function earlyCollateral(tee: 'sgx' | 'tdx', changes: Partial<SimulatedCollateral> = {}): string {
  const { fmspc, pceId, components, pceSvn } = device.statement;
  const newer = components.map((svn, index) => (index === 4 ? svn + 2 : svn));
  const made = simulatedCollateral({
    tee,
    issuedMs: AT_MS - 7 * DAY_MS,
    nextUpdateMs: AT_MS + 30 * DAY_MS,
    crlNumber: 1_000_000n,
    fmspc,
    pceId,
    tcbEvaluationDataNumber: 20,
    platformLevels: [
      { sgx: newer, tdx: [6, 1, 3], pceSvn, status: 'UpToDate' },
      { sgx: components, tdx: [6, 1, 3], pceSvn, status: 'OutOfDate' },
    ],
    moduleLevels: new Map([[1, [{ isvSvn: 6, status: 'UpToDate' }]]]),
    qeLevels: [
      { isvSvn: device.qeIsvSvn + 1, status: 'UpToDate' },
      { isvSvn: device.qeIsvSvn, status: 'OutOfDate' },
    ],
    pckIssuer: device.pckIssuer,
    ...changes,
  });
  return collateralJson(made);
}

export const EARLY_SHORT: readonly object[] = [
  { component: 'SGX TCB component 5', have: 4, need: 6 },
  { component: 'ISVSVN of the quoting enclave', have: device.qeIsvSvn, need: device.qeIsvSvn + 1 },
];
