/**
 * Which endorsements evidence needs: what an attester asks the vendor's service for.
 *
 * Read by parsing alone. Nothing here is authenticated: the answer only picks what is fetched, and the verification of the
 * evidence with what was fetched finds out whether it was right.
 */
import { fail, ok, parseUtf8, type Result, toHex } from '@cloister/encoding';
import type { Evidence } from '../evidence/evidence.ts';
import { type PckExtension, parsePckExtension, SGX_EXTENSION_OID } from '../formats/intel/pck-extension.ts';
import { CERTIFICATION_TYPES, type IntelQuoteCode, parseIntelQuote } from '../formats/intel/quote.ts';
import { hardwareIdLength, SNP_PRODUCTS, type SnpProduct } from '../formats/sev-snp/product.ts';
import { parseSnpReport, type SnpReportCode, type SnpSigningKey } from '../formats/sev-snp/report.ts';
import { parseTcb, type SnpTcb } from '../formats/sev-snp/tcb.ts';
import { isVekCertificate, readVekStatement } from '../formats/sev-snp/vek-certificate.ts';
import { parsePem } from '../x509/pem.ts';
import { extensionValue, parseCertificate } from '../x509/x509.ts';
import { commonNameOf } from '../x509/x509-fields.ts';

/** What AMD's key server is asked for. */
export interface SnpEndorsementNeeds {
  readonly platform: 'sev-snp';
  readonly product: SnpProduct;
  readonly signingKey: SnpSigningKey;
  /** Hex as in the chip's certificate; undefined when the report masks it. */
  readonly hardwareId: string | undefined;
  /** Reported TCB, which the certificate of the signing key must certify. */
  readonly tcb: SnpTcb;
}

/** What Intel's provisioning service is asked for. */
export interface IntelEndorsementNeeds {
  readonly platform: 'sgx' | 'tdx';
  /** 12 hex characters. */
  readonly fmspc: string;
  readonly pckIssuer: 'platform' | 'processor';
}

/** A Nitro document carries everything itself. */
export type EndorsementNeeds = SnpEndorsementNeeds | IntelEndorsementNeeds | { readonly platform: 'nitro' };

export type EndorsementNeedsCode =
  | SnpReportCode
  | IntelQuoteCode
  | 'QUOTE_OTHER_TEE'
  | 'PCK_CHAIN_ABSENT'
  | 'PCK_CHAIN_MALFORMED'
  | 'PCK_ISSUER_UNKNOWN'
  /** A report of version 2, which does not name its processor, without a certificate that does. */
  | 'PRODUCT_UNKNOWN';

/** `certificates` (DER) came with the evidence; the key's certificate among them names a product that the report does not. */
export function endorsementNeeds(
  { platform, report }: Evidence,
  certificates: readonly Uint8Array[] = [],
): Result<EndorsementNeeds, EndorsementNeedsCode> {
  switch (platform) {
    case 'sev-snp':
      return snpNeeds(report, certificates);
    case 'sgx':
    case 'tdx':
      return intelNeeds(platform, report);
    case 'nitro':
      return ok({ platform });
  }
}

function snpNeeds(
  bytes: Uint8Array,
  certificates: readonly Uint8Array[],
): Result<SnpEndorsementNeeds, EndorsementNeedsCode> {
  const parsed = parseSnpReport(bytes);
  if (!parsed.ok) return parsed;
  const { product: named, signingKey, chipId, reportedTcb } = parsed.value;
  const product = named ?? productOfKeyCertificate(certificates);
  if (product === undefined) return fail('PRODUCT_UNKNOWN');
  const isMasked = chipId.every((byte) => byte === 0);
  const hardwareId = isMasked ? undefined : toHex(chipId.subarray(0, hardwareIdLength(product)));
  return ok({ platform: 'sev-snp', product, signingKey, hardwareId, tcb: parseTcb(reportedTcb, product) });
}

/** The product line that the certificate of a chip's or provider's key states. */
function productOfKeyCertificate(certificates: readonly Uint8Array[]): SnpProduct | undefined {
  for (const der of certificates) {
    const certificate = parseCertificate(der);
    if (certificate === undefined || !isVekCertificate(certificate)) continue;
    return SNP_PRODUCTS.find((product) => readVekStatement(certificate, product).ok);
  }
  return undefined;
}

function intelNeeds(platform: 'sgx' | 'tdx', bytes: Uint8Array): Result<IntelEndorsementNeeds, EndorsementNeedsCode> {
  const parsed = parseIntelQuote(bytes);
  if (!parsed.ok) return parsed;
  const { body, certificationType, certificationData } = parsed.value;
  if (body.tee !== platform) return fail('QUOTE_OTHER_TEE', body.tee);
  if (certificationType !== CERTIFICATION_TYPES.pckChain) {
    return fail('PCK_CHAIN_ABSENT', `certification data of type ${certificationType}`);
  }
  // Intel's library ends the text with a zero byte.
  const text = parseUtf8(certificationData)?.replace(/\0+$/, '');
  const [leaf] = (text === undefined ? undefined : parsePem(text, 'CERTIFICATE')) ?? [];
  const certificate = leaf === undefined ? undefined : parseCertificate(leaf);
  const value = certificate === undefined ? undefined : extensionValue(certificate, SGX_EXTENSION_OID);
  const extension: PckExtension | undefined = value === undefined ? undefined : parsePckExtension(value);
  if (certificate === undefined || extension === undefined) return fail('PCK_CHAIN_MALFORMED');
  const issuerName = commonNameOf(certificate.issuer);
  const pckIssuer = PCK_ISSUERS.find(([name]) => name === issuerName)?.[1];
  if (pckIssuer === undefined) return fail('PCK_ISSUER_UNKNOWN', issuerName);
  return ok({ platform, fmspc: toHex(extension.fmspc), pckIssuer });
}

const PCK_ISSUERS: readonly (readonly [string, 'platform' | 'processor'])[] = [
  ['Intel SGX PCK Platform CA', 'platform'],
  ['Intel SGX PCK Processor CA', 'processor'],
];
