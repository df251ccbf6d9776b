/**
 * From when until when an endorsement says that it holds, read by parsing alone: what tells a keeper of endorsements when to
 * renew them. Whether its vendor really said so is for verification.
 */

import { parseQeIdentity } from '../formats/intel/qe-identity.ts';
import { parseTcbInfo } from '../formats/intel/tcb-info.ts';
import { parseCrl } from '../x509/crl.ts';
import { parseCertificate } from '../x509/x509.ts';

/** Milliseconds of the Unix epoch, both included. */
export interface ValidityPeriod {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** notBefore and notAfter; undefined for what is no certificate. */
export function certificatePeriod(der: Uint8Array): ValidityPeriod | undefined {
  const certificate = parseCertificate(der);
  return certificate === undefined ? undefined : { fromMs: certificate.notBeforeMs, untilMs: certificate.notAfterMs };
}

/** thisUpdate and nextUpdate; undefined for what is no CRL. */
export function crlPeriod(der: Uint8Array): ValidityPeriod | undefined {
  const crl = parseCrl(der);
  return crl === undefined ? undefined : { fromMs: crl.thisUpdateMs, untilMs: crl.nextUpdateMs };
}

/** issueDate and nextUpdate of Intel's statement; undefined for what is no such statement. */
export function statementPeriod(kind: 'tcb-info' | 'qe-identity', bytes: Uint8Array): ValidityPeriod | undefined {
  const read = kind === 'tcb-info' ? parseTcbInfo(bytes) : parseQeIdentity(bytes);
  return 'value' in read ? { fromMs: read.value.issueDateMs, untilMs: read.value.nextUpdateMs } : undefined;
}
