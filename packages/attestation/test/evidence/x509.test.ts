import { X509Certificate } from 'node:crypto';
import { toHex } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ExtensionToWrite, p384Spki, writeCrl } from '../../src/simulated/certificate-writer.ts';
import { authorityName, simulatedName } from '../../src/simulated/development-pki.ts';
import { simulatedCrl } from '../../src/simulated/index.ts';
import { isRevoked, parseCrl } from '../../src/x509/crl.ts';
import {
  derBitString,
  derBoolean,
  derContext,
  derElement,
  derIa5String,
  derInteger,
  derNull,
  derOid,
  derSequence,
} from '../../src/x509/der-writer.ts';
import {
  extensionValue,
  type ParsedCertificate,
  parseCertificate,
  spkiPin,
  verifySignature,
} from '../../src/x509/x509.ts';
import { commonNameOf } from '../../src/x509/x509-fields.ts';
import {
  ark,
  CRL_TIMES,
  changedChain,
  flipBit,
  genoa,
  genoaCrl,
  leafFields,
  leafPoint,
  replaceAllBytes,
} from '../formats/snp-fixture.ts';

function parsed(der: Uint8Array): ParsedCertificate {
  return parseCertificate(der) ?? expect.fail('not a certificate');
}

/** Self-signed P-256 certificate for CN=test, made with openssl req -x509; its key is gone. */
const P256_CERTIFICATE = `MIIBczCCARmgAwIBAgIUTK6bItjEp0y4enBvgEx4Pp46urgwCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjIxNjM2MDhaFw0zNjExMTkxNjM2MDhaMA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATHdvz73iVmj1yNK8eH2ClEMbxVLZbhhrhz6kZUufkphcVRk3OaW0SBoaZ2pPe9frmS8UWhB/NOgYXQJLXGyeDuo1MwUTAdBgNVHQ4EFgQUIi941AlrKeRNOlK3VlNjnEzpfmgwHwYDVR0jBBgwFoAUIi941AlrKeRNOlK3VlNjnEzpfmgwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAX06E8cHtLePq2wMWlmCO/kl13uhn+4dpWXOB+Rsh2OwIhAKHSrhH+8kE7f+dtjqqGfHRFUqWTNA6FOG5glTM9F2ig`;

