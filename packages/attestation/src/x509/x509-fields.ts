/**
 * Fields that certificates and CRLs share (RFC 5280): times, names, algorithms, extensions.
 *
 * All functions read from a `DerReader` and throw `DecodeError` on violations.
 */

import type { SignatureHash } from '@cloister/crypto';
import { DecodeError, parseUtf8 } from '@cloister/encoding';
import { contextTag, DER_TAGS, type DerReader, decodeDer } from './der.ts';
import { civilToMs } from './instants.ts';

/** Algorithms under which this package verifies certificates and CRLs. */
export type SignatureAlgorithm =
  | { readonly type: 'rsa-pss'; readonly hash: SignatureHash; readonly saltLength: number }
  | { readonly type: 'ecdsa'; readonly hash: SignatureHash };

/** An extension, its value not interpreted. */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** Contents of the OCTET STRING. */
  readonly value: Uint8Array;
}

const HASHES: Readonly<Record<string, SignatureHash>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
};
const ECDSA_HASHES: Readonly<Record<string, SignatureHash>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
};
const OID_RSA_PSS = '1.2.840.113549.1.1.10';
const OID_MGF1 = '1.2.840.113549.1.1.8';
const OID_COMMON_NAME = '2.5.4.3';
const MAX_SALT_BYTES = 64;
const MAX_EXTENSIONS = 64;

/** UTCTime or GeneralizedTime in the one form that RFC 5280 section 4.1.2.5 allows; milliseconds of the Unix epoch. */
export function readTime(reader: DerReader): number {
  const { tag, content } = reader.any();
  if (tag !== DER_TAGS.utcTime && tag !== DER_TAGS.generalizedTime) throw new DecodeError('X.509: not a time');
  const yearDigits = tag === DER_TAGS.utcTime ? 2 : 4;
  if (content.length !== yearDigits + 11 || content[content.length - 1] !== 0x5a) throw new DecodeError('X.509: time');
  const number = (from: number, count: number): number => {
    let value = 0;
    for (let i = from; i < from + count; i++) {
      const digit = (content[i] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) throw new DecodeError('X.509: time');
      value = value * 10 + digit;
    }
    return value;
  };
  const written = number(0, yearDigits);
  const year = yearDigits === 4 ? written : written < 50 ? 2000 + written : 1900 + written;
  const ms = civilToMs({
    year,
    month: number(yearDigits, 2),
    day: number(yearDigits + 2, 2),
    hour: number(yearDigits + 4, 2),
    minute: number(yearDigits + 6, 2),
    second: number(yearDigits + 8, 2),
  });
  if (ms === undefined) throw new DecodeError('X.509: no such time');
  return ms;
}

/** A Name, as its DER bytes: names are compared byte by byte. */
export function readName(reader: DerReader): Uint8Array {
  return reader.read(DER_TAGS.sequence).bytes;
}

/** The one common name in a Name, of any string type that holds UTF-8; undefined when there is none or several. */
export function commonNameOf(name: Uint8Array): string | undefined {
  const found = decodeDer(name, (document) =>
    document.within(DER_TAGS.sequence, (relativeNames) => {
      const values: string[] = [];
      while (!relativeNames.isAtEnd) {
        relativeNames.within(DER_TAGS.set, (attributes) => {
          while (!attributes.isAtEnd) {
            attributes.within(DER_TAGS.sequence, (attribute) => {
              const oid = attribute.oid();
              const { tag, content } = attribute.any();
              if (oid !== OID_COMMON_NAME) return;
              const text = parseUtf8(content);
              if ((tag !== DER_TAGS.utf8String && tag !== DER_TAGS.printableString) || text === undefined) {
                throw new DecodeError('X.509: common name');
              }
              values.push(text);
            });
          }
        });
      }
      return values;
    }),
  );
  return found?.length === 1 ? found[0] : undefined;
}

/** An AlgorithmIdentifier of a signature. Undefined stands for an algorithm that this package does not verify. */
export function readSignatureAlgorithm(reader: DerReader): SignatureAlgorithm | undefined {
  const algorithm = reader.sequence();
  const oid = algorithm.oid();
  if (oid === OID_RSA_PSS) {
    const parameters = algorithm.within(DER_TAGS.sequence, readPssParameters);
    algorithm.end();
    return parameters;
  }
  if (Object.hasOwn(ECDSA_HASHES, oid)) {
    algorithm.end();
    const hash = ECDSA_HASHES[oid];
    return hash === undefined ? undefined : { type: 'ecdsa', hash };
  }
  while (!algorithm.isAtEnd) algorithm.any();
  return undefined;
}

/** RSASSA-PSS-params (RFC 4055 section 3.1); the SHA-1 defaults are not supported. AMD writes the default trailer out. */
function readPssParameters(reader: DerReader): SignatureAlgorithm | undefined {
  const hash = optionalHash(reader, 0);
  let maskHash: SignatureHash | undefined;
  if (reader.peekTag() === contextTag(1)) {
    maskHash = reader.within(contextTag(1), (outer) =>
      outer.within(DER_TAGS.sequence, (mask) => (mask.oid() === OID_MGF1 ? readHash(mask) : skip(mask))),
    );
  }
  const saltLength =
    reader.peekTag() === contextTag(2) ? reader.within(contextTag(2), (r) => r.smallInteger(MAX_SALT_BYTES)) : 20;
  if (reader.peekTag() === contextTag(3) && reader.within(contextTag(3), (r) => r.smallInteger(255)) !== 1) {
    throw new DecodeError('X.509: PSS trailer');
  }
  return hash === undefined || hash !== maskHash ? undefined : { type: 'rsa-pss', hash, saltLength };
}

function optionalHash(reader: DerReader, number: number): SignatureHash | undefined {
  return reader.peekTag() === contextTag(number) ? reader.within(contextTag(number), readHash) : undefined;
}

function readHash(reader: DerReader): SignatureHash | undefined {
  return reader.within(DER_TAGS.sequence, (algorithm) => {
    const oid = algorithm.oid();
    if (!algorithm.isAtEnd) algorithm.null();
    return Object.hasOwn(HASHES, oid) ? HASHES[oid] : undefined;
  });
}

function skip(reader: DerReader): undefined {
  while (!reader.isAtEnd) reader.any();
  return undefined;
}

/** Extensions, each object identifier at most once. */
export function readExtensions(reader: DerReader): readonly Extension[] {
  const extensions: Extension[] = [];
  reader.within(DER_TAGS.sequence, (list) => {
    while (!list.isAtEnd) {
      if (extensions.length === MAX_EXTENSIONS) throw new DecodeError('X.509: too many extensions');
      list.within(DER_TAGS.sequence, (extension) => {
        const oid = extension.oid();
        const critical = extension.peekTag() === DER_TAGS.boolean ? extension.boolean() : false;
        const value = extension.octetString();
        if (extensions.some((e) => e.oid === oid)) throw new DecodeError('X.509: repeated extension');
        extensions.push({ oid, critical, value });
      });
    }
  });
  if (extensions.length === 0) throw new DecodeError('X.509: empty extensions');
  return extensions;
}
