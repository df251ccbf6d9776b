/**
 * Verification of an Intel quote: genuine, of this platform, at this TCB. What the relying party wants beyond that is in
 * `check-requirements.ts`.
 *
 * The checks run in a fixed order, and each has its own code.
 */

import { hash, sha256, verifyEcdsa } from '@cloister/crypto';
import { assert, concatBytes, type Digest, equalBytes, fail, ok, type Result, toHex } from '@cloister/encoding';
import type { EndorsementCache } from '../../endorsements/endorsement-cache.ts';
import type { CrlFloors, CrlSeen, StatementFloors, StatementSeen } from '../../endorsements/endorsement-floors.ts';
import type { TrustAnchors } from '../../policy/trust-anchors.ts';
import { type Crl, isRevoked } from '../../x509/crl.ts';
import type { IntelCollateral } from './collateral.ts';
import { type CrlCode, checkCrl } from './crl-checks.ts';
import { evaluateTcb, findModuleIdentity, type TcbEvaluation } from './evaluate-tcb.ts';
import {
  type PathContext,
  type PckChainCode,
  type PckCrlChainCode,
  verifyPckChain,
  verifyPckCrlChain,
} from './paths.ts';
import type { PckChain } from './pck-chain.ts';
import type { PckExtension } from './pck-extension.ts';
import { type Prefixed, prefixed } from './prefixed.ts';
import { checkQeReport, equalUnderMask, type QeIdentityMismatch } from './qe-identity.ts';
import { type IntelQuote, type IntelQuoteCode, parseIntelQuote } from './quote.ts';
import { type QeIdentityCode, type TcbInfoCode, verifyQeIdentity, verifyTcbInfo } from './statements.ts';
import type { TcbInfo } from './tcb-info.ts';

export interface IntelVerification {
  readonly quote: Uint8Array;
  /** Undefined: refused, once the quote's own chain has been looked at. */
  readonly collateral: IntelCollateral | undefined;
  readonly trustAnchors: TrustAnchors;
  /** Instant of the appraisal, in milliseconds of the Unix epoch. */
  readonly atMs: number;
  /** What the quote must be of; undefined for either. */
  readonly tee?: 'sgx' | 'tdx' | undefined;
  readonly crlFloors?: CrlFloors | undefined;
  readonly statementFloors?: StatementFloors | undefined;
  readonly cache?: EndorsementCache | undefined;
}

/** Why a quote's signatures do not hold together. */
export type QuoteSignatureCode = 'QE_REPORT_SIGNATURE' | 'QE_REPORT_DATA_MISMATCH' | 'QUOTE_SIGNATURE';

export type IntelRevocationCode =
  | Prefixed<'ROOT_CRL', CrlCode>
  | Prefixed<'PCK_CRL', CrlCode>
  | PckCrlChainCode
  | 'PCK_CA_REVOKED'
  | 'PCK_REVOKED';

export type TdxModuleCode =
  | 'TDX_MODULE_MISSING'
  | 'TDX_MODULE_IDENTITY_MISSING'
  | 'TDX_MODULE_SIGNER_MISMATCH'
  | 'TDX_MODULE_ATTRIBUTES_MISMATCH';

/** Why a quote is not genuine, or what Intel says does not apply to it. */
export type IntelVerificationCode =
  | IntelQuoteCode
  | 'QUOTE_OTHER_TEE'
  | PckChainCode
  | 'COLLATERAL_MISSING'
  | IntelRevocationCode
  | TcbInfoCode
  | QeIdentityCode
  | QuoteSignatureCode
  | QeIdentityMismatch
  | TdxModuleCode;

/** A genuine quote and what its TCB is worth; any status, the worst included. */
export interface VerifiedIntel {
  readonly quote: IntelQuote;
  readonly pck: PckExtension;
  /** Hex of a hash over the PPID, or over the platform instance id where the PPID is blank; undefined without either. */
  readonly hardwareId: string | undefined;
  readonly tcb: TcbEvaluation;
  readonly tcbEvaluationDataNumbers: { readonly tcbInfo: number; readonly qeIdentity: number };
  readonly crls: readonly CrlSeen[];
  readonly statements: readonly StatementSeen[];
  /** Min of every notAfter and nextUpdate, in milliseconds. */
  readonly validUntilMs: number;
}

