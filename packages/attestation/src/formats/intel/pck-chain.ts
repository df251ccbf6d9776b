import type { CertificatePath } from '../../x509/certificate-path.ts';
import type { ParsedCertificate } from '../../x509/x509.ts';
import type { PckExtension } from './pck-extension.ts';

/** A path valid at the instant of the appraisal, and the last instant at which it is. */
export interface ValidPath {
  readonly root: ParsedCertificate;
  /** The certificate at the other end. */
  readonly end: ParsedCertificate;
  readonly path: CertificatePath;
  readonly validUntilMs: number;
}

/** The PCK certificate with its issuers and its statement about the platform. */
export interface PckChain extends ValidPath {
  readonly issuer: ParsedCertificate;
  readonly extension: PckExtension;
  /** x ‖ y with the leading 4 of an uncompressed point. */
  readonly point: Uint8Array;
}
