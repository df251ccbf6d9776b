/** Signatures that a cache remembers: nothing passes because something like it passed before. */

import { sha256 } from '@cloister/crypto';
import { asDigest, toHex } from '@cloister/encoding';
import { describe, expect, it } from 'vitest';
import { cborArray, cborBytes } from '../src/evidence/cbor.ts';
import { createEndorsementCache, VENDOR_ANCHORS, verifyIntelQuote, verifyNitro } from '../src/index.ts';
import { writeX509 } from '../src/simulated/certificate-writer.ts';
import { simulatedIntelDevice, simulatedNitroAnchors, simulatedNitroEnclave } from '../src/simulated/index.ts';
import { pckChainText } from '../src/simulated/intel/intel-device.ts';
import {
  deriveP256Key,
  intelAuthorityFields,
  intelAuthorityKey,
  simulatedIntelAnchors,
  spkiOf,
} from '../src/simulated/intel/intel-pki.ts';
import { authenticatePath, type PathProfile } from '../src/x509/certificate-path.ts';
import { sgx, sgxQuote } from './formats/intel-fixture.ts';
import { AT_MS, flipBit, seedOf, VALIDITY } from './formats/snp-fixture.ts';

describe('authenticatePath with signatures remembered', () => {
  const profile: PathProfile = {
    platform: 'sgx-tdx',
    curve: 'P-256',
    hash: 'sha256',
    minimumLength: 2,
    maximumLength: 2,
    commonNames: [],
  };
  const signer = intelAuthorityFields('tcb-signing');
  const leaf = writeX509(signer, intelAuthorityKey('root'));
  const root = writeX509(intelAuthorityFields('root'), intelAuthorityKey('root'));

  it('does not take a certificate for one of another key with the same name', () => {
    const otherKey = deriveP256Key(seedOf(71), 'another root');
    const otherRoot = writeX509({ ...intelAuthorityFields('root'), spki: spkiOf(otherKey) }, otherKey);
    const otherAnchors = {
      simulated: true,
      roots: [{ platform: 'sgx-tdx' as const, spkiSha256: asDigest(toHex(sha256(spkiOf(otherKey)))) }],
    };
    const { certificates } = createEndorsementCache();
    expect(authenticatePath([root, leaf], profile, simulatedIntelAnchors(), certificates).ok).toBe(true);
    expect(authenticatePath([root, leaf], profile, otherAnchors, certificates)).toMatchObject({
      code: 'ROOT_NOT_PINNED',
    });
    expect(authenticatePath([otherRoot, leaf], profile, otherAnchors, certificates)).toMatchObject({
      code: 'LEAF_SIGNATURE',
    });
  });

  it('remembers what was signed with its signature, and no refusal', () => {
    const { certificates } = createEndorsementCache();
    const check = (certificate: Uint8Array): unknown =>
      authenticatePath([root, certificate], profile, simulatedIntelAnchors(), certificates);
    const unsigned = writeX509(signer, deriveP256Key(seedOf(72), 'nobody'));
    expect(check(unsigned)).toMatchObject({ code: 'LEAF_SIGNATURE' });
    expect(check(leaf)).toMatchObject({ ok: true });
    expect(check(unsigned)).toMatchObject({ code: 'LEAF_SIGNATURE' });
    // The first byte of the serial number.
    expect(check(flipBit(leaf, 8 * 15 + 3))).toMatchObject({ code: 'LEAF_SIGNATURE' });
    expect(check(writeX509({ ...signer, serial: 99n }, deriveP256Key(seedOf(72), 'nobody')))).toMatchObject({
      code: 'LEAF_SIGNATURE',
    });
  });
});

