/**
 * Newer endorsements that come without evidence. They are authenticated by themselves and then put into the bundles
 * that they touch.
 *
 * Anyone may submit them, so that what is not signed by the vendor, not current or older than what was seen is refused
 * before any bundle is looked at: endorsements that nobody signed can take nobody's acceptance.
 */
import { equalBytes, fail, ok, type Result, toHex } from '@cloister/encoding';
import {
  type Endorsements,
  type EvidenceBundle,
  hasSurplusEndorsements,
  type SignedText,
} from '../evidence/evidence.ts';
import { parseQeIdentity } from '../formats/intel/qe-identity.ts';
import { type IntelCrlCode, verifyIntelEndorsements } from '../formats/intel/standalone-endorsements.ts';
import type { QeIdentityCode, TcbInfoCode } from '../formats/intel/statements.ts';
import { parseTcbInfo } from '../formats/intel/tcb-info.ts';
import { type SnpCrlCode, verifySnpCrls } from '../formats/sev-snp/standalone-crls.ts';
import type { TrustAnchors } from '../policy/trust-anchors.ts';
import { isRevoked, parseCrl } from '../x509/crl.ts';
import { parseCertificate } from '../x509/x509.ts';
import type { EndorsementCache } from './endorsement-cache.ts';
import type { CrlFloors, CrlSeen, StatementFloors, StatementSeen } from './endorsement-floors.ts';
import { intelCollateralOf, pckIssuerChainOf } from './intel-endorsements.ts';

export interface EndorsementsVerification {
  readonly platform: 'sev-snp' | 'sgx' | 'tdx';
  readonly endorsements: Endorsements;
  readonly trustAnchors: TrustAnchors;
  /** Milliseconds of the Unix epoch. */
  readonly atMs: number;
  readonly crlFloors?: CrlFloors | undefined;
  readonly statementFloors?: StatementFloors | undefined;
  readonly cache?: EndorsementCache | undefined;
}

/** Why endorsements that stand alone are refused. */
export type EndorsementsCode =
  | 'ENDORSEMENTS_TOO_MANY'
  | 'ENDORSEMENTS_EMPTY'
  | SnpCrlCode
  | IntelCrlCode
  | TcbInfoCode
  | QeIdentityCode;

/** Endorsements that their vendor signed. */
export interface VerifiedEndorsements {
  readonly crls: readonly CrlSeen[];
  readonly statements: readonly StatementSeen[];
}

/** Authenticates endorsements, all of them, and judges them at an instant. Never throws. */
export function verifyEndorsements(input: EndorsementsVerification): Result<VerifiedEndorsements, EndorsementsCode> {
  const { platform, endorsements } = input;
  const { certificates, crls } = endorsements;
  if (hasSurplusEndorsements(platform, endorsements)) return fail('ENDORSEMENTS_TOO_MANY');
  if (crls.length === 0) return fail('ENDORSEMENTS_EMPTY');
  switch (platform) {
    case 'sev-snp': {
      const seen = verifySnpCrls(endorsements, input);
      return seen.ok ? ok({ crls: seen.value, statements: [] }) : seen;
    }
    case 'sgx':
    case 'tdx': {
      const collateral = { ...intelCollateralOf(endorsements), pckCrlIssuerChain: pckIssuerChainOf(endorsements) };
      return verifyIntelEndorsements(platform, collateral, certificates, input);
    }
  }
}

/**
 * What newer endorsements make of a bundle. SIGNER_CHANGED: they hold a newer statement by another key, which cannot stand
 * beside the older one that they do not replace.
 */
export type EndorsementMerge =
  | { readonly outcome: 'untouched' | 'SIGNER_CHANGED' }
  | { readonly outcome: 'merged'; readonly bundle: EvidenceBundle };

/**
 * The bundle with every endorsement replaced that a newer one of the same issuer, or about the same thing, supersedes.
 * `newer` was verified before. Nothing in the bundle that `newer` makes older than the newest seen is passed over: either it is
 * replaced, or the answer is SIGNER_CHANGED.
 */
export function withNewerEndorsements(bundle: EvidenceBundle, newer: Endorsements): EndorsementMerge {
  const { endorsements } = bundle;
  const crls = endorsements.crls.map((old) =>
    newer.crls.reduce((newest, der) => (supersedesCrl(newest, der) ? der : newest), old),
  );
  const replaced = newerStatements(endorsements, newer, crls[0]);
  if (replaced === 'SIGNER_CHANGED') return { outcome: 'SIGNER_CHANGED' };
  const isTouched = replaced !== undefined || crls.some((der, index) => der !== endorsements.crls[index]);
  if (!isTouched) return { outcome: 'untouched' };
  return { outcome: 'merged', bundle: { ...bundle, endorsements: { ...endorsements, crls, ...replaced } } };
}

