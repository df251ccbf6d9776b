/**
 * The port to a machine that gives evidence, without endorsements beyond what the host hands out with it.
 */
import { type Evidence, endorsementNeeds, parseIntelQuote, parseSnpReport } from '@cloister/attestation';
import { equalBytes } from '@cloister/encoding';
import { AttesterError } from './attester-error.ts';

export const REPORT_DATA_BYTES = 64;

/** Evidence as it came. */
export interface RawEvidence {
  readonly evidence: Evidence;
  /** DER, not verified: the signing key's first, then those above it. Empty when the host offers none for the key. */
  readonly certificates: readonly Uint8Array[];
}

export interface EvidenceSource {
  /** Evidence over exactly these 64 bytes. Rejects with `AttesterError`. */
  evidence(reportData: Uint8Array): Promise<RawEvidence>;
}

/** A quote without the zero bytes that hosts pad it with; those inside it stay. Throws `AttesterError` for what is no quote. */
export function trimmedQuote(bytes: Uint8Array): Uint8Array {
  const quote = parseIntelQuote(bytes);
  if (!quote.ok) throw new AttesterError('EVIDENCE_MALFORMED', `${quote.code} ${quote.detail ?? ''}`.trimEnd());
  const { length } = quote.value.signed;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.slice(0, length + 4 + view.getUint32(length, true));
}

/** Throws `AttesterError` unless the evidence is well formed and over this report data. */
export function checkReportData({ platform, report }: Evidence, reportData: Uint8Array): void {
  const shown = reportDataOf(platform, report);
  if (shown === undefined) throw new AttesterError('EVIDENCE_MALFORMED', `no evidence of ${platform}`);
  if (!equalBytes(shown, reportData))
    throw new AttesterError('REPORT_DATA_MISMATCH', 'evidence over other report data');
}

function reportDataOf(platform: Evidence['platform'], report: Uint8Array): Uint8Array | undefined {
  if (platform === 'nitro') return undefined;
  if (platform === 'sev-snp') {
    const parsed = parseSnpReport(report);
    return parsed.ok ? parsed.value.reportData : undefined;
  }
  const parsed = parseIntelQuote(report);
  return parsed.ok && parsed.value.body.tee === platform ? parsed.value.body.report.reportData : undefined;
}

/** Product line for people: AMD's code name, or the TEE's name. */
export function productOf({ evidence, certificates }: RawEvidence): string {
  const needs = endorsementNeeds(evidence, certificates);
  return needs.ok && needs.value.platform === 'sev-snp' ? needs.value.product : evidence.platform.toUpperCase();
}
