/** Nitro attestation documents: every code, and documents in the forms that AWS has used. */
import { concatBytes, fromHex, toHex } from '@cloister/encoding';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cborArray, cborBytes, cborHead, cborText } from '../../src/evidence/cbor.ts';
import { type NitroVerificationCode, parseNitroDocument, VENDOR_ANCHORS, verifyNitro } from '../../src/index.ts';
import { basicConstraints, keyUsage } from '../../src/simulated/authority-extensions.ts';
import { type CertificateToWrite, ecSpki } from '../../src/simulated/certificate-writer.ts';
import { type NitroVariation, simulatedNitroAnchors, simulatedNitroEnclave } from '../../src/simulated/index.ts';
import { AT_MS, flipBit, seedOf } from './snp-fixture.ts';

const VALIDITY = { notBeforeMs: AT_MS - 3_600_000, notAfterMs: AT_MS + 7_200_000 };
const enclave = simulatedNitroEnclave(seedOf(51), VALIDITY);
const trustAnchors = simulatedNitroAnchors();
const FIELDS = {
  pcrs: new Map([[0, new Uint8Array(48).fill(1)]]),
  timestampMs: AT_MS,
  userData: fromHex('0102'),
  nonce: fromHex('0304'),
};
const genuine = enclave.document(FIELDS);

function verify(document: Uint8Array, atMs = AT_MS): unknown {
  return verifyNitro({ document, trustAnchors, atMs });
}

function varied(variation: NitroVariation): Uint8Array {
  return enclave.document(FIELDS, variation);
}

function withCertificate(index: number, change: Partial<CertificateToWrite>): Uint8Array {
  return varied({ certificate: (fields, i) => (i === index ? { ...fields, ...change } : fields) });
}

/** The genuine COSE_Sign1 with parts replaced. */
function cose(parts: { readonly [index: number]: Uint8Array }): Uint8Array {
  const document = parseNitroDocument(genuine);
  if (!document.ok) expect.fail(document.code);
  const { signature } = document.value;
  const from = genuine.length - 98;
  const payload = genuine.subarray(1 + 5 + 1, from);
  const original = [cborBytes(fromHex('a1013822')), cborHead(5, 0), payload, cborBytes(signature)];
  return cborArray(original.map((part, index) => parts[index] ?? part));
}

const CASES: { readonly [C in NitroVerificationCode]?: () => Uint8Array } = {
  DOCUMENT_SIZE: () => new Uint8Array(20_000),
  DOCUMENT_MALFORMED: () => concatBytes(genuine, Uint8Array.of(0)),
  COSE_TAG: () => concatBytes(Uint8Array.of(0xd1), genuine),
  COSE_STRUCTURE: () => cborArray([cborBytes(new Uint8Array())]),
  COSE_PROTECTED_HEADERS: () => cose({ 0: cborBytes(fromHex('a10126')) }),
  COSE_UNPROTECTED_HEADERS: () => cose({ 1: fromHex('a1013822') }),
  COSE_SIGNATURE_LENGTH: () => cose({ 3: cborBytes(new Uint8Array(104).fill(1)) }),
  PAYLOAD_MALFORMED: () => enclave.sign(Uint8Array.of(0xa1)),
  PAYLOAD_MEMBER: () => varied({ members: { other: cborHead(0, 1) } }),
  PAYLOAD_DIGEST: () => varied({ members: { digest: cborText('SHA256') } }),
  PAYLOAD_PCRS: () => varied({ members: { pcrs: cborHead(5, 0) } }),
  CABUNDLE_EMPTY: () => varied({ members: { cabundle: cborHead(4, 0) } }),
  CERTIFICATE_MALFORMED: () => varied({ members: { certificate: cborBytes(fromHex('3000')) } }),
  ROOT_NOT_PINNED: () =>
    varied({ members: { cabundle: cborArray(enclave.certificates().slice(1, 4).map(cborBytes)) } }),
  CERTIFICATE_NAME: () =>
    varied({ members: { cabundle: cborArray(enclave.certificates().slice(0, 3).map(cborBytes)) } }),
  CERTIFICATE_KEY: () => withCertificate(4, { spki: ecSpki('P-256', Uint8Array.of(4, ...new Uint8Array(64))) }),
  CERTIFICATE_CRITICAL_EXTENSION: () =>
    withCertificate(4, {
      extensions: [keyUsage('signature'), { oid: '1.2.3', critical: true, value: fromHex('0500') }],
    }),
  CERTIFICATE_NOT_CA: () => withCertificate(2, { extensions: [basicConstraints(undefined), keyUsage('authority')] }),
  CERTIFICATE_KEY_USAGE: () =>
    withCertificate(3, { extensions: [basicConstraints({ pathLength: 0 }), keyUsage('signature')] }),
  CERTIFICATE_PATH_LENGTH: () =>
    withCertificate(1, { extensions: [basicConstraints({ pathLength: 1 }), keyUsage('authority')] }),
  LEAF_IS_CA: () => withCertificate(4, { extensions: [basicConstraints({ pathLength: 0 }), keyUsage('signature')] }),
  LEAF_SIGNATURE: () => {
    const certificates = enclave.certificates();
    const leaf = flipBit(certificates[4] ?? new Uint8Array(), 8 * 200);
    return varied({ members: { certificate: cborBytes(leaf) } });
  },
  INTERMEDIATE_SIGNATURE: () => {
    const bundle = enclave.certificates().slice(0, 4);
    const region = bundle[1] ?? new Uint8Array();
    const forged = [bundle[0], flipBit(region, 8 * (region.length - 2)), bundle[2], bundle[3]];
    return varied({ members: { cabundle: cborArray(forged.map((der) => cborBytes(der ?? new Uint8Array()))) } });
  },
  CERTIFICATE_NOT_YET_VALID: () =>
    withCertificate(3, { validity: { notBeforeMs: AT_MS + 1000, notAfterMs: VALIDITY.notAfterMs } }),
  CERTIFICATE_EXPIRED: () =>
    withCertificate(2, { validity: { notBeforeMs: VALIDITY.notBeforeMs, notAfterMs: AT_MS - 1000 } }),
  DOCUMENT_SIGNATURE: () => cose({ 3: cborBytes(new Uint8Array(96).fill(1)) }),
  DEBUG_ENABLED: () => enclave.document({ ...FIELDS, pcrs: new Map([[1, new Uint8Array(48).fill(1)]]) }),
};

