/** Single checks of the encodings: DER, CBOR, PEM, times, certificates and CRLs. Each fails when its check is left out. */
import { concatBytes, fromHex, toBase64, utf8 } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { cborTag, parseCbor } from '../../src/evidence/cbor.ts';
import { writeCrl, writeX509 } from '../../src/simulated/certificate-writer.ts';
import { intelAuthorityName } from '../../src/simulated/intel/intel-pki.ts';
import { isRevoked, parseCrl } from '../../src/x509/crl.ts';
import { DER_TAGS, DerReader, decodeDer } from '../../src/x509/der.ts';
import {
  derBitString,
  derContext,
  derElement,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derUtf8String,
} from '../../src/x509/der-writer.ts';
import { parseInstant } from '../../src/x509/instants.ts';
import { parsePem } from '../../src/x509/pem.ts';
import { type ParsedCertificate, parseCertificate, verifySignature } from '../../src/x509/x509.ts';
import { commonNameOf, readExtensions, readSignatureAlgorithm, readTime } from '../../src/x509/x509-fields.ts';
import { foreign } from '../formats/intel-cases.ts';
import { ISSUED_MS, leafFields, NEXT_UPDATE_MS, pck, pckCa, SGX_COLLATERAL } from '../formats/intel-fixture.ts';
import { root as amdRoot } from '../formats/snp-inputs.ts';

const CRL = {
  issuer: intelAuthorityName('root'),
  number: 1n,
  thisUpdateMs: ISSUED_MS,
  nextUpdateMs: NEXT_UPDATE_MS,
  revoked: [],
};
const rootCrl = SGX_COLLATERAL.rootCrl ?? new Uint8Array();

/** A signed DER document with one more element at the end of what is signed. */
function withTrailing(der: Uint8Array): Uint8Array {
  const [tbs, ...rest] = decodeDer(der, (document) =>
    document.within(DER_TAGS.sequence, (outer) => {
      const elements: Uint8Array[] = [outer.read(DER_TAGS.sequence).content];
      while (!outer.isAtEnd) elements.push(outer.any().bytes);
      return elements;
    }),
  ) ?? [new Uint8Array()];
  return derSequence(derSequence(tbs ?? new Uint8Array(), derNull()), ...rest);
}

function certificateWith(spki: Uint8Array): ParsedCertificate | undefined {
  return parseCertificate(writeX509({ ...leafFields, spki }, foreign));
}

describe('DER', () => {
  it('has tags of one byte, and lengths and object identifiers that end', () => {
    expect(decodeDer(fromHex('1f0100'), (reader) => reader.any())).toBeUndefined();
    const long = concatBytes(fromHex('048401000000'), new Uint8Array(2 ** 24));
    expect(decodeDer(long, (reader) => reader.octetString().length)).toBeUndefined();
    expect(decodeDer(fromHex('03020800'), (reader) => reader.bits())).toBeUndefined();
    expect(decodeDer(fromHex('03020700'), (reader) => reader.bits())).toBeDefined();
    expect(decodeDer(fromHex('06022a86'), (reader) => reader.oid())).toBeUndefined();
  });

  it('is read within its bytes', () => {
    expect(() => new DerReader(new Uint8Array()).any()).toThrow();
    expect(
      decodeDer(fromHex('300304010102'), (r) => r.within(DER_TAGS.sequence, (x) => x.octetString())),
    ).toBeUndefined();
  });
});

describe('CBOR', () => {
  it('knows no undefined', () => {
    expect(parseCbor(fromHex('81f7'), { indefiniteLengths: false })).toBeUndefined();
    expect(parseCbor(fromHex('81f6'), { indefiniteLengths: false })).toEqual([null]);
  });

  it('null is no tag', () => {
    expect(cborTag(null)).toBeUndefined();
  });
});

