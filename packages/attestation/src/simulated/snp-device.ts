/**
 * A simulated SEV-SNP processor: the same keys, certificates and reports every time, from one seed.
 *
 * What it signs has the true wire format under the development key infrastructure. SIMULATED: whoever has the seed is the
 * device, and the authorities' keys are public besides.
 */

import { ecdsaPublicKey, hkdfSha256 } from '@cloister/crypto';
import { concatBytes, toHex, utf8 } from '@cloister/encoding';
import { hardwareIdLength, type SnpProduct } from '../formats/sev-snp/product.ts';
import type { SnpSigningKey } from '../formats/sev-snp/report.ts';
import { encodeTcb, type SnpTcb } from '../formats/sev-snp/tcb.ts';
import type { Validity } from './certificate-writer.ts';
import { authorityCertificate, deviceCertificate } from './development-pki.ts';
import { type SimulatedReportFields, signSnpReport, writeSnpReport } from './snp-report-writer.ts';

/** TCB of a simulated device unless told otherwise: firmware that AMD shipped. */
export const SIMULATED_TCBS: Readonly<Record<SnpProduct, SnpTcb>> = {
  Milan: { fmc: 0, bootLoader: 4, tee: 0, snp: 24, microcode: 219 },
  Genoa: { fmc: 0, bootLoader: 10, tee: 0, snp: 25, microcode: 84 },
  Turin: { fmc: 1, bootLoader: 1, tee: 1, snp: 4, microcode: 81 },
};

export interface SimulatedSnpDeviceOptions {
  /** At least 16 bytes; the same seed is the same chip. */
  readonly seed: Uint8Array;
  readonly product: SnpProduct;
  /** Validity of the device certificate. */
  readonly validity: Validity;
  /** Firmware of the device, certified in its key's certificate. */
  readonly tcb?: SnpTcb;
  /** VLEK: a provider's key in place of the chip's own. */
  readonly signingKey?: SnpSigningKey;
}

export interface SimulatedSnpDevice {
  readonly product: SnpProduct;
  readonly signingKey: SnpSigningKey;
  readonly tcb: SnpTcb;
  /** CHIP_ID, 64 bytes. */
  readonly chipId: Uint8Array;
  /** The id in attestation results: hex, 8 bytes on Turin and 64 on the others. */
  readonly hardwareId: string;
  /** Serial number of the device certificate. AMD's are all 0; these differ, so that a CRL can name one. */
  readonly serial: bigint;
  /** Leaf, intermediate, root; DER. */
  readonly certificates: readonly Uint8Array[];
  /** A signed report of 1184 bytes. */
  report(fields: SimulatedReportFields): Uint8Array;
  /** Signs a report of 1184 bytes as it stands, whatever it says; its signature part is replaced. */
  sign(report: Uint8Array): Uint8Array;
}

/** Makes a device. Costs an RSA signature, and two more for the first device of a product line in a process. */
export function simulatedSnpDevice(options: SimulatedSnpDeviceOptions): SimulatedSnpDevice {
  const { seed, product, validity, tcb = SIMULATED_TCBS[product], signingKey = 'VCEK' } = options;
  const derive = (label: string, length: number): Uint8Array =>
    hkdfSha256(seed, utf8('cloister/simulated-snp/v1'), utf8(`${label} ${product}`), length);
  const hardwareId = derive('hardware id', hardwareIdLength(product));
  const chipId = new Uint8Array(64);
  chipId.set(hardwareId);
  // As on hardware, the key changes with the TCB. The leading zero byte keeps the scalar below the order of P-384.
  const keyLabel = `${signingKey} ${toHex(encodeTcb(tcb, product))}`;
  const secretKey = concatBytes(Uint8Array.of(0), derive(keyLabel, 47));
  const serial = BigInt(`0x1${toHex(derive(`serial ${keyLabel}`, 8))}`);
  const leaf = deviceCertificate({
    product,
    signingKey,
    serial,
    validity,
    point: ecdsaPublicKey('P-384', secretKey),
    tcb,
    hardwareId: signingKey === 'VCEK' ? hardwareId : undefined,
    cspId: signingKey === 'VLEK' ? 'CN=SIMULATED-provider' : undefined,
  });
  const sign = (report: Uint8Array): Uint8Array => signSnpReport(report, secretKey);
  const intermediate = authorityCertificate(product, signingKey === 'VCEK' ? 'ask' : 'asvk');
  return {
    product,
    signingKey,
    tcb,
    chipId,
    hardwareId: toHex(hardwareId),
    serial,
    certificates: [leaf, intermediate, authorityCertificate(product, 'ark')],
    report: (fields) => sign(writeSnpReport({ product, signingKey, tcb, chipId }, fields)),
    sign,
  };
}
