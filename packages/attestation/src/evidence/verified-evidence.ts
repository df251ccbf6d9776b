/**
 * Genuine evidence of any format, and the one call that verifies it.
 */
import type { Result } from '@cloister/encoding';
import type { EndorsementCache } from '../endorsements/endorsement-cache.ts';
import type { EvidenceEndorsements } from '../endorsements/endorsement-files.ts';
import type { CrlFloors, StatementFloors } from '../endorsements/endorsement-floors.ts';
import { type IntelVerificationCode, type VerifiedIntel, verifyIntelQuote } from '../formats/intel/verify.ts';
import { type NitroVerificationCode, type VerifiedNitro, verifyNitro } from '../formats/nitro/verify.ts';
import { type SnpVerificationCode, type VerifiedSnp, verifySnp } from '../formats/sev-snp/verify.ts';
import type { TrustAnchors } from '../policy/trust-anchors.ts';
import type { Platform } from './evidence.ts';

/** Genuine evidence, whether or not it meets anybody's requirements. */
export type VerifiedEvidence =
  | { readonly format: 'sev-snp'; readonly value: VerifiedSnp }
  | { readonly format: 'sgx' | 'tdx'; readonly value: VerifiedIntel }
  | { readonly format: 'nitro'; readonly value: VerifiedNitro };

export interface FormatVerification {
  /** What the evidence must be; an SGX quote is no evidence of TDX. */
  readonly format: Platform;
  /** Report, quote or document, as the platform gave it. */
  readonly evidence: Uint8Array;
  readonly endorsements: EvidenceEndorsements;
  readonly trustAnchors: TrustAnchors;
  /** Milliseconds of the Unix epoch. */
  readonly atMs: number;
  /** SEV-SNP: false only outside the ledger. CRLs that are there are checked in any case. */
  readonly requireCrl: boolean;
  /** SEV-SNP: accept an all-zero chip id under a VLEK. */
  readonly allowMaskedChipId: boolean;
  readonly crlFloors?: CrlFloors | undefined;
  readonly statementFloors?: StatementFloors | undefined;
  readonly cache?: EndorsementCache | undefined;
}

/** Why evidence is not genuine, or not of its platform. */
export type FormatVerificationCode = SnpVerificationCode | IntelVerificationCode | NitroVerificationCode;

/** Verifies evidence of one format with its endorsements. Pure; throws on no bytes. */
export function verifyFormat(input: FormatVerification): Result<VerifiedEvidence, FormatVerificationCode> {
  const { format, evidence, endorsements, ...context } = input;
  switch (format) {
    case 'sev-snp': {
      const { certificates, crls } = endorsements;
      const verified = verifySnp({ ...context, report: evidence, endorsements: { certificates, crls } });
      return verified.ok ? { ok: true, value: { format, value: verified.value } } : verified;
    }
    case 'sgx':
    case 'tdx': {
      const { collateral } = endorsements;
      const verified = verifyIntelQuote({ ...context, quote: evidence, collateral, tee: format });
      return verified.ok ? { ok: true, value: { format, value: verified.value } } : verified;
    }
    case 'nitro': {
      const verified = verifyNitro({ ...context, document: evidence });
      return verified.ok ? { ok: true, value: { format, value: verified.value } } : verified;
    }
  }
}

/** Hex of the platform's own id; undefined where it shows none. */
export function hardwareIdOf({ value }: VerifiedEvidence): string | undefined {
  return value.hardwareId;
}
