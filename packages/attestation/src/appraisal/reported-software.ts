/**
 * What evidence says about the software on a platform: the base that was measured, and the image that the base enforces.
 *
 * A measurement has the size of SHA-384 on every platform; where a platform measures in several registers it is the SHA-384
 * over them. An image digest stands in a field that is fixed at launch (HOST_DATA, MRCONFIGID, CONFIGID), or in a register
 * that the base extends and locks (Nitro PCR16). See docs/decisions/0008.
 */

import { sha384 } from '@cloister/crypto';
import {
  asDigest,
  asMeasurement,
  concatBytes,
  type Digest,
  equalBytes,
  fail,
  fromHex,
  type Measurement,
  ok,
  type Result,
  toHex,
} from '@cloister/encoding';
import type { Evidence } from '../evidence/evidence.ts';
import type { VerifiedEvidence } from '../evidence/verified-evidence.ts';
import type { EnclaveReport } from '../formats/intel/enclave-report.ts';
import { type IntelQuoteCode, parseIntelQuote, type QuoteBody } from '../formats/intel/quote.ts';
import type { TdReport } from '../formats/intel/td-report.ts';
import { type NitroDocument, type NitroDocumentCode, parseNitroDocument } from '../formats/nitro/document.ts';
import { parseSnpReport, type SnpReport, type SnpReportCode } from '../formats/sev-snp/report.ts';

const DIGEST_BYTES = 32;
/** Nitro register that the base extends once, with the image digest. */
export const NITRO_IMAGE_PCR = 16;

export interface ReportedSoftware {
  readonly measurement: Measurement;
  /** The image, given which one the guest claims; undefined when the evidence does not bear that out. */
  imageFor(claimed: Digest): Digest | undefined;
  /** 64 bytes; empty when a Nitro document has no user data. */
  readonly reportData: Uint8Array;
}

/** The measurement of an SGX enclave: SHA-384 over MRENCLAVE, MRSIGNER, ISVPRODID and ISVSVN (u16, little-endian). */
export function sgxMeasurement(
  report: Pick<EnclaveReport, 'mrEnclave' | 'mrSigner' | 'isvProdId' | 'isvSvn'>,
): Measurement {
  const { mrEnclave, mrSigner, isvProdId, isvSvn } = report;
  const versions = Uint8Array.of(isvProdId & 0xff, isvProdId >>> 8, isvSvn & 0xff, isvSvn >>> 8);
  return measurementOf(mrEnclave, mrSigner, versions);
}

/** The measurement of a TD: SHA-384 over MRTD and RTMR0 to RTMR2. RTMR3 is the guest's own. */
export function tdxMeasurement({ mrTd, rtmrs }: Pick<TdReport, 'mrTd' | 'rtmrs'>): Measurement {
  return measurementOf(mrTd, ...rtmrs.slice(0, 3));
}

/** The measurement of a Nitro enclave: SHA-384 over PCR0 to PCR2; absent registers count as zeros. */
export function nitroMeasurement(pcrs: ReadonlyMap<number, Uint8Array>): Measurement {
  return measurementOf(...[0, 1, 2].map((index) => pcrs.get(index) ?? new Uint8Array(48)));
}

/** PCR16 after one extension with an image digest. */
export function nitroImageRegister(image: Uint8Array): Uint8Array {
  return sha384(concatBytes(new Uint8Array(48), image));
}

function measurementOf(...registers: readonly Uint8Array[]): Measurement {
  return asMeasurement(toHex(sha384(concatBytes(...registers))));
}

/** A field that holds an image digest and, after it, zeros. */
function imageField(field: Uint8Array): Digest | undefined {
  const rest = field.subarray(DIGEST_BYTES);
  return rest.some((byte) => byte !== 0) ? undefined : asDigest(toHex(field.subarray(0, DIGEST_BYTES)));
}

function softwareOfSnp({ measurement, hostData, reportData }: SnpReport): ReportedSoftware {
  return { measurement: asMeasurement(toHex(measurement)), imageFor: () => imageField(hostData), reportData };
}

function softwareOfIntel(body: QuoteBody): ReportedSoftware {
  const { reportData } = body.report;
  if (body.tee === 'sgx') {
    const { report } = body;
    return { measurement: sgxMeasurement(report), imageFor: () => imageField(report.configId), reportData };
  }
  const { report } = body;
  return { measurement: tdxMeasurement(report), imageFor: () => imageField(report.mrConfigId), reportData };
}

function softwareOfNitro({ pcrs, userData }: NitroDocument): ReportedSoftware {
  const register = pcrs.get(NITRO_IMAGE_PCR) ?? new Uint8Array();
  return {
    measurement: nitroMeasurement(pcrs),
    imageFor: (claimed) => (equalBytes(register, nitroImageRegister(fromHex(claimed))) ? claimed : undefined),
    reportData: userData ?? new Uint8Array(),
  };
}

/** The software that genuine evidence reports. */
export function softwareOf(verified: VerifiedEvidence): ReportedSoftware {
  switch (verified.format) {
    case 'sev-snp':
      return softwareOfSnp(verified.value.report);
    case 'sgx':
    case 'tdx':
      return softwareOfIntel(verified.value.quote.body);
    case 'nitro':
      return softwareOfNitro(verified.value.document);
  }
}

/** By parsing alone: says nothing about who signed it. */
export function parseReportedSoftware({
  platform,
  report,
}: Evidence): Result<ReportedSoftware, SnpReportCode | IntelQuoteCode | NitroDocumentCode | 'QUOTE_OTHER_TEE'> {
  switch (platform) {
    case 'sev-snp': {
      const parsed = parseSnpReport(report);
      return parsed.ok ? ok(softwareOfSnp(parsed.value)) : parsed;
    }
    case 'sgx':
    case 'tdx': {
      const parsed = parseIntelQuote(report);
      if (!parsed.ok) return parsed;
      return parsed.value.body.tee === platform ? ok(softwareOfIntel(parsed.value.body)) : fail('QUOTE_OTHER_TEE');
    }
    case 'nitro': {
      const parsed = parseNitroDocument(report);
      return parsed.ok ? ok(softwareOfNitro(parsed.value)) : parsed;
    }
  }
}
