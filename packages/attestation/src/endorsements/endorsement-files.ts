/**
 * Files in which vendors and tools keep endorsements: certificates and CRLs in DER or PEM, Intel collateral in JSON.
 */
import { fail, ok, parseUtf8, type Result } from '@cloister/encoding';
import { type IntelCollateral, parseIntelCollateral } from '../formats/intel/collateral.ts';
import { parseCrl } from '../x509/crl.ts';
import { DER_TAGS } from '../x509/der.ts';
import { parsePem } from '../x509/pem.ts';

/** Endorsements of whatever format; the order of certificates carries no meaning. */
export interface EvidenceEndorsements {
  /** DER. */
  readonly certificates: readonly Uint8Array[];
  /** DER. */
  readonly crls: readonly Uint8Array[];
  readonly collateral: IntelCollateral | undefined;
}

/** Why a file holds no endorsements. */
export type EndorsementFileCode = 'ENDORSEMENT_FILE_UNKNOWN' | 'COLLATERAL_MALFORMED' | 'COLLATERAL_REPEATED';

/** Sorts the contents of files by what they hold. DER that is no CRL counts as a certificate. Never throws. */
export function readEndorsementFiles(files: readonly Uint8Array[]): Result<EvidenceEndorsements, EndorsementFileCode> {
  const certificates: Uint8Array[] = [];
  const crls: Uint8Array[] = [];
  let collateral: IntelCollateral | undefined;
  for (const [index, bytes] of files.entries()) {
    if (bytes[0] === DER_TAGS.sequence && bytes[1] !== undefined && bytes[1] >= 0x80) {
      (parseCrl(bytes) === undefined ? certificates : crls).push(bytes);
      continue;
    }
    const text = parseUtf8(bytes);
    if (text === undefined) return fail('ENDORSEMENT_FILE_UNKNOWN', `file ${index + 1}`);
    if (text.trimStart().startsWith('{')) {
      if (collateral !== undefined) return fail('COLLATERAL_REPEATED', `file ${index + 1}`);
      const parsed = parseIntelCollateral(bytes);
      if (!parsed.ok) return parsed;
      collateral = parsed.value;
      continue;
    }
    const [asCertificates, asCrls] = [parsePem(text, 'CERTIFICATE'), parsePem(text, 'X509 CRL')];
    if (asCertificates === undefined && asCrls === undefined) {
      return fail('ENDORSEMENT_FILE_UNKNOWN', `file ${index + 1}`);
    }
    certificates.push(...(asCertificates ?? []));
    crls.push(...(asCrls ?? []));
  }
  return ok({ certificates, crls, collateral });
}