/** Verifies a quote with its collateral. Pure; throws on no bytes, and asserts that `atMs` is an integer. */
export function verifyIntelQuote(input: IntelVerification): Result<VerifiedIntel, IntelVerificationCode> {
  // NaN would compare as neither early nor late.
  assert(Number.isSafeInteger(input.atMs), 'atMs is not a whole number of milliseconds');
  const parsed = parseIntelQuote(input.quote);
  if (!parsed.ok) return parsed;
  const quote = parsed.value;
  const { tee } = quote.body;
  if (input.tee !== undefined && input.tee !== tee) return fail('QUOTE_OTHER_TEE', tee);
  // The root is at the head of four paths; its signature is verified once.
  const context = { ...input, certificates: input.cache?.certificates ?? new Map<Digest, true>() };
  const chain = verifyPckChain(quote, context);
  if (!chain.ok) return chain;
  const pck = chain.value;
  const { collateral } = input;
  if (collateral === undefined) return fail('COLLATERAL_MISSING');
  const revocation = checkRevocation(collateral, pck, context);
  if (!revocation.ok) return revocation;
  const { rootCrl } = revocation.value;
  const tcbInfo = verifyTcbInfo(collateral.tcbInfo, { tee, pck: pck.extension }, rootCrl, context);
  if (!tcbInfo.ok) return tcbInfo;
  const qeIdentity = verifyQeIdentity(collateral.qeIdentity, tee, rootCrl, context);
  if (!qeIdentity.ok) return qeIdentity;
  const identity = qeIdentity.value.value;

  const unsigned = checkQuotingEnclave(quote, pck, input.cache);
  if (unsigned !== undefined) return fail(unsigned);
  const mismatch = checkQeReport(quote.qeReport, identity);
  if (mismatch !== undefined) return fail(mismatch);
  if (!isQuoteSigned(quote)) return fail('QUOTE_SIGNATURE');
  const foreignModule = checkTdxModule(quote, tcbInfo.value.value);
  if (foreignModule !== undefined) return foreignModule;
  const { body } = quote;
  return ok({
    quote,
    pck: pck.extension,
    hardwareId: hardwareIdOf(pck.extension),
    tcb: evaluateTcb({
      pck: pck.extension,
      tcbInfo: tcbInfo.value.value,
      qeLevels: identity.levels,
      qeIsvSvn: quote.qeReport.isvSvn,
      tdx: body.tee === 'tdx' ? { launch: body.report.teeTcbSvn, current: body.report.teeTcbSvn2 } : undefined,
    }),
    tcbEvaluationDataNumbers: {
      tcbInfo: tcbInfo.value.value.tcbEvaluationDataNumber,
      qeIdentity: identity.tcbEvaluationDataNumber,
    },
    crls: revocation.value.seen,
    statements: [tcbInfo.value.seen, qeIdentity.value.seen],
    validUntilMs: Math.min(
      pck.validUntilMs,
      revocation.value.validUntilMs,
      tcbInfo.value.validUntilMs,
      qeIdentity.value.validUntilMs,
    ),
  });
}

/**
 * Only what a quote proves by itself: its chain to the pinned root and its signatures. Says nothing about revocation,
 * about the quoting enclave or about the TCB, so that it accepts nothing.
 */
export function verifyIntelSignatures(
  input: Omit<IntelVerification, 'collateral'>,
): Result<IntelQuote, IntelQuoteCode | PckChainCode | QuoteSignatureCode> {
  assert(Number.isSafeInteger(input.atMs), 'atMs is not a whole number of milliseconds');
  const parsed = parseIntelQuote(input.quote);
  if (!parsed.ok) return parsed;
  const quote = parsed.value;
  const chain = verifyPckChain(quote, input);
  if (!chain.ok) return chain;
  const unsigned = checkQuotingEnclave(quote, chain.value, input.cache);
  if (unsigned !== undefined) return fail(unsigned);
  return isQuoteSigned(quote) ? ok(quote) : fail('QUOTE_SIGNATURE');
}

interface Revocation {
  readonly rootCrl: Crl;
  readonly seen: readonly CrlSeen[];
  readonly validUntilMs: number;
}

