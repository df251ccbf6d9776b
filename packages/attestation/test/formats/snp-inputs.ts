/** Inputs of `verifySnp` with one thing changed, and devices of every product line. */
import type { SnpVerification } from '../../src/index.ts';
import type { ExtensionToWrite } from '../../src/simulated/certificate-writer.ts';
import { simulatedCrl, simulatedSnpDevice } from '../../src/simulated/index.ts';
import {
  CRL_TIMES,
  changedChain,
  FIELDS,
  genoa,
  genoaCrl,
  leafFields,
  seedOf,
  VALIDITY,
  verification,
} from './snp-fixture.ts';

export function withCertificates(certificates: readonly Uint8Array[]): SnpVerification {
  return verification({ endorsements: { certificates, crls: [genoaCrl] } });
}

export function withCrls(...crls: readonly Uint8Array[]): SnpVerification {
  return verification({ endorsements: { certificates: genoa.certificates, crls } });
}

export function withReportByte(offset: number, value: number): SnpVerification {
  const report = genoa.report(FIELDS);
  report[offset] = value;
  return verification({ report: genoa.sign(report) });
}

/** Leaf extensions with some removed and others added. */
export function leafExtensions(remove: readonly string[], add: readonly ExtensionToWrite[] = []): ExtensionToWrite[] {
  return [...leafFields.extensions.filter(({ oid }) => !remove.includes(oid)), ...add];
}

export function plain(oid: string, value: Uint8Array): ExtensionToWrite {
  return { oid, critical: false, value };
}

export function withLeafExtensions(extensions: readonly ExtensionToWrite[]): SnpVerification {
  return withCertificates(changedChain({ leaf: { extensions } }));
}

export const [leaf = new Uint8Array(), intermediate = new Uint8Array(), root = new Uint8Array()] = genoa.certificates;
export const other = simulatedSnpDevice({ seed: seedOf(3), product: 'Genoa', validity: VALIDITY });
export const turin = simulatedSnpDevice({ seed: seedOf(4), product: 'Turin', validity: VALIDITY });
export const turinCrl = simulatedCrl({ product: 'Turin', number: 1n, ...CRL_TIMES });
export const milan = simulatedSnpDevice({ seed: seedOf(5), product: 'Milan', validity: VALIDITY });
export const milanCrl = simulatedCrl({ product: 'Milan', number: 1n, ...CRL_TIMES });
