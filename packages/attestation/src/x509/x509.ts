/**
 * X.509 v3 certificates (RFC 5280): a strict parser, key pins, and signatures.
 *
 * Nothing here decides trust; the formats' verifiers do, with what this module reads.
 */

import { type EcdsaCurve, sha256, verifyEcdsa, verifyRsaPss } from '@cloister/crypto';
import { DecodeError, type Digest, digestFromBytes, equalBytes, toHex } from '@cloister/encoding';
import { contextTag, DER_TAGS, type DerReader, decodeDer } from './der.ts';
import {
  type Extension,
  readExtensions,
  readName,
  readSignatureAlgorithm,
  readTime,
  type SignatureAlgorithm,
} from './x509-fields.ts';

/** A SubjectPublicKeyInfo of a kind that this package verifies with. */
export type PublicKey =
  | { readonly type: 'rsa'; readonly modulus: Uint8Array; readonly exponent: Uint8Array }
  /** `point` is uncompressed SEC1. */
  | { readonly type: 'ec'; readonly curve: EcdsaCurve; readonly point: Uint8Array };

/** Key usages that verification depends on. */
export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly certificateSign: boolean;
  readonly crlSign: boolean;
}

/** A parsed certificate; byte fields are views over the input. Times are milliseconds of the Unix epoch. */
export interface ParsedCertificate {
  /** Signed part, with tag and length. */
  readonly tbs: Uint8Array;
  /** Serial number in hex, without sign byte. */
  readonly serial: string;
  /** Undefined: an algorithm that this package does not verify. */
  readonly signatureAlgorithm: SignatureAlgorithm | undefined;
  readonly signature: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** Undefined: a key of a kind that this package does not use. */
  readonly publicKey: PublicKey | undefined;
  readonly extensions: readonly Extension[];
  /** Undefined when the extension is absent. */
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | undefined } | undefined;
  readonly keyUsage: KeyUsage | undefined;
}

const OID_RSA = '1.2.840.113549.1.1.1';
const OID_EC = '1.2.840.10045.2.1';
const CURVES: Readonly<Record<string, { readonly curve: EcdsaCurve; readonly pointBytes: number }>> = {
  '1.2.840.10045.3.1.7': { curve: 'P-256', pointBytes: 65 },
  '1.3.132.0.34': { curve: 'P-384', pointBytes: 97 },
};
const OID_KEY_USAGE = '2.5.29.15';
const OID_BASIC_CONSTRAINTS = '2.5.29.19';
const MAX_SERIAL_BYTES = 20;
const MAX_CERTIFICATE_BYTES = 16 * 1024;

/** Parses one certificate, all of it; undefined when it is not strictly formed. Never throws. */
export function parseCertificate(der: Uint8Array): ParsedCertificate | undefined {
  if (der.length > MAX_CERTIFICATE_BYTES) return undefined;
  return decodeDer(der, (document) =>
    document.within(DER_TAGS.sequence, (outer) => {
      const tbs = outer.read(DER_TAGS.sequence);
      const inside = outer.inside(tbs);
      const fields = readTbs(inside);
      inside.end();
      const algorithm = outer.any();
      if (!equalBytes(algorithm.bytes, fields.algorithmBytes)) throw new DecodeError('X.509: algorithms differ');
      const signature = outer.bitString();
      const { algorithmBytes: _, ...rest } = fields;
      return { tbs: tbs.bytes, signature, ...rest };
    }),
  );
}

function readTbs(
  reader: DerReader,
): Omit<ParsedCertificate, 'tbs' | 'signature'> & { readonly algorithmBytes: Uint8Array } {
  if (reader.within(contextTag(0), (version) => version.smallInteger(255)) !== 2) {
    throw new DecodeError('X.509: not version 3');
  }
  const serial = reader.unsigned();
  if (serial.length > MAX_SERIAL_BYTES) throw new DecodeError('X.509: serial number too long');
  const algorithm = reader.read(DER_TAGS.sequence);
  const signatureAlgorithm = decodeDer(algorithm.bytes, readSignatureAlgorithm);
  const issuer = readName(reader);
  const { notBeforeMs, notAfterMs } = reader.within(DER_TAGS.sequence, (validity) => ({
    notBeforeMs: readTime(validity),
    notAfterMs: readTime(validity),
  }));
  const subject = readName(reader);
  const spki = reader.read(DER_TAGS.sequence);
  const publicKey = readPublicKey(reader.inside(spki));
  const extensions = reader.within(contextTag(3), readExtensions);
  const usage = extensions.find((e) => e.oid === OID_KEY_USAGE);
  const constraints = extensions.find((e) => e.oid === OID_BASIC_CONSTRAINTS);
  return {
    algorithmBytes: algorithm.bytes,
    serial: toHex(serial),
    signatureAlgorithm,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    spki: spki.bytes,
    publicKey,
    extensions,
    basicConstraints: constraints === undefined ? undefined : readBasicConstraints(constraints),
    keyUsage: usage === undefined ? undefined : readKeyUsage(usage),
  };
}

