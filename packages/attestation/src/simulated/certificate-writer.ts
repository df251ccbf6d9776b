/**
 * Certificates and CRLs as vendors write them, for simulated vendors and for tests of the verifiers: RSASSA-PSS with
 * SHA-384 (AMD), ECDSA (Intel, AWS).
 */

import { type EcdsaCurve, hashBytes, type SignatureHash, sha256, signEcdsa, signRsaPss } from '@cloister/crypto';
import { concatBytes, equalBytes, fromHex, toHex } from '@cloister/encoding';
import {
  derBitString,
  derBoolean,
  derContext,
  derElement,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8String,
} from '../x509/der-writer.ts';
import type { RsaKey } from './development-keys.ts';

/** An extension to write; `value` is what the OCTET STRING holds. */
export interface ExtensionToWrite {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Times in milliseconds of the Unix epoch, whole seconds. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface CertificateToWrite {
  readonly serial: bigint;
  /** DER names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly validity: Validity;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly extensions: readonly ExtensionToWrite[];
}

/** An ECDSA key and the hash that its signatures use. */
export interface EcKey {
  readonly curve: EcdsaCurve;
  readonly hash: SignatureHash;
  /** Big-endian scalar. */
  readonly secretKey: Uint8Array;
}

/** A key that signs certificates and CRLs. */
export type IssuerKey = RsaKey | EcKey;

const SALT_BYTES = 48;
const CURVE_OIDS: Readonly<Record<EcdsaCurve, string>> = { 'P-256': '1.2.840.10045.3.1.7', 'P-384': '1.3.132.0.34' };
const ECDSA_OIDS: Readonly<Record<SignatureHash, string>> = {
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
};

function algorithmOf(key: IssuerKey): Uint8Array {
  return 'curve' in key ? derSequence(derOid(ECDSA_OIDS[key.hash])) : pssAlgorithm();
}

/** RSASSA-PSS, SHA-384, MGF1 with SHA-384, salt of 48 bytes, the default trailer written out as AMD does. */
function pssAlgorithm(): Uint8Array {
  const sha384 = derSequence(derOid('2.16.840.1.101.3.4.2.2'), derNull());
  return derSequence(
    derOid('1.2.840.113549.1.1.10'),
    derSequence(
      derContext(0, sha384),
      derContext(1, derSequence(derOid('1.2.840.113549.1.1.8'), sha384)),
      derContext(2, derInteger(BigInt(SALT_BYTES))),
      derContext(3, derInteger(1n)),
    ),
  );
}

/** A Name with these attributes, each a UTF8String in a set of its own. */
export function writeName(attributes: readonly (readonly [oid: string, value: string])[]): Uint8Array {
  return derSequence(...attributes.map(([oid, value]) => derSet(derSequence(derOid(oid), derUtf8String(value)))));
}

/** SubjectPublicKeyInfo of an RSA key. */
export function rsaSpki(key: RsaKey): Uint8Array {
  const publicKey = derSequence(derInteger(key.modulus), derInteger(key.exponent));
  return derSequence(derSequence(derOid('1.2.840.113549.1.1.1'), derNull()), derBitString(publicKey));
}

/** SubjectPublicKeyInfo of an uncompressed point. */
export function ecSpki(curve: EcdsaCurve, point: Uint8Array): Uint8Array {
  return derSequence(derSequence(derOid('1.2.840.10045.2.1'), derOid(CURVE_OIDS[curve])), derBitString(point));
}

/** SubjectPublicKeyInfo of an uncompressed P-384 point. */
export function p384Spki(point: Uint8Array): Uint8Array {
  return ecSpki('P-384', point);
}

function writeExtensions(extensions: readonly ExtensionToWrite[]): Uint8Array {
  return derSequence(
    ...extensions.map(({ oid, critical, value }) =>
      derSequence(derOid(oid), critical ? derBoolean(true) : new Uint8Array(), derOctetString(value)),
    ),
  );
}

/** A signed certificate. Salt or nonce follow from key and contents: the same input gives the same bytes. */
export function writeX509(certificate: CertificateToWrite, issuerKey: IssuerKey): Uint8Array {
  const { notBeforeMs, notAfterMs } = certificate.validity;
  return sign(
    derSequence(
      derContext(0, derInteger(2n)),
      derInteger(certificate.serial),
      algorithmOf(issuerKey),
      certificate.issuer,
      derSequence(derTime(notBeforeMs), derTime(notAfterMs)),
      certificate.subject,
      certificate.spki,
      derContext(3, writeExtensions(certificate.extensions)),
    ),
    issuerKey,
  );
}

export interface CrlToWrite {
  readonly issuer: Uint8Array;
  readonly number: bigint;
  /** Milliseconds of the Unix epoch. */
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** An entry of another issuer makes the list indirect. */
  readonly revoked: readonly { readonly serial: bigint; readonly issuer: Uint8Array }[];
  /** Further extensions, after the CRL number. */
  readonly extensions?: readonly ExtensionToWrite[];
}

/** A signed CRL, deterministic as `writeCertificate`. */
export function writeCrl(crl: CrlToWrite, issuerKey: IssuerKey): Uint8Array {
  let entryIssuer = crl.issuer;
  const entries = crl.revoked.map(({ serial, issuer }) => {
    const named = equalBytes(issuer, entryIssuer);
    entryIssuer = issuer;
    return derSequence(
      derInteger(serial),
      derTime(crl.thisUpdateMs),
      ...(named ? [] : [writeExtensions([certificateIssuer(issuer)])]),
    );
  });
  const indirect = crl.revoked.some(({ issuer }) => !equalBytes(issuer, crl.issuer));
  const extensions: ExtensionToWrite[] = [{ oid: '2.5.29.20', critical: false, value: derInteger(crl.number) }];
  extensions.push(...(crl.extensions ?? []));
  if (indirect) {
    const indirectCrl = derElement(0x84, Uint8Array.of(0xff));
    extensions.push({ oid: '2.5.29.28', critical: true, value: derSequence(indirectCrl) });
  }
  return sign(
    derSequence(
      derInteger(1n),
      algorithmOf(issuerKey),
      crl.issuer,
      derTime(crl.thisUpdateMs),
      derTime(crl.nextUpdateMs),
      ...(entries.length === 0 ? [] : [derSequence(...entries)]),
      derContext(0, writeExtensions(extensions)),
    ),
    issuerKey,
  );
}

/** RFC 5280 section 5.3.3. */
function certificateIssuer(issuer: Uint8Array): ExtensionToWrite {
  return { oid: '2.5.29.29', critical: true, value: derSequence(derContext(4, issuer)) };
}

function sign(tbs: Uint8Array, key: IssuerKey): Uint8Array {
  const signature = 'curve' in key ? ecdsaSignature(tbs, key) : pssSignature(tbs, key);
  return derSequence(tbs, algorithmOf(key), derBitString(signature));
}

/** Ecdsa-Sig-Value (RFC 3279 section 2.2.3). */
function ecdsaSignature(message: Uint8Array, { curve, hash, secretKey }: EcKey): Uint8Array {
  const raw = signEcdsa({ curve, hash, secretKey, message });
  const half = raw.length / 2;
  const integer = (bytes: Uint8Array): Uint8Array => derInteger(BigInt(`0x${toHex(bytes)}`));
  return derSequence(integer(raw.subarray(0, half)), integer(raw.subarray(half)));
}

function pssSignature(message: Uint8Array, key: RsaKey): Uint8Array {
  const modulus = integerBytes(key.modulus);
  const [p, q] = key.primes;
  return signRsaPss({
    primes: [integerBytes(p), integerBytes(q)],
    exponent: integerBytes(key.exponent),
    hash: 'sha384',
    saltLength: SALT_BYTES,
    salt: concatBytes(hashBytes('cloister/simulated/salt', sha256(modulus), message), new Uint8Array(16)),
    message,
  });
}

function integerBytes(value: bigint): Uint8Array {
  const hex = value.toString(16);
  return fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
}
