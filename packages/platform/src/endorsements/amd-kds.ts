/**
 * AMD's Key Distribution Service: the certificate of a chip's key at its TCB, the chain above it, and the root's CRL.
 *
 * Source: AMD 57230, "Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification". Certificates of
 * chips are DER, chains PEM (intermediate, root), CRLs DER. The service has no certificates of providers' keys (VLEK).
 */
import { certificatePeriod, crlPeriod, parsePem, type SnpEndorsementNeeds } from '@cloister/attestation';
import { ok } from '@cloister/encoding';
import { commonPeriod, type EndorsementRequest, malformed } from './answers.ts';

/** Base address, without trailing slash. */
export const AMD_KDS = 'https://kdsintf.amd.com';

const CHAIN_LENGTH = 2;

/** The certificate of this very chip; `hardwareId` in hex. */
export function chipKeyRequest(
  { product, tcb }: SnpEndorsementNeeds,
  hardwareId: string,
  kds: string = AMD_KDS,
): EndorsementRequest<Uint8Array> {
  const { fmc, bootLoader, tee, snp, microcode } = tcb;
  const levels = [
    ...(product === 'Turin' ? [['fmcSPL', fmc] as const] : []),
    ['blSPL', bootLoader] as const,
    ['teeSPL', tee] as const,
    ['snpSPL', snp] as const,
    ['ucodeSPL', microcode] as const,
  ];
  // Two digits at least, as in AMD's examples.
  const query = levels.map(([name, level]) => `${name}=${String(level).padStart(2, '0')}`).join('&');
  return {
    url: `${kds}/vcek/v1/${product}/${hardwareId}?${query}`,
    headers: [],
    changes: false,
    read: ({ body }) => {
      const period = certificatePeriod(body);
      return period === undefined ? malformed('VCEK') : ok({ value: body, period });
    },
  };
}

function kindOf({ signingKey }: SnpEndorsementNeeds): 'vcek' | 'vlek' {
  return signingKey === 'VCEK' ? 'vcek' : 'vlek';
}

/** Intermediate and root; DER. */
export function chainRequest(
  needs: SnpEndorsementNeeds,
  kds: string = AMD_KDS,
): EndorsementRequest<readonly Uint8Array[]> {
  return {
    url: `${kds}/${kindOf(needs)}/v1/${needs.product}/cert_chain`,
    headers: [],
    changes: false,
    read: ({ body }) => {
      const certificates = parsePem(Buffer.from(body).toString('latin1'), 'CERTIFICATE');
      if (certificates?.length !== CHAIN_LENGTH) return malformed('certificate chain');
      const period = commonPeriod(certificates.map(certificatePeriod));
      return period === undefined ? malformed('certificate chain') : ok({ value: certificates, period });
    },
  };
}

/** The CRL that the product line's root signs; DER. */
export function snpCrlRequest(needs: SnpEndorsementNeeds, kds: string = AMD_KDS): EndorsementRequest<Uint8Array> {
  return {
    url: `${kds}/${kindOf(needs)}/v1/${needs.product}/crl`,
    headers: [],
    changes: true,
    read: ({ body }) => {
      const period = crlPeriod(body);
      return period === undefined ? malformed('CRL') : ok({ value: body, period });
    },
  };
}