describe('PEM', () => {
  const block = (body: string): string => `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n`;

  it('is blocks of base64 and nothing else', () => {
    expect(parsePem(block('AAAA\n'), 'CERTIFICATE')).toEqual([new Uint8Array(3)]);
    expect(parsePem(block('AAAA\n').replace('BEGIN', 'BEGUN'), 'CERTIFICATE')).toBeUndefined();
    expect(parsePem(block(''), 'CERTIFICATE')).toBeUndefined();
    expect(parsePem(`${block('AAAA\n')}-----BEGIN CERTIFICATE-----\nAAAA`, 'CERTIFICATE')).toBeUndefined();
    expect(parsePem(block(`${'A'.repeat(80)}\n`), 'CERTIFICATE')).toBeUndefined();
    expect(parsePem(block('AAAA\n\nAAAA\n'), 'CERTIFICATE')).toBeUndefined();
    expect(parsePem(block('AAAA\n').repeat(16), 'CERTIFICATE')).toHaveLength(16);
    expect(parsePem(block('AAAA\n').repeat(17), 'CERTIFICATE')).toBeUndefined();
    expect(parsePem(block('AAAA\n') + '\n'.repeat(256 * 1024), 'CERTIFICATE')).toBeUndefined();
  });
});

describe('times', () => {
  it('exist', () => {
    for (const text of [
      '2026-00-10T00:00:00Z',
      '2026-13-10T00:00:00Z',
      '2026-01-10T00:60:00Z',
      '2026-01-10T00:00:60Z',
      '2026-01-00T00:00:00Z',
      '2026-01-10T24:00:00Z',
    ]) {
      expect(parseInstant(text), text).toBeUndefined();
    }
  });

  it('of certificates are UTCTime or GeneralizedTime of digits', () => {
    const time = (tag: number, text: string): number | undefined => decodeDer(derElement(tag, utf8(text)), readTime);
    expect(time(DER_TAGS.utcTime, '260101000000Z')).toBe(Date.parse('2026-01-01T00:00:00Z'));
    expect(time(DER_TAGS.utf8String, '20260101000000Z')).toBeUndefined();
    expect(time(DER_TAGS.utcTime, '2601010000:0Z')).toBeUndefined();
    expect(time(DER_TAGS.utcTime, '26010100000/Z')).toBeUndefined();
    expect(time(DER_TAGS.utcTime, '26010100000 Z')).toBeUndefined();
    expect(time(DER_TAGS.utcTime, '26010100000:Z')).toBeUndefined();
    const written = derElement(DER_TAGS.utcTime, utf8('261301000000Z'));
    expect(decodeDer(written, (reader) => ({ ms: readTime(reader) }))).toBeUndefined();
  });
});