function supersedesCrl(old: Uint8Array, der: Uint8Array): boolean {
  const [before, after] = [parseCrl(old), parseCrl(der)];
  if (before === undefined || after === undefined || !equalBytes(before.issuer, after.issuer)) return false;
  return after.number > before.number || (after.number === before.number && after.thisUpdateMs > before.thisUpdateMs);
}

/** Statements share one signer's chain. `rootCrl` is the list that the bundle will have. */
function newerStatements(
  old: Endorsements,
  newer: Endorsements,
  rootCrl: Uint8Array | undefined,
): Pick<Endorsements, 'certificates' | 'statements'> | 'SIGNER_CHANGED' | undefined {
  const [tcbInfo, qeIdentity] = old.statements ?? [];
  const [before, after] = [signerOf(old), signerOf(newer)];
  if (tcbInfo === undefined || qeIdentity === undefined || before === undefined || after === undefined)
    return undefined;
  const [newTcbInfo, newQeIdentity] = newer.statements ?? [];
  const relations = [
    newTcbInfo === undefined ? 'unrelated' : relationOf(tcbInfoOf(tcbInfo), tcbInfoOf(newTcbInfo)),
    newQeIdentity === undefined ? 'unrelated' : relationOf(qeIdentityOf(qeIdentity), qeIdentityOf(newQeIdentity)),
  ];
  const isSameSigner = equalBytes(before.spki, after.spki) && equalBytes(before.subject, after.subject);
  // By another key both are replaced, for which neither may be older.
  const takes = relations.map((relation) => relation === 'newer' || (!isSameSigner && relation === 'same'));
  if (!isSameSigner && !relations.includes('newer')) return undefined;
  if (!isSameSigner && takes.includes(false)) return 'SIGNER_CHANGED';
  const changesChain = !isSameSigner || isBetterChain(before, after, rootCrl);
  if (!changesChain && !takes.includes(true)) return undefined;
  const certificates = (changesChain ? newer : old).certificates.slice(0, 2);
  const pick = (index: number, held: SignedText, brought: SignedText | undefined): SignedText =>
    takes[index] === true && brought !== undefined ? brought : held;
  return { certificates, statements: [pick(0, tcbInfo, newTcbInfo), pick(1, qeIdentity, newQeIdentity)] };
}

type Signer = NonNullable<ReturnType<typeof signerOf>>;

/** The same key may be certified more than once: of its chains the one that is not revoked and lasts longer is kept. */
function isBetterChain(before: Signer, after: Signer, rootCrl: Uint8Array | undefined): boolean {
  const list = rootCrl === undefined ? undefined : parseCrl(rootCrl);
  const isGone = ({ certificate }: Signer): boolean => list !== undefined && isRevoked(list, certificate);
  if (isGone(before) !== isGone(after)) return isGone(before);
  return after.untilMs > before.untilMs;
}

/** The signer of statements, and the last instant at which its chain is valid. */
function signerOf({ certificates }: Endorsements) {
  const [signer, root] = certificates.slice(0, 2).map(parseCertificate);
  if (signer === undefined || root === undefined) return undefined;
  const { spki, subject } = signer;
  return { certificate: signer, spki, subject, untilMs: Math.min(signer.notAfterMs, root.notAfterMs) };
}

/** What a statement is about, and when it was issued. */
interface Issued extends Pick<StatementSeen, 'issueDateMs' | 'tcbEvaluationDataNumber'> {
  readonly about: string;
}

function tcbInfoOf({ bytes }: SignedText): Issued | undefined {
  const read = parseTcbInfo(bytes);
  return 'value' in read ? { ...read.value, about: `${read.value.id} ${toHex(read.value.fmspc)}` } : undefined;
}

function qeIdentityOf({ bytes }: SignedText): Issued | undefined {
  const read = parseQeIdentity(bytes);
  return 'value' in read ? { ...read.value, about: read.value.id } : undefined;
}

/** Newer: later by one of the two numbers and earlier by none, as floors have it. */
function relationOf(before: Issued | undefined, after: Issued | undefined): 'newer' | 'same' | 'older' | 'unrelated' {
  if (before === undefined || after === undefined || before.about !== after.about) return 'unrelated';
  const dates = after.issueDateMs - before.issueDateMs;
  const numbers = after.tcbEvaluationDataNumber - before.tcbEvaluationDataNumber;
  if (dates < 0 || numbers < 0) return 'older';
  return dates > 0 || numbers > 0 ? 'newer' : 'same';
}
