/**
 * Certificate paths of vendors that sign with ECDSA (Intel, AWS): from a pinned root down to a leaf.
 *
 * Authenticating a path depends on nothing but its bytes and the anchors, so that it can be cached; validity at an
 * instant is judged each time (`pathValidity`).
 */
import { type EcdsaCurve, hash, type SignatureHash } from '@cloister/crypto';
import { equalBytes, fail, ok, type Result } from '@cloister/encoding';
import { isPinnedRoot, type SingleRoot, type TrustAnchors } from '../policy/trust-anchors.ts';
import type { CacheEntries } from './cache-entries.ts';
import { criticalExtensionsKnown, type ParsedCertificate, parseCertificate, spkiPin, verifySignature } from './x509.ts';
import { commonNameOf } from './x509-fields.ts';

/** Why certificates are no path to a pinned root, or not at this instant. */
export const PATH_CODES = [
  'CERTIFICATE_MALFORMED',
  'CHAIN_LENGTH',
  'ROOT_NOT_PINNED',
  'CERTIFICATE_NAME',
  'CERTIFICATE_ALGORITHM',
  'CERTIFICATE_KEY',
  'CERTIFICATE_CRITICAL_EXTENSION',
  'CERTIFICATE_NOT_CA',
  'CERTIFICATE_KEY_USAGE',
  'CERTIFICATE_PATH_LENGTH',
  'LEAF_IS_CA',
  'ROOT_SIGNATURE',
  'INTERMEDIATE_SIGNATURE',
  'LEAF_SIGNATURE',
  'CERTIFICATE_NOT_YET_VALID',
  'CERTIFICATE_EXPIRED',
] as const;

export type PathCode = (typeof PATH_CODES)[number];

/** Certificates from the root to the leaf, two or more. */
export type CertificatePath = readonly [root: ParsedCertificate, ...rest: ParsedCertificate[]];

/** What a vendor's paths look like. */
export interface PathProfile {
  readonly platform: SingleRoot['platform'];
  readonly curve: EcdsaCurve;
  readonly hash: SignatureHash;
  readonly minimumLength: number;
  readonly maximumLength: number;
  /** Common names by position from the root; undefined where any will do. */
  readonly commonNames: readonly (readonly string[] | undefined)[];
  /** The last certificate is an authority as well: a path without its leaf. */
  readonly endsInAuthority?: boolean;
}

/**
 * Authenticates certificates given root first. `signed` remembers signatures that hold, across paths that share
 * certificates. Never throws.
 */
export function authenticatePath(
  rootFirst: readonly Uint8Array[],
  profile: PathProfile,
  anchors: TrustAnchors,
  signed?: CacheEntries<true>,
): Result<CertificatePath, PathCode> {
  const { length } = rootFirst;
  if (length < profile.minimumLength || length > profile.maximumLength) {
    return fail('CHAIN_LENGTH', `${length} certificates`);
  }
  const parsed: ParsedCertificate[] = [];
  for (const [index, der] of rootFirst.entries()) {
    const certificate = parseCertificate(der);
    if (certificate === undefined) return fail('CERTIFICATE_MALFORMED', place(index, length));
    parsed.push(certificate);
  }
  const [root, ...rest] = parsed;
  if (root === undefined || !isPinnedRoot(anchors, profile.platform, spkiPin(root))) return fail('ROOT_NOT_PINNED');
  let issuer = root;
  for (const [index, certificate] of parsed.entries()) {
    const refusal = checkCertificate(certificate, issuer, index, length, profile, signed);
    if (refusal !== undefined) return fail(refusal, place(index, length));
    issuer = certificate;
  }
  return ok([root, ...rest]);
}

function place(index: number, length: number): string {
  if (index === 0) return 'root';
  return index === length - 1 ? 'leaf' : `intermediate ${index}`;
}

function checkCertificate(
  certificate: ParsedCertificate,
  issuer: ParsedCertificate,
  index: number,
  length: number,
  profile: PathProfile,
  signed: CacheEntries<true> | undefined,
): PathCode | undefined {
  const names = profile.commonNames[index];
  const name = commonNameOf(certificate.subject);
  if (!equalBytes(certificate.issuer, issuer.subject)) return 'CERTIFICATE_NAME';
  if (names !== undefined && (name === undefined || !names.includes(name))) return 'CERTIFICATE_NAME';
  const { signatureAlgorithm: algorithm, publicKey } = certificate;
  if (algorithm?.type !== 'ecdsa' || algorithm.hash !== profile.hash) return 'CERTIFICATE_ALGORITHM';
  if (publicKey?.type !== 'ec' || publicKey.curve !== profile.curve) return 'CERTIFICATE_KEY';
  if (!criticalExtensionsKnown(certificate)) return 'CERTIFICATE_CRITICAL_EXTENSION';
  const isLeaf = index === length - 1 && profile.endsInAuthority !== true;
  const authoritiesBelow = length - index - (profile.endsInAuthority === true ? 1 : 2);
  const refusal = isLeaf ? checkLeaf(certificate) : checkAuthority(certificate, authoritiesBelow);
  if (refusal !== undefined) return refusal;
  if (!isSigned(certificate, issuer, signed)) {
    if (index === 0) return 'ROOT_SIGNATURE';
    return isLeaf ? 'LEAF_SIGNATURE' : 'INTERMEDIATE_SIGNATURE';
  }
  return undefined;
}

function isSigned(
  { tbs, signature, signatureAlgorithm: algorithm }: ParsedCertificate,
  { spki, publicKey }: ParsedCertificate,
  signed: CacheEntries<true> | undefined,
): boolean {
  if (publicKey === undefined || algorithm === undefined) return false;
  if (signed === undefined) return verifySignature(publicKey, algorithm, tbs, signature);
  // The algorithm is part of what is signed.
  const key = hash('cloister/cache/certificate', spki, tbs, signature);
  if (signed.get(key) === true) return true;
  const holds = verifySignature(publicKey, algorithm, tbs, signature);
  if (holds) signed.set(key, true);
  return holds;
}

/** `authoritiesBelow`: how many certification authorities stand between this one and the leaf. */
function checkAuthority(certificate: ParsedCertificate, authoritiesBelow: number): PathCode | undefined {
  if (certificate.basicConstraints?.ca !== true) return 'CERTIFICATE_NOT_CA';
  if (certificate.keyUsage?.certificateSign !== true) return 'CERTIFICATE_KEY_USAGE';
  const { pathLength } = certificate.basicConstraints;
  return pathLength !== undefined && pathLength < authoritiesBelow ? 'CERTIFICATE_PATH_LENGTH' : undefined;
}

function checkLeaf(certificate: ParsedCertificate): PathCode | undefined {
  if (certificate.basicConstraints?.ca === true) return 'LEAF_IS_CA';
  return certificate.keyUsage?.digitalSignature === true ? undefined : 'CERTIFICATE_KEY_USAGE';
}

/** Judges an authenticated path at an instant; the value is the last one at which it is valid. */
export function pathValidity(
  path: CertificatePath,
  atMs: number,
): Result<number, 'CERTIFICATE_NOT_YET_VALID' | 'CERTIFICATE_EXPIRED'> {
  for (const [index, certificate] of path.entries()) {
    if (atMs < certificate.notBeforeMs) return fail('CERTIFICATE_NOT_YET_VALID', place(index, path.length));
    if (atMs > certificate.notAfterMs) return fail('CERTIFICATE_EXPIRED', place(index, path.length));
  }
  return ok(Math.min(...path.map((certificate) => certificate.notAfterMs)));
}
