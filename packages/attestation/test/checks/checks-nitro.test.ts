/** Single checks on Nitro documents. Each fails when its check is left out. */
import { concatBytes, fromHex } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { cborArray, cborBytes, cborHead, cborText } from '../../src/evidence/cbor.ts';
import { parseNitroDocument, verifyNitro } from '../../src/index.ts';
import { simulatedNitroAnchors, simulatedNitroEnclave } from '../../src/simulated/index.ts';
import { AT_MS, replaceAllBytes, seedOf } from '../formats/snp-fixture.ts';

const enclave = simulatedNitroEnclave(seedOf(91), { notBeforeMs: AT_MS - 1000, notAfterMs: AT_MS + 1000 });
const fields = { pcrs: new Map([[0, new Uint8Array(48).fill(1)]]), timestampMs: AT_MS };
const trustAnchors = simulatedNitroAnchors();

function verify(document: Uint8Array): unknown {
  return verifyNitro({ document, trustAnchors, atMs: AT_MS });
}

function withMembers(members: { readonly [name: string]: Uint8Array | undefined }): unknown {
  return verify(enclave.document(fields, { members }));
}

describe('documents', () => {
  it('are judged at whole milliseconds', () => {
    expect(() => verifyNitro({ document: enclave.document(fields), trustAnchors, atMs: 0.5 })).toThrow('atMs');
  });

  it('are arrays of four', () => {
    expect(parseNitroDocument(Uint8Array.of(0xf6))).toMatchObject({ code: 'COSE_STRUCTURE' });
    const four = { code: 'COSE_STRUCTURE', detail: 'not an array of four' };
    expect(parseNitroDocument(cborText('abcd'))).toMatchObject(four);
    const genuine = enclave.document(fields);
    expect(verify(genuine)).toMatchObject({ ok: true });
    const five = concatBytes(Uint8Array.of(0x85), genuine.subarray(1), cborHead(0, 0));
    expect(parseNitroDocument(five)).toMatchObject(four);
    const [headers, payload, signature] = [
      cborBytes(fromHex('a1013822')),
      cborBytes(new Uint8Array()),
      cborBytes(new Uint8Array(96)),
    ];
    for (const parts of [
      [cborHead(0, 1), cborHead(5, 0), payload, signature],
      [headers, cborHead(5, 0), cborHead(0, 1), signature],
      [headers, cborHead(5, 0), payload, cborText('a'.repeat(96))],
    ]) {
      expect(parseNitroDocument(cborArray(parts))).toMatchObject({ code: 'COSE_STRUCTURE' });
    }
  });

  it('have a module id of at most 256 characters', () => {
    expect(withMembers({ module_id: cborText(`i-1-enc${'a'.repeat(249)}`) })).toMatchObject({ ok: true });
    expect(withMembers({ module_id: cborText(`i-1-enc${'a'.repeat(250)}`) })).toMatchObject({ code: 'PAYLOAD_MEMBER' });
    expect(withMembers({ module_id: cborText('') })).toMatchObject({ code: 'PAYLOAD_MEMBER' });
    expect(withMembers({ module_id: cborText('elsewhere') })).toMatchObject({ value: { hardwareId: undefined } });
  });

  it('have registers of 48 bytes at 0 to 31', () => {
    const register = cborBytes(new Uint8Array(48).fill(1));
    const first = concatBytes(cborHead(0, 0), register);
    expect(withMembers({ pcrs: cborHead(0, 5) })).toMatchObject({ code: 'PAYLOAD_PCRS' });
    for (const second of [
      concatBytes(cborHead(1, 0), register),
      concatBytes(cborHead(0, 32), register),
      concatBytes(cborText('1'), register),
      concatBytes(cborHead(0, 1), cborText('a'.repeat(48))),
      concatBytes(cborHead(0, 1), cborBytes(new Uint8Array(47))),
    ]) {
      expect(withMembers({ pcrs: concatBytes(cborHead(5, 2), first, second) })).toMatchObject({ code: 'PAYLOAD_PCRS' });
    }
    expect(withMembers({ pcrs: concatBytes(cborHead(5, 1), first) })).toMatchObject({ ok: true });
  });

  it('have a bundle that is an array, and members that are bytes', () => {
    expect(withMembers({ cabundle: cborHead(5, 0) })).toMatchObject({ code: 'PAYLOAD_MEMBER', detail: 'cabundle' });
    expect(withMembers({ cabundle: cborArray([cborHead(0, 1)]) })).toMatchObject({ detail: 'cabundle' });
    // Undefined, which is no absence.
    expect(withMembers({ user_data: Uint8Array.of(0xf7) })).toMatchObject({ code: 'PAYLOAD_MALFORMED' });
    expect(withMembers({ user_data: cborText('a') })).toMatchObject({ code: 'PAYLOAD_MEMBER', detail: 'user_data' });
  });

  it('are signed under a key of a known kind', () => {
    const certificates = enclave.certificates();
    const leaf = replaceAllBytes(
      certificates[4] ?? new Uint8Array(),
      fromHex('06072a8648ce3d0201'),
      fromHex('06072a8648ce3d0209'),
    );
    expect(withMembers({ certificate: cborBytes(leaf) })).toMatchObject({ code: 'CERTIFICATE_KEY' });
  });
});