describe('certificates and CRLs', () => {
  it('hold nothing after what they must hold', () => {
    expect(parseCertificate(pck)).toBeDefined();
    expect(parseCertificate(withTrailing(pck))).toBeUndefined();
    expect(parseCrl(rootCrl)).toBeDefined();
    expect(parseCrl(withTrailing(rootCrl))).toBeUndefined();
  });

  it('are of a bounded size', () => {
    const value = new Uint8Array(16 * 1024);
    const extensions = [...leafFields.extensions, { oid: '1.2.3', critical: false, value }];
    expect(parseCertificate(writeX509({ ...leafFields, extensions }, foreign))).toBeUndefined();
  });

  it('have keys that are formed exactly', () => {
    const [rsa, ec, other] = [derOid('1.2.840.113549.1.1.1'), derOid('1.2.840.10045.2.1'), derOid('1.2.3')];
    const p256 = derOid('1.2.840.10045.3.1.7');
    const rsaKey = derBitString(derSequence(derInteger(7n), derInteger(3n)));
    const point = derBitString(Uint8Array.of(4, ...new Uint8Array(64)));
    const spki = derSequence;
    expect(certificateWith(spki(derSequence(rsa, derNull()), rsaKey))?.publicKey).toMatchObject({ type: 'rsa' });
    expect(certificateWith(spki(derSequence(rsa, derNull(), derNull()), rsaKey))).toBeUndefined();
    expect(certificateWith(spki(derSequence(rsa, derNull()), rsaKey, derNull()))).toBeUndefined();
    expect(certificateWith(spki(derSequence(rsa, derNull()), derBitString(derNull())))).toBeUndefined();
    expect(certificateWith(spki(derSequence(ec, p256), point))?.publicKey).toMatchObject({ curve: 'P-256' });
    expect(certificateWith(spki(derSequence(ec, p256, derNull()), point))).toBeUndefined();
    expect(certificateWith(spki(derSequence(ec, p256), point, derNull()))).toBeUndefined();
    expect(certificateWith(spki(derSequence(ec, p256), derBitString(Uint8Array.of(4, 1))))).toBeUndefined();
    expect(
      certificateWith(spki(derSequence(ec, p256), derBitString(Uint8Array.of(3, ...new Uint8Array(64))))),
    ).toBeUndefined();
    expect(certificateWith(spki(derSequence(ec, other), point))).toMatchObject({ publicKey: undefined });
    expect(certificateWith(spki(derSequence(other), point))).toMatchObject({ publicKey: undefined });
    expect(certificateWith(spki(derSequence(other), point, derNull()))).toBeUndefined();
  });

  it('have algorithms that are formed exactly', () => {
    const none = new Uint8Array();
    const read = (der: Uint8Array): unknown => decodeDer(der, readSignatureAlgorithm);
    const [ecdsa, pss, mgf1] = [
      derOid('1.2.840.10045.4.3.2'),
      derOid('1.2.840.113549.1.1.10'),
      derOid('1.2.840.113549.1.1.8'),
    ];
    const [sha256, sha384] = [1, 2].map((arc) => derSequence(derOid(`2.16.840.1.101.3.4.2.${arc}`), derNull()));
    const parameters = (hash: Uint8Array = none, mask: Uint8Array = none): Uint8Array =>
      derSequence(derContext(0, hash), derContext(1, derSequence(mgf1, mask)), derContext(2, derInteger(48n)));
    expect(read(derSequence(ecdsa))).toEqual({ type: 'ecdsa', hash: 'sha256' });
    expect(read(derSequence(ecdsa, derNull()))).toBeUndefined();
    expect(read(derSequence(pss, parameters(sha384, sha384)))).toEqual({
      type: 'rsa-pss',
      hash: 'sha384',
      saltLength: 48,
    });
    expect(read(derSequence(pss, parameters(sha384, sha384), derNull()))).toBeUndefined();
    expect(read(derSequence(pss, parameters(sha384, sha256)))).toBeUndefined();
    // Without a hash SHA-1 would be meant.
    expect(read(derSequence(pss, derSequence(derContext(2, derInteger(48n)))))).toBeUndefined();
    const unknown = derSequence(derOid('2.16.840.1.101.3.4.2.9'));
    expect(read(derSequence(pss, parameters(unknown, unknown)))).toBeUndefined();
    const wrongTrailer = derSequence(
      derContext(0, sha384 ?? unknown),
      derContext(1, derSequence(mgf1, sha384 ?? unknown)),
      derContext(3, derInteger(2n)),
    );
    expect(read(derSequence(pss, wrongTrailer))).toBeUndefined();
  });

  it('have at least one extension and at most 64', () => {
    const extensions = (count: number): Uint8Array =>
      derSequence(...Array.from({ length: count }, (_, i) => derSequence(derOid(`1.2.${i}`), derOctetString())));
    expect(decodeDer(extensions(0), readExtensions)).toBeUndefined();
    expect(decodeDer(extensions(64), readExtensions)).toHaveLength(64);
    expect(decodeDer(extensions(65), readExtensions)).toBeUndefined();
  });

  it('have common names of text', () => {
    const name = (value: Uint8Array): Uint8Array => derSequence(derSet(derSequence(derOid('2.5.4.3'), value)));
    expect(commonNameOf(name(derUtf8String('a')))).toBe('a');
    expect(commonNameOf(name(derElement(DER_TAGS.octetString, utf8('a'))))).toBeUndefined();
    expect(commonNameOf(name(derElement(DER_TAGS.utf8String, Uint8Array.of(0xff))))).toBeUndefined();
  });

  it('carry signatures of their key, in its size', () => {
    const { publicKey, tbs } = parseCertificate(pck) ?? expect.fail('no certificate');
    if (publicKey === undefined) expect.fail('no key');
    const tooLong = derSequence(derInteger(1n << 300n), derInteger(1n));
    expect(verifySignature(publicKey, { type: 'ecdsa', hash: 'sha256' }, tbs, tooLong)).toBe(false);
    const pss = { type: 'rsa-pss', hash: 'sha256', saltLength: 32 } as const;
    expect(verifySignature(publicKey, pss, tbs, derSequence(derInteger(1n), derInteger(1n)))).toBe(false);
    // Good signatures, each under the name of the other algorithm.
    const issuerKey = parseCertificate(pckCa)?.publicKey ?? expect.fail('no key');
    const { signature } = parseCertificate(pck) ?? expect.fail('no certificate');
    expect(verifySignature(issuerKey, { type: 'ecdsa', hash: 'sha256' }, tbs, signature)).toBe(true);
    expect(verifySignature(issuerKey, pss, tbs, signature)).toBe(false);
    const amd = parseCertificate(amdRoot) ?? expect.fail('no root');
    const amdKey = amd.publicKey ?? expect.fail('no key');
    const amdPss = { type: 'rsa-pss', hash: 'sha384', saltLength: 48 } as const;
    expect(verifySignature(amdKey, amdPss, amd.tbs, amd.signature)).toBe(true);
    expect(verifySignature(amdKey, { type: 'ecdsa', hash: 'sha384' }, amd.tbs, amd.signature)).toBe(false);
  });
});

