/**
 * Verification of an SEV-SNP report: genuine, of this chip, at this TCB. What the relying party wants beyond that is in
 * `check-requirements.ts`.
 *
 * The checks run in a fixed order, and each has its own code.
 */

import { hash, verifyEcdsa } from '@cloister/crypto';
import { assert, digestToBytes, equalBytes, fail, ok, type Result, toHex } from '@cloister/encoding';
import type { EndorsementCache } from '../../endorsements/endorsement-cache.ts';
import type { CrlFloors, CrlSeen } from '../../endorsements/endorsement-floors.ts';
import type { Endorsements } from '../../evidence/evidence.ts';
import { anchorBytes, type TrustAnchors } from '../../policy/trust-anchors.ts';
import type { Crl } from '../../x509/crl.ts';
import { spkiPin } from '../../x509/x509.ts';
import { authenticateSnpChain, type SnpChain, type SnpChainCode } from './endorsement-chain.ts';
import { hardwareIdLength, type SnpProduct } from './product.ts';
import { parseSnpReport, type SnpReport, type SnpReportCode, type SnpSigningKey } from './report.ts';
import { authenticateCrl, checkRevocation, type SnpRevocationCode } from './revocation.ts';
import type { SnpTcbVersions } from './tcb.ts';
import { componentBelow, parseTcb } from './tcb.ts';

export interface SnpVerification {
  /** 1184 bytes. */
  readonly report: Uint8Array;
  readonly endorsements: Endorsements;
  readonly trustAnchors: TrustAnchors;
  /** Instant of the appraisal, in milliseconds of the Unix epoch. */
  readonly atMs: number;
  /** False only outside the ledger. CRLs that are there are checked in any case. */
  readonly requireCrl: boolean;
  /** Accept an all-zero chip id under a VLEK. */
  readonly allowMaskedChipId: boolean;
  readonly crlFloors?: CrlFloors | undefined;
  readonly cache?: EndorsementCache | undefined;
}

/** Why a report is not genuine, or not of the platform that its certificate names. */
export type SnpVerificationCode =
  | SnpReportCode
  | SnpChainCode
  | SnpRevocationCode
  | 'CERTIFICATE_NOT_YET_VALID'
  | 'CERTIFICATE_EXPIRED'
  | 'PRODUCT_MISMATCH'
  | 'SIGNING_KEY_MISMATCH'
  | 'HARDWARE_ID_MISSING'
  | 'HARDWARE_ID_LENGTH'
  | 'HARDWARE_ID_UNEXPECTED'
  | 'CSP_ID_MISSING'
  | 'REPORT_SIGNATURE'
  | 'REPORTED_TCB_MISMATCH'
  | 'CHIP_ID_MASKED'
  | 'CHIP_ID_MISMATCH'
  | 'TCB_REPORTED_ABOVE_COMMITTED'
  | 'TCB_COMMITTED_ABOVE_CURRENT';

/** A genuine report. */
export interface VerifiedSnp {
  readonly report: SnpReport;
  readonly product: SnpProduct;
  /** As the certificate writes it, such as "Milan-B0". */
  readonly productName: string;
  readonly signingKey: SnpSigningKey;
  readonly cspId: string | undefined;
  /** Hex: 8 bytes on Turin, 64 on the others. Undefined for a masked chip id. */
  readonly hardwareId: string | undefined;
  readonly tcb: SnpTcbVersions;
  readonly crls: readonly CrlSeen[];
  /** Min of every notAfter and nextUpdate, in milliseconds. */
  readonly validUntilMs: number;
}

/** Verifies a report with its endorsements. Pure; throws on no bytes, and asserts that `atMs` is an integer. */
export function verifySnp(input: SnpVerification): Result<VerifiedSnp, SnpVerificationCode> {
  // NaN would compare as neither early nor late.
  assert(Number.isSafeInteger(input.atMs), 'atMs is not a whole number of milliseconds');
  const parsed = parseSnpReport(input.report);
  if (!parsed.ok) return parsed;
  const report = parsed.value;
  const endorsed = verifyEndorsements(input);
  if (!endorsed.ok) return endorsed;
  const { chain, crls } = endorsed.value;
  const { product, statement } = chain;
  if (report.product !== undefined && report.product !== product) {
    return fail('PRODUCT_MISMATCH', `${report.product} under ARK-${product}`);
  }
  const binding = checkHardwareBinding(report, chain);
  if (binding !== undefined) return fail(binding);
  const { signed: message, signature } = report;
  if (!verifyEcdsa({ curve: 'P-384', hash: 'sha384', publicKey: chain.leafPoint, message, signature })) {
    return fail('REPORT_SIGNATURE');
  }
  if (!equalBytes(report.reportedTcb, statement.tcb)) {
    return fail('REPORTED_TCB_MISMATCH', `report ${toHex(report.reportedTcb)}, certificate ${toHex(statement.tcb)}`);
  }
  const chip = checkChipId(report, chain, input.allowMaskedChipId);
  if (!chip.ok) return chip;
  const tcb = {
    reported: parseTcb(report.reportedTcb, product),
    committed: parseTcb(report.committedTcb, product),
    current: parseTcb(report.currentTcb, product),
    launch: parseTcb(report.launchTcb, product),
  };
  const aboveCommitted = componentBelow(tcb.committed, tcb.reported);
  if (aboveCommitted !== undefined) return fail('TCB_REPORTED_ABOVE_COMMITTED', aboveCommitted);
  const aboveCurrent = componentBelow(tcb.current, tcb.committed);
  if (aboveCurrent !== undefined) return fail('TCB_COMMITTED_ABOVE_CURRENT', aboveCurrent);
  const ends = [chain.root, chain.intermediate, chain.leaf].map((certificate) => certificate.notAfterMs);
  return ok({
    report,
    product,
    productName: statement.productName,
    signingKey: chain.signingKey,
    cspId: statement.cspId,
    hardwareId: chip.value,
    tcb,
    crls,
    validUntilMs: Math.min(...ends, ...crls.map((crl) => crl.nextUpdateMs)),
  });
}