describe('certificate parser', () => {
  it('agrees with OpenSSL on the simulated chain', () => {
    for (const der of genoa.certificates) {
      const ours = parsed(der);
      const theirs = new X509Certificate(der);
      expect(ours.serial.replace(/^0+/, '')).toBe(theirs.serialNumber.toLowerCase().replace(/^0+/, ''));
      expect(new Date(ours.notBeforeMs).toUTCString()).toBe(new Date(theirs.validFrom).toUTCString());
      expect(new Date(ours.notAfterMs).toUTCString()).toBe(new Date(theirs.validTo).toUTCString());
      expect(toHex(ours.spki)).toBe(toHex(theirs.publicKey.export({ type: 'spki', format: 'der' })));
      expect(theirs.subject).toContain(`CN=${commonNameOf(ours.subject)}`);
      expect(ours.basicConstraints?.ca ?? false).toBe(theirs.ca);
    }
  });

  it('reads key usage, constraints and algorithm of an authority', () => {
    const [, intermediate, root] = genoa.certificates.map(parsed);
    expect(root?.keyUsage).toEqual({ digitalSignature: false, certificateSign: true, crlSign: true });
    expect(root?.basicConstraints).toEqual({ ca: true, pathLength: undefined });
    expect(intermediate?.basicConstraints).toEqual({ ca: true, pathLength: 0 });
    expect(intermediate?.signatureAlgorithm).toEqual({ type: 'rsa-pss', hash: 'sha384', saltLength: 48 });
  });

  it('verifies signatures by the issuer and by nobody else', () => {
    const [leaf, intermediate, root] = genoa.certificates.map(parsed);
    if (leaf?.signatureAlgorithm === undefined || intermediate?.publicKey === undefined) expect.fail();
    expect(verifySignature(intermediate.publicKey, leaf.signatureAlgorithm, leaf.tbs, leaf.signature)).toBe(true);
    if (root?.publicKey === undefined || leaf.publicKey === undefined) expect.fail();
    expect(verifySignature(root.publicKey, leaf.signatureAlgorithm, leaf.tbs, leaf.signature)).toBe(false);
    expect(verifySignature(leaf.publicKey, leaf.signatureAlgorithm, leaf.tbs, leaf.signature)).toBe(false);
    const ecdsa = { type: 'ecdsa', hash: 'sha384' } as const;
    expect(verifySignature(root.publicKey, ecdsa, leaf.tbs, leaf.signature)).toBe(false);
    expect(verifySignature(leaf.publicKey, ecdsa, leaf.tbs, leaf.signature)).toBe(false);
  });

  it('reads and verifies ECDSA certificates', () => {
    const certificate = parsed(Uint8Array.from(Buffer.from(P256_CERTIFICATE, 'base64')));
    expect(certificate.publicKey).toMatchObject({ type: 'ec', curve: 'P-256' });
    expect(certificate.signatureAlgorithm).toEqual({ type: 'ecdsa', hash: 'sha256' });
    if (certificate.publicKey === undefined || certificate.signatureAlgorithm === undefined) expect.fail();
    const { publicKey, signatureAlgorithm, tbs, signature } = certificate;
    expect(verifySignature(publicKey, signatureAlgorithm, tbs, signature)).toBe(true);
    expect(verifySignature(publicKey, signatureAlgorithm, flipBit(tbs, 99), signature)).toBe(false);
    expect(verifySignature(publicKey, signatureAlgorithm, tbs, signature.subarray(1))).toBe(false);
  });

  it('pins the key, not the certificate', () => {
    const [again] = changedChain({ leaf: { serial: 99n } });
    const [leaf = new Uint8Array()] = genoa.certificates;
    expect(again).not.toEqual(leaf);
    expect(spkiPin(parsed(again ?? leaf))).toBe(spkiPin(parsed(leaf)));
  });

  it('refuses trailing bytes, repeated extensions, and algorithms that differ inside and outside', () => {
    const [leaf = new Uint8Array()] = genoa.certificates;
    expect(parseCertificate(Uint8Array.of(...leaf, 0))).toBeUndefined();
    expect(parseCertificate(new Uint8Array(20_000))).toBeUndefined();
    const [twice] = changedChain({
      leaf: { extensions: [...leafFields.extensions, ...leafFields.extensions.slice(0, 1)] },
    });
    expect(parseCertificate(twice ?? leaf)).toBeUndefined();
    const salt = leaf.findLastIndex((_, at) => toHex(leaf.subarray(at, at + 5)) === 'a203020130');
    expect(parseCertificate(flipBit(leaf, 8 * (salt + 4)))).toBeUndefined();
  });

  it('refuses long serial numbers, malformed keys and malformed key usage', () => {
    const leafWith = (change: Parameters<typeof changedChain>[0]['leaf']): Uint8Array =>
      changedChain({ leaf: change ?? {} })[0] ?? new Uint8Array();
    expect(parseCertificate(leafWith({ serial: 1n << 159n }))).toBeDefined();
    expect(parseCertificate(leafWith({ serial: 1n << 160n }))).toBeUndefined();
    const compressed = p384Spki(Uint8Array.of(2, ...leafPoint.subarray(1)));
    expect(parseCertificate(leafWith({ spki: compressed }))).toBeUndefined();
    const notRsa = derSequence(derSequence(derOid('1.2.840.113549.1.1.1'), derNull()), derBitString(derInteger(1n)));
    expect(parseCertificate(leafWith({ spki: notRsa }))).toBeUndefined();
    const usage: ExtensionToWrite = { oid: '2.5.29.15', critical: true, value: derNull() };
    expect(parseCertificate(leafWith({ extensions: [usage] }))).toBeUndefined();
  });

  it('refuses contradictory constraints', () => {
    const extension = (value: Uint8Array): ExtensionToWrite[] => [{ oid: '2.5.29.19', critical: true, value }];
    const leafWith = (value: Uint8Array): Uint8Array =>
      changedChain({ leaf: { extensions: extension(value) } })[0] ?? new Uint8Array();
    expect(parseCertificate(leafWith(derSequence(derInteger(0n))))).toBeUndefined();
    expect(parseCertificate(leafWith(derSequence(derBoolean(true), derInteger(0n), derInteger(0n))))).toBeUndefined();
    expect(parsed(leafWith(derSequence())).basicConstraints).toEqual({ ca: false, pathLength: undefined });
  });

  it('reads keys and algorithms that it does not verify as undefined', () => {
    const sha512 = replaceAllBytes(
      genoa.certificates[0] ?? new Uint8Array(),
      Uint8Array.from([0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02]),
      Uint8Array.from([0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03]),
    );
    expect(parsed(sha512).signatureAlgorithm).toBeUndefined();
    const otherCurve = replaceAllBytes(
      genoa.certificates[0] ?? new Uint8Array(),
      Uint8Array.from([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22]),
      Uint8Array.from([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23]),
    );
    expect(parsed(otherCurve).publicKey).toBeUndefined();
    expect(extensionValue(parsed(otherCurve), '1.2.3')).toBeUndefined();
  });

  it('has no common name for what is no name', () => {
    expect(commonNameOf(simulatedName('x'))).toBe('x');
    expect(commonNameOf(new Uint8Array())).toBeUndefined();
    expect(commonNameOf(derSequence(derIa5String('x')))).toBeUndefined();
  });

  it('throws on no bytes', () => {
    const [leaf = new Uint8Array()] = genoa.certificates;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 4 }), (random, positions) => {
        parseCertificate(random);
        parseCertificate(positions.reduce(flipBit, leaf));
        commonNameOf(random);
      }),
      { numRuns: 500 },
    );
  });
});

