/**
 * Certificate revocation lists, version 2 (RFC 5280 section 5).
 *
 * Complete lists only: deltas, lists limited to some reasons or kinds of certificate, and unknown critical extensions are
 * refused, because each would make "not listed" mean less than "not revoked".
 */
import { DecodeError, equalBytes, toHex } from '@cloister/encoding';
import { contextTag, DER_TAGS, type DerReader, decodeDer } from './der.ts';
import {
  type Extension,
  readExtensions,
  readName,
  readSignatureAlgorithm,
  readTime,
  type SignatureAlgorithm,
} from './x509-fields.ts';

/** A revoked certificate. */
export interface RevokedCertificate {
  /** Serial number in hex, without sign byte. */
  readonly serial: string;
  /** Name of the certificate's issuer: the CRL's own, unless an entry says otherwise (indirect lists). */
  readonly issuer: Uint8Array;
}

/** A parsed CRL; byte fields are views over the input. Times are milliseconds of the Unix epoch. */
export interface Crl {
  readonly tbs: Uint8Array;
  /** Undefined: an algorithm that this package does not verify. */
  readonly signatureAlgorithm: SignatureAlgorithm | undefined;
  readonly signature: Uint8Array;
  readonly issuer: Uint8Array;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** CRL number as 40 hex characters; zeros when absent. */
  readonly number: string;
  readonly revoked: readonly RevokedCertificate[];
}

const OID_CRL_NUMBER = '2.5.29.20';
const OID_DELTA = '2.5.29.27';
const OID_ISSUING_DISTRIBUTION_POINT = '2.5.29.28';
const OID_CERTIFICATE_ISSUER = '2.5.29.29';
const MAX_NUMBER_BYTES = 20;

/** Parses one CRL, all of it; undefined when it is not strictly formed, not complete or says no nextUpdate. Never throws. */
export function parseCrl(der: Uint8Array): Crl | undefined {
  return decodeDer(der, (document) =>
    document.within(DER_TAGS.sequence, (outer) => {
      const tbs = outer.read(DER_TAGS.sequence);
      const inside = outer.inside(tbs);
      const { algorithmBytes, ...fields } = readTbs(inside);
      inside.end();
      const algorithm = outer.any();
      if (!equalBytes(algorithm.bytes, algorithmBytes)) throw new DecodeError('CRL: algorithms differ');
      return { tbs: tbs.bytes, signature: outer.bitString(), ...fields };
    }),
  );
}

function readTbs(reader: DerReader): Omit<Crl, 'tbs' | 'signature'> & { readonly algorithmBytes: Uint8Array } {
  if (reader.smallInteger(255) !== 1) throw new DecodeError('CRL: not version 2');
  const algorithm = reader.read(DER_TAGS.sequence);
  const signatureAlgorithm = decodeDer(algorithm.bytes, readSignatureAlgorithm);
  const issuer = readName(reader);
  const thisUpdateMs = readTime(reader);
  const nextUpdateMs = readTime(reader);
  const entries = reader.optional(DER_TAGS.sequence);
  const revoked = entries === undefined ? [] : readRevoked(reader.inside(entries), issuer);
  const extensions = reader.isAtEnd ? [] : reader.within(contextTag(0), readExtensions);
  for (const extension of extensions) checkExtension(extension);
  const numberValue = extensions.find((e) => e.oid === OID_CRL_NUMBER)?.value;
  const number = numberValue === undefined ? new Uint8Array(1) : decodeDer(numberValue, (r) => r.unsigned());
  if (number === undefined || number.length > MAX_NUMBER_BYTES) throw new DecodeError('CRL: number');
  return {
    algorithmBytes: algorithm.bytes,
    signatureAlgorithm,
    issuer,
    thisUpdateMs,
    nextUpdateMs,
    number: toHex(number).padStart(2 * MAX_NUMBER_BYTES, '0'),
    revoked,
  };
}

function checkExtension(extension: Extension): void {
  switch (extension.oid) {
    case OID_DELTA:
      throw new DecodeError('CRL: a delta');
    case OID_ISSUING_DISTRIBUTION_POINT:
      checkDistributionPoint(extension.value);
      return;
    default:
      if (extension.critical && extension.oid !== OID_CRL_NUMBER) throw new DecodeError('CRL: critical extension');
  }
}

/** Only the distribution point's name [0] and indirectCRL [4] may be set: the others narrow the list's scope. */
function checkDistributionPoint(value: Uint8Array): void {
  const tags = decodeDer(value, (document) =>
    document.within(DER_TAGS.sequence, (reader) => {
      const found: number[] = [];
      while (!reader.isAtEnd) found.push(reader.any().tag);
      return found;
    }),
  );
  if (tags === undefined || tags.some((tag) => tag !== contextTag(0) && tag !== 0x84)) {
    throw new DecodeError('CRL: limited in scope');
  }
}

function readRevoked(list: DerReader, crlIssuer: Uint8Array): readonly RevokedCertificate[] {
  const revoked: RevokedCertificate[] = [];
  let issuer = crlIssuer;
  while (!list.isAtEnd) {
    list.within(DER_TAGS.sequence, (entry) => {
      const serial = toHex(entry.unsigned());
      readTime(entry);
      const extensions = entry.isAtEnd ? [] : readExtensions(entry);
      for (const extension of extensions) {
        if (extension.oid === OID_CERTIFICATE_ISSUER) issuer = readCertificateIssuer(extension.value);
        else if (extension.critical) throw new DecodeError('CRL: critical entry extension');
      }
      revoked.push({ serial, issuer });
    });
  }
  return revoked;
}

/** The directory name [4] of GeneralNames that holds exactly one; RFC 5280 section 5.3.3. */
function readCertificateIssuer(value: Uint8Array): Uint8Array {
  const name = decodeDer(value, (document) =>
    document.within(DER_TAGS.sequence, (names) => names.within(contextTag(4), readName)),
  );
  if (name === undefined) throw new DecodeError('CRL: certificate issuer');
  return name;
}

/** Whether the list names the certificate with this issuer and serial number. */
export function isRevoked(crl: Crl, certificate: { readonly issuer: Uint8Array; readonly serial: string }): boolean {
  return crl.revoked.some(
    ({ serial, issuer }) => serial === certificate.serial && equalBytes(issuer, certificate.issuer),
  );
}