interface VerifiedEndorsements {
  readonly chain: SnpChain;
  readonly crls: readonly CrlSeen[];
}

function verifyEndorsements(input: SnpVerification): Result<VerifiedEndorsements, SnpVerificationCode> {
  const { endorsements, atMs } = input;
  const authenticated = cachedChain(input);
  if (!authenticated.ok) return authenticated;
  const chain = authenticated.value;
  for (const certificate of [chain.root, chain.intermediate, chain.leaf]) {
    if (atMs < certificate.notBeforeMs) return fail('CERTIFICATE_NOT_YET_VALID');
    if (atMs > certificate.notAfterMs) return fail('CERTIFICATE_EXPIRED');
  }
  if (input.requireCrl && endorsements.crls.length === 0) return fail('CRL_MISSING');
  const crls: Crl[] = [];
  for (const der of endorsements.crls) {
    const crl = cachedCrl(der, chain, input.cache);
    if (!crl.ok) return crl;
    crls.push(crl.value);
  }
  const seen = checkRevocation(crls, chain, atMs, input.crlFloors);
  return seen.ok ? ok({ chain, crls: seen.value }) : seen;
}

function cachedChain({ endorsements, trustAnchors, cache }: SnpVerification): Result<SnpChain, SnpChainCode> {
  if (cache === undefined) return authenticateSnpChain(endorsements.certificates, trustAnchors);
  const key = hash('cloister/cache/snp-chain', anchorBytes(trustAnchors), ...endorsements.certificates);
  const known = cache.snpChains.get(key);
  if (known !== undefined) return ok(known);
  // Copied, because an entry outlives the bytes of the caller.
  const copies = endorsements.certificates.map((der) => der.slice());
  const chain = authenticateSnpChain(copies, trustAnchors);
  if (chain.ok) cache.snpChains.set(key, chain.value);
  return chain;
}

function cachedCrl(
  der: Uint8Array,
  chain: SnpChain,
  cache: EndorsementCache | undefined,
): Result<Crl, SnpRevocationCode> {
  if (cache === undefined) return authenticateCrl(der, chain.root);
  const key = hash('cloister/cache/snp-crl', digestToBytes(spkiPin(chain.root)), chain.root.subject, der);
  const known = cache.crls.get(key);
  if (known !== undefined) return ok(known);
  const crl = authenticateCrl(der.slice(), chain.root);
  if (crl.ok) cache.crls.set(key, crl.value);
  return crl;
}

function checkHardwareBinding(report: SnpReport, chain: SnpChain): SnpVerificationCode | undefined {
  if (report.signingKey !== chain.signingKey) return 'SIGNING_KEY_MISMATCH';
  const { hardwareId, cspId } = chain.statement;
  switch (chain.signingKey) {
    case 'VCEK':
      if (hardwareId === undefined) return 'HARDWARE_ID_MISSING';
      return hardwareId.length === hardwareIdLength(chain.product) ? undefined : 'HARDWARE_ID_LENGTH';
    case 'VLEK':
      if (hardwareId !== undefined) return 'HARDWARE_ID_UNEXPECTED';
      return cspId === undefined ? 'CSP_ID_MISSING' : undefined;
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The platform's id in hex; undefined when it is masked and that is allowed. */
function checkChipId(
  report: SnpReport,
  chain: SnpChain,
  allowMasked: boolean,
): Result<string | undefined, 'CHIP_ID_MASKED' | 'CHIP_ID_MISMATCH'> {
  const { chipId } = report;
  const idBytes = chipId.subarray(0, hardwareIdLength(chain.product));
  const rest = chipId.subarray(idBytes.length);
  if (isZero(chipId)) {
    return allowMasked && chain.signingKey === 'VLEK' ? ok(undefined) : fail('CHIP_ID_MASKED');
  }
  const { hardwareId } = chain.statement;
  if (!isZero(rest) || (hardwareId !== undefined && !equalBytes(idBytes, hardwareId))) return fail('CHIP_ID_MISMATCH');
  return ok(toHex(idBytes));
}
