/**
 * Revocation for SEV-SNP: CRLs signed by the product line's root (ARK).
 *
 * AMD's leaf certificates all have serial number 0, so the lists name intermediates; entries with another certificate
 * issuer (indirect lists) reach leaves as well.
 */
import { type Digest, equalBytes, fail, ok, type Result } from '@cloister/encoding';
import type { CrlFloors, CrlSeen } from '../../endorsements/endorsement-floors.ts';
import { type Crl, isRevoked, parseCrl } from '../../x509/crl.ts';
import { type ParsedCertificate, spkiPin, verifySignature } from '../../x509/x509.ts';
import type { SnpChain } from './endorsement-chain.ts';

/** Why a list is not one that the root signed. */
export type CrlOriginCode = 'CRL_MALFORMED' | 'CRL_ISSUER' | 'CRL_ALGORITHM' | 'CRL_SIGNATURE';
/** Why a list does not count at an instant. */
export type CrlTimeCode = 'CRL_NOT_YET_VALID' | 'CRL_EXPIRED' | 'CRL_OLDER_THAN_SEEN';

export type SnpRevocationCode =
  | 'CRL_MISSING'
  | CrlOriginCode
  | CrlTimeCode
  | 'ROOT_REVOKED'
  | 'INTERMEDIATE_REVOKED'
  | 'LEAF_REVOKED';

/** Parses a CRL and checks that the root signed it. Depends on nothing but bytes, so that it can be cached. */
export function authenticateCrl(der: Uint8Array, root: ParsedCertificate): Result<Crl, CrlOriginCode> {
  const crl = parseCrl(der);
  if (crl === undefined) return fail('CRL_MALFORMED');
  if (!equalBytes(crl.issuer, root.subject)) return fail('CRL_ISSUER');
  const { signatureAlgorithm: algorithm } = crl;
  if (algorithm?.type !== 'rsa-pss' || algorithm.hash !== 'sha384' || algorithm.saltLength !== 48) {
    return fail('CRL_ALGORITHM');
  }
  const key = root.publicKey;
  if (key === undefined || !verifySignature(key, algorithm, crl.tbs, crl.signature)) return fail('CRL_SIGNATURE');
  return ok(crl);
}

/** Judges an authenticated CRL at an instant: current, and not older than one seen before. */
export function judgeCrl(
  crl: Crl,
  issuer: Digest,
  atMs: number,
  floors: CrlFloors | undefined,
): Result<CrlSeen, CrlTimeCode> {
  const { number, thisUpdateMs, nextUpdateMs } = crl;
  if (atMs < thisUpdateMs) return fail('CRL_NOT_YET_VALID');
  if (atMs > nextUpdateMs) return fail('CRL_EXPIRED');
  const floor = floors?.get(issuer);
  if (floor !== undefined && (number < floor.number || thisUpdateMs < floor.thisUpdateMs)) {
    return fail('CRL_OLDER_THAN_SEEN');
  }
  return ok({ issuer, number, thisUpdateMs, nextUpdateMs });
}

/** Of two lists of one issuer the one with the higher number is not the earlier one: otherwise each is older than the other. */
export function areOrdered(seen: readonly CrlSeen[]): boolean {
  return seen.every((a) =>
    seen.every((b) => a.issuer !== b.issuer || a.number <= b.number || a.thisUpdateMs >= b.thisUpdateMs),
  );
}

/** Judges authenticated CRLs at an instant: each passes `judgeCrl`, and none of them names the chain. */
export function checkRevocation(
  crls: readonly Crl[],
  chain: SnpChain,
  atMs: number,
  floors: CrlFloors | undefined,
): Result<readonly CrlSeen[], SnpRevocationCode> {
  const issuer = spkiPin(chain.root);
  const seen: CrlSeen[] = [];
  for (const crl of crls) {
    const judged = judgeCrl(crl, issuer, atMs, floors);
    if (!judged.ok) return judged;
    if (isRevoked(crl, chain.root)) return fail('ROOT_REVOKED');
    if (isRevoked(crl, chain.intermediate)) return fail('INTERMEDIATE_REVOKED');
    if (isRevoked(crl, chain.leaf)) return fail('LEAF_REVOKED');
    seen.push(judged.value);
  }
  return areOrdered(seen) ? ok(seen) : fail('CRL_OLDER_THAN_SEEN', 'by one list or the other');
}