describe('CRL parser', () => {
  const crl = simulatedCrl({
    product: 'Genoa',
    number: 300n,
    ...CRL_TIMES,
    revokedAuthorities: ['asvk'],
    revokedDevices: [genoa.serial],
  });
  const list = parseCrl(crl) ?? expect.fail('not a CRL');

  it('reads number, times and entries, indirect ones included', () => {
    expect(list).toMatchObject({ number: '12c'.padStart(40, '0'), ...CRL_TIMES });
    expect(list.revoked).toHaveLength(2);
    const [leaf, intermediate] = genoa.certificates.map(parsed);
    expect(leaf !== undefined && isRevoked(list, leaf)).toBe(true);
    expect(intermediate !== undefined && isRevoked(list, intermediate)).toBe(false);
    // The same serial number under another issuer is another certificate.
    expect(isRevoked(list, { issuer: authorityName('Genoa', 'asvk'), serial: genoa.serial.toString(16) })).toBe(false);
    expect(isRevoked(list, { issuer: authorityName('Genoa', 'ark'), serial: '03' })).toBe(true);
  });

  it('refuses lists that are not complete: deltas, limited scopes, unknown critical extensions, no nextUpdate', () => {
    const extensionOf = (oid: string, critical: boolean, value: Uint8Array): Uint8Array =>
      crlWith({ oid, critical, value });
    expect(parseCrl(extensionOf('2.5.29.35', false, derSequence()))).toBeDefined();
    expect(parseCrl(extensionOf('2.5.29.27', true, derInteger(1n)))).toBeUndefined();
    expect(parseCrl(extensionOf('2.5.29.27', false, derInteger(1n)))).toBeUndefined();
    expect(parseCrl(extensionOf('2.5.29.99', true, derSequence()))).toBeUndefined();
    const onlyUserCertificates = derSequence(derElement(0x81, Uint8Array.of(0xff)));
    expect(parseCrl(extensionOf('2.5.29.28', true, onlyUserCertificates))).toBeUndefined();
    const distributionPoint = derSequence(derContext(0, derContext(0)));
    expect(parseCrl(extensionOf('2.5.29.28', true, distributionPoint))).toBeDefined();
  });

  it('refuses entries and algorithms that it cannot read', () => {
    const criticalEntry = replaceAllBytes(crl, Uint8Array.of(0x55, 0x1d, 0x1d), Uint8Array.of(0x55, 0x1d, 0x63));
    expect(parseCrl(criticalEntry)).toBeUndefined();
    const directoryName = derContext(4, authorityName('Genoa', 'ask'));
    const otherName = Uint8Array.of(0xa5, ...directoryName.subarray(1));
    expect(parseCrl(replaceAllBytes(crl, directoryName, otherName))).toBeUndefined();
    const salt = crl.findLastIndex((_, at) => toHex(crl.subarray(at, at + 5)) === 'a203020130');
    expect(parseCrl(flipBit(crl, 8 * (salt + 4)))).toBeUndefined();
  });

  it('reads an empty list, which is not the same as no list', () => {
    expect(parseCrl(genoaCrl)?.revoked).toEqual([]);
    expect(parseCrl(new Uint8Array())).toBeUndefined();
    expect(parseCrl(derSequence())).toBeUndefined();
  });

  it('throws on no bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 4 }), (random, positions) => {
        parseCrl(random);
        parseCrl(positions.reduce(flipBit, crl));
      }),
      { numRuns: 500 },
    );
  });
});

/** The empty Genoa CRL with one more extension. */
function crlWith({ oid, critical, value }: ExtensionToWrite): Uint8Array {
  const issuer = authorityName('Genoa', 'ark');
  return writeCrl({ issuer, number: 1n, ...CRL_TIMES, revoked: [], extensions: [{ oid, critical, value }] }, ark);
}