describe('verifyNitro refuses, each with its code', () => {
  for (const [code, make] of Object.entries(CASES)) {
    it(code, () => {
      expect(verify(make())).toMatchObject({ ok: false, code });
    });
  }

  it('every structure that is not four parts of their kinds', () => {
    const text = cborText('text');
    for (const document of [
      cborText('document'),
      cborHead(5, 0),
      cborArray([text, text, text]),
      cose({ 0: text }),
      cose({ 2: text }),
      cose({ 3: text }),
      concatBytes(Uint8Array.of(0xd2), cborHead(5, 0)),
    ]) {
      expect(verify(document)).toMatchObject({ code: 'COSE_STRUCTURE' });
    }
    expect(verify(cose({ 1: text }))).toMatchObject({ code: 'COSE_UNPROTECTED_HEADERS' });
    expect(verify(enclave.sign(text))).toMatchObject({ code: 'PAYLOAD_MALFORMED' });
  });

  it('every member that is not as it should be', () => {
    const oversized = cborBytes(new Uint8Array(1025).fill(1));
    for (const members of [
      { module_id: cborText('') },
      { module_id: undefined },
      { timestamp: cborHead(0, 0) },
      { timestamp: cborText('now') },
      { certificate: oversized },
      { certificate: cborBytes(new Uint8Array()) },
      { cabundle: cborText('none') },
      { cabundle: cborArray([cborText('none')]) },
      { cabundle: cborArray(new Array<Uint8Array>(9).fill(cborBytes(fromHex('3000')))) },
      { public_key: oversized },
      { user_data: cborBytes(new Uint8Array(513)) },
      { nonce: cborText('nonce') },
    ]) {
      expect(verify(varied({ members }))).toMatchObject({ code: 'PAYLOAD_MEMBER' });
    }
    const register = cborBytes(new Uint8Array(48).fill(1));
    for (const pcrs of [
      concatBytes(cborHead(5, 1), cborHead(0, 1), register),
      concatBytes(cborHead(5, 2), cborHead(0, 0), register, cborHead(0, 32), register),
      concatBytes(cborHead(5, 2), cborHead(0, 0), register, cborText('1'), register),
      concatBytes(cborHead(5, 1), cborHead(0, 0), cborBytes(new Uint8Array(32).fill(1))),
    ]) {
      expect(verify(varied({ members: { pcrs } }))).toMatchObject({ code: 'PAYLOAD_PCRS' });
    }
  });
});

describe('verifyNitro', () => {
  it('accepts documents untagged and tagged, of definite and indefinite length', () => {
    for (const document of [
      genuine,
      concatBytes(Uint8Array.of(0xd2), genuine),
      varied({ indefinite: true }),
      varied({ members: { public_key: undefined, user_data: undefined, nonce: undefined } }),
    ]) {
      expect(verify(document)).toMatchObject({ ok: true, value: { validUntilMs: VALIDITY.notAfterMs } });
    }
  });

  it('surfaces what the enclave said', () => {
    const document = parseNitroDocument(enclave.document({ ...FIELDS, publicKey: fromHex('05') }));
    if (!document.ok) expect.fail(document.code);
    const { moduleId, timestampMs, userData, nonce, publicKey, pcrs } = document.value;
    expect({ moduleId, timestampMs }).toEqual({ moduleId: enclave.moduleId, timestampMs: AT_MS });
    expect([userData, nonce, publicKey].map((bytes) => toHex(bytes ?? new Uint8Array()))).toEqual([
      '0102',
      '0304',
      '05',
    ]);
    expect(pcrs.size).toBe(16);
  });

  it('knows AWS only', () => {
    expect(verifyNitro({ document: genuine, trustAnchors: VENDOR_ANCHORS, atMs: AT_MS })).toMatchObject({
      code: 'ROOT_NOT_PINNED',
    });
  });

  it('accepts no mutation', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 8 * genuine.length - 1 }), { minLength: 1, maxLength: 3 }), (positions) => {
        const mutated = positions.reduce(flipBit, genuine);
        if (mutated.some((byte, index) => byte !== genuine[index]))
          expect(verify(mutated)).toMatchObject({ ok: false });
      }),
      { numRuns: 500 },
    );
  });

  it('throws on no bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(verify(bytes)).toMatchObject({ ok: false });
        expect(verify(enclave.sign(bytes))).toMatchObject({ ok: false });
      }),
      { numRuns: 150 },
    );
  });
});