describe('CRLs', () => {
  it('have a number of at most 20 bytes', () => {
    expect(parseCrl(writeCrl({ ...CRL, number: (1n << 160n) - 1n }, foreign))).toBeDefined();
    expect(parseCrl(writeCrl({ ...CRL, number: 1n << 160n }, foreign))).toBeUndefined();
    const hex = (der: Uint8Array): string => Buffer.from(der).toString('hex');
    const numbered = hex(writeCrl({ ...CRL, number: 7n }, foreign));
    expect(numbered).toContain('0603551d140403020107');
    expect(parseCrl(fromHex(numbered.replace('0603551d140403020107', '0603551d140403040107')))).toBeUndefined();
  });

  it('have a scope that can be read', () => {
    const scope = { oid: '2.5.29.28', critical: true, value: fromHex('3005') };
    expect(parseCrl(writeCrl({ ...CRL, extensions: [scope] }, foreign))).toBeUndefined();
  });

  it('name certificates by issuer and serial number', () => {
    const [issuer, other] = [intelAuthorityName('root'), intelAuthorityName('platform-ca')];
    const crl = parseCrl(writeCrl({ ...CRL, revoked: [{ serial: 5n, issuer }] }, foreign)) ?? expect.fail('no CRL');
    expect(isRevoked(crl, { issuer, serial: '05' })).toBe(true);
    expect(isRevoked(crl, { issuer: other, serial: '05' })).toBe(false);
    expect(isRevoked(crl, { issuer, serial: '06' })).toBe(false);
  });
});

describe('base64 in PEM', () => {
  it('is the canonical one', () => {
    expect(
      parsePem(`-----BEGIN X509 CRL-----\n${toBase64(rootCrl)}\n-----END X509 CRL-----`, 'X509 CRL'),
    ).toBeUndefined();
  });
});
