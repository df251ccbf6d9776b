/**
 * Building and signing SEV-SNP reports byte by byte, the inverse of `parseSnpReport`.
 *
 * A simulated device can state whatever a test wants stated, wrong values included; only the lengths are asserted.
 */

import { signEcdsa } from '@cloister/crypto';
import { assert, concatBytes } from '@cloister/encoding';
import type { SnpProduct } from '../formats/sev-snp/product.ts';
import {
  SNP_OFFSETS,
  SNP_REPORT_BYTES,
  SNP_SIGNATURE_ALGORITHM,
  SNP_SIGNED_BYTES,
  type SnpSigningKey,
} from '../formats/sev-snp/report.ts';
import { encodeTcb, type SnpTcb } from '../formats/sev-snp/tcb.ts';

/** Guest policy with bit 17 set, SMT allowed and nothing else: no debugging, no migration agent. */
export const SIMULATED_GUEST_POLICY = 0x3_0000n;
/** Platform with SMT, ECC and a completed alias check. */
export const SIMULATED_PLATFORM_INFO = 0x25n;

/** What the guest and its host choose, and what tests may override. */
export interface SimulatedReportFields {
  /** Launch digest, 48 bytes. */
  readonly measurement: Uint8Array;
  /** 32 bytes. */
  readonly hostData: Uint8Array;
  /** 64 bytes. */
  readonly reportData: Uint8Array;
  /** 2 to 5; 3 when not given. */
  readonly version?: number;
  readonly vmpl?: number;
  readonly policy?: bigint;
  readonly platformInfo?: bigint;
  readonly idKeyDigest?: Uint8Array;
  /** TCB versions; the device's own when not given. */
  readonly reportedTcb?: SnpTcb;
  readonly committedTcb?: SnpTcb;
  readonly currentTcb?: SnpTcb;
  readonly launchTcb?: SnpTcb;
  /** 64 bytes; the device's own when not given. */
  readonly chipId?: Uint8Array;
  /** Which key the flags claim; the device's own when not given. */
  readonly signingKey?: SnpSigningKey;
}

/** What the device contributes. */
export interface ReportingDevice {
  readonly product: SnpProduct;
  readonly signingKey: SnpSigningKey;
  readonly tcb: SnpTcb;
  readonly chipId: Uint8Array;
}

/** CPUID family, model and stepping that stand for each line. */
const CPUIDS: Readonly<Record<SnpProduct, readonly [number, number, number]>> = {
  Milan: [0x19, 0x01, 0x01],
  Genoa: [0x19, 0x11, 0x01],
  Turin: [0x1a, 0x02, 0x01],
};

/** The 1184 bytes with an empty signature. */
export function writeSnpReport(device: ReportingDevice, fields: SimulatedReportFields): Uint8Array {
  const bytes = new Uint8Array(SNP_REPORT_BYTES);
  const view = new DataView(bytes.buffer);
  const place = (offset: number, value: Uint8Array, length: number): void => {
    assert(value.length === length, `report field at ${offset.toString(16)}h has ${length} bytes`);
    bytes.set(value, offset);
  };
  const { version = 3, vmpl = 0, signingKey = device.signingKey } = fields;
  view.setUint32(SNP_OFFSETS.version, version, true);
  view.setBigUint64(SNP_OFFSETS.policy, fields.policy ?? SIMULATED_GUEST_POLICY, true);
  view.setUint32(SNP_OFFSETS.vmpl, vmpl, true);
  view.setUint32(SNP_OFFSETS.signatureAlgorithm, SNP_SIGNATURE_ALGORITHM, true);
  view.setBigUint64(SNP_OFFSETS.platformInfo, fields.platformInfo ?? SIMULATED_PLATFORM_INFO, true);
  view.setUint32(SNP_OFFSETS.flags, signingKey === 'VLEK' ? 1 << 2 : 0, true);
  place(SNP_OFFSETS.reportData, fields.reportData, 64);
  place(SNP_OFFSETS.measurement, fields.measurement, 48);
  place(SNP_OFFSETS.hostData, fields.hostData, 32);
  if (fields.idKeyDigest !== undefined) place(SNP_OFFSETS.idKeyDigest, fields.idKeyDigest, 48);
  place(SNP_OFFSETS.chipId, fields.chipId ?? device.chipId, 64);
  if (version >= 3) place(SNP_OFFSETS.cpuid, Uint8Array.from(CPUIDS[device.product]), 3);
  const tcbs = [
    [SNP_OFFSETS.reportedTcb, fields.reportedTcb],
    [SNP_OFFSETS.committedTcb, fields.committedTcb],
    [SNP_OFFSETS.currentTcb, fields.currentTcb],
    [SNP_OFFSETS.launchTcb, fields.launchTcb],
  ] as const;
  for (const [offset, tcb] of tcbs) place(offset, encodeTcb(tcb ?? device.tcb, device.product), 8);
  return bytes;
}

/** The report with its signature part replaced by one over its signed part. `secretKey`: P-384 scalar, 48 bytes. */
export function signSnpReport(report: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const message = report.slice(0, SNP_SIGNED_BYTES);
  const signature = signEcdsa({ curve: 'P-384', hash: 'sha384', secretKey, message });
  const signed = concatBytes(message, new Uint8Array(SNP_REPORT_BYTES - SNP_SIGNED_BYTES));
  signed.set(signature.slice(0, 48).reverse(), SNP_OFFSETS.signatureR);
  signed.set(signature.slice(48).reverse(), SNP_OFFSETS.signatureS);
  return signed;
}
