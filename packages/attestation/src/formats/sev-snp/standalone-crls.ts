/**
 * AMD's revocation lists without a report: each signed by a pinned root that comes with it.
 */
import { fail, ok, type Result } from '@cloister/encoding';
import type { CrlFloors, CrlSeen } from '../../endorsements/endorsement-floors.ts';
import type { Endorsements } from '../../evidence/evidence.ts';
import { pinnedSnpProduct, type TrustAnchors } from '../../policy/trust-anchors.ts';
import type { Crl } from '../../x509/crl.ts';
import { type ParsedCertificate, parseCertificate, spkiPin, verifySignature } from '../../x509/x509.ts';
import { areOrdered, authenticateCrl, type CrlOriginCode, type CrlTimeCode, judgeCrl } from './revocation.ts';

export type SnpCrlCode =
  | 'ROOT_MISSING'
  | 'ROOT_SIGNATURE'
  | 'CERTIFICATE_KEY_USAGE'
  | 'CERTIFICATE_NOT_YET_VALID'
  | 'CERTIFICATE_EXPIRED'
  | CrlOriginCode
  | CrlTimeCode;

interface Context {
  readonly trustAnchors: TrustAnchors;
  /** Milliseconds of the Unix epoch. */
  readonly atMs: number;
  readonly crlFloors?: CrlFloors | undefined;
}

/** The lists as seen, when a pinned root signed each and all are current. */
export function verifySnpCrls(
  { certificates, crls }: Endorsements,
  { trustAnchors, atMs, crlFloors }: Context,
): Result<readonly CrlSeen[], SnpCrlCode> {
  const roots = certificates
    .map(parseCertificate)
    .filter((c): c is ParsedCertificate => c !== undefined && pinnedSnpProduct(trustAnchors, spkiPin(c)) !== undefined);
  for (const root of roots) {
    const refusal = checkRoot(root, atMs);
    if (refusal !== undefined) return fail(refusal);
  }
  const seen: CrlSeen[] = [];
  for (const der of crls) {
    const signed = firstSigner(der, roots);
    if (!signed.ok) return signed;
    const { root, crl } = signed.value;
    const judged = judgeCrl(crl, spkiPin(root), atMs, crlFloors);
    if (!judged.ok) return judged;
    seen.push(judged.value);
  }
  return areOrdered(seen) ? ok(seen) : fail('CRL_OLDER_THAN_SEEN', 'by one list or the other');
}

/** The pin vouches for the key alone: the rest of the certificate is vouched for by its own signature. */
function checkRoot(root: ParsedCertificate, atMs: number): SnpCrlCode | undefined {
  const { publicKey, signatureAlgorithm: algorithm, tbs, signature } = root;
  if (publicKey === undefined || algorithm === undefined || !verifySignature(publicKey, algorithm, tbs, signature)) {
    return 'ROOT_SIGNATURE';
  }
  if (root.keyUsage?.crlSign !== true) return 'CERTIFICATE_KEY_USAGE';
  if (atMs < root.notBeforeMs) return 'CERTIFICATE_NOT_YET_VALID';
  return atMs > root.notAfterMs ? 'CERTIFICATE_EXPIRED' : undefined;
}

function firstSigner(
  der: Uint8Array,
  roots: readonly ParsedCertificate[],
): Result<{ readonly root: ParsedCertificate; readonly crl: Crl }, CrlOriginCode | 'ROOT_MISSING'> {
  for (const root of roots) {
    const crl = authenticateCrl(der, root);
    if (crl.ok) return ok({ root, crl: crl.value });
    // Of another product line's root: perhaps the next one signed it.
    if (crl.code !== 'CRL_ISSUER' || root === roots[roots.length - 1]) return crl;
  }
  return fail('ROOT_MISSING');
}
