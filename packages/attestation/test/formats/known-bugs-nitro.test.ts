/** Mistakes that other verifiers are known to have made, as far as they concern AWS. */
import { concatBytes, fromHex } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { cborArray, cborBytes, cborHead, cborText } from '../../src/evidence/cbor.ts';
import { verifyNitro } from '../../src/index.ts';
import { simulatedNitroAnchors, simulatedNitroEnclave } from '../../src/simulated/index.ts';
import { AT_MS } from './intel-fixture.ts';
import { seedOf } from './snp-fixture.ts';

describe('COSE and CBOR', () => {
  const trustAnchors = simulatedNitroAnchors();
  const enclave = simulatedNitroEnclave(seedOf(61), { notBeforeMs: AT_MS - 1000, notAfterMs: AT_MS + 1000 });
  const pcr0 = cborBytes(new Uint8Array(48).fill(1));
  const fields = { pcrs: new Map([[0, new Uint8Array(48).fill(1)]]), timestampMs: AT_MS };
  const genuine = enclave.document(fields);
  const code = (document: Uint8Array, atMs = AT_MS): string => {
    const verified = verifyNitro({ document, trustAnchors, atMs });
    return verified.ok ? 'ok' : verified.code;
  };

  it('a DER signature is none', () => {
    const raw = genuine.subarray(genuine.length - 96);
    const integer = (bytes: Uint8Array): Uint8Array => concatBytes(fromHex('023100'), bytes);
    const body = concatBytes(integer(raw.subarray(0, 48)), integer(raw.subarray(48)));
    const der = concatBytes(Uint8Array.of(0x30, body.length), body);
    const start = genuine.subarray(1, genuine.length - 98);
    expect(code(concatBytes(Uint8Array.of(0x84), start, cborBytes(raw)))).toBe('ok');
    expect(code(concatBytes(Uint8Array.of(0x84), start, cborBytes(der)))).toBe('COSE_SIGNATURE_LENGTH');
  });

  it('a signature is big-endian and of the whole structure', () => {
    const reversed = genuine.slice();
    for (const offset of [reversed.length - 96, reversed.length - 48]) {
      reversed.set(reversed.slice(offset, offset + 48).reverse(), offset);
    }
    expect(code(reversed)).toBe('DOCUMENT_SIGNATURE');
  });

  it('a key stands once, in the payload and in the registers', () => {
    const pcrs = concatBytes(cborHead(5, 2), cborHead(0, 0), pcr0, cborHead(0, 0), pcr0);
    expect(code(enclave.document(fields, { members: { pcrs } }))).toBe('PAYLOAD_MALFORMED');
    const member = concatBytes(cborText('digest'), cborText('SHA384'));
    expect(code(enclave.sign(concatBytes(cborHead(5, 2), member, member)))).toBe('PAYLOAD_MALFORMED');
  });

  it('debug is refused: PCR0 is zero, or not there', () => {
    expect(code(enclave.document({ ...fields, pcrs: new Map() }))).toBe('DEBUG_ENABLED');
    const pcrs = concatBytes(cborHead(5, 1), cborHead(0, 1), pcr0);
    expect(code(enclave.document(fields, { members: { pcrs } }))).toBe('PAYLOAD_PCRS');
  });

  it('the root is the pinned one, wherever it stands in the bundle', () => {
    const bundle = enclave.certificates().slice(0, 4);
    const cabundle = cborArray([...bundle].reverse().map(cborBytes));
    expect(code(enclave.document(fields, { members: { cabundle } }))).toBe('ROOT_NOT_PINNED');
  });

  it('the leaf is judged at the instant', () => {
    expect(code(genuine, AT_MS + 1000)).toBe('ok');
    expect(code(genuine, AT_MS + 1001)).toBe('CERTIFICATE_EXPIRED');
    expect(code(genuine, AT_MS - 1001)).toBe('CERTIFICATE_NOT_YET_VALID');
  });
});
