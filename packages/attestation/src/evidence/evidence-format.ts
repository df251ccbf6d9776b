/**
 * Which format evidence is in, by its bytes. A guess that only picks the parser: each parser checks for itself.
 */
import { equalBytes } from '@cloister/encoding';
import { INTEL_QE_VENDOR, QUOTE_HEADER_BYTES, TEE_TYPES } from '../formats/intel/quote.ts';
import { SNP_REPORT_BYTES } from '../formats/sev-snp/report.ts';
import type { Platform } from './evidence.ts';

/** Initial bytes of a COSE_Sign1: an array of four, and tag 18. */
const CBOR_ARRAY_OF_FOUR = 0x84;
const CBOR_TAG_18 = 0xd2;

/** The format that the bytes look most like; undefined when they look like none. */
export function detectEvidenceFormat(bytes: Uint8Array): Platform | undefined {
  if (bytes.length < 4) return undefined;
  const [first, second, third = 0, fourth = 0] = bytes;
  if (first === CBOR_ARRAY_OF_FOUR || (first === CBOR_TAG_18 && second === CBOR_ARRAY_OF_FOUR)) return 'nitro';
  const version = (first ?? 0) + 256 * (second ?? 0);
  if (bytes.length >= QUOTE_HEADER_BYTES) {
    const isIntel = equalBytes(bytes.subarray(12, 28), INTEL_QE_VENDOR);
    // A quote's key type stands where the upper half of a report's version is zero.
    if (isIntel || (version >= 3 && version <= 5 && third !== 0)) return bytes[4] === TEE_TYPES.sgx ? 'sgx' : 'tdx';
  }
  const isReportVersion = third === 0 && fourth === 0 && version >= 2 && version <= 5;
  return bytes.length === SNP_REPORT_BYTES || isReportVersion ? 'sev-snp' : undefined;
}
