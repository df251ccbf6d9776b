/**
 * Certificate revocation lists of Intel: one by the root, one by the issuer of PCK certificates. Both are required.
 */

import { hash } from '@cloister/crypto';
import { digestToBytes, equalBytes, fail, ok, type Result } from '@cloister/encoding';
import type { EndorsementCache } from '../../endorsements/endorsement-cache.ts';
import type { CrlFloors, CrlSeen } from '../../endorsements/endorsement-floors.ts';
import { throughCache } from '../../x509/cache-entries.ts';
import { type Crl, parseCrl } from '../../x509/crl.ts';
import { type ParsedCertificate, spkiPin, verifySignature } from '../../x509/x509.ts';

/** Why a revocation list is refused. */
export const CRL_CODES = [
  'MISSING',
  'ISSUER_KEY_USAGE',
  'MALFORMED',
  'ISSUER',
  'ALGORITHM',
  'SIGNATURE',
  'NOT_YET_VALID',
  'EXPIRED',
  'OLDER_THAN_SEEN',
] as const;

export type CrlCode = (typeof CRL_CODES)[number];

/** Authenticates a list by its issuer and judges it at an instant. */
export function checkCrl(
  der: Uint8Array | undefined,
  issuer: ParsedCertificate,
  atMs: number,
  floors: CrlFloors | undefined,
  cache: EndorsementCache | undefined,
): Result<{ readonly crl: Crl; readonly seen: CrlSeen }, CrlCode> {
  if (der === undefined) return fail('MISSING');
  // Outside the cache, whose key holds the issuer's name and key only.
  if (issuer.keyUsage?.crlSign !== true) return fail('ISSUER_KEY_USAGE');
  const pin = spkiPin(issuer);
  const authenticated = throughCache(
    cache?.crls,
    () => hash('cloister/cache/intel-crl', digestToBytes(pin), issuer.subject, der),
    () => authenticate(cache === undefined ? der : der.slice(), issuer),
  );
  if (!authenticated.ok) return authenticated;
  const crl = authenticated.value;
  const { number, thisUpdateMs, nextUpdateMs } = crl;
  if (atMs < thisUpdateMs) return fail('NOT_YET_VALID');
  if (atMs > nextUpdateMs) return fail('EXPIRED');
  const floor = floors?.get(pin);
  if (floor !== undefined && (number < floor.number || thisUpdateMs < floor.thisUpdateMs)) {
    return fail('OLDER_THAN_SEEN');
  }
  return ok({ crl, seen: { issuer: pin, number, thisUpdateMs, nextUpdateMs } });
}

function authenticate(der: Uint8Array, issuer: ParsedCertificate): Result<Crl, CrlCode> {
  const crl = parseCrl(der);
  if (crl === undefined) return fail('MALFORMED');
  if (!equalBytes(crl.issuer, issuer.subject)) return fail('ISSUER');
  const { signatureAlgorithm: algorithm } = crl;
  if (algorithm?.type !== 'ecdsa' || algorithm.hash !== 'sha256') return fail('ALGORITHM');
  const key = issuer.publicKey;
  return key !== undefined && verifySignature(key, algorithm, crl.tbs, crl.signature) ? ok(crl) : fail('SIGNATURE');
}