function checkRevocation(
  collateral: IntelCollateral,
  pck: PckChain,
  context: PathContext & Pick<IntelVerification, 'crlFloors'>,
): Result<Revocation, IntelRevocationCode> {
  const { atMs, crlFloors, cache } = context;
  const root = checkCrl(collateral.rootCrl, pck.root, atMs, crlFloors, cache);
  if (!root.ok) return prefixed('ROOT_CRL', root);
  if (isRevoked(root.value.crl, pck.issuer)) return fail('PCK_CA_REVOKED');
  let validUntilMs = root.value.seen.nextUpdateMs;
  if (collateral.pckCrlIssuerChain !== undefined) {
    const chain = verifyPckCrlChain(collateral.pckCrlIssuerChain, pck.issuer, context);
    if (!chain.ok) return chain;
    validUntilMs = Math.min(validUntilMs, chain.value.validUntilMs);
  }
  const leaf = checkCrl(collateral.pckCrl, pck.issuer, atMs, crlFloors, cache);
  if (!leaf.ok) return prefixed('PCK_CRL', leaf);
  if (isRevoked(leaf.value.crl, pck.end)) return fail('PCK_REVOKED');
  return ok({
    rootCrl: root.value.crl,
    seen: [root.value.seen, leaf.value.seen],
    validUntilMs: Math.min(validUntilMs, leaf.value.seen.nextUpdateMs),
  });
}

/** The PCK signed the quoting enclave's report, and that vouches for the attestation key. */
function checkQuotingEnclave(
  quote: IntelQuote,
  pck: PckChain,
  cache: EndorsementCache | undefined,
): 'QE_REPORT_SIGNATURE' | 'QE_REPORT_DATA_MISMATCH' | undefined {
  if (cache === undefined) return checkQeSignature(quote, pck) ?? checkQeBinding(quote);
  const { qeReport, qeReportSignature, attestationKey, qeAuthData } = quote;
  const key = hash(
    'cloister/cache/quoting-enclave',
    pck.point,
    qeReport.bytes,
    qeReportSignature,
    attestationKey,
    qeAuthData,
  );
  if (cache.quotingEnclaves.get(key) === true) return undefined;
  const unsigned = checkQeSignature(quote, pck) ?? checkQeBinding(quote);
  if (unsigned === undefined) cache.quotingEnclaves.set(key, true);
  return unsigned;
}

function checkQeSignature(quote: IntelQuote, pck: PckChain): 'QE_REPORT_SIGNATURE' | undefined {
  const { qeReport, qeReportSignature: signature } = quote;
  const message = qeReport.bytes;
  return verifyEcdsa({ curve: 'P-256', hash: 'sha256', publicKey: pck.point, message, signature })
    ? undefined
    : 'QE_REPORT_SIGNATURE';
}

/** The quoting enclave vouches for the attestation key and for the whole of its authentication data. */
function checkQeBinding(quote: IntelQuote): 'QE_REPORT_DATA_MISMATCH' | undefined {
  const { attestationKey, qeAuthData, qeReport } = quote;
  const expected = new Uint8Array(64);
  expected.set(sha256(concatBytes(attestationKey, qeAuthData)));
  return equalBytes(qeReport.reportData, expected) ? undefined : 'QE_REPORT_DATA_MISMATCH';
}

/** Whether the attestation key signed header and body. */
export function isQuoteSigned(quote: IntelQuote): boolean {
  const { attestationKey, signed: message, signature } = quote;
  const publicKey = concatBytes(Uint8Array.of(4), attestationKey);
  return verifyEcdsa({ curve: 'P-256', hash: 'sha256', publicKey, message, signature });
}

function checkTdxModule(
  { body }: IntelQuote,
  tcbInfo: TcbInfo,
): { readonly ok: false; readonly code: TdxModuleCode; readonly detail?: string } | undefined {
  if (body.tee === 'sgx') return undefined;
  const { teeTcbSvn, mrSignerSeam, seamAttributes } = body.report;
  const major = teeTcbSvn[1] ?? 0;
  const module = major > 0 ? findModuleIdentity(tcbInfo, teeTcbSvn) : tcbInfo.tdxModule;
  if (module === undefined) {
    return major > 0 ? fail('TDX_MODULE_IDENTITY_MISSING', `major version ${major}`) : fail('TDX_MODULE_MISSING');
  }
  if (!equalBytes(mrSignerSeam, module.mrSigner)) return fail('TDX_MODULE_SIGNER_MISMATCH', toHex(mrSignerSeam));
  return equalUnderMask(seamAttributes, module.attributesMask, module.attributes)
    ? undefined
    : fail('TDX_MODULE_ATTRIBUTES_MISMATCH', toHex(seamAttributes));
}

function hardwareIdOf({ ppid, platformInstanceId }: PckExtension): string | undefined {
  const isBlank = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
  if (!isBlank(ppid)) return hash('cloister/hardware-id/intel-ppid', ppid);
  if (platformInstanceId === undefined || isBlank(platformInstanceId)) return undefined;
  return hash('cloister/hardware-id/intel-piid', platformInstanceId);
}