function readPublicKey(spki: DerReader): PublicKey | undefined {
  const algorithm = spki.sequence();
  const oid = algorithm.oid();
  if (oid === OID_RSA) {
    algorithm.null();
    algorithm.end();
    const key = decodeDer(spki.bitString(), (document) =>
      document.within(DER_TAGS.sequence, (rsa) => ({ modulus: rsa.unsigned(), exponent: rsa.unsigned() })),
    );
    spki.end();
    if (key === undefined) throw new DecodeError('X.509: RSA key');
    return { type: 'rsa', ...key };
  }
  if (oid === OID_EC) {
    const curveOid = algorithm.oid();
    algorithm.end();
    const point = spki.bitString();
    spki.end();
    const known = Object.hasOwn(CURVES, curveOid) ? CURVES[curveOid] : undefined;
    if (known === undefined) return undefined;
    if (point.length !== known.pointBytes || point[0] !== 4) throw new DecodeError('X.509: point');
    return { type: 'ec', curve: known.curve, point };
  }
  while (!algorithm.isAtEnd) algorithm.any();
  spki.bits();
  spki.end();
  return undefined;
}

function readBasicConstraints(extension: Extension): { ca: boolean; pathLength: number | undefined } {
  const value = decodeDer(extension.value, (document) =>
    document.within(DER_TAGS.sequence, (reader) => {
      const ca = reader.peekTag() === DER_TAGS.boolean ? reader.boolean() : false;
      const pathLength = reader.isAtEnd ? undefined : reader.smallInteger(255);
      if (pathLength !== undefined && !ca) throw new DecodeError('X.509: path length without CA');
      return { ca, pathLength };
    }),
  );
  if (value === undefined) throw new DecodeError('X.509: basic constraints');
  return value;
}

function readKeyUsage(extension: Extension): KeyUsage {
  const bits = decodeDer(extension.value, (reader) => reader.bits().bytes);
  if (bits === undefined) throw new DecodeError('X.509: key usage');
  const first = bits[0] ?? 0;
  return {
    digitalSignature: (first & 0x80) !== 0,
    certificateSign: (first & 0x04) !== 0,
    crlSign: (first & 0x02) !== 0,
  };
}

/** The value of an extension, or undefined. */
export function extensionValue(certificate: ParsedCertificate, oid: string): Uint8Array | undefined {
  return certificate.extensions.find((extension) => extension.oid === oid)?.value;
}

/** Whether every critical extension is one that this package understands. */
export function criticalExtensionsKnown(certificate: ParsedCertificate): boolean {
  return certificate.extensions.every(
    ({ critical, oid }) => !critical || oid === OID_KEY_USAGE || oid === OID_BASIC_CONSTRAINTS,
  );
}

/** SHA-256 of a SubjectPublicKeyInfo: what trust anchors pin. */
export function spkiPin(certificate: ParsedCertificate): Digest {
  return digestFromBytes(sha256(certificate.spki));
}

/** Whether `signature` over `signed` is by `key` under `algorithm`. ECDSA signatures are DER (RFC 3279). Never throws. */
export function verifySignature(
  key: PublicKey,
  algorithm: SignatureAlgorithm,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (key.type === 'rsa') {
    if (algorithm.type !== 'rsa-pss') return false;
    const { modulus, exponent } = key;
    const { hash, saltLength } = algorithm;
    return verifyRsaPss({ modulus, exponent, hash, saltLength, message: signed, signature });
  }
  if (algorithm.type !== 'ecdsa') return false;
  const raw = rawEcdsaSignature(signature, key.curve === 'P-256' ? 32 : 48);
  if (raw === undefined) return false;
  return verifyEcdsa({
    curve: key.curve,
    hash: algorithm.hash,
    publicKey: key.point,
    message: signed,
    signature: raw,
  });
}

/** r ‖ s of an Ecdsa-Sig-Value. */
function rawEcdsaSignature(der: Uint8Array, fieldBytes: number): Uint8Array | undefined {
  const parts = decodeDer(der, (document) =>
    document.within(DER_TAGS.sequence, (reader) => [reader.unsigned(), reader.unsigned()]),
  );
  if (parts === undefined) return undefined;
  const raw = new Uint8Array(2 * fieldBytes);
  for (const [index, part] of parts.entries()) {
    if (part.length > fieldBytes) return undefined;
    raw.set(part, (index + 1) * fieldBytes - part.length);
  }
  return raw;
}