describe('verifyIntelQuote with a warm cache', () => {
  /** Offsets in an SGX quote of version 3. */
  const [ATTESTATION_KEY, QE_REPORT_DATA, QE_SIGNATURE, AUTH_DATA] = [500, 564 + 320, 948, 1014];

  it('takes each part of what a quoting enclave vouches for as it stands', () => {
    const quote = sgxQuote();
    const cache = createEndorsementCache();
    expect(verifyIntelQuote(sgx({ quote, cache })).ok).toBe(true);
    for (const [offset, code] of [
      [ATTESTATION_KEY, 'QE_REPORT_DATA_MISMATCH'],
      [AUTH_DATA, 'QE_REPORT_DATA_MISMATCH'],
      [QE_REPORT_DATA, 'QE_REPORT_SIGNATURE'],
      [QE_SIGNATURE, 'QE_REPORT_SIGNATURE'],
    ] as const) {
      const changed = flipBit(quote, 8 * offset);
      for (let time = 0; time < 2; time++) {
        expect(verifyIntelQuote(sgx({ quote: changed, cache })), `byte ${offset}`).toMatchObject({ code });
      }
    }
  });

  it('does not take a quoting enclave under the PCK of another platform', () => {
    const other = simulatedIntelDevice({ seed: seedOf(73), validity: VALIDITY });
    const cache = createEndorsementCache();
    expect(verifyIntelQuote(sgx({ cache })).ok).toBe(true);
    const quote = sgxQuote({}, { certificationData: pckChainText(other.certificates) });
    const outcome = verifyIntelQuote(sgx({ quote }));
    expect(outcome.ok).toBe(false);
    expect(verifyIntelQuote(sgx({ quote, cache }))).toEqual(outcome);
    const same = simulatedIntelDevice({ seed: seedOf(31), validity: VALIDITY });
    const otherKey = sgxQuote({}, { certificationData: pckChainText(same.certificates), pckKey: other.pckKey });
    expect(verifyIntelQuote(sgx({ quote: otherKey, cache }))).toMatchObject({ code: 'QE_REPORT_SIGNATURE' });
  });

  it('judges instants and anchors anew', () => {
    const cache = createEndorsementCache();
    expect(verifyIntelQuote(sgx({ cache })).ok).toBe(true);
    expect(verifyIntelQuote(sgx({ cache, trustAnchors: VENDOR_ANCHORS }))).toMatchObject({
      code: 'PCK_CHAIN_ROOT_NOT_PINNED',
    });
    expect(verifyIntelQuote(sgx({ cache, atMs: VALIDITY.notAfterMs + 1 }))).toMatchObject({
      code: 'PCK_CHAIN_CERTIFICATE_EXPIRED',
    });
    expect(verifyIntelQuote(sgx({ cache, atMs: VALIDITY.notBeforeMs - 1 }))).toMatchObject({
      code: 'PCK_CHAIN_CERTIFICATE_NOT_YET_VALID',
    });
  });
});

describe('verifyNitro with a warm cache', () => {
  const enclave = simulatedNitroEnclave(seedOf(74), VALIDITY);
  const trustAnchors = simulatedNitroAnchors();
  const fields = { pcrs: new Map([[0, new Uint8Array(48).fill(1)]]), timestampMs: AT_MS };
  const document = enclave.document(fields);

  it('answers as without one', () => {
    const cache = createEndorsementCache();
    const input = { document, trustAnchors, atMs: AT_MS };
    const outcome = verifyNitro(input);
    expect(outcome.ok).toBe(true);
    for (let time = 0; time < 2; time++) expect(verifyNitro({ ...input, cache })).toEqual(outcome);
    for (const [change, code] of [
      [{ atMs: VALIDITY.notAfterMs + 1 }, 'CERTIFICATE_EXPIRED'],
      [{ atMs: VALIDITY.notBeforeMs - 1 }, 'CERTIFICATE_NOT_YET_VALID'],
      [{ trustAnchors: VENDOR_ANCHORS }, 'ROOT_NOT_PINNED'],
      [{ document: flipBit(document, 8 * document.length - 1) }, 'DOCUMENT_SIGNATURE'],
    ] as const) {
      expect(verifyNitro({ ...input, cache, ...change })).toMatchObject({ code });
    }
  });

  it('keeps its own copy of the path', () => {
    const cache = createEndorsementCache();
    const bytes = document.slice();
    expect(verifyNitro({ document: bytes, trustAnchors, atMs: AT_MS, cache }).ok).toBe(true);
    bytes.fill(0);
    expect(verifyNitro({ document, trustAnchors, atMs: AT_MS, cache }).ok).toBe(true);
  });

  it('does not take an authority whose signature does not hold', () => {
    const cache = createEndorsementCache();
    expect(verifyNitro({ document, trustAnchors, atMs: AT_MS, cache }).ok).toBe(true);
    const bundle = enclave.certificates().slice(0, -1);
    for (let index = 1; index < bundle.length; index++) {
      const forged = bundle.map((der, i) => cborBytes(i === index ? flipBit(der, 8 * der.length - 9) : der));
      const changed = enclave.document(fields, { members: { cabundle: cborArray(forged) } });
      expect(verifyNitro({ document: changed, trustAnchors, atMs: AT_MS, cache })).toMatchObject({
        code: 'INTERMEDIATE_SIGNATURE',
      });
    }
  });
});
